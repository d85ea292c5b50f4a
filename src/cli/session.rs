//! What a command reads: the cluster, the profiles and templates, the secrets.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore};
use walkdir::WalkDir;

use super::arguments::Input;
use super::output::{self, Readers};
use crate::cluster::Cluster;
use crate::diagnostic::{Diagnostic, Place, Problem, SourceId, Sources};
use crate::load::{self, Catalogue, Override, Shelf};
use crate::lock::Lock;
use crate::result::{Inputs, sha256};
use crate::secrets::{KeyPair, Secrets};
use crate::yaml::LARGEST_FILE;

const CLUSTER: &str = "cluster.yaml";
const LOCK: &str = "genhost.lock";
const SECRETS: &str = "secrets.yaml";

/// One run: every text that was read.
#[derive(Debug, Default)]
pub struct Session {
    pub sources: Sources,
    /// What is to be told at the end.
    notes: Vec<Diagnostic>,
    /// What is to be told at the end of a run without a fault.
    doubts: Vec<Diagnostic>,
    /// Every file that was read.
    inputs: Vec<PathBuf>,
    /// What the outputs will be a function of, as far as it was read.
    used: Inputs,
    /// The cluster file's text, and where the secrets are.
    cluster: String,
    secrets: PathBuf,
    secrets_source: Option<SourceId>,
    /// The lock, once it was read: it may be a pipe, which cannot be read again.
    lock: Option<Lock>,
    /// New secrets and their file, until it is clear that the run has something to keep them for.
    unsaved: Option<(PathBuf, String)>,
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

    /// The text of the cluster file that was read.
    pub fn cluster_text(&self) -> &str {
        &self.cluster
    }

    /// Where the secrets are that were read, or are to be.
    pub fn secrets_path(&self) -> &Path {
        &self.secrets
    }

    /// What was read, for a manifest.
    pub fn inputs_of(&self, secrets: &Secrets) -> Inputs {
        Inputs { secrets: secrets.fingerprint(), ..self.used.clone() }
    }

    /// Keeps a note for the end of the run.
    pub fn note(&mut self, note: impl Into<Diagnostic>) {
        self.notes.push(note.into());
    }

    /// Keeps what is doubtful about the cluster, for the end of a run without a fault.
    pub fn doubt(&mut self, doubts: Vec<Diagnostic>) {
        self.doubts.extend(doubts);
    }

    /// Forgets doubts that this run has an answer to.
    pub fn settle(&mut self, is_settled: impl Fn(&Problem) -> bool) {
        self.doubts.retain(|doubt| !is_settled(&doubt.problem));
    }

    /// The notes so far, which are nobody else's to tell from then on, and the doubts when nothing is wrong.
    pub fn take_notes(&mut self, is_wrong: bool) -> Vec<Diagnostic> {
        let doubts = std::mem::take(&mut self.doubts);
        let notes = std::mem::take(&mut self.notes);
        if is_wrong { notes } else { notes.into_iter().chain(doubts).collect() }
    }

    /// Profiles and templates, the user's over the built-in ones, and what the lock pins besides.
    pub fn catalogue(&mut self, input: &Input) -> Result<Catalogue, Diagnostic> {
        let mut catalogue = self.profiles(input)?;
        let lock = self.lock(input)?;
        catalogue.pin(&lock);
        Ok(catalogue)
    }

    /// Profiles and templates, the user's over the built-in ones.
    pub fn profiles(&mut self, input: &Input) -> Result<Catalogue, Diagnostic> {
        let mut profiles = Shelf::profiles();
        let mut templates = Shelf::templates();
        for (shelf, folder) in [(&mut profiles, &input.profiles), (&mut templates, &input.templates)] {
            if let Some(folder) = folder {
                self.inputs.extend(lay_over(shelf, folder)?);
            }
        }
        for (kind, shelf) in [("profiles", &profiles), ("templates", &templates)] {
            let own = shelf.laid_over().filter_map(|(path, _)| Some((path, shelf.get(path)?)));
            self.used.overlays.extend(own.map(|(path, volume)| (format!("{kind}/{path}"), sha256(&volume.bytes))));
        }
        let catalogue = Catalogue::load(&mut self.sources, &profiles, templates)?;
        for problem in catalogue.unread(&profiles) {
            self.note(problem);
        }
        Ok(catalogue)
    }

