//! The one table of every network that a cluster has, compared in pairs. Two that share addresses cut a host off, or send the VPN
//! through itself.

use std::net::Ipv4Addr;

use super::{Catalogue, Stack};
use crate::cluster::{AddressRange, ClusterFile, Network, VAGRANT_NETWORK};
use crate::diagnostic::{Diagnostic, Place, Problem};

/// What a network of the table is: this decides what it must stay clear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Every host has a route to it once it is up: the VPN, Docker's bridges, pools of overlay networks.
    Made,
    /// Means the same on every machine: loopback, multicast and the like.
    Reserved,
    /// In which Vagrant's machines reach each other: every cluster can be tried on a laptop.
    Vagrant,
    /// What a host is connected to, or where hosts reach the VPN server.
    Outside,
    /// A name server, which some platforms have at a link-local address.
    NameServer,
}

impl Kind {
    fn must_stay_clear_of(self, other: Self) -> bool {
        self == Self::Made || other == Self::Made || (self, other) == (Self::Reserved, Self::Outside)
    }
}

/// A network of the table.
struct Row {
    kind: Kind,
    /// What it is, by its key where it has one.
    name: String,
    range: AddressRange,
    /// Where the user wrote it.
    place: Option<Place>,
}

/// Networks that mean the same everywhere (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
const RESERVED: [(&str, [u8; 4], [u8; 4]); 5] = [
    ("0.0.0.0/8, which means this network itself,", [0, 0, 0, 0], [0, 255, 255, 255]),
    ("loopback (127.0.0.0/8)", [127, 0, 0, 0], [127, 255, 255, 255]),
    ("link-local addresses (169.254.0.0/16)", [169, 254, 0, 0], [169, 254, 255, 255]),
    ("multicast (224.0.0.0/4)", [224, 0, 0, 0], [239, 255, 255, 255]),
    ("reserved addresses (240.0.0.0/4)", [240, 0, 0, 0], [255, 255, 255, 255]),
];

/// Every pair that shares addresses, each told once.
pub(super) fn overlaps(catalogue: &Catalogue, stack: &Stack, file: &ClusterFile) -> Vec<Diagnostic> {
    let rows = table(catalogue, stack, file);
    let mut faults = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for earlier in &rows[..index] {
            if earlier.kind.must_stay_clear_of(row.kind) && earlier.range.overlaps(row.range) {
                let problem = Problem::NetworksOverlap { one: row.name.clone(), other: earlier.name.clone() };
                let fault = Diagnostic { problem, place: row.place.or(earlier.place), other: None };
                faults.push(match (row.place, earlier.place) {
                    (Some(_), Some(other)) => fault.against(other),
                    _ => fault,
                });
            }
        }
    }
    faults
}

/// The VPN comes first, then what the user changes more easily.
fn table(catalogue: &Catalogue, stack: &Stack, file: &ClusterFile) -> Vec<Row> {
    let vpn = &file.vpn.network;
    let mut rows: Vec<Row> = RESERVED
        .iter()
        .map(|(name, first, last)| Row {
            kind: Kind::Reserved,
            name: (*name).to_owned(),
            range: AddressRange { first: (*first).into(), last: (*last).into() },
            place: None,
        })
        .collect();
    rows.push(Row {
        kind: Kind::Vagrant,
        name: format!("the network of Vagrant's machines ({VAGRANT_NETWORK})"),
        range: VAGRANT_NETWORK.addresses(),
        place: None,
    });
    rows.push(Row {
        kind: Kind::Made,
        name: format!("`vpn.network` ({})", vpn.value),
        range: vpn.addresses(),
        place: Some(vpn.place),
    });
    rows.extend(pools(catalogue, stack, file));
    for (host, section) in &file.hosts.0 {
        let Some(network) = &section.network else { continue };
        let row = |kind, key: &str, text: String, range| Row {
            kind,
            name: format!("`hosts.{}.network.{key}` ({text})", host.value),
            range,
            place: Some(network.place),
        };
        rows.push(row(Kind::Outside, "address", network.address.to_string(), network.address.network()));
        for server in &network.nameservers {
            rows.push(row(Kind::NameServer, "nameservers", server.to_string(), AddressRange::of(*server)));
        }
    }
    let endpoint = &file.vpn.endpoint;
    rows.extend(endpoint.as_str().parse::<Ipv4Addr>().ok().map(|address| Row {
        kind: Kind::Outside,
        name: format!("`vpn.endpoint` ({address})"),
        range: AddressRange::of(address),
        place: Some(endpoint.place),
    }));
    rows
}

/// Settings of components that are networks.
fn pools<'a>(catalogue: &'a Catalogue, stack: &'a Stack, file: &'a ClusterFile) -> impl Iterator<Item = Row> + use<'a> {
    let of_hosts = file.hosts.0.iter().flat_map(|(_, host)| &host.components);
    let components = catalogue.reachable(stack, file.components.iter().chain(of_hosts));
    components.into_iter().flat_map(move |(name, component)| {
        component.networks().filter_map(move |key| {
            let own = file.settings.0.iter().find(|(component, _)| component.value == *name);
            let own = own.and_then(|(_, settings)| settings.0.0.iter().find(|(own, _)| own.value == *key));
            let value = own.map_or_else(|| component.values.get(key), |(_, value)| Some(&value.value))?;
            let text = value.texts().first()?;
            // What is no network is told where the setting is judged.
            let network = Network::new(text).ok()?;
            Some(Row {
                kind: Kind::Made,
                name: format!("`settings.{name}.{key}` ({network})"),
                range: network.addresses(),
                place: own.map(|(_, value)| value.place),
            })
        })
    })
}
