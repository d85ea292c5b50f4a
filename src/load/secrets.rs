//! `secrets.yaml`: the root, the VPN server's key pair, and what the user set by hand.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Place, Problem, Result, SourceId, Sources};
use crate::secrets::{KeyPair, Label, Root, Secrets};
use crate::yaml::{self, Entries, Located};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretsFile {
    root: Located<String>,
    vpn_server: Located<KeyPairSection>,
    #[serde(default)]
    own: Entries<String, String>,
    #[serde(default)]
    epochs: Entries<String, u32>,
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
        let set = label.value.parse().and_then(|parsed| secrets.set(parsed, value, label.place));
        set.map_err(|problem| Diagnostic::at(label.place, problem))?;
    }
    for (label, epoch) in file.epochs.0 {
        if epoch < 2 {
            return Err(Diagnostic::at(label.place, Problem::BadEpoch { label: label.value }));
        }
        let set = label.value.parse().and_then(|parsed| secrets.set_epoch(parsed, epoch, label.place));
        set.map_err(|problem| Diagnostic::at(label.place, problem))?;
    }
    Ok(secrets)
}

fn bytes(text: &Located<String>) -> Result<Vec<u8>> {
    BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| Diagnostic::at(text.place, Problem::NotBase64))
}

/// The text of a secrets file in which a label is in this epoch, and nothing else differs.
///
/// # Errors
/// A text that cannot be read, or is laid out so that the change would be another one.
pub fn with_epoch(sources: &mut Sources, source: SourceId, label: &Label, epoch: u32) -> Result<String> {
    let node = yaml::parse(sources, source)?;
    let text = sources.text(source).to_owned();
    let (start, line) = (|place: Place| place.start as usize, format!("{label}: {epoch}"));
    let changed = match node.get("epochs") {
        Some(section) => match section.get(&label.to_string()) {
            Some(number) => splice(&text, number.place, &epoch.to_string()),
            None if text[start(section.place)..].starts_with('{') => {
                let after = start(section.place) + 1;
                let comma = if text[after..].trim_start().starts_with('}') { "" } else { ", " };
                format!("{}{line}{comma}{}", &text[..after], &text[after..])
            }
            None => {
                let at = start(section.place);
                let indent = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                format!("{}{line}\n{:indent$}{}", &text[..at], "", &text[at..])
            }
        },
        None => format!("{}\nepochs:\n  {line}\n", text.trim_end_matches('\n')),
    };
    let name = sources.name(source).to_owned();
    let again = sources.add_secret(name, changed.as_str());
    let is_meant = secrets(sources, again).is_ok_and(|changed| changed.epoch(label) == epoch);
    if is_meant { Ok(changed) } else { Err(Diagnostic::at(node.place, Problem::EpochByHand { line })) }
}

/// The text of a secrets file with this key pair, and nothing else differs.
///
/// # Errors
/// A text that cannot be read.
pub fn with_key_pair(sources: &Sources, source: SourceId, pair: &KeyPair) -> Result<String> {
    let node = yaml::parse(sources, source)?;
    let of = |key: &str| {
        let found = node.get("vpn_server").and_then(|section| section.get(key));
        found
            .map(|node| node.place)
            .ok_or_else(|| Diagnostic::at(node.place, Problem::MissingKey { key: format!("vpn_server.{key}") }))
    };
    let mut parts = [(of("certificate")?, pair.certificate()), (of("key")?, pair.key())];
    // The later one first, so that the earlier one's place stays true.
    parts.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    Ok(parts.iter().fold(sources.text(source).to_owned(), |text, (place, bytes)| {
        splice(&text, *place, &BASE64_STANDARD.encode(bytes))
    }))
}

fn splice(text: &str, place: Place, new: &str) -> String {
    format!("{}{new}{}", &text[..place.start as usize], &text[place.end as usize..])
}

/// A new `secrets.yaml` around a fresh root and key pair.
pub fn new_secrets(root: &[u8; 32], pair: &KeyPair) -> String {
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    format!(
        "# Secrets of one genhost cluster. Whoever reads this file owns the cluster: keep it out of version control,\n\
         # and keep a copy, since every password and key of the hosts is derived from it.\n\
         root: {}\n\
         vpn_server:\n  certificate: {}\n  key: {}\n\
         # A secret of your own choice goes under `own`, by its label; `genhost secrets` shows those of people, and\n\
         # docs/security.md names the others. `genhost secrets rotate LABEL` gives one a new value. For example:\n\
         # own:\n#   vpn/user/user: \"nine fish ride a tractor\"\n",
        base64(root),
        base64(pair.certificate()),
        base64(pair.key()),
    )
}
