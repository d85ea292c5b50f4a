//! What templates may ask for. A field of a struct here is a dotted name there: `vpn.client.user`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Serialize;

use super::Artifact;
use crate::cluster::{
    AccountName, AddressRange, ArtifactName, Endpoint, HostName, HubName, LabelKey, LabelWord, Network, NicName,
    OpenPort, Protocol, Setting, UnitName, Version,
};
use crate::load::{Platform, System};
use crate::secrets::Secret;

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A value of a component's own: `this.<key>`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum OwnValue {
    /// Of its `values`, or cluster.yaml's `settings`.
    Setting(Setting),
    /// Of its `secrets`.
    Secret(Secret),
}

/// All values of one host. What a host must not know is absent, so that no template can give it away.
#[derive(Debug, Serialize)]
pub struct Values {
    /// `cluster.…`
    pub cluster: ClusterValues,
    /// `host.…`
    pub host: HostValues,
    /// `vpn.…`
    pub vpn: VpnValues,
    /// `firewall.…`
    pub firewall: FirewallValues,
    /// `consul.…`
    pub consul: ConsulValues,
    /// `swarm.…`
    pub swarm: SwarmValues,
    /// `artifact.<name>.…`
    pub artifact: BTreeMap<ArtifactName, ArtifactValues>,
    /// `image.<name>`: a reference by digest.
    pub image: BTreeMap<ArtifactName, String>,
    /// `versions.<name>`
    pub versions: BTreeMap<ArtifactName, Version>,
    /// `variant.<choice>.<key>`
    pub variant: BTreeMap<ArtifactName, BTreeMap<ArtifactName, Setting>>,
}

/// The cluster.
#[derive(Debug, Serialize)]
pub struct ClusterValues {
    /// Its name, also the Consul datacenter.
    pub name: HostName,
}

/// The host as a whole.
#[derive(Debug, Serialize)]
pub struct HostValues {
    /// Its operating system.
    pub system: SystemValues,
    /// Its labels in the Swarm: the cluster's, its own, and `platform`, which hosts rendered by role do not know.
    pub labels: BTreeMap<LabelKey, LabelWord>,
    /// What genhost.target wants.
    pub units: Vec<UnitName>,
    /// What the first boot waits for.
    pub first_boot: Vec<UnitName>,
    /// What it fetches.
    pub artifacts: Vec<ArtifactName>,
    /// Names of its package sources besides the distribution's, ascending.
    pub apt_sources: Vec<ArtifactName>,
    /// What it installs.
    pub packages: Vec<String>,
    /// Container images that it loads from archives; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageValues>,
}

/// A container image from an archive.
#[derive(Debug, Serialize)]
pub struct ImageValues {
    /// Its name; its archive is the artifact `image_<name>`.
    pub name: ArtifactName,
    /// Its tag on the host.
    pub tag: Version,
}

/// The operating system, in the words of os-release(5).
#[derive(Debug, Serialize)]
pub struct SystemValues {
    /// `ID`
    pub distribution: String,
    /// `VERSION_ID`
    pub release: String,
    /// `VERSION_CODENAME`
    pub codename: String,
}

impl From<&System> for SystemValues {
    fn from(system: &System) -> Self {
        Self {
            distribution: system.distribution.clone(),
            release: system.release.clone(),
            codename: system.codename.clone(),
        }
    }
}

/// The VPN.
#[derive(Debug, Serialize)]
pub struct VpnValues {
    /// Virtual Hub.
    pub hub: HubName,
    /// Virtual network adapter, in SoftEther's words.
    pub nic: NicName,
    /// The same, in the kernel's.
    pub interface: String,
    /// The server's TCP port.
    pub port: u16,
    /// The network inside.
    pub network: Network,
    /// Length of its prefix.
    pub prefix: u8,
    /// Its netmask.
    pub netmask: Ipv4Addr,
    /// SecureNAT's own address.
    pub gateway: Ipv4Addr,
    /// The vpn-server host's address inside.
    pub server_address: Ipv4Addr,
    /// The DHCP server's pool.
    pub dhcp: AddressRange,
    /// What hosts rendered by role claim from.
    pub claims: ClaimValues,
    /// The host's own address; absent when it claims one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// Its client.
    pub client: ClientValues,
    /// Its server; absent on every host but one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerValues>,
}

