//! Which components a host has, and what these bring: packages, sources, artifacts, files, units.

use std::collections::{BTreeMap, BTreeSet};

use super::artifact::{Artifact, pin, pin_image};
use super::plan::{AptKey, AptSource};
use super::values::OwnValue;
use crate::cluster::{
    ArtifactName, Cluster, ComponentName, HostPath, OpenPort, ProfileName, Setting, SystemName, UnitName, Version,
    WordError,
};
use crate::diagnostic::{Diagnostic, Place, Problem, Result};
use crate::load::{AptSource as SourceProfile, Catalogue, Component, FileEntry, Parts, Stack, System};
use crate::yaml::Located;

/// The choice that a component makes which loads container images.
const IMAGES: &str = "images";
/// What stands for a key in a line of sources.list, as cloud-init has it.
const KEY_FILE: &str = "$KEY_FILE";

/// A component of a host, its variant chosen.
#[derive(Debug)]
pub struct PlannedComponent {
    /// Name, which is also the folder of its templates.
    pub name: ComponentName,
    /// Its own values, which its templates see as `this.…`.
    pub values: BTreeMap<ArtifactName, OwnValue>,
    /// What it writes.
    pub files: Vec<PlannedFile>,
    /// Commands of every boot.
    pub bootcmd: Vec<Vec<String>>,
    /// Commands at the end of the first boot.
    pub runcmd: Vec<Vec<String>>,
}

/// A file that a component writes.
#[derive(Debug)]
pub struct PlannedFile {
    /// Where it is declared.
    pub place: Place,
    /// Where it goes.
    pub path: HostPath,
    /// Its template, a path on the shelf of templates.
    pub template: String,
    /// Its mode.
    pub mode: u32,
}

/// What all components of a host bring together.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub components: Vec<PlannedComponent>,
    pub packages: BTreeMap<String, Option<String>>,
    pub apt: BTreeMap<ArtifactName, AptSource>,
    pub artifacts: BTreeMap<ArtifactName, Artifact>,
    pub images: BTreeMap<ArtifactName, String>,
    /// Images that are loaded from archives, and their tags.
    pub archives: BTreeMap<ArtifactName, Version>,
    pub versions: BTreeMap<ArtifactName, Version>,
    pub units: Vec<UnitName>,
    pub first_boot: Vec<UnitName>,
    pub vpn_ports: BTreeSet<OpenPort>,
    pub people_ports: BTreeSet<OpenPort>,
    pub joining_ports: BTreeSet<OpenPort>,
    /// What any host of the cluster may offer.
    pub cluster_ports: BTreeSet<OpenPort>,
    pub variant_values: BTreeMap<ArtifactName, BTreeMap<ArtifactName, Setting>>,
}

/// A component and its variant, where it has one.
struct Chosen<'a> {
    name: &'a ComponentName,
    component: &'a Located<Component>,
    variant: Option<(&'a ProfileName, &'a Parts)>,
}

pub(super) struct Selection<'a> {
    pub catalogue: &'a Catalogue,
    pub cluster: &'a Cluster,
    pub stack: &'a Located<Stack>,
    pub system_name: &'a Located<SystemName>,
    pub system: &'a System,
    /// Whether the host's VPN address is known now, or claimed later.
    pub is_static: bool,
    /// Whether it is the one to begin the Swarm.
    pub is_first_manager: bool,
}