    /// What is pinned; nothing where there is no lock.
    pub fn lock(&mut self, input: &Input) -> Result<Lock, Diagnostic> {
        if let Some(lock) = &self.lock {
            return Ok(lock.clone());
        }
        let path = lock_path(input);
        // A link to nowhere is a mistake to tell, not a missing file.
        if input.lock.is_none() && path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(Lock::default());
        }
        let text = self.read(&path)?;
        self.used.lock = Some(sha256(text.as_bytes()));
        let source = self.sources.add(path.display().to_string(), text);
        let lock = Lock::parse(&self.sources, source)?;
        self.lock = Some(lock.clone());
        Ok(lock)
    }

    /// The cluster that was asked for, and a note where it cannot work as it is.
    pub fn cluster(&mut self, input: &Input, catalogue: &Catalogue, lock: &Lock) -> Result<Cluster, Vec<Diagnostic>> {
        let one = |fault: Diagnostic| vec![fault];
        let mut overrides = Vec::new();
        let of_stack = input.stack.iter().flat_map(|stack| {
            let os = catalogue.stacks.get(stack).map(|stack| format!("os={}", stack.os.value));
            std::iter::once(format!("stack={stack}")).chain(os)
        });
        for argument in of_stack.collect::<Vec<_>>().iter().chain(&input.overrides) {
            overrides.push(Override::parse(&mut self.sources, argument).map_err(one)?);
        }
        let source = match place_of(input) {
            Where::File(path) => {
                let text = self.read(&path).map_err(one)?;
                self.sources.add(path.display().to_string(), text)
            }
            Where::Stdin => {
                let bytes = read_bounded(std::io::stdin().lock());
                let bytes = bytes.map_err(|error| one(unreadable(Path::new("standard input"), &error).into()))?;
                // Where it is a file, `-o` must not write over that either.
                self.inputs.push(PathBuf::from("/dev/stdin"));
                let text = self.text("standard input", bytes).map_err(one)?;
                self.sources.add("standard input", text)
            }
            Where::BuiltIn => {
                let (name, text) = load::built_in_cluster(input.stack.as_ref());
                self.sources.add(name, text)
            }
        };
        self.cluster = self.sources.text(source).to_owned();
        self.used.cluster = sha256(self.sources.text(source).as_bytes());
        self.used.set =
            input.stack.iter().map(|stack| format!("stack={stack}")).chain(input.overrides.clone()).collect();
        load::cluster(&self.sources, source, overrides, catalogue, &lock.addresses)
    }

    /// Where the secrets are, or are to be.
    pub fn place_of_secrets(&self, input: &Input) -> PathBuf {
        input.secrets.clone().unwrap_or_else(|| beside_cluster(input, SECRETS))
    }

    /// The file that the secrets were read from, unless it is a pipe or was made in this run.
    pub fn secrets_file(&self) -> Option<(PathBuf, SourceId)> {
        self.secrets_source
            .filter(|_| self.unsaved.is_none() && self.secrets.is_file())
            .map(|source| (self.secrets.clone(), source))
    }

    /// The cluster's secrets. Those of the built-in cluster are made where there are none: any other cluster has hosts somewhere that
    /// would never meet those of a new root.
    pub fn secrets(&mut self, input: &Input) -> Result<Secrets, Diagnostic> {
        let path = self.place_of_secrets(input);
        self.secrets = path.clone();
        match std::fs::metadata(&path) {
            Ok(file) => {
                let mode = file.permissions().mode() & 0o7777;
                if file.is_file() && mode & 0o077 != 0 {
                    return Err(Problem::SecretsReadable { path: path.display().to_string(), mode }.into());
                }
            }
            // A link to nowhere is no place for new ones.
            Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
                if input.locked || !matches!(place_of(input), Where::BuiltIn) {
                    return Err(Problem::NoSecrets { path: path.display().to_string() }.into());
                }
                let text = fresh_secrets()?;
                let source = self.sources.add_secret(path.display().to_string(), text.as_str());
                self.unsaved = Some((path, text));
                return load::secrets(&self.sources, source);
            }
            Err(error) => return Err(unreadable(&path, &error).into()),
        }
        let text = self.read(&path)?;
        let source = self.sources.add_secret(path.display().to_string(), text);
        self.secrets_source = Some(source);
        load::secrets(&self.sources, source)
    }

    /// Writes secrets that were made in this run, and says so. A run that fails before leaves nothing behind.
    pub fn save_secrets(&mut self) -> Result<(), Diagnostic> {
        let Some((path, text)) = self.unsaved.take() else { return Ok(()) };
        output::create(&path, text.as_bytes(), Readers::Owner)?;
        self.note(Problem::SecretsMade { path: path.display().to_string() });
        self.inputs.push(path);
        Ok(())
    }

    /// What has to be before a run writes its output: secrets that it made are saved, and no file that it read is written over.
    ///
    /// # Errors
    /// The output is one of the inputs, or secrets cannot be written.
    pub fn before_writing(&mut self, output: &Path) -> Result<(), Diagnostic> {
        self.save_secrets()?;
        let same = |path: &Path| std::fs::canonicalize(path).ok().filter(|path| path.is_file());
        match same(output) {
            Some(target) if self.inputs.iter().any(|input| same(input).is_some_and(|input| input == target)) => {
                Err(Problem::OutputIsInput { path: output.display().to_string() }.into())
            }
            _ => Ok(()),
        }
    }

    /// Makes new secrets, and says so.
    pub fn make_secrets(&mut self, path: &Path) -> Result<(), Diagnostic> {
        self.unsaved = Some((path.to_owned(), fresh_secrets()?));
        self.save_secrets()
    }

    fn read(&mut self, path: &Path) -> Result<String, Diagnostic> {
        let bytes = read_file(path)?;
        self.inputs.push(path.to_owned());
        self.text(&path.display().to_string(), bytes)
    }

    fn text(&mut self, name: &str, bytes: Vec<u8>) -> Result<String, Diagnostic> {
        String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let source = self.sources.add(name, String::from_utf8_lossy(error.as_bytes()));
            Diagnostic::at(Place::new(source, good, good + 1), Problem::NotUtf8)
        })
    }
}