/// A range of addresses, also in the numbers that a shell can count with.
#[derive(Debug, Serialize)]
pub struct ClaimValues {
    /// First address.
    pub first: Ipv4Addr,
    /// Last address.
    pub last: Ipv4Addr,
    /// The first address as a number.
    pub number: u32,
    /// How many addresses there are.
    pub count: u32,
}

impl From<AddressRange> for ClaimValues {
    fn from(range: AddressRange) -> Self {
        let (first, last) = (u32::from(range.first), u32::from(range.last));
        Self { first: range.first, last: range.last, number: first, count: last - first + 1 }
    }
}

/// SoftEther's client.
#[derive(Debug, Serialize)]
pub struct ClientValues {
    /// Connection setting.
    pub account: AccountName,
    /// Where the server is, from here.
    pub endpoint: Endpoint,
    /// VPN user.
    pub user: String,
    /// Its password's hash.
    pub password_hash: Secret,
    /// The hash of the password that manages the client.
    pub management_hash: Secret,
    /// The server's certificate, DER in base64; absent on the vpn-server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Address of the virtual network adapter, or `@MAC@` where the host makes it.
    pub mac: String,
}

/// SoftEther's server.
#[derive(Debug, Serialize)]
pub struct ServerValues {
    /// The administrator's password's hash.
    pub administrator_hash: Secret,
    /// The hub's password's hash.
    pub hub_hash: Secret,
    /// The hub's `SecurePassword`.
    pub hub_secure_hash: Secret,
    /// Certificate, DER in base64.
    pub certificate: String,
    /// Key, PKCS#1 DER in base64.
    pub key: Secret,
    /// SecureNAT's own hardware address.
    pub gateway_mac: String,
    /// Who may connect.
    pub accounts: Vec<AccountValues>,
    /// Whether L2TP/IPsec is offered.
    pub l2tp: bool,
    /// L2TP/IPsec's pre-shared key.
    pub psk: Secret,
}

/// A VPN user.
#[derive(Debug, Serialize)]
pub struct AccountValues {
    /// Name.
    pub name: String,
    /// Its password's hash.
    pub hash: Secret,
    /// The hash that L2TP needs; empty for hosts.
    pub ntlm: Secret,
    /// What its policy is: `_host`, `_role` or `_people`. No account can be called so.
    pub group: &'static str,
    /// The one address that it may send from; absent where the host claims one, or a lease decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// The one hardware address that it may send from; absent where the host or a person's machine has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// The firewall.
#[derive(Debug, Serialize)]
pub struct FirewallValues {
    /// What the host offers on the public side.
    pub public: Vec<OpenPort>,
    /// Of these, what its containers may offer too.
    pub open: Vec<OpenPort>,
    /// What it listens on itself, on either side, so that no container may take it.
    pub own: PortValues,
    /// Whether it takes IPsec that no NAT made into UDP.
    pub esp: bool,
    /// What it offers to the other hosts on the VPN.
    pub vpn: PortValues,
    /// What it offers to whoever is on the VPN, hosts on their way in among them.
    pub joining: PortValues,
    /// What any host of the cluster may offer, which containers do not reach.
    pub cluster: PortValues,
    /// Where the platform has what containers may not read.
    pub metadata: Vec<MetadataValues>,
    /// What it offers to people on the VPN too.
    pub people: PortValues,
    /// What containers may offer to people; absent: whatever they publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Vec<OpenPort>>,
}

/// An address at which a platform tells a host its user-data.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataValues {
    /// `ip` or `ip6`, nftables' words for the families.
    pub family: &'static str,
    /// The address.
    pub address: IpAddr,
    /// Whether the platform's resolver answers there too.
    pub resolves: bool,
}

