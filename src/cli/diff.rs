//! `genhost diff`: what changed between two builds, or since one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::Outcome;
use super::arguments::{Diff, DiffFormat, Input};
use super::build::{items, output};
use super::fleet::Fleet;
use super::output;
use super::session::Session;
use crate::diagnostic::{Diagnostic, Problem};
use crate::render::Engine;
use crate::result::{Change, HostDiff, MANIFEST, Manifest, Output, TREE, USER_DATA, diff};

/// Prints the differences; that there are some is an exit code of 1.
pub fn run(session: &mut Session, arguments: &Diff) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let before = outputs_of(&arguments.old).map_err(one)?;
    let mut changed = Vec::new();
    let mut tell = |folder: &str, now: Option<(&Output, Value)>| {
        let old = before.get(folder);
        if old == now.as_ref().map(|(output, _)| *output) {
            return Ok(());
        }
        let old_tree = old.map(|_| tree_of(&arguments.old, folder)).transpose()?;
        let mut changes = diff(old_tree.as_ref(), now.as_ref().map(|(_, tree)| tree));
        if let (Some(old), Some((now, _)), true) = (old, &now, changes.is_empty()) {
            // The same host, put down in another way.
            let side = |output: &Output| output.files.get(USER_DATA).map(|hash| format!("sha256 {hash}"));
            changes.push(Change::Entry { kind: USER_DATA.to_owned(), before: side(old), now: side(now) });
        }
        changed.push(HostDiff { host: folder.to_owned(), changes });
        Ok(())
    };
    let mut seen = BTreeSet::new();
    match &arguments.new {
        Some(new) => {
            for (folder, output) in outputs_of(new).map_err(one)? {
                if before.get(&folder) != Some(&output) {
                    tell(&folder, Some((&output, tree_of(new, &folder).map_err(one)?))).map_err(one)?;
                }
                seen.insert(folder);
            }
        }
        None => {
            // With new secrets everything would differ, each time anew.
            let input = Input { locked: true, ..arguments.input.clone() };
            let fleet = Fleet::load(session, &input)?;
            let mut engine = Engine::new(&fleet.catalogue.templates).map_err(|fault| vec![fault])?;
            for item in items(&fleet.catalogue, &fleet.cluster) {
                let output = output(&fleet, &mut engine, &mut session.sources, &item).map_err(|fault| vec![fault])?;
                let tree = serde_json::from_slice(&output.files[TREE]).unwrap_or_default();
                tell(&item.folder, Some((&output.listed(), tree))).map_err(one)?;
                seen.insert(item.folder);
            }
        }
    }
    for folder in before.keys().filter(|folder| !seen.contains(*folder)) {
        tell(folder, None).map_err(one)?;
    }
    changed.sort_by(|a, b| a.host.cmp(&b.host));
    match arguments.format {
        DiffFormat::Text => output::text_to_stdout(&changed.iter().map(text).collect::<String>()),
        DiffFormat::Json => {
            let json = serde_json::to_value(&changed);
            let json = json.map_err(|error| one(Problem::Emit { format: "json", reason: error.to_string() }))?;
            output::to_stdout(format!("{json:#}\n").as_bytes())
        }
    }
    .map_err(one)?;
    // What differs was told already.
    if changed.is_empty() { Ok(()) } else { Err(Vec::new()) }
}

/// Every host's and role's outputs of a build.
fn outputs_of(result: &Path) -> Result<BTreeMap<String, Output>, Problem> {
    let text = std::fs::read(result.join(MANIFEST));
    let manifest = text.ok().and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    Ok(manifest.ok_or_else(|| Problem::NotABuild { path: result.display().to_string() })?.outputs)
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
