//! `genhost init`: the files to start from.

use std::path::Path;

use super::arguments::Init;
use super::output::{self, Readers};
use super::session::Session;
use super::{Outcome, show};
use crate::diagnostic::{Diagnostic, Problem, Sources};
use crate::load::{self, Catalogue, Shelf};
use crate::yaml;

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
    create_missing(Path::new(".gitignore"), "secrets.yaml\n").map_err(one)?;
    let ignored = std::fs::read_to_string(".gitignore").unwrap_or_default();
    if !ignored.lines().any(|line| matches!(line.trim(), "secrets.yaml" | "/secrets.yaml")) {
        session.note(Problem::NotIgnored { path: ".gitignore".into(), entry: "secrets.yaml" });
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

/// The built-in cluster with what was asked for in its place, its comments kept.
fn cluster_text(arguments: &Init) -> Result<String, Diagnostic> {
    let mut sources = Sources::default();
    let text = load::built_in_cluster();
    let source = sources.add("cluster.yaml", text);
    let node = yaml::parse(&sources, source)?;
    let mut asked: Vec<(&[&str], String)> = Vec::new();
    if let Some(name) = &arguments.stack {
        let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates())?;
        let stack = catalogue.stacks.get(name).ok_or_else(|| {
            let known = catalogue.stacks.keys().map(ToString::to_string).collect();
            Problem::Unknown { what: "stack", name: name.to_string(), known }
        })?;
        asked.extend([(&["stack"][..], name.to_string()), (&["os"], stack.os.to_string())]);
    }
    asked.extend(arguments.endpoint.iter().map(|endpoint| (&["vpn", "endpoint"][..], endpoint.to_string())));
    let mut written = String::new();
    let mut end = 0;
    for (keys, value) in asked {
        let found = keys.iter().try_fold(&node, |node, key| node.get(key));
        let place = found.ok_or_else(|| Problem::MissingKey { key: keys.join(".") })?.place;
        written += &text[end..place.start as usize];
        written += &value;
        end = place.end as usize;
    }
    Ok(written + &text[end..])
}