impl MetadataValues {
    /// Of one platform, or of all that are known where nobody knows which it is.
    pub(super) fn of<'p>(platforms: impl Iterator<Item = &'p Platform>) -> Vec<Self> {
        let mut known: BTreeMap<IpAddr, bool> = BTreeMap::new();
        for platform in platforms {
            for address in &platform.metadata.addresses {
                *known.entry(*address).or_default() |= platform.metadata.resolvers.contains(address);
            }
        }
        let family = |address: &IpAddr| if address.is_ipv4() { "ip" } else { "ip6" };
        known.into_iter().map(|(address, resolves)| Self { family: family(&address), address, resolves }).collect()
    }
}

/// Ports by protocol.
#[derive(Debug, Serialize)]
pub struct PortValues {
    /// TCP ports, ascending.
    pub tcp: Vec<u16>,
    /// UDP ports, ascending.
    pub udp: Vec<u16>,
}

impl From<&BTreeSet<OpenPort>> for PortValues {
    fn from(ports: &BTreeSet<OpenPort>) -> Self {
        let of = |protocol| ports.iter().filter(|open| open.protocol == protocol).map(|open| open.port).collect();
        Self { tcp: of(Protocol::Tcp), udp: of(Protocol::Udp) }
    }
}

/// Consul.
#[derive(Debug, Serialize)]
pub struct ConsulValues {
    /// Whether it keeps the cluster's state.
    pub server: bool,
    /// How many servers there are.
    pub bootstrap_expect: usize,
    /// The other servers' addresses.
    pub retry_join: Vec<Ipv4Addr>,
    /// A server whose HTTP API answers on the VPN.
    pub api_address: Ipv4Addr,
    /// Key of the gossip.
    pub encrypt: Secret,
    /// The host's own certificate, the authority's, and the host's key, in PEM and in this order.
    pub identity: Secret,
    /// go-sockaddr template of the address to bind to.
    pub bind_addr: String,
    /// Tokens; absent where Consul asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl: Option<AclValues>,
}

/// Who may what in Consul.
#[derive(Debug, Serialize)]
pub struct AclValues {
    /// The host's own token.
    pub token: Secret,
    /// The token that may everything: Consul's servers', which keep all tokens anyway, and the vpn-server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<Secret>,
    /// Policies: the vpn-server's alone, as is what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyValues>>,
    /// Everybody's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Vec<TokenValues>>,
}

/// A policy.
#[derive(Debug, Serialize)]
pub struct PolicyValues {
    /// Its name.
    pub name: String,
    /// Its rules, in Consul's own language.
    pub rules: String,
}

/// A token.
#[derive(Debug, Serialize)]
pub struct TokenValues {
    /// Whose it is.
    pub name: String,
    /// Under what Consul keeps it, a UUID.
    pub accessor: String,
    /// The token, a UUID.
    pub secret: Secret,
    /// Names of its policies.
    pub policies: Vec<String>,
    /// The one node that it may register; absent when any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<HostName>,
}

/// The Swarm.
#[derive(Debug, Serialize)]
pub struct SwarmValues {
    /// Addresses of the managers known by name, other than this host.
    pub others: Vec<Ipv4Addr>,
    /// Its place among all of these, by address, counted from 0; absent where it is none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
}

/// An artifact.
#[derive(Debug, Serialize)]
pub struct ArtifactValues {
    /// Version in use.
    pub version: Version,
    /// What its profile says of that version.
    pub values: BTreeMap<String, Setting>,
}

impl From<&Artifact> for ArtifactValues {
    fn from(artifact: &Artifact) -> Self {
        Self { version: artifact.version.clone(), values: artifact.values.clone() }
    }
}
