//! `genhost verify`: whether a build is what its inputs make now, to the last byte.

use super::Outcome;
use super::arguments::{Build, Verify};
use super::build;
use super::compare::{Difference, compare};
use super::session::Session;
use crate::diagnostic::{Diagnostic, Problem};
use crate::result::MANIFEST;

/// Builds again, elsewhere, and compares.
pub fn run(session: &mut Session, arguments: &Verify) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let unreadable = |error: std::io::Error| {
        one(Problem::Unreadable { path: arguments.result.display().to_string(), reason: error.to_string() })
    };
    if !arguments.result.join(MANIFEST).is_file() {
        return Err(one(Problem::NotABuild { path: arguments.result.display().to_string() }));
    }
    let place = tempfile::tempdir().map_err(unreadable)?;
    let output = place.path().join("result");
    let input = crate::cli::arguments::Input { locked: true, ..arguments.input.clone() };
    build::run(session, &Build { input, output: output.clone(), jobs: None, check: false })?;
    let differences = compare(&output, &arguments.result).map_err(unreadable)?;
    if differences.is_empty() {
        return Ok(());
    }
    let told = |difference: Difference| {
        let path = arguments.result.display().to_string();
        Diagnostic::nowhere(Problem::NotAsBuilt { path, what: difference.to_string() })
    };
    Err(differences.into_iter().map(told).collect())
}
