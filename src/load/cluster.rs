//! `cluster.yaml` and `--set` to a [`Cluster`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::addresses::Addresses;
use super::{Catalogue, Component, Stack, networks};
use crate::cluster::{
    AddressRange, AddressSource, ArtifactName, ArtifactSection, Cluster, ClusterFile, ConsulRole, ContainerImage, Host,
    HostName, HostSection, Kind, Network, ProfileName, RangeSection, Setting, Settings, SystemName, Vpn,
};
use crate::diagnostic::{Diagnostic, Place, Problem, Result, SourceId, Sources};
use crate::yaml::{self, Entries, Key, Located, Node};

/// No key of cluster.yaml has more dots than this.
const DEEPEST: usize = 8;

/// The VPN user whose name SoftEther keeps for a hub's administrator.
const ADMINISTRATOR: &str = "administrator";

/// A key and a value that the command line lays over cluster.yaml.
#[derive(Debug)]
pub struct Override {
    path: Vec<Key>,
    value: Node,
}

impl Override {
    /// Takes `key.key=value`, the value in YAML.
    pub fn parse(sources: &mut Sources, argument: &str) -> Result<Self> {
        let (path, value) = argument.split_once('=').unwrap_or((argument, ""));
        let source = sources.add(format!("--set {path}"), value);
        let whole = Place::new(source, 0, value.len());
        let mut keys = path.split('.');
        let usable = argument.contains('=') && keys.clone().all(|key| !key.is_empty()) && keys.nth(DEEPEST).is_none();
        if !usable {
            let argument = argument.chars().take(80).collect();
            return Err(Diagnostic::nowhere(Problem::BadOverride { argument }));
        }
        let key = |text: &str| Key { place: whole, text: text.to_owned() };
        Ok(Self { path: path.split('.').map(key).collect(), value: yaml::parse(sources, source)? })
    }
}

/// The addresses that the lock keeps for hosts.
type Locked = BTreeMap<HostName, Ipv4Addr>;

/// Reads a cluster: decodes it strictly, then checks what no single value can show.
pub fn cluster(
    sources: &Sources,
    source: SourceId,
    overrides: Vec<Override>,
    catalogue: &Catalogue,
    locked: &Locked,
) -> Result<Cluster, Vec<Diagnostic>> {
    let mut node = yaml::parse(sources, source).map_err(|e| vec![e])?;
    let start = Place::new(source, 0, 0);
    if node.value == yaml::Value::Null {
        return Err(vec![Diagnostic::at(start, Problem::EmptyFile)]);
    }
    let known = node.get("hosts").map(Node::keys).unwrap_or_default();
    let mut added = Vec::new();
    for Override { path, value } in overrides {
        if let [hosts, host, _, ..] = &path[..]
            && hosts.text == "hosts"
            && !known.contains(&host.text)
        {
            added.push(host.clone());
        }
        node.set(&path, value).map_err(|e| vec![e])?;
    }
    for host in added {
        // A part of a host was set that there is not: everything else of it would be missing.
        if node.get("hosts").and_then(|hosts| hosts.get(&host.text)).is_some_and(|host| host.get("roles").is_none()) {
            let problem = Problem::Unknown { what: "host", name: host.text, known };
            return Err(vec![Diagnostic::at(host.place, problem)]);
        }
    }
    let file: ClusterFile = yaml::decode(&node).map_err(|e| vec![e.or_at(start)])?;
    Validation { catalogue, faults: Vec::new() }.cluster(file, start, locked)
}

/// Collects every fault, so that a user sees all of them at once.
struct Validation<'a> {
    catalogue: &'a Catalogue,
    faults: Vec<Diagnostic>,
}

