//! What there is to choose from: roles, stacks, systems, platforms, artifacts and components, all of them data.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::shelf::Shelf;
use crate::cluster::{
    ArtifactName, ComponentName, ConsulRole, Fingerprint, HostPath, ImageDigest, Kind, PackageName, ProfileName,
    Setting, Sha256, SystemName, UnitName, Version,
};
use crate::diagnostic::{Diagnostic, Place, Problem, Result, Sources};
use crate::lock::Lock;
use crate::yaml::{self, Entries, Located};

/// What a role means: `profiles/roles/<name>.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// One line for people.
    pub summary: String,
    /// Other names for it on the command line and in cluster.yaml.
    #[serde(default)]
    pub aliases: Vec<ProfileName>,
    /// Roles that come with it.
    #[serde(default)]
    pub implies: Vec<Located<ProfileName>>,
    /// Its components.
    #[serde(default)]
    pub components: Vec<Located<ComponentName>>,
    /// Whether a host with it is the cluster's VPN server, of which there is exactly one.
    #[serde(default)]
    pub vpn_server: bool,
    /// Whether a host with it manages the Swarm.
    #[serde(default)]
    pub swarm_manager: bool,
    /// What a host with it is to Consul.
    pub consul: Option<ConsulRole>,
}

/// A generation of parts that work together: `profiles/stacks/<name>.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// One line for people.
    pub summary: String,
    /// What hosts run where nobody says another.
    pub os: Located<SystemName>,
    /// Components of every host.
    pub components: Vec<Located<ComponentName>>,
    /// Components of a role's hosts, besides the role's own.
    #[serde(default)]
    pub roles: BTreeMap<ProfileName, Vec<Located<ComponentName>>>,
    /// By role, what the tokens of its hosts may in Consul's KV; without it Consul asks nobody for a token.
    pub acl: Option<BTreeMap<ProfileName, KeyRules>>,
    /// Versions in use, by artifact or package.
    #[serde(default)]
    pub versions: BTreeMap<ArtifactName, Version>,
    /// Container images, pinned by digest.
    #[serde(default)]
    pub images: BTreeMap<ArtifactName, ImageProfile>,
    /// Debian's names of the architectures that it runs on; all when left out. Pins of others are left out of user-data.
    pub architectures: Option<Vec<String>>,
    /// Systems that can carry it, and by choice the variants that work there, the default first.
    pub systems: BTreeMap<SystemName, BTreeMap<ArtifactName, Vec<ProfileName>>>,
    /// Systems that cannot, and why.
    #[serde(default)]
    pub unable: BTreeMap<SystemName, String>,
}

impl Stack {
    /// Whether its Swarm has to be begun by one of its managers: a component of theirs makes the choice `swarm`.
    pub fn begins_swarm(&self, catalogue: &Catalogue) -> bool {
        let components = self.roles.values().flatten().filter_map(|name| catalogue.components.get(&name.value));
        components.filter_map(|component| component.choice.as_ref()).any(|choice| choice.as_str() == "swarm")
    }
}

/// Keys of Consul's KV; one that ends with `/` stands for all that begin with it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyRules {
    /// Those that may be read.
    pub read: Vec<String>,
    /// Those that may be read and written.
    pub write: Vec<String>,
}

/// A container image and the digests of its versions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageProfile {
    /// Repository, as `docker pull` takes it.
    pub name: String,
    /// Digest (`sha256:…`) by version.
    pub versions: BTreeMap<Version, ImageDigest>,
}

/// An operating system: `profiles/systems/<name>.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// `ID` in its /etc/os-release.
    pub distribution: String,
    /// `VERSION_ID` in its /etc/os-release.
    pub release: String,
    /// `VERSION_CODENAME` in its /etc/os-release.
    pub codename: String,
    /// Where its packages are.
    pub archive: Archive,
    /// What a disk image of it has besides what its host needs; a system without has none.
    pub image: Option<DiskProfile>,
}

/// What makes a bootable disk of a system.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskProfile {
    /// Packages beside the essential ones: kernel, boot loader, cloud-init and the like.
    pub packages: Vec<PackageName>,
}

/// A distribution's archive of packages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Suites and components, as sources.list has them, by the archive's name to apt: its Label. Where it is, is not said here:
    /// everybody has a mirror of his own.
    pub sources: BTreeMap<String, Vec<String>>,
    /// The keys by which apt knows it, a file of the machine that locks.
    pub keyring: String,
    /// Debian's package with that file.
    pub keyring_package: PackageName,
}

