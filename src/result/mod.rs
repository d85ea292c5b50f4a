//! What `genhost build` leaves: a folder with every host's outputs and a manifest of them.
//!
//! ```text
//! result/manifest.json
//! result/hosts/<name>/user-data     as the host's platform takes it
//! result/hosts/<name>/tree.json     the host as canonical JSON, whose SHA-256 is its id
//! result/roles/<role>/…             the same of each role
//! ```

mod diff;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cluster::Sha256;

pub use diff::{Change, HostDiff, diff};

/// The manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// A host's canonical JSON.
pub const TREE: &str = "tree.json";
/// A host's user-data.
pub const USER_DATA: &str = "user-data";

/// What was built, of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the genhost that built it.
    pub genhost: String,
    /// Of what.
    pub inputs: Inputs,
    /// Every output, by its folder: `hosts/<name>` or `roles/<role>`.
    pub outputs: BTreeMap<String, Output>,
}

/// What the outputs are a function of, beside genhost itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// SHA-256 of the cluster file.
    pub cluster: String,
    /// `--stack` and `--set`, as they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    /// SHA-256 of the user's own profiles and templates, by their paths below `--profiles` and `--templates`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overlays: BTreeMap<String, String>,
    /// SHA-256 of genhost.lock, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// Tells whether the secrets are the same, and nothing of them.
    pub secrets: String,
}

/// A host's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its id, all 64 digits.
    pub id: String,
    /// SHA-256 of its files by name.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// The manifest as it is written.
    pub fn to_json(&self) -> String {
        // Strings and maps with string keys: JSON has all of it.
        serde_json::to_value(self).map(|value| format!("{value:#}\n")).unwrap_or_default()
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::of(bytes).to_string()
}
