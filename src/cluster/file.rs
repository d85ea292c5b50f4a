//! `cluster.yaml` as the user writes it. The JSON Schema that `genhost schema` prints is made from these structs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AccountName, ArtifactName, Command, ComponentName, Endpoint, HostName, HostOptions, HubName, Interface,
    InterfaceAddress, LabelKey, LabelWord, Network, NicName, PackageName, ProfileName, Sha256, SshKey, SystemName,
    Timezone, Url, UserName, Version,
};
use crate::yaml::{Entries, Located};

/// One Docker cluster over a SoftEther VPN.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "genhost cluster.yaml")]
pub struct ClusterFile {
    /// Name of the cluster; also the Consul datacenter.
    pub name: Located<HostName>,
    /// Which generation of parts: a file under `profiles/stacks/`.
    pub stack: Located<ProfileName>,
    /// Operating system of the hosts: a file under `profiles/systems/` that the stack lists.
    pub os: Located<SystemName>,
    /// The VPN that joins the hosts.
    pub vpn: VpnSection,
    /// The hosts by name.
    #[serde(default)]
    pub hosts: Entries<HostName, HostSection>,
    /// How a part is installed, e.g. `softether: release`; the stack lists what each os can do.
    #[serde(default)]
    pub install: Entries<ArtifactName, Located<ProfileName>>,
    /// Versions other than the stack's, e.g. `consul: 1.16.0`.
    #[serde(default)]
    pub versions: Entries<ArtifactName, Located<Version>>,
    /// Urls and hashes of artifacts that genhost does not know, or that come from elsewhere.
    #[serde(default)]
    pub artifacts: Entries<ArtifactName, Located<ArtifactSection>>,
    /// Container images by name, loaded from archives (`docker save`): images of the stack that come from no registry then, and
    /// others that every Docker host is to have.
    #[serde(default)]
    pub images: Entries<ArtifactName, Located<ArtifactSection>>,
    /// Labels of every host in the Swarm, e.g. `site: office`: services are placed by `node.labels.site`.
    #[serde(default)]
    pub labels: BTreeMap<LabelKey, LabelWord>,
    /// Where hosts fetch every artifact instead, by its hash: what `genhost mirror` has filled.
    pub mirror: Option<Located<Url>>,
    /// Components that every host gets besides those of its roles.
    #[serde(default)]
    pub components: Vec<Located<ComponentName>>,
    /// Values for components, by component and key.
    #[serde(default)]
    pub settings: Entries<ComponentName, Settings>,
    /// What the hosts' own firewall lets through.
    #[serde(default)]
    pub firewall: FirewallSection,
    /// SSH keys that may log in as the default user of every host's image.
    #[serde(default)]
    pub ssh_authorized_keys: Vec<SshKey>,
    /// Debian packages to install.
    #[serde(default)]
    pub packages: Vec<PackageName>,
    /// Time zone, such as Europe/Berlin.
    pub timezone: Option<Timezone>,
    /// Commands at the end of the first boot, after the cluster's units are started: text for a shell, or a list of words.
    #[serde(default)]
    pub runcmd: Vec<Command>,
}

/// Values of one component.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Settings(pub Entries<ArtifactName, Located<Setting>>);

/// One value of a component.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "true, false, a whole number, text or a list of texts is expected here")]
pub enum Setting {
    /// true or false
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Setting {
    /// The texts of it: none, one, or those of a list.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
            Self::Bool(_) | Self::Integer(_) => &[],
        }
    }

    /// The word for this kind of value in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
        }
    }
}

/// The VPN that joins the hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VpnSection {
    /// Where clients reach the vpn-server: a DNS name or an IPv4 address.
    pub endpoint: Located<Endpoint>,
    /// TCP port of the vpn-server.
    #[serde(default = "VpnSection::default_port", deserialize_with = "port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Name of the Virtual Hub.
    #[serde(default = "VpnSection::default_hub")]
    pub hub: HubName,
    /// Name of the client's virtual network adapter; the interface is `vpn_` and this name.
    #[serde(default = "VpnSection::default_nic")]
    pub nic: NicName,
    /// Name of the client's connection setting.
    #[serde(default = "VpnSection::default_account")]
    pub account: AccountName,
    /// The network inside the VPN; its first address is SecureNAT's own.
    pub network: Located<Network>,
    /// Addresses that SecureNAT's DHCP server hands to people and to hosts on their way in.
    pub dhcp: Located<RangeSection>,
    /// Addresses that hosts rendered by role claim and keep.
    pub claims: Located<RangeSection>,
    /// People who join from a laptop with L2TP/IPsec or a SoftEther client.
    #[serde(default)]
    pub users: Vec<Located<UserName>>,
}

impl VpnSection {
    fn default_port() -> u16 {
        443
    }

    fn default_hub() -> HubName {
        HubName::literal("cluster")
    }

    fn default_nic() -> NicName {
        NicName::literal("vlan0")
    }

    fn default_account() -> AccountName {
        AccountName::literal("private")
    }
}

fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let port = u16::deserialize(deserializer)?;
    match port {
        0 => Err(serde::de::Error::custom("a port is a whole number of 1 to 65535")),
        22 => Err(serde::de::Error::custom("port 22 is SSH's, which every host keeps for its owner")),
        _ => Ok(port),
    }
}

/// A range of addresses, both ends included.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeSection {
    /// The first address.
    #[schemars(with = "String", extend("format" = "ipv4"))]
    pub first: Ipv4Addr,
    /// The last address.
    #[schemars(with = "String", extend("format" = "ipv4"))]
    pub last: Ipv4Addr,
}

/// One host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSection {
    /// What the host does: files under `profiles/roles/`.
    pub roles: Located<Vec<Located<ProfileName>>>,
    /// Where it runs: a file under `profiles/platforms/`. Without one it is measured against the smallest limit.
    pub platform: Option<Located<ProfileName>>,
    /// Its address in the VPN; without one genhost allots one from its name.
    #[schemars(with = "Option<String>", extend("format" = "ipv4"))]
    pub vpn_address: Option<Located<Ipv4Addr>>,
    /// Operating system, when it is not the cluster's.
    pub os: Option<Located<SystemName>>,
    /// Whether it is one of Consul's servers; the vpn-server is one unless it says `client`.
    pub consul: Option<ConsulRole>,
    /// Its network, where nobody's DHCP sets it up. Its seed carries that.
    pub network: Option<Located<NetworkSection>>,
    /// Labels of its own in the Swarm, besides the cluster's; `platform` is its platform unless it says another.
    #[serde(default)]
    pub labels: BTreeMap<LabelKey, LabelWord>,
    /// Components besides those of its roles.
    #[serde(default)]
    pub components: Vec<Located<ComponentName>>,
    /// SSH keys that may log in as the default user of its image, besides the cluster's.
    #[serde(default)]
    pub ssh_authorized_keys: Vec<SshKey>,
    /// Debian packages to install, besides the cluster's.
    #[serde(default)]
    pub packages: Vec<PackageName>,
    /// Time zone, such as Europe/Berlin; else the cluster's.
    pub timezone: Option<Timezone>,
    /// Commands at the end of the first boot, after the cluster's units are started, and the cluster's commands: text for a shell, or a list of words.
    #[serde(default)]
    pub runcmd: Vec<Command>,
}

/// A network that is set up by hand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSection {
    /// Which interface.
    pub interface: Interface,
    /// Its address.
    pub address: InterfaceAddress,
    /// Where everything else is.
    #[schemars(with = "String", extend("format" = "ipv4"))]
    pub gateway: Ipv4Addr,
    /// Who knows names.
    #[schemars(with = "Vec<String>")]
    pub nameservers: Vec<Ipv4Addr>,
}

/// What a host is to Consul.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsulRole {
    /// Keeps the cluster's state.
    Server,
    /// Forwards to the servers.
    Client,
}

/// Where an artifact comes from, laid over `profiles/artifacts/`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactSection {
    /// Where it can be had, tried in this order; `{version}` and `{arch}` stand for themselves.
    #[serde(default)]
    pub urls: Vec<Url>,
    /// SHA-256 by architecture (`amd64`, `arm64`), or `all`, of the version in use.
    #[serde(default)]
    pub sha256: BTreeMap<String, Sha256>,
}

/// What the hosts' own firewall lets through on the public side, besides what the roles offer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirewallSection {
    /// Ports to open, for the host and for its containers, such as `80/tcp`.
    #[serde(default)]
    pub open: Vec<Located<OpenPort>>,
    /// Ports that people on the VPN reach, of what components offer them and of what containers publish; an empty list closes
    /// both. Without it they reach all of these.
    pub people: Option<Vec<Located<OpenPort>>>,
}

/// A port and its protocol, written `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OpenPort {
    /// The port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

impl Protocol {
    /// Its name in the kernel's and in cluster.yaml's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl std::str::FromStr for OpenPort {
    type Err = super::WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(port, protocol)| {
            let protocol = match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => return None,
            };
            port.parse().ok().filter(|port| *port > 0).map(|port| Self { port, protocol })
        });
        parsed.ok_or_else(|| super::WordError::new("a port", text, "a number of 1 to 65535 and /tcp or /udp"))
    }
}

impl<'de> Deserialize<'de> for OpenPort {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for OpenPort {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OpenPort".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{1,5}/(tcp|udp)$" })
    }
}

impl ClusterFile {
    /// What every host has besides the cluster.
    pub fn options(&self) -> HostOptions {
        HostOptions {
            ssh_authorized_keys: self.ssh_authorized_keys.clone(),
            packages: self.packages.clone(),
            timezone: self.timezone.clone(),
            runcmd: self.runcmd.clone(),
        }
    }
}

impl HostSection {
    /// What this host has besides the cluster and the options of all hosts.
    pub fn options(&self) -> HostOptions {
        HostOptions {
            ssh_authorized_keys: self.ssh_authorized_keys.clone(),
            packages: self.packages.clone(),
            timezone: self.timezone.clone(),
            runcmd: self.runcmd.clone(),
        }
    }
}
