//! Every decision for one host, made: from a [`Cluster`] and its secrets to a [`HostPlan`]. No bytes yet.

mod acl;
mod artifact;
mod doubts;
mod firewall;
mod labels;
mod parts;
mod plan;
mod values;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

pub use artifact::{Artifact, Pin, SumsUrls, sums_urls, urls};
pub use doubts::doubts;
pub use labels::labels;
pub use parts::{PlannedComponent, PlannedFile};
pub use plan::{AptKey, AptSource, HostPlan, Subject};
pub use values::{FirewallValues, OwnValue, Values};

use crate::cluster::{
    ArtifactName, Cluster, ComponentName, ConsulRole, Endpoint, Host, HostName, HostOptions, LabelKey, LabelWord,
    NetworkSection, ProfileName, SystemName, Version,
};
use crate::diagnostic::{Diagnostic, Problem, Result};
use crate::load::{Catalogue, KeyRules, Stack, System};
use crate::secrets::{
    Bearer, Label, Secrets, hub_secure_password_hash, nt_password_hash, password_hash, user_password_hash,
};
use crate::yaml::Located;

/// Makes every decision for one host.
///
/// # Errors
/// A part that has no pinned hash, a package or url that names an unknown word, two components that write one file.
pub fn resolve(catalogue: &Catalogue, cluster: &Cluster, secrets: &Secrets, subject: &Subject) -> Result<HostPlan> {
    Resolver { catalogue, cluster, secrets, host: HostFacts::new(catalogue, cluster, subject)? }.plan(subject)
}

/// What is known of the host before anything is decided: the same for one with a name and one rendered by role.
struct HostFacts<'a> {
    roles: Vec<ProfileName>,
    system: &'a Located<SystemName>,
    platform: Option<&'a ProfileName>,
    network: Option<&'a NetworkSection>,
    labels: Option<&'a BTreeMap<LabelKey, LabelWord>>,
    consul: ConsulRole,
    extra: &'a [Located<ComponentName>],
    options: &'a HostOptions,
    /// `None`: it claims one on the host.
    address: Option<Ipv4Addr>,
    account: Label,
    /// `None`: it is made on the host.
    mac: Option<String>,
    is_vpn_server: bool,
}

impl<'a> HostFacts<'a> {
    fn new(catalogue: &'a Catalogue, cluster: &'a Cluster, subject: &Subject) -> Result<Self> {
        match subject {
            Subject::Host(name) => Ok(Self::named(catalogue, cluster.host(name)?)),
            Subject::Roles(asked) => Self::by_role(catalogue, cluster, asked),
        }
    }

    fn named(catalogue: &Catalogue, host: &'a Host) -> Self {
        Self {
            is_vpn_server: is_vpn_server(catalogue, &host.roles),
            roles: host.roles.clone(),
            system: &host.system,
            platform: host.platform.as_ref(),
            network: host.network.as_ref(),
            labels: Some(&host.labels),
            consul: host.consul,
            extra: &host.components,
            options: &host.options,
            address: Some(host.address),
            account: Label::Host(host.name.value.clone()),
            mac: Some(mac(host.name.as_str())),
        }
    }

    /// A host that many machines may boot as. The vpn-server is the exception: there is one, so it is the cluster's in all
    /// but the name.
    fn by_role(catalogue: &'a Catalogue, cluster: &'a Cluster, asked: &[Located<ProfileName>]) -> Result<Self> {
        let roles = catalogue.close_roles(asked)?;
        let is_vpn_server = is_vpn_server(catalogue, &roles);
        let by_role = roles.iter().find_map(|role| catalogue.roles.get(role)?.consul);
        let known = is_vpn_server.then(|| cluster.vpn_server());
        let account = match known {
            Some(host) => Label::Host(host.name.value.clone()),
            None => {
                let role = main_role(catalogue, &roles).ok_or(Problem::NoRoles { host: "--role".to_owned() })?;
                Label::Role(role.clone())
            }
        };
        Ok(Self {
            is_vpn_server,
            system: known.map_or(&cluster.system, |host| &host.system),
            platform: None,
            network: known.and_then(|host| host.network.as_ref()),
            labels: known.map(|host| &host.labels),
            consul: known.map(|host| host.consul).or(by_role).unwrap_or(ConsulRole::Client),
            extra: known.map_or(&[], |host| &host.components),
            options: known.map_or(&cluster.options, |host| &host.options),
            address: known.map(|host| host.address),
            mac: known.map(|host| mac(host.name.as_str())),
            account,
            roles,
        })
    }
}

