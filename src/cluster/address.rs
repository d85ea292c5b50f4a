//! Networks and ranges of IPv4 addresses.

use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::WordError;
use super::word::text_form;

/// An IPv4 network in CIDR notation, /8 to /29, written without host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u32,
    prefix: u8,
}

/// The network in which the machines of `genhost vagrant --all` reach each other. VirtualBox takes none but 192.168.56.0/21 without
/// being asked (<https://www.virtualbox.org/manual/ch06.html#network_hostonly>).
pub const VAGRANT_NETWORK: Network = Network { base: 0xc0a8_3800, prefix: 24 };

const RULE: &str = "an IPv4 network such as 192.168.30.0/24, /8 to /29, without host bits";
const PATTERN: &str = "^[0-9.]+/[0-9]+$";

impl Network {
    /// Takes `a.b.c.d/n`.
    pub fn new(text: &str) -> Result<Self, WordError> {
        let error = || WordError::new("a network", text, RULE);
        let (base, prefix) = text.split_once('/').ok_or_else(error)?;
        let base = u32::from(base.parse::<Ipv4Addr>().map_err(|_| error())?);
        let prefix: u8 = prefix.parse().map_err(|_| error())?;
        let network = Self { base, prefix };
        if !(8..=29).contains(&prefix) || base & !network.mask() != 0 {
            return Err(error());
        }
        Ok(network)
    }

    fn mask(self) -> u32 {
        u32::MAX << (32 - u32::from(self.prefix))
    }

    /// Length of the prefix in bits.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The netmask as an address.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from(self.mask())
    }

    /// The first address that a host may have: SecureNAT's own.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// Every address of it.
    pub fn addresses(self) -> AddressRange {
        AddressRange { first: Ipv4Addr::from(self.base), last: Ipv4Addr::from(self.base | !self.mask()) }
    }

    /// Every address that a host may have, the gateway's among them.
    pub fn hosts(self) -> AddressRange {
        AddressRange { first: Ipv4Addr::from(self.base + 1), last: Ipv4Addr::from((self.base | !self.mask()) - 1) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

text_form!(Network, RULE, PATTERN);

/// An IPv4 address and the length of its network's prefix, such as 192.168.1.20/24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    address: Ipv4Addr,
    prefix: u8,
}

const INTERFACE_RULE: &str = "an IPv4 address with its prefix such as 192.168.1.20/24, /8 to /30";

impl InterfaceAddress {
    /// Takes `a.b.c.d/n`.
    pub fn new(text: &str) -> Result<Self, WordError> {
        let error = || WordError::new("an address", text, INTERFACE_RULE);
        let (address, prefix) = text.split_once('/').ok_or_else(error)?;
        let address = address.parse().map_err(|_| error())?;
        let prefix = prefix.parse().ok().filter(|prefix| (8..=30).contains(prefix)).ok_or_else(error)?;
        Ok(Self { address, prefix })
    }

    /// Every address of its network.
    pub fn network(self) -> AddressRange {
        let mask = u32::MAX << (32 - u32::from(self.prefix));
        let base = u32::from(self.address) & mask;
        AddressRange { first: Ipv4Addr::from(base), last: Ipv4Addr::from(base | !mask) }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

text_form!(InterfaceAddress, INTERFACE_RULE, PATTERN);

/// Addresses from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AddressRange {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address, not below the first.
    pub last: Ipv4Addr,
}

impl AddressRange {
    /// One address alone.
    pub fn of(address: Ipv4Addr) -> Self {
        Self { first: address, last: address }
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// Whether two ranges share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The address at `index`, counted from 0, of what is left of this range when `taken` ranges are left out.
    pub fn nth_outside(self, index: u32, taken: &[AddressRange]) -> Option<Ipv4Addr> {
        let mut left = u64::from(index);
        for (start, count) in self.gaps(taken) {
            if left < count {
                return u32::try_from(start + left).ok().map(Ipv4Addr::from);
            }
            left -= count;
        }
        None
    }

    /// How many addresses are left when `taken` ranges are left out.
    pub fn count_outside(self, taken: &[AddressRange]) -> u64 {
        self.gaps(taken).iter().map(|(_, count)| count).sum()
    }

    /// The first address of each gap that `taken` ranges leave, and its length. They may overlap and reach out of this.
    fn gaps(self, taken: &[AddressRange]) -> Vec<(u64, u64)> {
        let number = |address: Ipv4Addr| u64::from(u32::from(address));
        let mut taken: Vec<_> = taken.iter().map(|range| (number(range.first), number(range.last) + 1)).collect();
        let end = number(self.last) + 1;
        taken.push((end, end));
        taken.sort_unstable();
        let mut start = number(self.first);
        let mut gaps = Vec::new();
        for (first, after) in taken {
            let first = first.min(end);
            if first > start {
                gaps.push((start, first - start));
            }
            start = start.max(after);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: [u8; 4], last: [u8; 4]) -> AddressRange {
        AddressRange { first: first.into(), last: last.into() }
    }

    #[test]
    fn addresses_outside_of_ranges_are_counted_through_the_gaps() {
        let hosts = Network::new("192.168.30.0/24").unwrap().hosts();
        let taken = [range([192, 168, 30, 100], [192, 168, 30, 199]), range([192, 168, 30, 1], [192, 168, 30, 1])];
        let all: Vec<u8> = (0..).map_while(|n| hosts.nth_outside(n, &taken)).map(|a| a.octets()[3]).collect();
        let expected: Vec<u8> = (2..100).chain(200..255).collect();
        assert_eq!(all, expected);
        assert_eq!(hosts.count_outside(&taken), expected.len() as u64);
    }

    #[test]
    fn ranges_that_overlap_or_reach_out_are_counted_once() {
        let hosts = Network::new("192.168.30.0/24").unwrap().hosts();
        let pool = range([192, 168, 30, 2], [192, 168, 30, 250]);
        assert_eq!(hosts.count_outside(&[pool, pool, range([192, 168, 30, 240], [255, 255, 255, 255])]), 1);
        assert_eq!(
            hosts.nth_outside(0, &[pool, range([0, 0, 0, 0], [192, 168, 30, 1])]),
            Some([192, 168, 30, 251].into())
        );
        assert_eq!(hosts.nth_outside(0, &[range([0, 0, 0, 0], [255, 255, 255, 255])]), None);
    }

    #[test]
    fn networks_with_host_bits_or_absurd_sizes_are_refused() {
        for text in ["192.168.30.1/24", "10.0.0.0/7", "10.0.0.0/30", "10.0.0.0", "10.0.0.0/x", "fd00::/8", ""] {
            assert!(Network::new(text).is_err(), "{text}");
        }
    }
}
