//! Secrets: one root, from which every other is derived by its label, and the VPN server's key pair.

mod certificate;
mod hash;
mod key_pair;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use base64::prelude::{BASE64_STANDARD, Engine};
use hkdf::Hkdf;
use p256::ecdsa::SigningKey;
use sha2::{Digest, Sha256};

use certificate::Authority;
pub use certificate::Bearer;
pub use hash::{hub_secure_password_hash, nt_password_hash, password_hash, user_password_hash};
pub use key_pair::KeyPair;
pub use secret::Secret;

use crate::cluster::{ArtifactName, ComponentName, HostName, ProfileName, UserName};
use crate::diagnostic::{Place, Problem};

/// What a secret is for. The text of a label is its name in `secrets.yaml`, and its HKDF info.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Password of the VPN server's administrator.
    Administrator,
    /// Password of the Virtual Hub's administrator.
    Hub,
    /// Pre-shared key of L2TP/IPsec.
    PreSharedKey,
    /// Password of a host's own VPN account.
    Host(HostName),
    /// Password of the VPN account of all hosts rendered for a role.
    Role(ProfileName),
    /// Password that manages a host's VPN client.
    HostManagement(HostName),
    /// Password that manages the VPN client of all hosts rendered for a role.
    RoleManagement(ProfileName),
    /// Password of a person.
    User(UserName),
    /// Key of Consul's gossip.
    Gossip,
    /// Consul's token that may everything.
    ConsulManagement,
    /// A host's own token for Consul.
    ConsulHost(HostName),
    /// The token for Consul of all hosts rendered for a role.
    ConsulRole(ProfileName),
    /// Key of the authority that signs the certificates of Consul's agents.
    ConsulAuthority,
    /// Key of a host's own certificate.
    ConsulHostCertificate(HostName),
    /// Key of the certificate of all hosts rendered for a role.
    ConsulRoleCertificate(ProfileName),
    /// What a component declares as a secret of its own, the same on every host.
    Component(ComponentName, ArtifactName),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator => f.write_str("vpn/administrator"),
            Self::Hub => f.write_str("vpn/hub"),
            Self::PreSharedKey => f.write_str("vpn/psk"),
            Self::Host(name) => write!(f, "vpn/account/{name}"),
            Self::Role(name) => write!(f, "vpn/role/{name}"),
            Self::HostManagement(name) => write!(f, "vpn/management/{name}"),
            Self::RoleManagement(name) => write!(f, "vpn/role-management/{name}"),
            Self::User(name) => write!(f, "vpn/user/{name}"),
            Self::Gossip => f.write_str("consul/gossip"),
            Self::ConsulManagement => f.write_str("consul/management"),
            Self::ConsulHost(name) => write!(f, "consul/token/{name}"),
            Self::ConsulRole(name) => write!(f, "consul/role/{name}"),
            Self::ConsulAuthority => f.write_str("consul/ca"),
            Self::ConsulHostCertificate(name) => write!(f, "consul/certificate/{name}"),
            Self::ConsulRoleCertificate(name) => write!(f, "consul/role-certificate/{name}"),
            Self::Component(component, name) => write!(f, "component/{component}/{name}"),
        }
    }
}

/// 32 random bytes. Never shown by `Debug`.
#[derive(Clone)]
pub struct Root([u8; 32]);

impl Root {
    /// Takes bytes from a cryptographic source of randomness.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(…)")
    }
}

/// The secrets of one cluster.
#[derive(Debug, Clone)]
pub struct Secrets {
    root: Root,
    key_pair: KeyPair,
    own: BTreeMap<String, Own>,
    /// Made when it is asked for first: most commands need none.
    authority: OnceLock<Authority>,
}

