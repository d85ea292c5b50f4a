//! `genhost.lock`: everything that the hosts of a cluster fetch, to the byte. Made by `genhost lock`, kept under version
//! control, read by whatever needs a pin that no profile has.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::cluster::{Arch, ArtifactName, HostName, ImageDigest, PackageName, Sha256, SystemName, Url, Version};
use crate::diagnostic::{Diagnostic, Place, Problem, Result, SourceId, Sources};
use crate::yaml::{self, Located};

/// The one version of the format that there is.
const VERSION: u32 = 1;

/// What is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Files that hosts fetch, by name, version and architecture.
    pub artifacts: ByVersion<BTreeMap<Arch, LockedFile>>,
    /// Digests of container images, by name and version.
    pub images: ByVersion<ImageDigest>,
    /// VPN addresses of hosts to which cluster.yaml gives none, so that no host that joins moves them.
    pub addresses: BTreeMap<HostName, Ipv4Addr>,
    /// Packages of an operating system and everything that they depend on, by architecture.
    pub systems: BTreeMap<SystemName, BTreeMap<Arch, LockedSystem>>,
}

/// By name and version.
pub type ByVersion<T> = BTreeMap<ArtifactName, BTreeMap<Version, T>>;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// What it must be.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// Where it can be had, tried in this order.
    pub urls: Vec<Url>,
}

/// What a system's archive had for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSystem {
    /// When the archive was of that state: the latest date of its Release files, in seconds since 1970.
    pub date: u64,
    /// Lines of sources.list that were asked.
    pub sources: Vec<String>,
    /// Packages that hosts have by name, with `=` and a version where that is pinned; the others are what these need.
    pub asked: Vec<String>,
    /// All of them.
    pub packages: Vec<LockedPackage>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// Its architecture.
    pub arch: Arch,
    /// Length of its file in bytes.
    pub size: u64,
    /// Hash of its file.
    pub sha256: Sha256,
    /// Where its file is.
    pub url: Url,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    #[serde(rename = "version")]
    _version: u32,
    sha256: Located<Sha256>,
    #[serde(default)]
    artifacts: ByVersion<BTreeMap<Arch, LockedFile>>,
    #[serde(default)]
    images: ByVersion<ImageDigest>,
    #[serde(default)]
    addresses: BTreeMap<HostName, Ipv4Addr>,
    #[serde(default)]
    systems: BTreeMap<SystemName, BTreeMap<Arch, LockedSystem>>,
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// A newer version of the format; a text that somebody edited; whatever else is no lock.
    pub fn parse(sources: &Sources, source: SourceId) -> Result<Self> {
        let start = Place::new(source, 0, 0);
        let node = yaml::parse(sources, source)?;
        // A later format may be another one altogether, so this comes before everything else.
        let version = node.get("version").ok_or_else(|| Diagnostic::at(start, Problem::NotALock))?;
        let found: u64 = yaml::decode(version)?;
        if found != u64::from(VERSION) {
            return Err(Diagnostic::at(version.place, Problem::LockVersion { found, known: VERSION }));
        }
        let file: LockFile = yaml::decode(&node).map_err(|fault| fault.or_at(start))?;
        let body = text::body(sources.text(source));
        if body.is_none_or(|body| Sha256::of(body) != file.sha256.value) {
            return Err(Diagnostic::at(file.sha256.place, Problem::LockEdited));
        }
        Ok(Self { artifacts: file.artifacts, images: file.images, addresses: file.addresses, systems: file.systems })
    }

    /// The lock as it is written: the same one, the same bytes.
    ///
    /// # Errors
    /// A value that YAML cannot carry.
    pub fn text(&self) -> Result<String, Problem> {
        text::write(self).map_err(|error| Problem::Emit { format: "genhost.lock", reason: error.to_string() })
    }

    /// The same without these artifacts, images and operating systems.
    ///
    /// # Errors
    /// One that is not in it.
    pub fn without(mut self, names: &[String]) -> Result<Self, Problem> {
        let artifacts = self.artifacts.keys().chain(self.images.keys()).map(ToString::to_string);
        let known: Vec<String> = artifacts.chain(self.systems.keys().map(ToString::to_string)).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(Problem::NotLocked { name: name.clone(), known });
        }
        self.artifacts.retain(|name, _| !names.iter().any(|gone| gone == name.as_str()));
        self.images.retain(|name, _| !names.iter().any(|gone| gone == name.as_str()));
        self.systems.retain(|name, _| !names.iter().any(|gone| gone == name.as_str()));
        Ok(self)
    }

    /// The architectures of its systems.
    pub fn arches(&self) -> BTreeSet<Arch> {
        self.systems.values().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// A pinned file.
    pub fn file(&self, name: &ArtifactName, version: &Version, arch: &Arch) -> Option<&LockedFile> {
        self.artifacts.get(name)?.get(version)?.get(arch)
    }

    /// The length of a pinned file, by its hash.
    pub fn size(&self, sha256: &Sha256) -> Option<u64> {
        let files = self.artifacts.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        files.into_iter().find(|file| file.sha256 == *sha256).map(|file| file.size)
    }

    /// What is pinned of an operating system.
    pub fn system(&self, system: &SystemName, arch: &Arch) -> Option<&LockedSystem> {
        self.systems.get(system)?.get(arch)
    }
}
