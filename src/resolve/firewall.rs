//! Which ports a host opens, and to whom.

use std::collections::BTreeSet;

use super::HostFacts;
use super::parts::Selected;
use super::values::{FirewallValues, MetadataValues};
use crate::cluster::{Cluster, OpenPort, Protocol};
use crate::diagnostic::{Diagnostic, Problem, Result};
use crate::load::Catalogue;

/// What the firewall's template sees.
///
/// # Errors
/// A port that cluster.yaml opens to everybody, and that is the cluster's own.
pub(super) fn values(
    catalogue: &Catalogue,
    cluster: &Cluster,
    host: &HostFacts,
    parts: &Selected,
) -> Result<FirewallValues> {
    let is_of_vpn = |open: &OpenPort| parts.vpn_ports.contains(open) || parts.joining_ports.contains(open);
    if let Some(open) = cluster.open.iter().find(|open| is_of_vpn(&open.value)) {
        let protocol = open.protocol.as_str();
        return Err(Diagnostic::at(open.place, Problem::PortOfVpn { port: open.port, protocol }));
    }
    let of_roles = of_roles(cluster, host);
    let open: Vec<OpenPort> = cluster.open.iter().map(|open| open.value).collect();
    let mut public = [&of_roles[..], &open].concat();
    public.sort_unstable_by_key(|open| (open.protocol, open.port));
    public.dedup();
    let of_components = parts.vpn_ports.iter().chain(&parts.people_ports).chain(&parts.joining_ports);
    let own: BTreeSet<OpenPort> = of_components.copied().chain(of_roles).collect();
    // Of what components offer to people, what the cluster lets them have.
    let lets = |open: &&OpenPort| cluster.people.as_ref().is_none_or(|people| people.contains(open));
    let people: BTreeSet<OpenPort> = parts.people_ports.iter().filter(lets).copied().collect();
    // Of the host's platform, or of every platform that a host by role may boot on.
    let platform = host.platform.and_then(|name| catalogue.platforms.get(name));
    let metadata = match platform {
        Some(platform) => MetadataValues::of(std::iter::once(platform)),
        None => MetadataValues::of(catalogue.platforms.values()),
    };
    Ok(FirewallValues {
        public,
        own: (&own).into(),
        open,
        esp: host.is_vpn_server && !cluster.vpn.users.is_empty(),
        vpn: (&parts.vpn_ports).into(),
        joining: (&parts.joining_ports).into(),
        cluster: (&parts.cluster_ports).into(),
        metadata,
        people: (&people).into(),
        published: cluster.people.clone(),
    })
}

/// What a host's roles offer to everybody. 500 and 4500 are IKE and its NAT traversal; L2TP itself comes inside.
fn of_roles(cluster: &Cluster, host: &HostFacts) -> Vec<OpenPort> {
    let port = |port, protocol| OpenPort { port, protocol };
    let mut public = vec![port(22, Protocol::Tcp)];
    if host.is_vpn_server {
        public.push(port(cluster.vpn.port, Protocol::Tcp));
        if !cluster.vpn.users.is_empty() {
            public.extend([500, 4500].map(|number| port(number, Protocol::Udp)));
        }
    }
    public
}