fn is_vpn_server(catalogue: &Catalogue, roles: &[ProfileName]) -> bool {
    roles.iter().any(|role| catalogue.roles.get(role).is_some_and(|role| role.vpn_server))
}

/// The role that names the VPN account of a host without a name: the first that no other one of its roles implies.
fn main_role<'r>(catalogue: &Catalogue, roles: &'r [ProfileName]) -> Option<&'r ProfileName> {
    let is_implied = |name: &ProfileName| {
        let others = roles.iter().filter_map(|other| catalogue.roles.get(other));
        others.flat_map(|other| &other.implies).any(|implied| implied.value == *name)
    };
    roles.iter().find(|name| !is_implied(name))
}

/// A fixed, locally administered address of a network adapter, from a name: SoftEther would draw a random one.
fn mac(name: &str) -> String {
    let hash = Sha256::digest(format!("genhost mac {name}"));
    let bytes = std::iter::once(0x5e).chain(hash.iter().copied().take(5));
    bytes.map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join("-")
}

/// The first decisions, in which no secret has a say.
struct Stage<'a> {
    stack: &'a Located<Stack>,
    system: &'a System,
    parts: parts::Selected,
}

fn stage<'a>(catalogue: &'a Catalogue, cluster: &'a Cluster, host: &HostFacts<'a>) -> Result<Stage<'a>> {
    let unknown = |what, place, name: String| Diagnostic::at(place, Problem::Unknown { what, name, known: Vec::new() });
    let stack = catalogue.stacks.get(&cluster.stack.value);
    let stack = stack.ok_or_else(|| unknown("stack", cluster.stack.place, cluster.stack.to_string()))?;
    let system = catalogue.systems.get(&host.system.value);
    let system = system.ok_or_else(|| unknown("os", host.system.place, host.system.to_string()))?;
    let selection = parts::Selection {
        catalogue,
        cluster,
        stack,
        system_name: host.system,
        system,
        is_static: host.address.is_some(),
        is_first_manager: is_first_manager(catalogue, cluster, host),
    };
    let mut parts = selection.select(&host.roles, host.extra)?;
    for package in &host.options.packages {
        parts.packages.entry(package.to_string()).or_default();
    }
    Ok(Stage { stack, system, parts })
}

fn is_first_manager(catalogue: &Catalogue, cluster: &Cluster, host: &HostFacts) -> bool {
    if host.is_vpn_server || catalogue.manages_swarm(&cluster.vpn_server().roles) {
        return host.is_vpn_server;
    }
    let first = cluster.hosts.iter().find(|host| catalogue.manages_swarm(&host.roles));
    first.is_some_and(|first| host.address == Some(first.address))
}

/// What a host fetches and installs.
#[derive(Debug)]
pub struct Needs {
    /// Its operating system.
    pub system: SystemName,
    /// Packages by name, with the version where one is pinned.
    pub packages: BTreeMap<String, Option<String>>,
    /// Package sources besides the distribution's.
    pub apt: BTreeMap<ArtifactName, AptSource>,
    /// What it fetches.
    pub artifacts: BTreeMap<ArtifactName, Artifact>,
    /// Container images that it pulls, as Docker is asked for them; those from archives are among the artifacts.
    pub images: BTreeMap<ArtifactName, String>,
    /// Versions in use.
    pub versions: BTreeMap<ArtifactName, Version>,
}

/// What a host fetches and installs; nobody needs the cluster's secrets to know it.
///
/// # Errors
/// See [`resolve`].
pub fn needs(catalogue: &Catalogue, cluster: &Cluster, subject: &Subject) -> Result<Needs> {
    let host = HostFacts::new(catalogue, cluster, subject)?;
    let parts::Selected { packages, apt, artifacts, images, archives, versions, .. } =
        stage(catalogue, cluster, &host)?.parts;
    let images = images.into_iter().filter(|(name, _)| !archives.contains_key(name)).collect();
    Ok(Needs { system: host.system.value.clone(), packages, apt, artifacts, images, versions })
}

