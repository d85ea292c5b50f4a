//! Two hosts, thing by thing: files, packages, units. What is secret is not shown.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

/// Stands for a secret.
const MASK: &str = "•••";

/// What became of a host.
#[derive(Debug, Serialize)]
pub struct HostDiff {
    /// `hosts/<name>` or `roles/<role>`.
    pub host: String,
    /// What is different.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// The host is new.
    HostAdded,
    /// The host is gone.
    HostRemoved,
    /// A file is new.
    FileAdded {
        /// Where.
        path: String,
    },
    /// A file is gone.
    FileRemoved {
        /// Where.
        path: String,
    },
    /// A file's mode or content changed.
    FileChanged {
        /// Where.
        path: String,
        /// Its modes, before and now, where they differ.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<(String, String)>,
        /// Lines that went, with `-` before them, and lines that came, with `+`. Of a file that not everybody may read, which
        /// may hold secrets, only that they did.
        lines: Vec<String>,
    },
    /// A list's or a value's entry that went or came: packages, units, sources, artifacts, commands.
    Entry {
        /// Of what.
        kind: String,
        /// What it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// What it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        now: Option<String>,
    },
}

/// Compares two hosts as canonical JSON; one that is not there is `None`.
pub fn diff(before: Option<&Value>, now: Option<&Value>) -> Vec<Change> {
    let (before, now) = match (before, now) {
        (Some(before), Some(now)) => (before, now),
        (None, Some(_)) => return vec![Change::HostAdded],
        (Some(_), None) => return vec![Change::HostRemoved],
        (None, None) => return Vec::new(),
    };
    let mut changes = Vec::new();
    for key in keys(before, now) {
        match key.as_str() {
            "files" => files(&before[&key], &now[&key], &mut changes),
            _ => entries(&key, &before[&key], &now[&key], &mut changes),
        }
    }
    changes
}

/// The keys of two maps.
fn keys(before: &Value, now: &Value) -> BTreeSet<String> {
    let of = |value: &Value| value.as_object().cloned().unwrap_or_default().into_iter().map(|(key, _)| key);
    of(before).chain(of(now)).collect()
}

fn files(before: &Value, now: &Value, changes: &mut Vec<Change>) {
    for path in keys(before, now) {
        match (before.get(&path), now.get(&path)) {
            (None, Some(_)) => changes.push(Change::FileAdded { path }),
            (Some(_), None) => changes.push(Change::FileRemoved { path }),
            (Some(before), Some(now)) if before != now => changes.push(file(path, before, now)),
            _ => {}
        }
    }
}

fn file(path: String, before: &Value, now: &Value) -> Change {
    let mode = |file: &Value| file["mode"].as_str().unwrap_or_default().to_owned();
    let text = |file: &Value| match &file["content"]["text"] {
        Value::String(text) => text.clone(),
        _ => "(binary)\n".to_owned(),
    };
    let is_secret = [before, now].iter().any(|file| !mode(file).ends_with(['4', '5', '6', '7']));
    let (old, new) = (text(before), text(now));
    let lines = TextDiff::from_lines(&old, &new);
    let lines = lines.iter_all_changes().filter_map(|change| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => return None,
        };
        let line = change.value().trim_end_matches('\n');
        Some(format!("{sign}{}", if is_secret { MASK } else { line }))
    });
    let modes = (mode(before), mode(now));
    Change::FileChanged { path, mode: (modes.0 != modes.1).then_some(modes), lines: lines.collect() }
}

/// Lists and maps by entry, other values as they are.
fn entries(kind: &str, before: &Value, now: &Value, changes: &mut Vec<Change>) {
    if before == now {
        return;
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (before, now) {
        (Value::Array(before), Value::Array(now)) => {
            let gone = before.iter().filter(|item| !now.contains(item));
            let came = now.iter().filter(|item| !before.contains(item));
            let entry = |before, now| Change::Entry { kind: kind.to_owned(), before, now };
            let old_length = changes.len();
            changes.extend(gone.map(|item| entry(Some(text(item)), None)));
            changes.extend(came.map(|item| entry(None, Some(text(item)))));
            if changes.len() == old_length {
                changes.push(entry(Some("in another order".to_owned()), None));
            }
        }
        (Value::Object(_), Value::Object(_)) => {
            let empty = Map::new();
            let (before, now) = (before.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
            let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for name in names.into_iter().filter(|name| before.get(*name) != now.get(*name)) {
                // A package without a pinned version is named alone.
                let named =
                    |value: &Value| if value.is_null() { name.clone() } else { format!("{name} {}", text(value)) };
                let side = |side: &Map<String, Value>| side.get(name).map(named);
                changes.push(Change::Entry { kind: kind.to_owned(), before: side(before), now: side(now) });
            }
        }
        _ => {
            let side = |value: &Value| (!value.is_null()).then(|| text(value));
            changes.push(Change::Entry { kind: kind.to_owned(), before: side(before), now: side(now) });
        }
    }
}