impl<'a> Selection<'a> {
    pub fn select(&self, roles: &[ProfileName], extra: &'a [Located<ComponentName>]) -> Result<Selected> {
        let mut selected = Selected { versions: self.stack.versions.clone(), ..Selected::default() };
        let own = self.cluster.versions.iter().map(|(name, version)| (name.clone(), version.value.clone()));
        selected.versions.extend(own);
        let of_registry = |name: &&ArtifactName| !self.cluster.images.contains_key(*name);
        for name in self.stack.images.keys().filter(of_registry) {
            let image = &self.stack.images[name];
            let Some(version) = selected.versions.get(name) else { continue };
            let Some(digest) = image.versions.get(version) else {
                let known = image.versions.keys().map(ToString::to_string).collect();
                let problem = Problem::NoPinnedDigest { image: name.to_string(), version: version.to_string(), known };
                let place = self.cluster.versions.get(name).map_or(self.stack.place, |version| version.place);
                return Err(Diagnostic::at(place, problem));
            };
            selected.images.insert(name.clone(), format!("{}@{digest}", image.name));
        }
        let mut archives = BTreeMap::new();
        for (name, image) in &self.cluster.images {
            let archive = pin_image(image, self.system)?;
            selected.images.insert(name.clone(), format!("{name}:{}", archive.version));
            archives.insert(name, (&image.artifact, archive));
        }
        let mut first_boot = BTreeSet::new();
        let mut units = BTreeSet::new();
        let mut paths = BTreeMap::new();
        for Chosen { name, component, variant } in self.components(roles, extra)? {
            let empty = Parts::default();
            let variant = match (&component.choice, variant) {
                (Some(choice), Some((variant_name, parts))) => {
                    let values = selected.variant_values.entry(choice.clone()).or_default();
                    for (key, value) in &parts.values {
                        let value = self.expand_setting(value, component.place, &selected.versions)?;
                        values.insert(key.clone(), value);
                    }
                    values.insert(ArtifactName::literal("name"), Setting::Text(variant_name.to_string()));
                    parts
                }
                _ => &empty,
            };
            self.packages(&mut selected, component.packages.iter().chain(&variant.packages))?;
            for (source_name, source) in component.apt.iter().chain(&variant.apt) {
                let line = self.expand(&source.source, source.place, &selected.versions)?;
                let apt = self.apt_source(name, source_name, source, line)?;
                if let Some(key) = &apt.key
                    && let Some(other) = paths.insert(key.path.clone(), name)
                {
                    let problem = Problem::FileTwice { path: key.path.to_string(), other: other.to_string() };
                    return Err(Diagnostic::at(source.place, problem));
                }
                selected.apt.insert(source_name.clone(), apt);
            }
            let install = component.choice.as_ref().and_then(|choice| self.cluster.install.get(choice));
            let of_variant = variant.artifacts.iter().map(|name| (name, install.map_or(name.place, |way| way.place)));
            for (name, asked_at) in component.artifacts.iter().map(|name| (name, name.place)).chain(of_variant) {
                let artifact = self.artifact(name, asked_at, &selected.versions)?;
                let profile = self.catalogue.artifacts.get(&name.value);
                let at = profile.map(|profile| profile.at(&artifact.version)).unwrap_or_default();
                self.packages(&mut selected, at.packages.iter())?;
                selected.artifacts.insert(name.value.clone(), artifact);
            }
            if component.choice.as_ref().is_some_and(|choice| choice.as_str() == IMAGES) {
                for (name, (artifact, archive)) in &archives {
                    selected.archives.insert((*name).clone(), archive.version.clone());
                    selected.artifacts.insert((*artifact).clone(), archive.clone());
                }
            }
            units.extend(component.units.iter().chain(&variant.units).cloned());
            first_boot.extend(component.first_boot.iter().chain(&variant.first_boot).cloned());
            let mut files = Vec::new();
            for entry in component.files.iter().chain(&variant.files) {
                for path in self.paths(entry)? {
                    if let Some(other) = paths.insert(path.clone(), name) {
                        let problem = Problem::FileTwice { path: path.to_string(), other: other.to_string() };
                        return Err(Diagnostic::at(entry.place, problem));
                    }
                    files.push(planned_file(name, entry, path)?);
                }
            }
            let values = self.own_values(name, component);
            for (asked, ports) in [
                (&component.vpn_ports, &mut selected.vpn_ports),
                (&component.people_ports, &mut selected.people_ports),
                (&component.joining_ports, &mut selected.joining_ports),
            ] {
                for port in asked {
                    ports.insert(open_port(port, &values)?);
                }
            }
            selected.components.push(PlannedComponent {
                name: name.clone(),
                values: values.into_iter().map(|(key, value)| (key, OwnValue::Setting(value))).collect(),
                files,
                bootcmd: component.bootcmd.clone(),
                runcmd: component.runcmd.clone(),
            });
        }
        if let Some(mirror) = &self.cluster.mirror {
            let pins = selected.artifacts.values_mut().flat_map(|artifact| artifact.files.values_mut());
            pins.for_each(|pin| pin.urls = vec![mirror.below(&pin.sha256)]);
        }
        selected.cluster_ports = self.cluster_ports()?;
        selected.units = units.into_iter().collect();
        selected.first_boot = first_boot.into_iter().collect();
        Ok(selected)
    }

    /// A component's own values, the user's over its defaults.
    fn own_values(&self, name: &ComponentName, component: &Component) -> BTreeMap<ArtifactName, Setting> {
        let mut values = component.values.clone();
        if let Some(own) = self.cluster.settings.get(name) {
            values.extend(own.iter().map(|(key, value)| (key.clone(), value.value.clone())));
        }
        values
    }

    /// Ports of every component that a host of this cluster may have.
    fn cluster_ports(&self) -> Result<BTreeSet<OpenPort>> {
        let extra = self.cluster.components.iter().chain(&self.cluster.host_components);
        let mut ports = BTreeSet::new();
        for (name, component) in self.catalogue.reachable(self.stack, extra) {
            let values = self.own_values(name, component);
            for port in component.vpn_ports.iter().chain(&component.people_ports).chain(&component.joining_ports) {
                ports.insert(open_port(port, &values)?);
            }
        }
        Ok(ports)
    }