impl Validation<'_> {
    fn fault(&mut self, place: Place, problem: Problem) {
        self.faults.push(Diagnostic::at(place, problem));
    }

    fn cluster(mut self, file: ClusterFile, start: Place, locked: &Locked) -> Result<Cluster, Vec<Diagnostic>> {
        self.stack(&file);
        let network = file.vpn.network.value;
        let dhcp = self.range("dhcp", &file.vpn.dhcp, network);
        let claims = self.range("claims", &file.vpn.claims, network);
        if dhcp.overlaps(claims) {
            self.fault(file.vpn.claims.place, Problem::RangesOverlap);
        }
        let hosts = self.hosts(&file, &Addresses::new(network, dhcp, claims), locked);
        self.users(&file);
        let servers: Vec<usize> = (0..hosts.len()).filter(|n| self.is_vpn_server(&hosts[*n].roles)).collect();
        // A host with a fault of its own is not among the hosts, and may be the one that seems to be missing.
        let is_whole = self.faults.is_empty();
        let vpn_server = match servers[..] {
            [one] => one,
            [] => {
                if is_whole {
                    self.fault(start, Problem::NoVpnServer);
                }
                0
            }
            [first, second, ..] => {
                let problem = Problem::TwoVpnServers { first: hosts[first].name.to_string() };
                self.fault(hosts[second].name.place, problem);
                first
            }
        };
        if is_whole && !servers.is_empty() && hosts.iter().all(|host| host.consul == ConsulRole::Client) {
            self.fault(start, Problem::NoConsulServer);
        }
        let options = file.options();
        let images = self.images(file.images);
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let of_hosts = hosts.iter().flat_map(|host| &host.components);
        let host_components: BTreeMap<_, _> = of_hosts.map(|component| (&component.value, component)).collect();
        let host_components = host_components.into_values().cloned().collect();
        Ok(Cluster {
            options,
            name: file.name.value,
            stack: file.stack,
            system: file.os,
            vpn: Vpn {
                endpoint: file.vpn.endpoint,
                port: file.vpn.port,
                hub: file.vpn.hub,
                nic: file.vpn.nic,
                account: file.vpn.account,
                network: file.vpn.network,
                dhcp,
                claims,
                users: file.vpn.users.into_iter().map(|user| user.value).collect(),
            },
            hosts,
            vpn_server,
            install: values(file.install),
            versions: values(file.versions),
            artifacts: values(file.artifacts),
            images,
            mirror: file.mirror.map(|mirror| mirror.value),
            labels: file.labels,
            components: file.components,
            host_components,
            settings: values(file.settings).into_iter().map(|(name, settings)| (name, values(settings.0))).collect(),
            open: file.firewall.open,
            people: file.firewall.people.map(|people| people.into_iter().map(|open| open.value).collect()),
        })
    }

    fn images(
        &mut self,
        images: Entries<ArtifactName, Located<ArtifactSection>>,
    ) -> BTreeMap<ArtifactName, ContainerImage> {
        let mut whole = BTreeMap::new();
        for (name, archive) in images.0 {
            let lacks = [("urls", archive.urls.is_empty()), ("sha256", archive.sha256.is_empty())];
            for (key, _) in lacks.into_iter().filter(|(_, is_missing)| *is_missing) {
                self.fault(archive.place, Problem::ImageWithout { image: name.to_string(), key });
            }
            if archive.urls.iter().any(|url| url.as_str().contains("{version}")) {
                self.fault(archive.place, Problem::ImageVersion);
            }
            match self.image_artifact(&name.value) {
                Ok(artifact) => {
                    whole.insert(name.value, ContainerImage { artifact, archive });
                }
                Err(problem) => self.fault(name.place, problem),
            }
        }
        whole
    }

    /// What an image's archive is called among the artifacts.
    fn image_artifact(&self, name: &ArtifactName) -> Result<ArtifactName, Problem> {
        // Underscores stand between letters and digits, one or two of them (the reference grammar of distribution/reference).
        if name.as_str().ends_with('_') || name.as_str().contains("___") {
            return Err(Problem::ImageName { name: name.to_string() });
        }
        let artifact = ArtifactName::new(&format!("image_{name}"));
        let artifact = artifact.map_err(|error| Problem::Value { message: error.to_string() })?;
        if self.catalogue.artifacts.contains_key(&artifact) {
            return Err(Problem::ImageIsArtifact { artifact: artifact.to_string() });
        }
        Ok(artifact)
    }

    fn is_vpn_server(&self, roles: &[ProfileName]) -> bool {
        roles.iter().any(|name| self.catalogue.roles.get(name).is_some_and(|role| role.vpn_server))
    }

    /// The stack exists, and so do the choices that are made within it.
    fn stack(&mut self, file: &ClusterFile) {
        let Some(stack) = self.catalogue.stacks.get(&file.stack.value) else {
            let known = names(self.catalogue.stacks.keys());
            return self
                .fault(file.stack.place, Problem::Unknown { what: "stack", name: file.stack.to_string(), known });
        };
        let named = stack.roles.keys().chain(stack.acl.iter().flat_map(std::collections::BTreeMap::keys));
        let unknown = named.filter(|role| !self.catalogue.roles.contains_key(*role));
        for role in unknown {
            let known = names(self.catalogue.roles.keys());
            self.fault(stack.place, Problem::Unknown { what: "role", name: role.to_string(), known });
        }
        self.system(&file.stack, &file.os);
        let systems = file.hosts.0.iter().filter_map(|(_, host)| host.os.as_ref());
        for system in systems {
            self.system(&file.stack, system);
        }
        self.faults.extend(networks::overlaps(self.catalogue, stack, file));
        self.install(file, stack);
        for (name, _) in &file.versions.0 {
            if !stack.versions.contains_key(&name.value) && !self.catalogue.artifacts.contains_key(&name.value) {
                let known = names(stack.versions.keys());
                self.fault(name.place, Problem::Unknown { what: "versioned part", name: name.to_string(), known });
            }
        }
        for (name, _) in &file.artifacts.0 {
            if !self.catalogue.artifacts.contains_key(&name.value) {
                let known = names(self.catalogue.artifacts.keys());
                self.fault(name.place, Problem::Unknown { what: "artifact", name: name.to_string(), known });
            }
        }
        let components = file.components.iter().chain(file.hosts.0.iter().flat_map(|(_, host)| &host.components));
        for name in components {
            self.component(name);
        }
        for (name, settings) in &file.settings.0 {
            self.component(name);
            let Some(component) = self.catalogue.components.get(&name.value) else { continue };
            for (key, value) in &settings.0.0 {
                let Some(own) = component.values.get(&key.value) else {
                    let known = names(component.values.keys());
                    self.fault(key.place, Problem::Unknown { what: "setting", name: key.to_string(), known });
                    continue;
                };
                self.faults.extend(wrong_kind(own, &value.value).map(|problem| Diagnostic::at(value.place, problem)));
            }
            self.kinds(component, settings);
        }
    }

    /// Each value is what the component says that it is, among the others.
    fn kinds(&mut self, component: &Component, settings: &Settings) {
        let own = |key: &ArtifactName| settings.0.0.iter().find(|(name, _)| name.value == *key).map(|(_, value)| value);
        let value = |key: &ArtifactName| own(key).map_or_else(|| component.values.get(key), |own| Some(&own.value));
        for (key, kind) in &component.kinds.0 {
            let told_at = match &kind.value {
                Kind::Options(options) => own(&key.value).or_else(|| own(&options.options_of)),
                _ => own(&key.value),
            };
            let default = component.values.get(&key.value);
            let (Some(own), Some(current), Some(default)) = (told_at, value(&key.value), default) else { continue };
            self.faults.extend(kind.refuse(current, default, value).map(|problem| Diagnostic::at(own.place, problem)));
        }
    }

    /// Each way of install is one that a system in use knows.
    fn install(&mut self, file: &ClusterFile, stack: &Stack) {
        let of_hosts = file.hosts.0.iter().filter_map(|(_, host)| host.os.as_ref());
        let in_use = std::iter::once(&file.os).chain(of_hosts);
        let choices: Vec<_> = in_use.filter_map(|system| stack.systems.get(&system.value)).collect();
        if choices.is_empty() {
            return;
        }
        for (choice, variant) in &file.install.0 {
            let variants: BTreeSet<_> =
                choices.iter().filter_map(|system| system.get(&choice.value)).flatten().collect();
            if variants.is_empty() {
                let known = choices.iter().flat_map(|system| system.keys()).collect::<BTreeSet<_>>();
                let what = "part to install";
                self.fault(choice.place, Problem::Unknown { what, name: choice.to_string(), known: names(known) });
            } else if !variants.contains(&variant.value) {
                let what = "way to install it here";
                self.fault(variant.place, Problem::Unknown { what, name: variant.to_string(), known: names(variants) });
            }
        }
    }

    fn component(&mut self, name: &Located<crate::cluster::ComponentName>) {
        if !self.catalogue.components.contains_key(&name.value) {
            let known = names(self.catalogue.components.keys());
            self.fault(name.place, Problem::Unknown { what: "component", name: name.to_string(), known });
        }
    }

    fn system(&mut self, stack_name: &Located<ProfileName>, system: &Located<SystemName>) {
        let Some(stack) = self.catalogue.stacks.get(&stack_name.value) else { return };
        if let Some(reason) = stack.unable.get(&system.value) {
            let problem = Problem::UnableSystem {
                stack: stack_name.as_str().into(),
                system: system.as_str().into(),
                reason: reason.clone(),
                able: names(stack.systems.keys()),
            };
            self.fault(system.place, problem);
        } else if !stack.systems.contains_key(&system.value) || !self.catalogue.systems.contains_key(&system.value) {
            let known = names(stack.systems.keys());
            self.fault(system.place, Problem::Unknown { what: "os", name: system.to_string(), known });
        }
    }

    fn range(&mut self, name: &'static str, section: &Located<RangeSection>, network: Network) -> AddressRange {
        let range = AddressRange { first: section.first, last: section.last };
        let hosts = network.hosts();
        if range.first > range.last {
            self.fault(section.place, Problem::RangeBackwards { name });
            return AddressRange { first: range.first, last: range.first };
        }
        if !hosts.contains(range.first) || !hosts.contains(range.last) || range.contains(network.gateway()) {
            let first = Ipv4Addr::from(u32::from(network.gateway()) + 1);
            self.fault(section.place, Problem::RangeOutside { name, first, last: hosts.last });
        }
        range
    }

    fn users(&mut self, file: &ClusterFile) {
        let mut seen = BTreeSet::new();
        let hosts: BTreeSet<&str> = file.hosts.0.iter().map(|(host, _)| host.as_str()).collect();
        for user in &file.vpn.users {
            let folded = user.as_str().to_ascii_lowercase();
            let is_host = hosts.contains(folded.as_str());
            let is_role = ProfileName::new(&folded).is_ok_and(|name| self.catalogue.role(&name).is_some());
            if folded == ADMINISTRATOR || is_host || is_role || !seen.insert(folded) {
                self.fault(user.place, Problem::AccountTaken { name: user.to_string() });
            }
        }
    }

    fn hosts(&mut self, file: &ClusterFile, addresses: &Addresses, locked: &Locked) -> Vec<Host> {
        let (mut allotted, faults) = addresses.allot(file, locked);
        self.faults.extend(faults);
        let mut hosts = Vec::with_capacity(file.hosts.0.len());
        for (name, section) in &file.hosts.0 {
            let Some(address) = allotted.remove(&name.value) else { continue };
            hosts.extend(self.host(file, name, section, address));
        }
        hosts
    }

    fn host(
        &mut self,
        file: &ClusterFile,
        name: &Located<HostName>,
        section: &HostSection,
        (address, address_source): (Ipv4Addr, AddressSource),
    ) -> Option<Host> {
        if ProfileName::new(name.as_str()).is_ok_and(|name| self.catalogue.role(&name).is_some()) {
            self.fault(name.place, Problem::HostNamedLikeRole { name: name.to_string() });
        }
        if name.as_str() == ADMINISTRATOR {
            self.fault(name.place, Problem::AccountTaken { name: name.to_string() });
        }
        if section.roles.value.is_empty() {
            self.fault(section.roles.place, Problem::NoRoles { host: name.to_string() });
        }
        if let Some(platform) = &section.platform
            && !self.catalogue.platforms.contains_key(&platform.value)
        {
            let known = names(self.catalogue.platforms.keys());
            self.fault(platform.place, Problem::Unknown { what: "platform", name: platform.to_string(), known });
        }
        if let Some(network) = &section.network {
            let seeded = section
                .platform
                .as_ref()
                .is_none_or(|name| self.catalogue.platforms.get(&name.value).is_none_or(|platform| platform.seed));
            if !seeded {
                self.fault(network.place, Problem::NetworkWithoutSeed { host: name.to_string() });
            }
            if !network.address.network().contains(network.gateway) {
                let (address, gateway) = (network.address.to_string(), network.gateway);
                self.fault(network.place, Problem::GatewayOutside { address, gateway });
            }
        }
        let roles = match self.catalogue.close_roles(&section.roles.value) {
            Ok(roles) => roles,
            Err(fault) => {
                // A role that is wrong in itself is told once.
                if !self.faults.contains(&fault) {
                    self.faults.push(fault);
                }
                return None;
            }
        };
        let by_role = roles.iter().find_map(|role| self.catalogue.roles.get(role)?.consul);
        Some(Host {
            name: name.clone(),
            consul: section.consul.or(by_role).unwrap_or(ConsulRole::Client),
            roles,
            system: section.os.clone().unwrap_or_else(|| file.os.clone()),
            platform: section.platform.as_ref().map(|platform| platform.value.clone()),
            address,
            address_source,
            network: section.network.as_ref().map(|network| network.value.clone()),
            labels: section.labels.clone(),
            components: section.components.clone(),
            options: file.options().with(&section.options()),
        })
    }
}

/// A setting is of the kind of the component's own value: `yes` for true would be text, and no template asks for that.
fn wrong_kind(own: &Setting, value: &Setting) -> Option<Problem> {
    let (expected, found) = (own.kind(), value.kind());
    match (own, value) {
        _ if expected == found => None,
        (Setting::Bool(_), Setting::Text(word)) => Some(Problem::NotABoolean { word: word.clone() }),
        (Setting::Text(_), Setting::Bool(_) | Setting::Integer(_)) => {
            Some(Problem::QuotesNeeded { found: found.to_owned() })
        }
        _ => Some(Problem::WrongType { expected: expected.to_owned(), found: found.to_owned() }),
    }
}

fn names<T: ToString>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

fn values<K: Ord, V>(entries: Entries<K, V>) -> BTreeMap<K, V> {
    entries.0.into_iter().map(|(key, value)| (key.value, value)).collect()
}
