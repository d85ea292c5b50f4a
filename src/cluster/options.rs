//! What users want on their hosts besides the cluster, in cloud-init's own words.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PackageName, SshKey, Timezone};

/// Options of the cluster's hosts, or of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostOptions {
    /// Keys that may log in as the image's default user.
    pub ssh_authorized_keys: Vec<SshKey>,
    /// Packages to install.
    pub packages: Vec<PackageName>,
    /// Time zone; the image's when there is none.
    pub timezone: Option<Timezone>,
    /// Commands at the end of the first boot.
    pub runcmd: Vec<Command>,
}

impl HostOptions {
    /// The cluster's options with a host's own: lists are extended, without duplicates of keys and packages; the host's time zone
    /// wins.
    #[must_use]
    pub fn with(&self, own: &Self) -> Self {
        Self {
            ssh_authorized_keys: united(&self.ssh_authorized_keys, &own.ssh_authorized_keys),
            packages: united(&self.packages, &own.packages),
            timezone: own.timezone.clone().or_else(|| self.timezone.clone()),
            runcmd: [&self.runcmd[..], &own.runcmd].concat(),
        }
    }
}

/// Both lists, each entry once, in their order.
fn united<T: Clone + PartialEq>(one: &[T], other: &[T]) -> Vec<T> {
    let mut all: Vec<T> = Vec::with_capacity(one.len() + other.len());
    for entry in one.iter().chain(other) {
        if !all.contains(entry) {
            all.push(entry.clone());
        }
    }
    all
}

/// A command of cloud-init's runcmd.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "text for a shell, or a list of words, is expected here")]
pub enum Command {
    /// Text for a shell.
    Shell(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

impl Command {
    /// The program and its arguments.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Shell(text) => ["sh", "-c", text].map(str::to_owned).to_vec(),
            Self::Words(words) => words.clone(),
        }
    }
}

/// Types of keys that OpenSSH accepts in authorized_keys (sshd(8)).
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Whether a text is a public key: its type, the key in base64, which begins with the length of the type and the type (RFC 4253,
/// section 6.6), and perhaps a comment.
pub(super) fn is_ssh_key(text: &str) -> bool {
    let mut words = text.splitn(3, ' ');
    let (Some(kind), Some(key)) = (words.next(), words.next()) else { return false };
    let comment = words.next().unwrap_or_default();
    let Ok(bytes) = BASE64_STANDARD.decode(key) else { return false };
    let begins = [&(kind.len() as u32).to_be_bytes()[..], kind.as_bytes()].concat();
    KEY_TYPES.contains(&kind)
        && bytes.starts_with(&begins)
        && bytes.len() > begins.len()
        && !comment.chars().any(char::is_control)
}
