//! The VPN addresses of hosts known by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use crate::cluster::{AddressRange, AddressSource, ClusterFile, HostName, Network};
use crate::diagnostic::{Diagnostic, Problem};

/// Which addresses hosts known by name may have: those of the network that are neither its gateway's nor in a range.
pub(super) struct Addresses {
    network: Network,
    dhcp: AddressRange,
    claims: AddressRange,
}

/// Who has which address, and why.
pub(super) type Allotted = BTreeMap<HostName, (Ipv4Addr, AddressSource)>;

impl Addresses {
    pub fn new(network: Network, dhcp: AddressRange, claims: AddressRange) -> Self {
        Self { network, dhcp, claims }
    }

    /// An address for every host. Those that cluster.yaml gives come first, then those that the lock keeps, as far as they can
    /// still be had. Of the others each gets the first free one of a sequence that its name alone decides; where two want the
    /// same one, their names decide who goes on. So the order of the file does not matter, and no host that joins moves one that the
    /// lock knows.
    pub fn allot(&self, file: &ClusterFile, locked: &BTreeMap<HostName, Ipv4Addr>) -> (Allotted, Vec<Diagnostic>) {
        let mut faults = Vec::new();
        let mut taken: BTreeMap<Ipv4Addr, (HostName, Option<crate::diagnostic::Place>)> = BTreeMap::new();
        let mut allotted = Allotted::new();
        for (name, section) in &file.hosts.0 {
            let Some(address) = &section.vpn_address else { continue };
            if let Some(problem) = self.refuse(address.value) {
                faults.push(Diagnostic::at(address.place, problem));
            } else if let Some((other, place)) = taken.get(&address.value) {
                let problem = Problem::AddressTaken { address: address.value, other: other.to_string() };
                let fault = Diagnostic::at(address.place, problem);
                faults.push(place.map_or(fault.clone(), |place| fault.against(place)));
            } else {
                taken.insert(address.value, (name.value.clone(), Some(address.place)));
            }
            allotted.insert(name.value.clone(), (address.value, AddressSource::Given));
        }
        let open: BTreeSet<&HostName> =
            file.hosts.0.iter().map(|(name, _)| &name.value).filter(|name| !allotted.contains_key(*name)).collect();
        let mut lost = BTreeMap::new();
        for (name, address) in locked.iter().filter(|(name, _)| open.contains(name)) {
            if let Some((_, place)) = taken.get(address) {
                let fault = Diagnostic::nowhere(Problem::AddressLocked { address: *address, other: name.to_string() });
                faults.push(place.map_or(fault.clone(), |place| fault.or_at(place)));
            } else if self.refuse(*address).is_some() {
                lost.insert(name, *address);
            } else {
                taken.insert(*address, (name.clone(), None));
                allotted.insert(name.clone(), (*address, AddressSource::Locked));
            }
        }
        let mut by_hash: Vec<_> = open.into_iter().filter(|name| !allotted.contains_key(*name)).collect();
        by_hash.sort_by_key(|name| hash("genhost vpn address order", name));
        for name in by_hash {
            let mut wanted = self.sequence(name);
            let first = wanted.next();
            let free = first.into_iter().chain(wanted).find(|address| !taken.contains_key(address));
            let Some(address) = free else {
                let place = file.hosts.0.iter().find(|(other, _)| other.value == *name).map(|(name, _)| name.place);
                let fault = Diagnostic::nowhere(Problem::NetworkFull);
                faults.push(place.map_or(fault.clone(), |place| fault.or_at(place)));
                continue;
            };
            let before = first.and_then(|first| taken.get(&first)).map(|(other, _)| other);
            let is_older = |other: &HostName| allotted.get(other).is_some_and(|(_, why)| *why == AddressSource::Locked);
            let source = match (lost.get(name), before) {
                (Some(lost), _) => AddressSource::Moved(*lost),
                (None, Some(other)) if !is_older(other) => AddressSource::Displaced(other.clone()),
                (None, _) => AddressSource::Name,
            };
            taken.insert(address, (name.clone(), None));
            allotted.insert(name.clone(), (address, source));
        }
        (allotted, faults)
    }

    fn refuse(&self, address: Ipv4Addr) -> Option<Problem> {
        if !self.network.hosts().contains(address) {
            let AddressRange { first, last } = self.network.hosts();
            Some(Problem::AddressOutside { address, network: self.network.to_string(), first, last })
        } else if address == self.network.gateway() {
            Some(Problem::AddressOfGateway { address })
        } else if self.dhcp.contains(address) {
            Some(Problem::AddressInRange { address, name: "dhcp" })
        } else if self.claims.contains(address) {
            Some(Problem::AddressInRange { address, name: "claims" })
        } else {
            None
        }
    }

    /// Every address that a host may have, once, from the one on that its name falls on.
    fn sequence(&self, name: &HostName) -> impl Iterator<Item = Ipv4Addr> {
        let hosts = self.network.hosts();
        let reserved = [AddressRange::of(self.network.gateway()), self.dhcp, self.claims];
        let count = hosts.count_outside(&reserved);
        let start = hash("genhost vpn address", name).checked_rem(count).unwrap_or(0);
        (0..count).filter_map(move |step| {
            let index = u32::try_from((start + step) % count).ok()?;
            hosts.nth_outside(index, &reserved)
        })
    }
}

fn hash(what: &str, name: &HostName) -> u64 {
    let hash = Sha256::digest(format!("{what} {name}"));
    hash[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