/// A new `secrets.yaml`.
fn fresh_secrets() -> Result<String, Problem> {
    let mut root = [0; 32];
    let random = |error: rand_core::Error| Problem::KeyGeneration { reason: error.to_string() };
    OsRng.try_fill_bytes(&mut root).map_err(random)?;
    let pair = KeyPair::generate(&mut OsRng)?;
    Ok(load::new_secrets(&root, &pair))
}

fn place_of(input: &Input) -> Where {
    match &input.file {
        Some(path) if path.as_os_str() == "-" => Where::Stdin,
        Some(path) => Where::File(path.clone()),
        // A link to nowhere is a mistake to tell, not a missing file.
        None => match Path::new(CLUSTER).symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Where::BuiltIn,
            _ => Where::File(PathBuf::from(CLUSTER)),
        },
    }
}

/// Where the lock is, or would be.
pub fn lock_path(input: &Input) -> PathBuf {
    input.lock.clone().unwrap_or_else(|| beside_cluster(input, LOCK))
}

/// A file that goes with the cluster's.
fn beside_cluster(input: &Input, name: &str) -> PathBuf {
    match place_of(input) {
        // The shell's <(command) is a file of nobody's directory.
        Where::File(path) if !path.starts_with("/dev") => path.with_file_name(name),
        Where::File(_) | Where::Stdin | Where::BuiltIn => PathBuf::from(name),
    }
}

fn lay_over(shelf: &mut Shelf, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut read = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
            Problem::Unreadable { path: error.path().unwrap_or(folder).display().to_string(), reason }
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path();
        let bytes = read_file(path)?;
        if bytes.len() > LARGEST_FILE {
            let reason = Problem::FileTooLarge { limit: LARGEST_FILE }.to_string();
            return Err(Problem::Unreadable { path: path.display().to_string(), reason });
        }
        let below = path.strip_prefix(folder).unwrap_or(path);
        let below: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        shelf.put(below.join("/"), path.display().to_string(), bytes);
        read.push(path.to_owned());
    }
    Ok(read)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    let error = |error: std::io::Error| unreadable(path, &error);
    // A named pipe may never have a writer, and opening it would wait. One of the shell's, <(command), has, and no name.
    let is_pipe = std::fs::metadata(path).map_err(error)?.file_type().is_fifo();
    if is_pipe && std::fs::canonicalize(path).is_ok() {
        return Err(Problem::Unreadable { path: path.display().to_string(), reason: "it is a named pipe".to_owned() });
    }
    File::open(path).and_then(read_bounded).map_err(error)
}

/// Reads to the end, or as far as shows that this is too large.
fn read_bounded(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}