impl Archive {
    /// Every suite with its components, and the archive that it is of.
    pub fn suites(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().flat_map(|(label, suites)| suites.iter().map(move |suite| (label.as_str(), suite.as_str())))
    }

    /// Whether a line of sources.list, without options, is one of these.
    pub fn has(&self, line: &str) -> bool {
        self.suites().any(|(_, suite)| line.split_once(' ').is_some_and(|(_, rest)| rest == suite))
    }
}

impl System {
    /// What a placeholder such as `{codename}` stands for.
    pub fn word(&self, name: &str) -> Option<String> {
        match name {
            "distribution" => Some(self.distribution.clone()),
            "release" => Some(self.release.clone()),
            "codename" => Some(self.codename.clone()),
            _ => None,
        }
    }
}

/// Where a host runs: `profiles/platforms/<name>.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// One line for people.
    pub summary: String,
    /// Largest user-data in bytes; none when there is no limit.
    pub user_data_limit: Option<usize>,
    /// Where that number comes from.
    pub limit_source: Option<String>,
    /// Whether user-data gets to the host byte by byte, so that it may be compressed: cloud-init knows gzip.
    #[serde(default)]
    pub gzip: bool,
    /// Whether its hosts take a NoCloud seed, which can set up their network.
    #[serde(default)]
    pub seed: bool,
    /// Whether its hosts stand behind a NAT or firewall, as machines at home do.
    #[serde(default)]
    pub behind_nat: bool,
    /// Where it tells a host its user-data, which containers may not read.
    #[serde(default)]
    pub metadata: Metadata,
    /// What the platform calls an image or box of an operating system.
    #[serde(default)]
    pub images: BTreeMap<SystemName, String>,
}

/// A platform's metadata service.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    /// Its addresses, of both families.
    pub addresses: Vec<IpAddr>,
    /// Those of them that are the platform's resolver too: containers need their port 53.
    pub resolvers: Vec<IpAddr>,
}

/// Something to fetch: `profiles/artifacts/<name>.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactProfile {
    /// One line for people.
    pub summary: String,
    /// Where it can be had; `{version}`, `{arch}` and the system's words stand for themselves.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Where upstream has signed the hashes of its versions.
    pub signed: Option<Located<SignedSums>>,
    /// How the urls spell Debian's names of architectures.
    #[serde(default)]
    pub arch: BTreeMap<String, String>,
    /// Whose version it has in the stack, when that is not its own name.
    pub version_of: Option<ArtifactName>,
    /// What is true of a version and all later ones, until a later entry says otherwise.
    #[serde(default)]
    pub since: BTreeMap<Version, Since>,
    /// What is known of single versions.
    pub versions: BTreeMap<Version, ArtifactVersion>,
}

impl ArtifactProfile {
    /// What holds for a version, known here or not.
    pub fn at(&self, version: &Version) -> Since {
        let mut entries: Vec<_> = self.since.iter().filter(|(since, _)| version.is_since(since)).collect();
        entries.sort_by_key(|(since, _)| since.numbers());
        let own = self.versions.get(version).map(|own| (&own.packages, &own.values));
        let mut at = Since::default();
        for (packages, values) in entries.into_iter().map(|(_, since)| (&since.packages, &since.values)).chain(own) {
            at.packages.extend(packages.iter().cloned());
            at.values.extend(values.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        at
    }
}

/// What is true of an artifact since a version.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Since {
    /// Packages that it needs to be built or run.
    pub packages: Vec<Located<String>>,
    /// What templates must know of it.
    pub values: BTreeMap<String, Setting>,
}

/// A list of hashes, as sha256sum prints it, and its signature; the urls know `{version}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedSums {
    /// Url of the list.
    pub sums: String,
    /// Url of its detached OpenPGP signature.
    pub signature: String,
    /// Url of the key; whoever serves it has no say, since its fingerprint is the next line.
    pub key: String,
    /// Fingerprint of the key.
    pub fingerprint: Fingerprint,
}

/// One version of an artifact.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactVersion {
    /// Urls of this version, instead of the artifact's.
    #[serde(default)]
    pub urls: Vec<String>,
    /// SHA-256 by Debian's name of the architecture, or `all`.
    #[serde(default)]
    pub sha256: BTreeMap<String, Sha256>,
    /// Packages that this version needs to be built or run.
    #[serde(default)]
    pub packages: Vec<Located<String>>,
    /// What templates must know of it.
    #[serde(default)]
    pub values: BTreeMap<String, Setting>,
}