/// What a host offers, and to whom.
#[derive(Debug)]
pub struct Offers {
    /// Its roles and those that they imply, sorted.
    pub roles: Vec<ProfileName>,
    /// Its operating system.
    pub system: SystemName,
    /// Its firewall.
    pub firewall: FirewallValues,
}

/// What a host offers; nobody needs the cluster's secrets to know it.
///
/// # Errors
/// See [`resolve`].
pub fn offers(catalogue: &Catalogue, cluster: &Cluster, subject: &Subject) -> Result<Offers> {
    let host = HostFacts::new(catalogue, cluster, subject)?;
    let parts = stage(catalogue, cluster, &host)?.parts;
    let firewall = firewall::values(catalogue, cluster, &host, &parts)?;
    Ok(Offers { roles: host.roles, system: host.system.value.clone(), firewall })
}

struct Resolver<'a> {
    catalogue: &'a Catalogue,
    cluster: &'a Cluster,
    secrets: &'a Secrets,
    host: HostFacts<'a>,
}

impl Resolver<'_> {
    fn plan(&self, subject: &Subject) -> Result<HostPlan> {
        let Stage { stack, system, mut parts } = stage(self.catalogue, self.cluster, &self.host)?;
        let firewall = firewall::values(self.catalogue, self.cluster, &self.host, &parts)?;
        // Not in `stage`, which does without secrets.
        for component in &mut parts.components {
            component.values.extend(self.own_secrets(&component.name));
        }
        let values = Values {
            cluster: values::ClusterValues { name: self.cluster.name.clone() },
            host: values::HostValues {
                system: system.into(),
                labels: self.labels(),
                units: parts.units.clone(),
                first_boot: parts.first_boot.clone(),
                artifacts: parts.artifacts.keys().cloned().collect(),
                apt_sources: parts.apt.keys().cloned().collect(),
                packages: parts.packages.keys().cloned().collect(),
                images: parts.archives.into_iter().map(|(name, tag)| values::ImageValues { name, tag }).collect(),
            },
            vpn: self.vpn(),
            firewall,
            consul: self.consul(stack)?,
            swarm: self.swarm(),
            artifact: parts.artifacts.iter().map(|(name, artifact)| (name.clone(), artifact.into())).collect(),
            image: parts.images.clone(),
            versions: parts.versions.clone(),
            variant: parts.variant_values.clone(),
        };
        Ok(HostPlan {
            subject: subject.clone(),
            roles: self.host.roles.clone(),
            platform: self.host.platform.cloned(),
            network: self.host.network.cloned(),
            system: self.host.system.value.clone(),
            components: parts.components,
            options: self.host.options.clone(),
            packages: parts.packages,
            apt: parts.apt,
            artifacts: parts.artifacts,
            units: parts.units,
            values,
        })
    }

    /// The secrets that a component declares.
    fn own_secrets(&self, component: &ComponentName) -> impl Iterator<Item = (ArtifactName, OwnValue)> {
        let declared = self.catalogue.components.get(component).into_iter().flat_map(|component| &component.secrets);
        declared.map(|name| {
            let label = Label::Component(component.clone(), name.value.clone());
            (name.value.clone(), OwnValue::Secret(self.secrets.password(&label).into()))
        })
    }

    fn labels(&self) -> BTreeMap<LabelKey, LabelWord> {
        let platform = self.host.platform.and_then(|platform| LabelWord::new(platform.as_str()).ok());
        let mut labels: BTreeMap<_, _> =
            platform.map(|platform| (LabelKey::literal("platform"), platform)).into_iter().collect();
        labels.extend(self.cluster.labels.clone());
        labels.extend(self.host.labels.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        labels
    }

    fn vpn(&self) -> values::VpnValues {
        let vpn = &self.cluster.vpn;
        let here = || Endpoint::literal("127.0.0.1");
        let endpoint = if self.host.is_vpn_server { here() } else { vpn.endpoint.value.clone() };
        let user = self.account_name(&self.host.account);
        let certificate = values::base64(self.secrets.key_pair().certificate());
        // The vpn-server's own client connects to itself, where nobody is in the middle.
        let pinned = (!self.host.is_vpn_server).then(|| certificate.clone());
        values::VpnValues {
            hub: vpn.hub.clone(),
            nic: vpn.nic.clone(),
            interface: format!("vpn_{}", vpn.nic),
            port: vpn.port,
            network: *vpn.network,
            prefix: vpn.network.prefix(),
            netmask: vpn.network.netmask(),
            gateway: vpn.network.gateway(),
            server_address: self.cluster.vpn_server().address,
            dhcp: vpn.dhcp,
            claims: vpn.claims.into(),
            address: self.host.address,
            client: values::ClientValues {
                account: vpn.account.clone(),
                endpoint,
                management_hash: password_hash(&self.secrets.password(&self.management_label())).into(),
                password_hash: user_password_hash(&self.secrets.password(&self.host.account), &user).into(),
                user,
                certificate: pinned,
                mac: self.host.mac.clone().unwrap_or_else(|| "@MAC@".to_owned()),
            },
            server: self.host.is_vpn_server.then(|| self.server(certificate)),
        }
    }

    fn management_label(&self) -> Label {
        match &self.host.account {
            Label::Host(name) => Label::HostManagement(name.clone()),
            Label::Role(name) => Label::RoleManagement(name.clone()),
            other => other.clone(),
        }
    }

    /// What the vpn-server alone may know.
    fn server(&self, certificate: String) -> values::ServerValues {
        let administrator = self.secrets.password(&Label::Administrator);
        let hub = self.secrets.password(&Label::Hub);
        values::ServerValues {
            administrator_hash: password_hash(&administrator).into(),
            hub_hash: password_hash(&hub).into(),
            hub_secure_hash: hub_secure_password_hash(&hub).into(),
            certificate,
            key: values::base64(self.secrets.key_pair().key()).into(),
            gateway_mac: mac("gateway"),
            accounts: self.accounts(),
            l2tp: !self.cluster.vpn.users.is_empty(),
            psk: self.secrets.password(&Label::PreSharedKey).into(),
        }
    }

    /// Everybody who may connect: hosts known by name, hosts by role, and people.
    fn accounts(&self) -> Vec<values::AccountValues> {
        let account = |label: Label, group, host: Option<&Host>| {
            let name = self.account_name(&label);
            let password = self.secrets.password(&label);
            let ntlm = if matches!(label, Label::User(_)) { nt_password_hash(&password) } else { String::new() };
            values::AccountValues {
                hash: user_password_hash(&password, &name).into(),
                name,
                ntlm: ntlm.into(),
                group,
                address: host.map(|host| host.address),
                mac: host.map(|host| mac(host.name.as_str())),
            }
        };
        let hosts = self.cluster.hosts.iter();
        let hosts = hosts.map(|host| account(Label::Host(host.name.value.clone()), "_host", Some(host)));
        let roles = self.catalogue.roles.iter().filter(|(_, role)| !role.vpn_server);
        let roles = roles.map(|(name, _)| account(Label::Role(name.clone()), "_role", None));
        let people = self.cluster.vpn.users.iter().map(|user| account(Label::User(user.clone()), "_people", None));
        hosts.chain(roles).chain(people).collect()
    }

    fn account_name(&self, label: &Label) -> String {
        match label {
            Label::Host(name) => name.to_string(),
            Label::Role(name) => name.to_string(),
            Label::User(name) => name.to_string(),
            Label::VpnServer | Label::Administrator | Label::Hub | Label::PreSharedKey | Label::Gossip => String::new(),
            Label::HostManagement(_) | Label::RoleManagement(_) => String::new(),
            Label::ConsulManagement | Label::ConsulHost(_) | Label::ConsulRole(_) => String::new(),
            Label::ConsulAuthority | Label::ConsulHostCertificate(_) | Label::ConsulRoleCertificate(_) => String::new(),
            Label::Component(..) => String::new(),
        }
    }

    fn consul(&self, stack: &Stack) -> Result<values::ConsulValues> {
        let servers: Vec<Ipv4Addr> = self.cluster.consul_servers().map(|host| host.address).collect();
        let others = servers.iter().copied().filter(|address| Some(*address) != self.host.address);
        Ok(values::ConsulValues {
            server: self.host.consul == ConsulRole::Server,
            bootstrap_expect: servers.len(),
            retry_join: others.collect(),
            // A cluster without a Consul server is refused when it is loaded.
            api_address: servers.first().copied().unwrap_or(self.cluster.vpn_server().address),
            encrypt: self.secrets.gossip_key().into(),
            identity: self.identity()?.into(),
            bind_addr: format!("{{{{ GetInterfaceIP \"vpn_{}\" }}}}", self.cluster.vpn.nic),
            acl: stack.acl.as_ref().map(|rules| self.acl(rules)).transpose()?,
        })
    }

    /// Consul's servers alone have the name by which its agents know a server.
    fn identity(&self) -> Result<String> {
        let label = match &self.host.account {
            Label::Role(role) => Label::ConsulRoleCertificate(role.clone()),
            Label::Host(name) => Label::ConsulHostCertificate(name.clone()),
            other => other.clone(),
        };
        let server = format!("server.{}.consul", self.cluster.name);
        let is_server = self.host.consul == ConsulRole::Server;
        let bearer = Bearer {
            name: &self.account_name(&self.host.account),
            server: is_server.then_some((&server, self.host.address)),
        };
        Ok(self.secrets.identity(&label, bearer)?)
    }

    fn acl(&self, rules: &BTreeMap<ProfileName, KeyRules>) -> Result<values::AclValues> {
        let own = match &self.host.account {
            Label::Role(role) => Label::ConsulRole(role.clone()),
            Label::Host(name) => Label::ConsulHost(name.clone()),
            other => other.clone(),
        };
        let declares = self.host.is_vpn_server;
        // A leader makes the token that its own configuration names, and any server may be the first to lead.
        let manages = declares || self.host.consul == ConsulRole::Server;
        Ok(values::AclValues {
            token: self.secrets.token(&own).into(),
            management: manages.then(|| self.secrets.token(&Label::ConsulManagement).into()),
            policies: declares.then(|| acl::policies(rules)),
            tokens: declares.then(|| self.tokens(rules)).transpose()?,
        })
    }

    /// Everybody's tokens: of each host known by name, and of each role.
    fn tokens(&self, rules: &BTreeMap<ProfileName, KeyRules>) -> Result<Vec<values::TokenValues>> {
        let token = |label: Label, roles: &[ProfileName], node: Option<&HostName>| values::TokenValues {
            name: label.to_string(),
            accessor: self.secrets.accessor(&label),
            secret: self.secrets.token(&label).into(),
            policies: acl::policies_of(rules, roles, node),
            node: node.cloned(),
        };
        let of_host =
            |host: &Host| Ok(token(Label::ConsulHost(host.name.value.clone()), &host.roles, Some(&host.name.value)));
        let roles = self.catalogue.roles.iter().filter(|(_, role)| !role.vpn_server);
        let of_role = |name: &ProfileName| {
            let asked = Located { value: name.clone(), place: self.cluster.stack.place };
            Ok(token(Label::ConsulRole(name.clone()), &self.catalogue.close_roles(&[asked])?, None))
        };
        self.cluster.hosts.iter().map(of_host).chain(roles.map(|(name, _)| of_role(name))).collect()
    }

    /// The vpn-server begins the Swarm when it manages it, else the manager that comes first in cluster.yaml.
    fn swarm(&self) -> values::SwarmValues {
        let managers = self.cluster.hosts.iter().filter(|host| self.catalogue.manages_swarm(&host.roles));
        let managers: Vec<Ipv4Addr> = managers.map(|host| host.address).collect();
        let rank = self.host.address.filter(|own| managers.contains(own));
        values::SwarmValues {
            rank: rank.map(|own| managers.iter().filter(|address| **address < own).count()),
            others: managers.into_iter().filter(|address| Some(*address) != self.host.address).collect(),
        }
    }
}
