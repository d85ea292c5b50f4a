//! `genhost init`: the files to start from.

use std::path::Path;

use super::arguments::Init;
use super::output::{self, Readers};
use super::session::Session;
use super::{Outcome, show};
use crate::cluster::Endpoint;
use crate::diagnostic::{Diagnostic, Problem, Sources};
use crate::load;
use crate::yaml;

/// Writes cluster.yaml, its schema, secrets.yaml and .gitignore; what is there stays.
pub fn run(session: &mut Session, arguments: &Init) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let cluster = Path::new("cluster.yaml");
    if cluster.symlink_metadata().is_ok() {
        return Err(one(Problem::WouldOverwrite { path: cluster.display().to_string() }));
    }
    let text = match &arguments.endpoint {
        Some(endpoint) => with_endpoint(endpoint).map_err(|fault| vec![fault])?,
        None => load::built_in_cluster().to_owned(),
    };
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

/// The built-in cluster with another endpoint, its comments kept.
fn with_endpoint(endpoint: &Endpoint) -> Result<String, Diagnostic> {
    let mut sources = Sources::default();
    let text = load::built_in_cluster();
    let source = sources.add("cluster.yaml", text);
    let node = yaml::parse(&sources, source)?;
    let missing = || Problem::MissingKey { key: "vpn.endpoint".into() };
    let place = node.get("vpn").and_then(|vpn| vpn.get("endpoint")).map(|node| node.place).ok_or_else(missing)?;
    Ok([&text[..place.start as usize], endpoint.as_str(), &text[place.end as usize..]].concat())
}