/// One thing on a host: `templates/<name>/component.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// One line for people.
    pub summary: String,
    /// Which choice selects one of its variants.
    pub choice: Option<ArtifactName>,
    /// Other components that come with it.
    #[serde(default)]
    pub needs: Vec<Located<ComponentName>>,
    /// Its own values, which cluster.yaml's `settings` override.
    #[serde(default)]
    pub values: BTreeMap<ArtifactName, Setting>,
    /// Names of its own secrets, which are derived from the root.
    #[serde(default)]
    pub secrets: Vec<Located<ArtifactName>>,
    /// What its values are, by name: wrong ones are refused before a daemon refuses them.
    #[serde(default)]
    pub kinds: Entries<ArtifactName, Located<Kind>>,
    /// Commands of every boot, before anything else (cloud-init's bootcmd).
    #[serde(default)]
    pub bootcmd: Vec<Vec<String>>,
    /// Commands at the end of the first boot (cloud-init's runcmd).
    #[serde(default)]
    pub runcmd: Vec<Vec<String>>,
    /// Packages to install, `name` or `name=version`.
    #[serde(default)]
    pub packages: Vec<Located<String>>,
    /// Package sources besides the distribution's.
    #[serde(default)]
    pub apt: BTreeMap<ArtifactName, Located<AptSource>>,
    /// Artifacts to fetch.
    #[serde(default)]
    pub artifacts: Vec<Located<ArtifactName>>,
    /// Files to write.
    #[serde(default)]
    pub files: Vec<Located<FileEntry>>,
    /// Ports that the other hosts reach over the VPN, such as `8301/udp`; `{key}` stands for one of its own values.
    #[serde(default)]
    pub vpn_ports: Vec<Located<String>>,
    /// Ports that people reach over the VPN too.
    #[serde(default)]
    pub people_ports: Vec<Located<String>>,
    /// Ports that every address of the VPN reaches, whatever `firewall.people` says: a host by role has a lease, as people do, until it
    /// has claimed an address. What answers there has to ask for a secret by itself.
    #[serde(default)]
    pub joining_ports: Vec<Located<String>>,
    /// Units that genhost.target wants.
    #[serde(default)]
    pub units: Vec<UnitName>,
    /// Units that cloud-init's last step starts and waits for.
    #[serde(default)]
    pub first_boot: Vec<UnitName>,
    /// Variants by name.
    #[serde(default)]
    pub variants: BTreeMap<ProfileName, Parts>,
}

impl Component {
    /// What a value is, where the component says so.
    pub fn kind(&self, key: &ArtifactName) -> Option<&Kind> {
        self.kinds.0.iter().find(|(name, _)| name.value == *key).map(|(_, kind)| &kind.value)
    }

    /// Which of its values are networks.
    pub fn networks(&self) -> impl Iterator<Item = &ArtifactName> {
        self.kinds.0.iter().filter(|(_, kind)| kind.is_network()).map(|(name, _)| &name.value)
    }

    /// The manifest is right in itself: templates see secrets and values by one name, `this.<key>`, and its own values are
    /// what it says that they are.
    fn check(&self) -> Result<()> {
        if let Some(twice) = self.secrets.iter().find(|name| self.values.contains_key(&name.value)) {
            return Err(Diagnostic::at(twice.place, Problem::SecretAndValue { name: twice.to_string() }));
        }
        for (key, kind) in &self.kinds.0 {
            let Some(value) = self.values.get(&key.value) else {
                let known = self.values.keys().map(ToString::to_string).collect();
                return Err(Diagnostic::at(
                    key.place,
                    Problem::Unknown { what: "value", name: key.to_string(), known },
                ));
            };
            if let Some(problem) = kind.refuse(value, value, |key| self.values.get(key)) {
                return Err(Diagnostic::at(kind.place, problem));
            }
        }
        Ok(())
    }
}

