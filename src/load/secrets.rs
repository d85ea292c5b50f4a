//! `secrets.yaml`: the root, the VPN server's key pair, and what the user set by hand.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Place, Problem, Result, SourceId, Sources};
use crate::secrets::{KeyPair, Root, Secrets};
use crate::yaml::{self, Entries, Located};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretsFile {
    root: Located<String>,
    vpn_server: Located<KeyPairSection>,
    #[serde(default)]
    own: Entries<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyPairSection {
    certificate: Located<String>,
    key: Located<String>,
}

/// Reads a secrets file. What is wrong with one is told without showing a value.
pub fn secrets(sources: &Sources, source: SourceId) -> Result<Secrets> {
    let start = Place::new(source, 0, 0);
    let node = yaml::parse(sources, source)?;
    if node.value == yaml::Value::Null {
        return Err(Diagnostic::at(start, Problem::EmptySecrets));
    }
    let file: SecretsFile = yaml::decode(&node).map_err(|e| e.or_at(start))?;
    let root: [u8; 32] =
        bytes(&file.root)?.try_into().map_err(|_| Diagnostic::at(file.root.place, Problem::BadRoot))?;
    let pair = KeyPair::new(bytes(&file.vpn_server.certificate)?, bytes(&file.vpn_server.key)?)
        .map_err(|problem| Diagnostic::at(file.vpn_server.place, problem))?;
    let mut secrets = Secrets::new(Root::new(root), pair);
    for (label, value) in file.own.0 {
        secrets.set(&label, value, label.place).map_err(|problem| Diagnostic::at(label.place, problem))?;
    }
    Ok(secrets)
}

fn bytes(text: &Located<String>) -> Result<Vec<u8>> {
    BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| Diagnostic::at(text.place, Problem::NotBase64))
}

/// A new `secrets.yaml` around a fresh root and key pair.
pub fn new_secrets(root: &[u8; 32], pair: &KeyPair) -> String {
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    format!(
        "# Secrets of one genhost cluster. Whoever reads this file owns the cluster: keep it out of version control,\n\
         # and keep a copy, since every password and key of the hosts is derived from it.\n\
         root: {}\n\
         vpn_server:\n  certificate: {}\n  key: {}\n\
         # A secret of your own choice goes under `own`, by its label. `genhost secrets` shows those of people; there are\n\
         # vpn/account/HOST, vpn/role/ROLE and consul/gossip besides. For example:\n\
         # own:\n#   vpn/user/user: \"a password of mine\"\n",
        base64(root),
        base64(pair.certificate()),
        base64(pair.key()),
    )
}
