//! `genhost diff`: what changed between two builds, or since one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::Outcome;
use super::arguments::{Diff, DiffFormat};
use super::build::items;
use super::fleet::Fleet;
use super::output;
use super::session::Session;
use crate::diagnostic::{Diagnostic, Problem};
use crate::render::Engine;
use crate::result::{Change, HostDiff, MANIFEST, Manifest, TREE, diff};

/// Prints the differences; that there are some is an exit code of 1.
pub fn run(session: &mut Session, arguments: &Diff) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let before = ids_of(&arguments.old).map_err(one)?;
    let mut changed = Vec::new();
    match &arguments.new {
        Some(new) => {
            let now = ids_of(new).map_err(one)?;
            let folders: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            for folder in folders.into_iter().filter(|folder| before.get(*folder) != now.get(*folder)) {
                let of = |result: &Path, ids: &BTreeMap<String, String>| {
                    ids.contains_key(folder).then(|| tree_of(result, folder)).transpose()
                };
                let (old, new) = (of(&arguments.old, &before).map_err(one)?, of(new, &now).map_err(one)?);
                changed.push(HostDiff { host: folder.clone(), changes: diff(old.as_ref(), new.as_ref()) });
            }
        }
        None => {
            let fleet = Fleet::load(session, &arguments.input)?;
            let mut engine = Engine::new(&fleet.catalogue.templates).map_err(|fault| vec![fault])?;
            let mut seen = BTreeSet::new();
            for item in items(&fleet) {
                let tree = fleet.tree(&mut engine, &mut session.sources, &item.subject, item.place);
                let tree = tree.map_err(|fault| vec![fault])?;
                seen.insert(item.folder.clone());
                if before.get(&item.folder).is_some_and(|id| *id == tree.id().to_string()) {
                    continue;
                }
                let old = before.contains_key(&item.folder).then(|| tree_of(&arguments.old, &item.folder)).transpose();
                let now: Option<Value> = serde_json::from_str(&tree.canonical_json()).ok();
                let changes = diff(old.map_err(one)?.as_ref(), now.as_ref());
                changed.push(HostDiff { host: item.folder, changes });
            }
            let gone = before.keys().filter(|folder| !seen.contains(*folder));
            changed.extend(gone.map(|folder| HostDiff { host: folder.clone(), changes: vec![Change::HostRemoved] }));
        }
    }
    changed.sort_by(|a, b| a.host.cmp(&b.host));
    let text = match arguments.format {
        DiffFormat::Text => changed.iter().map(text).collect::<String>(),
        DiffFormat::Json => {
            let json = serde_json::to_value(&changed);
            json.map(|value| format!("{value:#}\n"))
                .map_err(|error| one(Problem::Emit { format: "json", reason: error.to_string() }))?
        }
    };
    output::to_stdout(text.as_bytes()).map_err(one)?;
    // What differs was told already.
    if changed.is_empty() { Ok(()) } else { Err(Vec::new()) }
}

/// The id of every host and role of a build.
fn ids_of(result: &Path) -> Result<BTreeMap<String, String>, Problem> {
    let text = std::fs::read(result.join(MANIFEST));
    let manifest = text.ok().and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    let manifest = manifest.ok_or_else(|| Problem::NotABuild { path: result.display().to_string() })?;
    Ok(manifest.outputs.into_iter().map(|(folder, output)| (folder, output.id)).collect())
}

fn tree_of(result: &Path, folder: &str) -> Result<Value, Problem> {
    let path = result.join(folder).join(TREE);
    let unreadable = |reason: String| Problem::Unreadable { path: path.display().to_string(), reason };
    let text = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))
}

fn text(host: &HostDiff) -> String {
    let mut out = format!("{}\n", host.host);
    for change in &host.changes {
        // Writing to a String cannot fail.
        let _ = match change {
            Change::HostAdded => writeln!(out, "  + new"),
            Change::HostRemoved => writeln!(out, "  - gone"),
            Change::FileAdded { path } => writeln!(out, "  + {path}"),
            Change::FileRemoved { path } => writeln!(out, "  - {path}"),
            Change::FileChanged { path, mode, lines } => {
                let mode = mode.as_ref().map(|(old, new)| format!(" (mode {old} to {new})")).unwrap_or_default();
                let lines: String = lines.iter().map(|line| format!("      {line}\n")).collect();
                write!(out, "    {path}{mode}\n{lines}")
            }
            Change::Entry { kind, before, now } => {
                let gone = before.iter().map(|text| format!("  - {kind}: {text}\n"));
                let came = now.iter().map(|text| format!("  + {kind}: {text}\n"));
                write!(out, "{}", gone.chain(came).collect::<String>())
            }
        };
    }
    out
}