/// What a variant of a component adds to it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parts {
    /// See [`Component::needs`].
    pub needs: Vec<Located<ComponentName>>,
    /// Values that every template sees as `variant.<choice>.<key>`.
    pub values: BTreeMap<ArtifactName, Setting>,
    /// See [`Component::packages`].
    pub packages: Vec<Located<String>>,
    /// See [`Component::apt`].
    pub apt: BTreeMap<ArtifactName, Located<AptSource>>,
    /// See [`Component::artifacts`].
    pub artifacts: Vec<Located<ArtifactName>>,
    /// See [`Component::files`].
    pub files: Vec<Located<FileEntry>>,
    /// See [`Component::units`].
    pub units: Vec<UnitName>,
    /// See [`Component::first_boot`].
    pub first_boot: Vec<UnitName>,
}

/// A package source, in cloud-init's terms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AptSource {
    /// A line of sources.list, with `$KEY_FILE` for the key.
    pub source: String,
    /// Fingerprint of its key.
    pub key: Fingerprint,
    /// The key itself, a file beside the manifest; without it a host asks a key server.
    pub key_file: Option<Located<String>>,
}

/// A file of a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where it goes.
    pub path: HostPath,
    /// The template beside the manifest.
    pub template: String,
    /// Its mode, four octal digits.
    #[serde(default = "FileEntry::default_mode")]
    pub mode: String,
}

impl FileEntry {
    fn default_mode() -> String {
        "0644".to_owned()
    }
}

/// Everything there is to choose from, and the templates.
#[derive(Debug)]
pub struct Catalogue {
    /// Roles by name.
    pub roles: BTreeMap<ProfileName, Role>,
    /// Stacks by name.
    pub stacks: BTreeMap<ProfileName, Located<Stack>>,
    /// Operating systems by name.
    pub systems: BTreeMap<SystemName, System>,
    /// Platforms by name.
    pub platforms: BTreeMap<ProfileName, Platform>,
    /// Artifacts by name.
    pub artifacts: BTreeMap<ArtifactName, Located<ArtifactProfile>>,
    /// Components by name.
    pub components: BTreeMap<ComponentName, Located<Component>>,
    /// The components' files.
    pub templates: Shelf,
}

impl Catalogue {
    /// Reads every profile and every component's manifest.
    pub fn load(sources: &mut Sources, profiles: &Shelf, templates: Shelf) -> Result<Self> {
        let components = Folder { shelf: &templates, folder: "", suffix: "/component.yaml" };
        let components: BTreeMap<_, Located<Component>> =
            components.read(sources, |text| ComponentName::new(text).ok())?;
        for component in components.values() {
            component.check()?;
        }
        let folder = |folder| Folder { shelf: profiles, folder, suffix: ".yaml" };
        let profile = |text: &str| ProfileName::new(text).ok();
        Ok(Self {
            roles: folder("roles/").read(sources, profile)?,
            stacks: folder("stacks/").read(sources, profile)?,
            systems: folder("systems/").read(sources, |text| SystemName::new(text).ok())?,
            platforms: folder("platforms/").read(sources, profile)?,
            artifacts: folder("artifacts/").read(sources, |text| ArtifactName::new(text).ok())?,
            components,
            templates,
        })
    }

    /// Pins what the profiles leave open. A hash that a profile has stays: it is known in public, and the lock's is not.
    pub fn pin(&mut self, lock: &Lock) {
        for (name, versions) in &lock.artifacts {
            let Some(profile) = self.artifacts.get_mut(name) else { continue };
            for (version, files) in versions {
                let known = profile.value.versions.entry(version.clone()).or_default();
                if known.sha256.is_empty() {
                    known.sha256 = files.iter().map(|(arch, file)| (arch.to_string(), file.sha256.clone())).collect();
                }
            }
        }
        for (name, versions) in &lock.images {
            for stack in self.stacks.values_mut() {
                let Some(image) = stack.value.images.get_mut(name) else { continue };
                for (version, digest) in versions {
                    image.versions.entry(version.clone()).or_insert_with(|| digest.clone());
                }
            }
        }
    }

    /// Files that the user laid over and that nothing reads: a wrong folder, a wrong name.
    pub fn unread(&self, profiles: &Shelf) -> Vec<Problem> {
        let folders = ["roles/", "stacks/", "systems/", "platforms/", "artifacts/"];
        let is_profile = |path: &str| path.ends_with(".yaml") && folders.iter().any(|folder| path.starts_with(folder));
        let mut templates = std::collections::BTreeSet::new();
        for (name, component) in &self.components {
            let of_variants = component.variants.values().flat_map(|parts| &parts.files);
            let files = component.files.iter().chain(of_variants);
            templates.extend(files.map(|file| format!("{name}/{}", file.template)));
            templates.insert(format!("{name}/component.yaml"));
            let sources =
                component.apt.values().chain(component.variants.values().flat_map(|parts| parts.apt.values()));
            templates.extend(sources.filter_map(|source| Some(format!("{name}/{}", source.key_file.as_deref()?))));
        }
        let of_profiles = profiles.laid_over().filter(|(path, _)| !is_profile(path));
        let of_templates = self.templates.laid_over().filter(|(path, _)| !templates.contains(*path));
        of_profiles.chain(of_templates).map(|(_, name)| Problem::NothingReads { path: name.to_owned() }).collect()
    }