#[derive(Clone)]
struct Own {
    value: String,
    place: Place,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Letters and digits that are not mistaken for one another (RFC 4648's base32 in lower case): 24 of them are 120 bits.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const PASSWORD_LENGTH: usize = 24;

impl Secrets {
    /// Secrets with nothing set by hand.
    pub fn new(root: Root, key_pair: KeyPair) -> Self {
        Self { root, key_pair, own: BTreeMap::new(), authority: OnceLock::new() }
    }

    /// Sets a secret by hand, instead of the derived one; `place` is where its label stands.
    pub fn set(&mut self, label: &str, value: String, place: Place) -> Result<(), Problem> {
        let kinds = ["vpn/account/", "vpn/role/", "vpn/user/", "component/"];
        let singles = [Label::Administrator, Label::Hub, Label::PreSharedKey, Label::Gossip];
        let known = kinds.iter().any(|kind| label.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()))
            || singles.iter().any(|single| single.to_string() == label);
        if !known {
            let singles = singles.iter().map(ToString::to_string);
            let known = singles.chain(kinds.iter().map(|kind| format!("{kind}NAME"))).collect();
            return Err(Problem::Unknown { what: "secret", name: label.to_owned(), known });
        }
        let is_gossip_key = BASE64_STANDARD.decode(&value).is_ok_and(|bytes| bytes.len() == 32);
        if label == Label::Gossip.to_string() && !is_gossip_key {
            return Err(Problem::BadGossipKey);
        }
        let is_cut = value.starts_with(' ') || value.ends_with(' ');
        if value.is_empty() || value.len() > 127 || value.chars().any(char::is_control) || is_cut {
            return Err(Problem::BadPassword { label: label.to_owned() });
        }
        if label == Label::PreSharedKey.to_string() && !value.is_ascii() {
            return Err(Problem::PreSharedKeyNotAscii);
        }
        self.own.insert(label.to_owned(), Own { value, place });
        Ok(())
    }

    /// Labels that were set by hand, and their places.
    pub fn own_labels(&self) -> impl Iterator<Item = (&str, Place)> {
        self.own.iter().map(|(label, own)| (label.as_str(), own.place))
    }

    /// The password of a label.
    pub fn password(&self, label: &Label) -> String {
        let label = label.to_string();
        if let Some(Own { value, .. }) = self.own.get(&label) {
            return value.clone();
        }
        let bytes = self.derive::<PASSWORD_LENGTH>(&label);
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    }

    /// Consul's gossip key: 32 bytes in base64.
    pub fn gossip_key(&self) -> String {
        let label = Label::Gossip.to_string();
        match self.own.get(&label) {
            Some(Own { value, .. }) => value.clone(),
            None => BASE64_STANDARD.encode(self.derive::<32>(&label)),
        }
    }

    /// A token for Consul, which wants a UUID (RFC 9562, version 8: 122 bits of the derived ones).
    pub fn token(&self, label: &Label) -> String {
        uuid(self.derive::<16>(&label.to_string()))
    }

    /// The name under which Consul keeps a token, which is no secret.
    pub fn accessor(&self, label: &Label) -> String {
        uuid(self.derive::<16>(&format!("{label}/accessor")))
    }

    /// A certificate for Consul, its authority's and its key, in PEM and in this order, for a label of that kind.
    ///
    /// # Errors
    /// A name that no certificate can hold.
    pub fn identity(&self, label: &Label, bearer: Bearer) -> Result<String, Problem> {
        let authority = match self.authority.get() {
            Some(authority) => authority,
            None => {
                let made = Authority::new(self.signing_key(&Label::ConsulAuthority))?;
                self.authority.get_or_init(|| made)
            }
        };
        authority.identity(&self.signing_key(label), bearer)
    }

    /// A key on P-256. A scalar of zero or past the curve's order, of which one in 2^32 is, is drawn again.
    fn signing_key(&self, label: &Label) -> SigningKey {
        let mut tried = 0;
        loop {
            let again = if tried == 0 { String::new() } else { format!("/{tried}") };
            if let Ok(key) = SigningKey::from_slice(&self.derive::<32>(&format!("{label}{again}"))) {
                return key;
            }
            tried += 1;
        }
    }

    /// Tells these secrets from others, and nothing of them: the root is its salt, which nobody can guess.
    pub fn fingerprint(&self) -> String {
        let mut all = Sha256::new();
        all.update(self.key_pair.key());
        for (label, Own { value, .. }) in &self.own {
            all.update(format!("{label}\0{value}\0"));
        }
        let all = crate::cluster::Sha256::from_digest(all.finalize().into());
        let bytes = self.derive::<16>(&format!("fingerprint/{all}"));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The VPN server's key and certificate.
    pub fn key_pair(&self) -> &KeyPair {
        &self.key_pair
    }

    /// HKDF-SHA-256 (RFC 5869) without salt: the root is uniformly random.
    fn derive<const N: usize>(&self, label: &str) -> [u8; N] {
        let mut bytes = [0; N];
        // The one error of `expand` is an output of more than 255 hashes.
        let expanded =
            Hkdf::<Sha256>::new(None, &self.root.0).expand(format!("genhost/{label}").as_bytes(), &mut bytes);
        debug_assert!(expanded.is_ok());
        bytes
    }
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
