//! What is hardly meant, though nothing is wrong with it.

use std::net::Ipv4Addr;

use super::labels;
use crate::cluster::{AddressSource, Cluster, VAGRANT_NETWORK};
use crate::diagnostic::{Diagnostic, Problem};
use crate::load::Catalogue;
use crate::secrets::Secrets;

/// An endpoint that is still the example's, or that only its own network reaches; an address that a host lost to another; a swarm
/// that nobody begins; secrets of hosts or users that there are not.
pub fn doubts(catalogue: &Catalogue, cluster: &Cluster, secrets: &Secrets) -> Vec<Diagnostic> {
    let mut doubts = Vec::new();
    let endpoint = &cluster.vpn.endpoint;
    if endpoint.is_example() {
        let problem = Problem::ExampleEndpoint { endpoint: endpoint.to_string() };
        doubts.push(Diagnostic::at(endpoint.place, problem));
    }
    let address = endpoint.as_str().parse::<Ipv4Addr>().ok();
    if address.is_some_and(|address| is_private(address) && !VAGRANT_NETWORK.hosts().contains(address)) {
        let problem = Problem::PrivateEndpoint { endpoint: endpoint.to_string() };
        doubts.push(Diagnostic::at(endpoint.place, problem));
    }
    for host in &cluster.hosts {
        let (name, address) = (host.name.to_string(), host.address);
        let problem = match &host.address_source {
            AddressSource::Displaced(other) => {
                Problem::AddressDisplaced { host: name, address, other: other.to_string() }
            }
            AddressSource::Moved(before) => Problem::AddressMoved { host: name, address, before: *before },
            AddressSource::Given | AddressSource::Locked | AddressSource::Name => continue,
        };
        doubts.push(Diagnostic::at(host.name.place, problem));
    }
    let is_managed = cluster.hosts.iter().any(|host| catalogue.manages_swarm(&host.roles));
    if !is_managed && catalogue.stacks.get(&cluster.stack.value).is_some_and(|stack| stack.begins_swarm(catalogue)) {
        doubts.push(Diagnostic::at(cluster.stack.place, Problem::NobodyBegins));
    }
    let known: Vec<String> = labels(catalogue, cluster).iter().map(ToString::to_string).collect();
    for (label, place) in secrets.named_labels() {
        if !known.contains(&label.to_string()) {
            let problem = Problem::SecretOfNobody { label: label.to_string(), known: known.clone() };
            doubts.push(Diagnostic::at(place, problem));
        }
    }
    doubts
}

/// Whether an address is of RFC 1918, or of a provider's NAT (RFC 6598).
fn is_private(address: Ipv4Addr) -> bool {
    address.is_private() || (address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64)
}
