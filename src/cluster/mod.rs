//! The cluster as the user means it: words that cannot hold nonsense, `cluster.yaml` as it is written, and the
//! validated [`Cluster`] that `load` makes of it.

mod address;
mod file;
mod kind;
mod options;
mod word;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub use address::{AddressRange, InterfaceAddress, Network, VAGRANT_NETWORK};
pub use file::{
    ArtifactSection, ClusterFile, ConsulRole, FirewallSection, HostSection, NetworkSection, OpenPort, Protocol,
    RangeSection, Setting, Settings, VpnSection,
};
pub use kind::Kind;
pub use options::{Command, HostOptions};
pub use word::{
    AccountName, Arch, ArtifactName, ComponentName, Endpoint, Fingerprint, HostName, HostPath, HubName, ImageDigest,
    Interface, LabelKey, LabelWord, ListenAddress, NicName, Origin, PackageName, ProfileName, Sha256, SshKey,
    SystemName, Timezone, UnitName, Url, UserName, Version, WordError,
};

use crate::diagnostic::Problem;
use crate::yaml::Located;

/// A cluster in which everything named exists and nothing collides.
#[derive(Debug)]
pub struct Cluster {
    /// Its name, also the Consul datacenter.
    pub name: HostName,
    /// The stack.
    pub stack: Located<ProfileName>,
    /// The hosts' operating system, unless they have one of their own.
    pub system: Located<SystemName>,
    /// The VPN.
    pub vpn: Vpn,
    /// The hosts, in the order of the file.
    pub hosts: Vec<Host>,
    /// Position in `hosts` of the one vpn-server.
    pub vpn_server: usize,
    /// Where every artifact is fetched, by its hash, instead of its own urls.
    pub mirror: Option<Url>,
    /// Labels of every host in the Swarm.
    pub labels: BTreeMap<LabelKey, LabelWord>,
    /// Ways of install that differ from the stack's first.
    pub install: BTreeMap<ArtifactName, Located<ProfileName>>,
    /// Versions that differ from the stack's.
    pub versions: BTreeMap<ArtifactName, Located<Version>>,
    /// Artifacts from elsewhere.
    pub artifacts: BTreeMap<ArtifactName, Located<ArtifactSection>>,
    /// Container images that are loaded from archives.
    pub images: BTreeMap<ArtifactName, ContainerImage>,
    /// Components of every host.
    pub components: Vec<Located<ComponentName>>,
    /// Components that some host has besides those of its roles, each once.
    pub host_components: Vec<Located<ComponentName>>,
    /// Values for components, each at its place.
    pub settings: BTreeMap<ComponentName, BTreeMap<ArtifactName, Located<Setting>>>,
    /// What every host has besides the cluster.
    pub options: HostOptions,
    /// Ports opened to the public side.
    pub open: Vec<Located<OpenPort>>,
    /// What people on the VPN reach; `None`: all that is offered to them.
    pub people: Option<Vec<OpenPort>>,
}

impl Cluster {
    /// The host with the role of the VPN server.
    pub fn vpn_server(&self) -> &Host {
        &self.hosts[self.vpn_server]
    }

    /// The host of that name.
    pub fn host(&self, name: &HostName) -> Result<&Host, Problem> {
        self.hosts.iter().find(|host| host.name.value == *name).ok_or_else(|| {
            let known = self.hosts.iter().map(|host| host.name.to_string()).collect();
            Problem::Unknown { what: "host", name: name.to_string(), known }
        })
    }

    /// Consul's servers in the order of the file.
    pub fn consul_servers(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.consul == ConsulRole::Server)
    }
}

/// A container image that is loaded from an archive.
#[derive(Debug)]
pub struct ContainerImage {
    /// The archive's name among the artifacts.
    pub artifact: ArtifactName,
    /// Where the archive can be had, and its hash; neither is empty.
    pub archive: Located<ArtifactSection>,
}

/// The VPN of a cluster.
#[derive(Debug)]
pub struct Vpn {
    /// Where clients reach the server.
    pub endpoint: Located<Endpoint>,
    /// The server's TCP port.
    pub port: u16,
    /// The Virtual Hub.
    pub hub: HubName,
    /// The client's virtual network adapter.
    pub nic: NicName,
    /// The client's connection setting.
    pub account: AccountName,
    /// The network inside.
    pub network: Located<Network>,
    /// The DHCP server's pool.
    pub dhcp: AddressRange,
    /// What hosts rendered by role claim their address from.
    pub claims: AddressRange,
    /// People, in the order of the file.
    pub users: Vec<UserName>,
}

/// One host of a cluster.
#[derive(Debug)]
pub struct Host {
    /// Its name and place.
    pub name: Located<HostName>,
    /// Its roles and those that they imply, sorted.
    pub roles: Vec<ProfileName>,
    /// Its operating system.
    pub system: Located<SystemName>,
    /// Where it runs.
    pub platform: Option<ProfileName>,
    /// Its address in the VPN, given or allotted.
    pub address: Ipv4Addr,
    /// Why it has this one.
    pub address_source: AddressSource,
    /// What it is to Consul.
    pub consul: ConsulRole,
    /// Its network, where it is set up by hand.
    pub network: Option<NetworkSection>,
    /// Its labels in the Swarm, besides the cluster's.
    pub labels: BTreeMap<LabelKey, LabelWord>,
    /// Components besides those of its roles.
    pub components: Vec<Located<ComponentName>>,
    /// What it has besides the cluster, the options of all hosts among it.
    pub options: HostOptions,
}

/// Why a host has its VPN address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressSource {
    /// cluster.yaml gives it.
    Given,
    /// The lock keeps it.
    Locked,
    /// Its name falls on it, or on one that an older host has.
    Name,
    /// The lock keeps another one, which no host may have any more.
    Moved(Ipv4Addr),
    /// Its name falls on one that this other host has.
    Displaced(HostName),
}