    /// Every component by name, with its variant.
    fn components(&self, roles: &[ProfileName], extra: &'a [Located<ComponentName>]) -> Result<Vec<Chosen<'a>>> {
        let of_roles = roles.iter().filter_map(|role| self.catalogue.roles.get(role)).flat_map(|role| &role.components);
        let of_stack = roles.iter().filter_map(|role| self.stack.roles.get(role)).flatten();
        let of_cluster = self.cluster.components.iter().chain(extra);
        let mut open: Vec<&'a Located<ComponentName>> =
            self.stack.components.iter().chain(of_stack).chain(of_roles).chain(of_cluster).collect();
        let mut found = BTreeMap::new();
        while let Some(asked) = open.pop() {
            let Some((name, component)) = self.catalogue.components.get_key_value(&asked.value) else {
                let known = self.catalogue.components.keys().map(ToString::to_string).collect();
                let problem = Problem::Unknown { what: "component", name: asked.to_string(), known };
                return Err(Diagnostic::at(asked.place, problem));
            };
            if found.contains_key(name) {
                continue;
            }
            let variant = match &component.choice {
                Some(choice) => Some(self.variant(component, choice)?),
                None => None,
            };
            open.extend(component.needs.iter().chain(variant.iter().flat_map(|(_, parts)| &parts.needs)));
            found.insert(name, Chosen { name, component, variant });
        }
        Ok(found.into_values().collect())
    }

    fn variant(
        &self,
        component: &'a Located<Component>,
        choice: &ArtifactName,
    ) -> Result<(&'a ProfileName, &'a Parts)> {
        // What the cluster file says of other things decides these.
        let by_fact = match choice.as_str() {
            "address" => Some(ProfileName::literal(if self.is_static { "static" } else { "claimed" })),
            IMAGES => Some(ProfileName::literal(if self.cluster.images.is_empty() { "registry" } else { "archive" })),
            "swarm" => Some(ProfileName::literal(if self.is_first_manager { "first" } else { "other" })),
            _ => None,
        };
        let chosen = if by_fact.is_some() {
            by_fact.as_ref()
        } else {
            let here = self.stack.systems.get(&self.system_name.value).and_then(|choices| choices.get(choice));
            let here = here.map_or(&[][..], Vec::as_slice);
            // A way that this host's system does not know was meant for the others.
            let install = self.cluster.install.get(choice).filter(|variant| here.contains(&variant.value));
            install.map(|variant| &variant.value).or_else(|| here.first())
        };
        let known = || component.variants.keys().map(ToString::to_string).collect();
        let Some(chosen) = chosen else {
            let problem = Problem::NoChoice { choice: choice.to_string(), system: self.system_name.to_string() };
            return Err(Diagnostic::at(component.place, problem));
        };
        component.variants.get_key_value(chosen).ok_or_else(|| {
            let problem = Problem::Unknown { what: "variant", name: chosen.to_string(), known: known() };
            Diagnostic::at(component.place, problem)
        })
    }

    /// Where a file goes: a path with `{image}` stands for one of every image that is loaded from an archive.
    fn paths(&self, entry: &Located<FileEntry>) -> Result<Vec<HostPath>> {
        if !entry.path.as_str().contains("{image}") {
            return Ok(vec![entry.path.clone()]);
        }
        let path = |image: &ArtifactName| HostPath::new(&entry.path.as_str().replace("{image}", image.as_str()));
        let paths = self.cluster.images.keys().map(path).collect::<std::result::Result<_, _>>();
        paths.map_err(|error| Diagnostic::at(entry.place, Problem::Value { message: error.to_string() }))
    }

    fn packages<'p>(&self, selected: &mut Selected, packages: impl Iterator<Item = &'p Located<String>>) -> Result<()> {
        for package in packages {
            let text = self.expand(package, package.place, &selected.versions)?;
            let (name, version) = match text.split_once('=') {
                Some((name, version)) => (name, Some(version.to_owned())),
                None => (text.as_str(), None),
            };
            // Debian Policy 5.6.7 and 5.6.12.
            let plain = |text: &str, more: &[u8]| {
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
            };
            if !plain(name, b"+-.") || !version.as_deref().is_none_or(|version| plain(version, b"+-.~:")) {
                return Err(Diagnostic::at(package.place, Problem::BadPackage { package: text }));
            }
            let known = selected.packages.entry(name.to_owned()).or_default();
            *known = version.or(known.take());
        }
        Ok(())
    }

