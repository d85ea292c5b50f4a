//! What a command reads: the cluster, the profiles and templates, the secrets.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore};
use walkdir::WalkDir;

use super::arguments::Input;
use super::output::{self, Readers};
use super::report;
use crate::cluster::Cluster;
use crate::diagnostic::{Diagnostic, Problem, SourceId, Sources};
use crate::load::{self, Catalogue, Override, Shelf};
use crate::secrets::{KeyPair, Secrets};

const CLUSTER: &str = "cluster.yaml";
const SECRETS: &str = "secrets.yaml";

/// One run: every text that was read.
#[derive(Debug, Default)]
pub struct Session {
    pub sources: Sources,
}

/// Which file is the cluster's.
enum Where {
    File(PathBuf),
    Stdin,
    BuiltIn,
}

impl Session {
    pub fn new() -> Self {
        Self::default()
    }

    /// Prints notes right away: they are about what happened, not about what will.
    pub fn note(&self, problem: Problem) {
        report::to_stderr(&self.sources, &[problem.into()]);
    }

    /// Profiles and templates, the user's over the built-in ones.
    pub fn catalogue(&mut self, input: &Input) -> Result<Catalogue, Diagnostic> {
        let mut profiles = Shelf::profiles();
        let mut templates = Shelf::templates();
        for (shelf, folder) in [(&mut profiles, &input.profiles), (&mut templates, &input.templates)] {
            if let Some(folder) = folder {
                lay_over(shelf, folder)?;
            }
        }
        Catalogue::load(&mut self.sources, &profiles, templates)
    }

    /// The cluster that was asked for, and a note where it cannot work as it is.
    pub fn cluster(&mut self, input: &Input, catalogue: &Catalogue) -> Result<Cluster, Vec<Diagnostic>> {
        let one = |fault: Diagnostic| vec![fault];
        let mut overrides = Vec::new();
        for argument in &input.overrides {
            overrides.push(Override::parse(&mut self.sources, argument).map_err(one)?);
        }
        let source = match place_of(input) {
            Where::File(path) => self.read(&path).map_err(one)?,
            Where::Stdin => {
                let mut bytes = Vec::new();
                let unreadable = |error: std::io::Error| Problem::Unreadable {
                    path: "standard input".into(),
                    reason: error.to_string(),
                };
                std::io::stdin().read_to_end(&mut bytes).map_err(|e| one(unreadable(e).into()))?;
                self.add("standard input", bytes).map_err(one)?
            }
            Where::BuiltIn => self.sources.add("<genhost>/profiles/cluster.yaml", load::built_in_cluster()),
        };
        load::cluster(&self.sources, source, overrides, catalogue)
    }

    /// The note that the cluster's endpoint is still the example's, where it is.
    pub fn endpoint_note(&self, cluster: &Cluster) -> Option<Diagnostic> {
        let endpoint = &cluster.vpn.endpoint;
        let is_example = endpoint.as_str().split('.').rev().take(2).eq(["com", "example"]);
        let problem = Problem::ExampleEndpoint { endpoint: endpoint.to_string() };
        is_example.then(|| Diagnostic::at(endpoint.place, problem))
    }

    /// The cluster's secrets; made where there are none, unless that is forbidden.
    pub fn secrets(&mut self, input: &Input) -> Result<Secrets, Diagnostic> {
        let path = input.secrets.clone().unwrap_or_else(|| match place_of(input) {
            Where::File(path) => path.with_file_name(SECRETS),
            Where::Stdin | Where::BuiltIn => PathBuf::from(SECRETS),
        });
        match std::fs::metadata(&path) {
            Ok(file) => {
                let mode = file.permissions().mode() & 0o7777;
                if file.is_file() && mode & 0o077 != 0 {
                    return Err(Problem::SecretsReadable { path: path.display().to_string(), mode }.into());
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if input.locked {
                    return Err(Problem::NoSecrets { path: path.display().to_string() }.into());
                }
                self.make_secrets(&path)?;
            }
            Err(error) => return Err(unreadable(&path, &error).into()),
        }
        let source = self.read(&path)?;
        load::secrets(&self.sources, source)
    }

    /// Makes new secrets, and says so.
    pub fn make_secrets(&self, path: &Path) -> Result<(), Diagnostic> {
        let mut root = [0; 32];
        let random = |error: rand_core::Error| Problem::KeyGeneration { reason: error.to_string() };
        OsRng.try_fill_bytes(&mut root).map_err(random)?;
        let pair = KeyPair::generate(&mut OsRng)?;
        output::create(path, load::new_secrets(&root, &pair).as_bytes(), Readers::Owner)?;
        self.note(Problem::SecretsMade { path: path.display().to_string() });
        Ok(())
    }

    fn read(&mut self, path: &Path) -> Result<SourceId, Diagnostic> {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        self.add(&path.display().to_string(), bytes)
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<SourceId, Diagnostic> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(self.sources.add(name, text)),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = self.sources.add(name, text);
                let place = crate::diagnostic::Place::new(source, good, good + 1);
                Err(Diagnostic::at(place, Problem::NotUtf8))
            }
        }
    }
}

fn place_of(input: &Input) -> Where {
    match &input.file {
        Some(path) if path.as_os_str() == "-" => Where::Stdin,
        Some(path) => Where::File(path.clone()),
        None if Path::new(CLUSTER).exists() => Where::File(PathBuf::from(CLUSTER)),
        None => Where::BuiltIn,
    }
}

fn lay_over(shelf: &mut Shelf, folder: &Path) -> Result<(), Problem> {
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).display().to_string();
            Problem::Unreadable { path, reason: error.to_string() }
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path();
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        let below = path.strip_prefix(folder).unwrap_or(path);
        let below: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        shelf.put(below.join("/"), path.display().to_string(), bytes);
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}
