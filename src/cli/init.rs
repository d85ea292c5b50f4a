//! `genhost init`: the files to start from.

use std::path::Path;

use super::arguments::Init;
use super::output::{self, Readers};
use super::session::Session;
use super::{Outcome, show};
use crate::diagnostic::{Diagnostic, Problem, Sources};
use crate::load::{self, Catalogue, Shelf};
use crate::yaml;

/// What git leaves alone: secrets, and what genhost's documented commands write, which has secrets in it.
const IGNORED: &str = include_str!("gitignore");

/// Writes cluster.yaml, its schema, secrets.yaml and .gitignore; what is there stays.
pub fn run(session: &mut Session, arguments: &Init) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let cluster = Path::new("cluster.yaml");
    if cluster.symlink_metadata().is_ok() {
        return Err(one(Problem::WouldOverwrite { path: cluster.display().to_string() }));
    }
    let text = cluster_text(arguments).map_err(|fault| vec![fault])?;
    let secrets = Path::new("secrets.yaml");
    if secrets.symlink_metadata().is_err() {
        session.make_secrets(secrets).map_err(|fault| vec![fault])?;
    }
    create_missing(Path::new("cluster.schema.json"), &show::schema_text()).map_err(one)?;
    create_missing(Path::new(".gitignore"), IGNORED).map_err(one)?;
    let there = std::fs::read_to_string(".gitignore").unwrap_or_default();
    let is_there =
        |entry: &&str| there.lines().any(|line| line.trim().trim_start_matches('/') == entry.trim_start_matches('/'));
    let entries = IGNORED.lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<String> = entries.filter(|entry| !is_there(entry)).map(str::to_owned).collect();
    if !missing.is_empty() {
        session.note(Problem::NotIgnored { path: ".gitignore".into(), missing });
    }
    // Last, so that a run that failed half-way can be run again.
    output::create(cluster, text.as_bytes(), Readers::Everyone).map_err(one)
}

fn create_missing(path: &Path, text: &str) -> Result<(), Problem> {
    match output::create(path, text.as_bytes(), Readers::Everyone) {
        Err(Problem::WouldOverwrite { .. }) => Ok(()),
        other => other,
    }
}

/// The stack's built-in cluster with the endpoint that was asked for, its comments kept.
fn cluster_text(arguments: &Init) -> Result<String, Diagnostic> {
    let mut sources = Sources::default();
    let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates())?;
    if let Some(name) = arguments.stack.as_ref().filter(|name| !catalogue.stacks.contains_key(*name)) {
        let known = catalogue.stacks.keys().map(ToString::to_string).collect();
        return Err(Problem::Unknown { what: "stack", name: name.to_string(), known }.into());
    }
    let (name, text) = load::built_in_cluster(arguments.stack.as_ref());
    let Some(endpoint) = &arguments.endpoint else { return Ok(text.to_owned()) };
    let source = sources.add(name, text);
    let node = yaml::parse(&sources, source)?;
    let found = node.get("vpn").and_then(|vpn| vpn.get("endpoint"));
    let place = found.ok_or_else(|| Problem::MissingKey { key: "vpn.endpoint".to_owned() })?.place;
    Ok(format!("{}{endpoint}{}", &text[..place.start as usize], &text[place.end as usize..]))
}
