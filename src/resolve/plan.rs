use std::collections::BTreeMap;

use super::{Artifact, PlannedComponent, Values};
use crate::cluster::{
    ArtifactName, Fingerprint, HostName, HostOptions, HostPath, NetworkSection, ProfileName, SystemName, UnitName,
};
use crate::yaml::Located;

/// What to make a plan for.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A host of the cluster by its name.
    Host(HostName),
    /// A host that has roles and no name: any number of machines may boot as it.
    Roles(Vec<Located<ProfileName>>),
}

/// Every decision for one host. Plain data; [`crate::render`] makes bytes of it.
#[derive(Debug)]
pub struct HostPlan {
    /// Which host.
    pub subject: Subject,
    /// Its roles, implied ones included, sorted.
    pub roles: Vec<ProfileName>,
    /// Where it runs, when that is known.
    pub platform: Option<ProfileName>,
    /// Its network, where it is set up by hand.
    pub network: Option<NetworkSection>,
    /// Its operating system.
    pub system: SystemName,
    /// Its components, sorted by name.
    pub components: Vec<PlannedComponent>,
    /// What it has besides the cluster.
    pub options: HostOptions,
    /// Packages by name, with the version where one is pinned.
    pub packages: BTreeMap<String, Option<String>>,
    /// Package sources besides the distribution's.
    pub apt: BTreeMap<ArtifactName, AptSource>,
    /// What it fetches.
    pub artifacts: BTreeMap<ArtifactName, Artifact>,
    /// What genhost.target wants.
    pub units: Vec<UnitName>,
    /// What templates may ask for.
    pub values: Values,
}

/// A package source, in cloud-init's terms.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AptSource {
    /// A line of sources.list.
    pub source: String,
    /// Fingerprint of its key.
    pub keyid: Fingerprint,
    /// The key, a file of the host's; without it the host asks a key server.
    #[serde(skip)]
    pub key: Option<AptKey>,
}

/// The key of a package source. apt reads it as it is; given to cloud-init instead, it would need gpg, which Debian's cloud images
/// do not have (<https://github.com/canonical/cloud-init/issues/5535>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptKey {
    /// Where the host has it.
    pub path: HostPath,
    /// In ASCII armour.
    pub text: String,
}