    /// Every component that a host of a cluster may have, by name or by role, whatever its variants. One that is unknown is left
    /// out: it is told where somebody asks for it.
    pub fn reachable<'c>(
        &'c self,
        stack: &'c Stack,
        extra: impl Iterator<Item = &'c Located<ComponentName>>,
    ) -> BTreeMap<&'c ComponentName, &'c Component> {
        let of_roles = self.roles.values().flat_map(|role| &role.components);
        let of_stack = stack.components.iter().chain(stack.roles.values().flatten());
        let mut open: Vec<&Located<ComponentName>> = of_stack.chain(of_roles).chain(extra).collect();
        let mut found = BTreeMap::new();
        while let Some(asked) = open.pop() {
            let Some((name, component)) = self.components.get_key_value(&asked.value) else { continue };
            if found.insert(name, &component.value).is_none() {
                let of_variants = component.variants.values().flat_map(|variant| &variant.needs);
                open.extend(component.needs.iter().chain(of_variants));
            }
        }
        found
    }

    /// The role of that name or alias.
    pub fn role(&self, name: &ProfileName) -> Option<(&ProfileName, &Role)> {
        self.roles.get_key_value(name).or_else(|| self.roles.iter().find(|(_, role)| role.aliases.contains(name)))
    }

    /// Whether a host with these roles manages the Swarm.
    pub fn manages_swarm(&self, roles: &[ProfileName]) -> bool {
        roles.iter().any(|role| self.roles.get(role).is_some_and(|role| role.swarm_manager))
    }

    /// Roles and all that they imply, sorted, without doubles.
    pub fn close_roles(&self, asked: &[Located<ProfileName>]) -> Result<Vec<ProfileName>> {
        let mut closed = std::collections::BTreeSet::new();
        let mut open: Vec<&Located<ProfileName>> = asked.iter().collect();
        while let Some(asked) = open.pop() {
            let Some((name, role)) = self.role(asked) else {
                let aliases = self.roles.values().flat_map(|role| &role.aliases);
                let known = self.roles.keys().chain(aliases).map(ToString::to_string).collect();
                let problem = Problem::Unknown { what: "role", name: asked.to_string(), known };
                return Err(Diagnostic::at(asked.place, problem));
            };
            if closed.insert(name.clone()) {
                open.extend(&role.implies);
            }
        }
        Ok(closed.into_iter().collect())
    }
}

/// The files of one kind on a shelf.
struct Folder<'a> {
    shelf: &'a Shelf,
    folder: &'a str,
    suffix: &'a str,
}

impl Folder<'_> {
    fn read<K: Ord, T: for<'de> Deserialize<'de>>(
        &self,
        sources: &mut Sources,
        name: impl Fn(&str) -> Option<K>,
    ) -> Result<BTreeMap<K, T>> {
        let mut all = BTreeMap::new();
        for path in self.shelf.paths() {
            let stem = path.strip_prefix(self.folder).and_then(|rest| rest.strip_suffix(self.suffix));
            let (Some(stem), Some(volume)) = (stem, self.shelf.get(path)) else { continue };
            let text = String::from_utf8_lossy(&volume.bytes);
            let source = sources.add(&volume.name, text);
            let start = Place::new(source, 0, 0);
            let Some(key) = name(stem) else {
                return Err(Diagnostic::at(start, Problem::BadFileName { name: stem.to_owned() }));
            };
            if let Err(error) = std::str::from_utf8(&volume.bytes) {
                let good = error.valid_up_to();
                return Err(Diagnostic::at(Place::new(source, good, good + 1), Problem::NotUtf8));
            }
            let node = yaml::parse(sources, source)?;
            all.insert(key, yaml::decode(&node).map_err(|e| e.or_at(start))?);
        }
        Ok(all)
    }
}
