//! Secrets: one root, from which every other is derived by its label, and the VPN server's key pair.

mod certificate;
mod hash;
mod key_pair;
mod label;
mod password;
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
pub use label::{Kind, Label};
pub use secret::Secret;

use crate::diagnostic::{Place, Problem};

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
    own: BTreeMap<Label, Own>,
    epochs: BTreeMap<Label, (u32, Place)>,
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
    /// Secrets with nothing set by hand, all of them in their first epoch.
    pub fn new(root: Root, key_pair: KeyPair) -> Self {
        Self { root, key_pair, own: BTreeMap::new(), epochs: BTreeMap::new(), authority: OnceLock::new() }
    }

    /// Sets a secret by hand, instead of the derived one; `place` is where its label stands.
    ///
    /// # Errors
    /// A value that is not of the label's kind, or that somebody would guess; a label that cannot be set.
    pub fn set(&mut self, label: Label, value: String, place: Place) -> Result<(), Problem> {
        let text = label.to_string();
        match label.kind() {
            Kind::SigningKey | Kind::KeyPair => return Err(Problem::SecretNotToSet { label: text }),
            Kind::GossipKey if BASE64_STANDARD.decode(&value).is_ok_and(|bytes| bytes.len() == 32) => {}
            Kind::GossipKey => return Err(Problem::BadGossipKey),
            Kind::Token if is_uuid(&value) => {}
            Kind::Token => return Err(Problem::BadToken { label: text }),
            Kind::PreSharedKey if !value.is_ascii() => return Err(Problem::PreSharedKeyNotAscii),
            Kind::Password | Kind::PreSharedKey => {
                let is_cut = value.starts_with(' ') || value.ends_with(' ');
                if value.is_empty() || value.len() > 127 || value.chars().any(char::is_control) || is_cut {
                    return Err(Problem::BadPassword { label: text });
                }
                if let Some(reason) = password::weakness(&text, &value) {
                    return Err(Problem::WeakPassword { label: text, reason });
                }
            }
        }
        self.own.insert(label, Own { value, place });
        Ok(())
    }

    /// Puts a secret into a later epoch than the first, in which it has another value.
    ///
    /// # Errors
    /// One that is not derived.
    pub fn set_epoch(&mut self, label: Label, epoch: u32, place: Place) -> Result<(), Problem> {
        if label.kind() == Kind::KeyPair {
            return Err(Problem::EpochOfKeyPair);
        }
        self.epochs.insert(label, (epoch, place));
        Ok(())
    }

    /// In which epoch a secret is, counted from 1.
    pub fn epoch(&self, label: &Label) -> u32 {
        self.epochs.get(label).map_or(1, |(epoch, _)| *epoch)
    }

    /// Where a secret was set by hand.
    pub fn own_place(&self, label: &Label) -> Option<Place> {
        self.own.get(label).map(|own| own.place)
    }

    /// Labels that the file names, and their places.
    pub fn named_labels(&self) -> impl Iterator<Item = (&Label, Place)> {
        let own = self.own.iter().map(|(label, own)| (label, own.place));
        own.chain(self.epochs.iter().map(|(label, (_, place))| (label, *place)))
    }

    /// The value of a label as people and programs write it; nothing for keys, which are of no use without their certificates.
    pub fn value(&self, label: &Label) -> Option<String> {
        match label.kind() {
            Kind::Password | Kind::PreSharedKey => Some(self.password(label)),
            Kind::GossipKey => Some(self.gossip_key()),
            Kind::Token => Some(self.token(label)),
            Kind::SigningKey | Kind::KeyPair => None,
        }
    }

    /// The password of a label.
    pub fn password(&self, label: &Label) -> String {
        if let Some(Own { value, .. }) = self.own.get(label) {
            return value.clone();
        }
        let bytes = self.derive::<PASSWORD_LENGTH>(&self.info(label));
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    }

    /// Consul's gossip key: 32 bytes in base64.
    pub fn gossip_key(&self) -> String {
        match self.own.get(&Label::Gossip) {
            Some(Own { value, .. }) => value.clone(),
            None => BASE64_STANDARD.encode(self.derive::<32>(&self.info(&Label::Gossip))),
        }
    }

    /// A token for Consul, which wants a UUID (RFC 9562, version 8: 122 bits of the derived ones).
    pub fn token(&self, label: &Label) -> String {
        match self.own.get(label) {
            Some(Own { value, .. }) => value.clone(),
            None => uuid(self.derive::<16>(&self.info(label))),
        }
    }

    /// The name under which Consul keeps a token, which is no secret. Another token has another one: Consul changes no token's value.
    pub fn accessor(&self, label: &Label) -> String {
        let own = self.own.get(label).map(|own| crate::cluster::Sha256::of(&own.value).to_string());
        let own = own.map(|hash| format!("/{hash}")).unwrap_or_default();
        uuid(self.derive::<16>(&format!("{}/accessor{own}", self.info(label))))
    }

    /// What a label is derived by: its text, and its epoch from the second one on. `#` is in no label.
    fn info(&self, label: &Label) -> String {
        match self.epoch(label) {
            1 => label.to_string(),
            epoch => format!("{label}#{epoch}"),
        }
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
            if let Ok(key) = SigningKey::from_slice(&self.derive::<32>(&format!("{}{again}", self.info(label)))) {
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
        for label in self.epochs.keys() {
            all.update(self.info(label));
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

/// Whether a text is a UUID as Consul writes it.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
