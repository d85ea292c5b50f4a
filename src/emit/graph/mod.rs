//! The cluster as a picture: hosts, what they are, where they stand, and who opens which port to whom.

mod dot;
mod mermaid;
mod svg;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::cluster::{Cluster, OpenPort, Protocol};
use crate::load::Catalogue;
use crate::resolve::Offers;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

/// What is drawn.
#[derive(Debug)]
pub struct Picture {
    /// The cluster's name.
    pub name: String,
    /// Where clients reach the vpn-server, and its port.
    pub endpoint: String,
    /// The network inside the VPN.
    pub network: String,
    /// Hosts that the internet reaches, and those behind a NAT, each in the order of the file.
    pub cloud: Vec<Node>,
    /// See `cloud`.
    pub behind_nat: Vec<Node>,
    /// People who join from a laptop.
    pub people: Vec<String>,
}

/// A host.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its roles, joined by commas, without those that others imply.
    pub roles: String,
    /// Its platform and operating system.
    pub place: String,
    /// Its address in the VPN.
    pub address: String,
    /// Whether it is the VPN's server.
    pub is_server: bool,
    /// Ports that it opens to the internet, to the VPN's other hosts, and to people on the VPN.
    pub ports: [(Audience, String); 3],
}

/// To whom a port is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever sends a packet.
    Internet,
    /// The other hosts, over the VPN.
    Hosts,
    /// People on the VPN.
    People,
}

impl Audience {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::Hosts => "hosts",
            Self::People => "people",
        }
    }
}

impl Picture {
    /// Gathers it from the cluster and what each of its hosts offers, in the order of the file.
    pub fn new(catalogue: &Catalogue, cluster: &Cluster, offers: &[Offers]) -> Self {
        let server = cluster.vpn_server().name.to_string();
        let (mut cloud, mut behind_nat) = (Vec::new(), Vec::new());
        for (host, offers) in cluster.hosts.iter().zip(offers) {
            let platform = host.platform.as_ref();
            let place = platform.map_or_else(|| "somewhere".to_owned(), ToString::to_string);
            let given = offers.roles.iter().filter_map(|role| catalogue.roles.get(role));
            let implied: BTreeSet<_> = given.flat_map(|role| &role.implies).map(|role| &role.value).collect();
            let roles = offers.roles.iter().filter(|role| !implied.contains(role)).map(ToString::to_string);
            let firewall = &offers.firewall;
            let of = |tcp: &[u16], udp: &[u16]| {
                let part = |ports: &[u16], protocol: Protocol| {
                    let numbers: Vec<String> = ports.iter().map(ToString::to_string).collect();
                    (!ports.is_empty()).then(|| format!("{}/{}", numbers.join(","), protocol.as_str()))
                };
                [part(tcp, Protocol::Tcp), part(udp, Protocol::Udp)].into_iter().flatten().collect::<Vec<_>>().join(" ")
            };
            let all = |hosts: &[u16], joining: &[u16]| {
                hosts.iter().chain(joining).copied().collect::<BTreeSet<u16>>().into_iter().collect::<Vec<_>>()
            };
            let public = |protocol| {
                let ports = firewall.public.iter().filter(|open: &&OpenPort| open.protocol == protocol);
                ports.map(|open| open.port).collect::<Vec<u16>>()
            };
            let node = Node {
                name: host.name.to_string(),
                roles: roles.collect::<Vec<_>>().join(", "),
                place: format!("{place}, {}", offers.system),
                address: Ipv4Addr::to_string(&host.address),
                is_server: host.name.as_str() == server,
                ports: [
                    (Audience::Internet, of(&public(Protocol::Tcp), &public(Protocol::Udp))),
                    (
                        Audience::Hosts,
                        of(
                            &all(&firewall.vpn.tcp, &firewall.joining.tcp),
                            &all(&firewall.vpn.udp, &firewall.joining.udp),
                        ),
                    ),
                    (Audience::People, of(&firewall.people.tcp, &firewall.people.udp)),
                ],
            };
            let is_behind = platform.and_then(|name| catalogue.platforms.get(name)).is_some_and(|it| it.behind_nat);
            if is_behind { behind_nat.push(node) } else { cloud.push(node) }
        }
        Self {
            name: cluster.name.to_string(),
            endpoint: format!("{}:{}", cluster.vpn.endpoint.value, cluster.vpn.port),
            network: cluster.vpn.network.value.to_string(),
            cloud,
            behind_nat,
            people: cluster.vpn.users.iter().map(ToString::to_string).collect(),
        }
    }

    /// Every host, the cloud's first.
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.cloud.iter().chain(&self.behind_nat)
    }

    /// The VPN's server.
    fn server(&self) -> Option<&Node> {
        self.nodes().find(|node| node.is_server)
    }
}