    /// What is wrong with it is told where the user asked for it: for its version, or for a variant that has it.
    fn artifact(
        &self,
        name: &Located<ArtifactName>,
        asked_at: Place,
        versions: &BTreeMap<ArtifactName, Version>,
    ) -> Result<Artifact> {
        let Some(profile) = self.catalogue.artifacts.get(&name.value) else {
            let known = self.catalogue.artifacts.keys().map(ToString::to_string).collect();
            let problem = Problem::Unknown { what: "artifact", name: name.to_string(), known };
            return Err(Diagnostic::at(name.place, problem));
        };
        let shared = profile.version_of.as_ref();
        let version = versions.get(&name.value).or_else(|| versions.get(shared?)).cloned();
        let Some(version) = version else {
            return Err(Diagnostic::at(asked_at, Problem::NoVersion { part: name.to_string() }));
        };
        let own = &self.cluster.versions;
        let own = own.get(&name.value).or_else(|| own.get(shared?));
        let name = Located { place: own.map_or(asked_at, |version| version.place), value: name.value.clone() };
        let mut artifact = pin(&name, profile, self.cluster.artifacts.get(&name.value), version, self.system)?;
        if let Some(here) = &self.stack.architectures {
            artifact.files.retain(|arch, _| arch == "all" || here.contains(arch));
        }
        if artifact.files.is_empty() {
            let problem = Problem::NoPinnedHash { artifact: name.to_string(), version: artifact.version.to_string() };
            return Err(Diagnostic::at(name.place, problem));
        }
        Ok(artifact)
    }

    /// A package source whose line this is.
    fn apt_source(
        &self,
        component: &ComponentName,
        name: &ArtifactName,
        source: &Located<SourceProfile>,
        line: String,
    ) -> Result<AptSource> {
        let keyid = source.key.clone();
        let Some(file) = &source.key_file else { return Ok(AptSource { source: line, keyid, key: None }) };
        if !line.contains(KEY_FILE) {
            return Err(Diagnostic::at(source.place, Problem::KeyUnused { source_name: name.to_string() }));
        }
        let key = format!("{component}/{}", file.value);
        let text = self.catalogue.templates.get(&key).and_then(|volume| String::from_utf8(volume.bytes.to_vec()).ok());
        let text = text.ok_or_else(|| Diagnostic::at(file.place, Problem::NoTemplate { path: key }))?;
        let path = HostPath::literal_below("/etc/apt/keyrings/", &format!("{name}.asc"));
        Ok(AptSource { source: line.replace(KEY_FILE, path.as_str()), keyid, key: Some(AptKey { path, text }) })
    }

    fn expand(&self, text: &str, place: Place, versions: &BTreeMap<ArtifactName, Version>) -> Result<String> {
        let word = |word: &str| match word.strip_prefix("version:") {
            Some(part) => versions.get(part).map(ToString::to_string),
            None => self.system.word(word),
        };
        expand(text, word).map_err(|problem| Diagnostic::at(place, problem))
    }

    fn expand_setting(
        &self,
        value: &Setting,
        place: Place,
        versions: &BTreeMap<ArtifactName, Version>,
    ) -> Result<Setting> {
        match value {
            Setting::Text(text) => self.expand(text, place, versions).map(Setting::Text),
            other => Ok(other.clone()),
        }
    }
}

/// A port that a component may take from its own values.
fn open_port(text: &Located<String>, own: &BTreeMap<ArtifactName, Setting>) -> Result<OpenPort> {
    let word = |word: &str| match own.get(word)? {
        Setting::Integer(number) => Some(number.to_string()),
        Setting::Text(text) => Some(text.clone()),
        Setting::Bool(_) | Setting::List(_) => None,
    };
    let port = expand(text, word).map_err(|problem| Diagnostic::at(text.place, problem))?;
    port.parse().map_err(|error: WordError| Diagnostic::at(text.place, Problem::Value { message: error.to_string() }))
}

fn planned_file(component: &ComponentName, entry: &Located<FileEntry>, path: HostPath) -> Result<PlannedFile> {
    let is_octal = entry.mode.len() == 4 && entry.mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(&entry.mode, 8).ok().filter(|_| is_octal);
    let mode = mode.ok_or_else(|| Diagnostic::at(entry.place, Problem::BadMode { mode: entry.mode.clone() }))?;
    Ok(PlannedFile { place: entry.place, path, template: format!("{component}/{}", entry.template), mode })
}

/// Puts words in the place of `{word}`; a brace that starts no word stands for itself.
pub(super) fn expand(text: &str, word: impl Fn(&str) -> Option<String>) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(close) = rest.find('}') else { break };
        let name = &rest[1..close];
        match word(name) {
            Some(value) => out.push_str(&value),
            None => return Err(Problem::UnknownPlaceholder { name: name.to_owned() }),
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
