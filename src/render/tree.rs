//! A whole host as data.

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Serialize, Serializer};

use crate::cluster::{
    ArtifactName, HostName, HostPath, NetworkSection, ProfileName, Sha256, SshKey, SystemName, Timezone, UnitName,
};
use crate::resolve::Artifact;

pub use crate::resolve::AptSource as PackageSource;

/// Everything that a host is, before it is put into any format. Two hosts with equal trees are the same host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostTree {
    /// Its name; one rendered by role takes the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<HostName>,
    /// The operating system it is made for.
    pub system: SystemName,
    /// Its network, where it is set up by hand: what a seed carries beside the user-data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSection>,
    /// Its roles.
    pub roles: Vec<ProfileName>,
    /// SSH keys that may log in as the image's default user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<SshKey>,
    /// Its time zone; the image's when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Timezone>,
    /// Commands of every boot, before anything else.
    pub bootcmd: Vec<Vec<String>>,
    /// Commands at the end of the first boot.
    pub runcmd: Vec<Vec<String>>,
    /// Its files.
    pub files: BTreeMap<HostPath, File>,
    /// Its packages, with the version where one is pinned.
    pub packages: BTreeMap<String, Option<String>>,
    /// Package sources besides the distribution's.
    pub apt: BTreeMap<ArtifactName, PackageSource>,
    /// What it fetches.
    pub artifacts: BTreeMap<ArtifactName, Artifact>,
    /// Units that genhost.target wants.
    pub units: Vec<UnitName>,
}

/// A file; its owner is root:root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Permissions.
    pub mode: Mode,
    /// Bytes.
    pub content: Content,
}

/// Permissions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub(super) u32);

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text in UTF-8.
    Text(String),
    /// Anything else.
    Binary(Vec<u8>),
}

impl Content {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = BTreeMap::new();
        match self {
            Self::Text(text) => map.insert("text", text.clone()),
            Self::Binary(bytes) => map.insert("base64", BASE64_STANDARD.encode(bytes)),
        };
        map.serialize(serializer)
    }
}

/// SHA-256 of a host's canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostId(String);

impl HostId {
    /// All 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HostId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl HostTree {
    /// The tree as JSON: keys sorted, nothing between tokens.
    pub fn canonical_json(&self) -> String {
        // serde_json's own map is a BTreeMap, so going through it sorts the keys. A tree holds strings, lists and maps
        // with string keys only, all of which JSON has.
        serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default()
    }

    /// Its identity.
    pub fn id(&self) -> HostId {
        HostId(Sha256::of(self.canonical_json()).to_string())
    }
}
