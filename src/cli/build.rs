//! `genhost build`: every host's outputs in one folder, put in the place of the last one in a single step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with, syncfs};

use super::Outcome;
use super::arguments::{Build, Input};
use super::compare::{compare, files};
use super::fleet::{Fleet, Rendered};
use super::session::{Session, lock_path};
use super::target::Target;
use crate::cluster::Cluster;
use crate::diagnostic::{Diagnostic, Place, Problem, Result, Sources};
use crate::load::Catalogue;
use crate::render::Engine;
use crate::resolve::Subject;
use crate::result::{MANIFEST, Manifest, Output, TREE, USER_DATA, sha256};
use crate::yaml::Located;

/// Builds, or builds twice and compares.
pub fn run(session: &mut Session, arguments: &Build) -> Outcome {
    let fleet = Fleet::load(session, &arguments.input)?;
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    if arguments.check {
        // What is wrong is told here, with its place.
        let mut engine = Engine::new(&fleet.catalogue.templates).map_err(|fault| vec![fault])?;
        for item in items(&fleet.catalogue, &fleet.cluster) {
            output(&fleet, &mut engine, &mut session.sources, &item).map_err(|fault| vec![fault])?;
        }
        session.save_secrets().map_err(|fault| vec![fault])?;
        return twice(session, &arguments.input).map_err(one);
    }
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let stage = Stage::open(&arguments.output).map_err(one)?;
    let manifest = fill(session, &fleet, &stage, jobs)?;
    stage.write(Path::new(MANIFEST), manifest.to_json().as_bytes()).map_err(one)?;
    session.save_secrets().map_err(|fault| vec![fault])?;
    stage.commit().map_err(one)
}

/// A host or role, and where its outputs go.
pub struct Item {
    /// `hosts/<name>` or `roles/<role>`.
    pub folder: String,
    /// Which it is.
    pub subject: Subject,
    /// Where it stands in the cluster file.
    pub place: Place,
}

/// Every host of the cluster, and every role.
pub fn items(catalogue: &Catalogue, cluster: &Cluster) -> Vec<Item> {
    let hosts = cluster.hosts.iter().map(|host| Item {
        folder: format!("hosts/{}", host.name.value),
        subject: Subject::Host(host.name.value.clone()),
        place: host.name.place,
    });
    let place = cluster.stack.place;
    let roles = catalogue.roles.keys().map(|role| Item {
        folder: format!("roles/{role}"),
        subject: Subject::Roles(vec![Located { place, value: role.clone() }]),
        place,
    });
    hosts.chain(roles).collect()
}

/// Renders everything into the stage, by some threads. No host's output stays in memory.
fn fill(session: &mut Session, fleet: &Fleet, stage: &Stage, jobs: usize) -> Result<Manifest, Vec<Diagnostic>> {
    let items = items(&fleet.catalogue, &fleet.cluster);
    let next = AtomicUsize::new(0);
    let outputs = Mutex::new(BTreeMap::new());
    let failed = Mutex::new(None::<usize>);
    let work = || {
        let mut sources = Sources::default();
        let Ok(mut engine) = Engine::new(&fleet.catalogue.templates) else { return };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            match write(fleet, stage, &mut engine, &mut sources, item) {
                Ok(output) => {
                    outputs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(item.folder.clone(), output);
                }
                Err(_) => {
                    let mut failed = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    *failed = Some(failed.map_or(index, |other: usize| other.min(index)));
                    // Nobody needs to begin another one.
                    next.store(items.len(), Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(work);
        }
    });
    let one = |fault: Diagnostic| vec![fault];
    if let Some(index) = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        // Once more, with the texts at hand that the message quotes.
        let mut engine = Engine::new(&fleet.catalogue.templates).map_err(one)?;
        write(fleet, stage, &mut engine, &mut session.sources, &items[index]).map_err(one)?;
    }
    let outputs = outputs.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if outputs.len() != items.len() {
        return Err(one(Problem::Interrupted.into()));
    }
    let inputs = session.inputs_of(&fleet.secrets);
    Ok(Manifest { genhost: env!("CARGO_PKG_VERSION").to_owned(), inputs, outputs })
}

/// The files of a host or role.
pub struct Files {
    /// Bytes by name.
    pub files: BTreeMap<&'static str, Vec<u8>>,
}

impl Files {
    /// The same as a manifest has them.
    pub fn listed(&self) -> Output {
        let files = self.files.iter().map(|(name, bytes)| ((*name).to_owned(), sha256(bytes)));
        let files: BTreeMap<String, String> = files.collect();
        Output { id: files.get(TREE).cloned().unwrap_or_default(), files }
    }
}

/// Renders a host or role.
pub fn output(fleet: &Fleet, engine: &mut Engine, sources: &mut Sources, item: &Item) -> Result<Files> {
    let Rendered { tree, user_data, .. } = fleet.render(engine, sources, &item.subject, item.place)?.whole()?;
    let json = tree.canonical_json().into_bytes();
    Ok(Files { files: BTreeMap::from([(TREE, json), (USER_DATA, user_data.into_bytes())]) })
}

/// Renders it into the stage.
fn write(fleet: &Fleet, stage: &Stage, engine: &mut Engine, sources: &mut Sources, item: &Item) -> Result<Output> {
    let output = output(fleet, engine, sources, item)?;
    for (name, bytes) in &output.files {
        stage.write(&Path::new(&item.folder).join(name), bytes)?;
    }
    Ok(output.listed())
}

/// A folder beside the one to be. Its name is fixed, so that what an interrupted run leaves is cleared away by the next.
struct Stage {
    target: PathBuf,
    folder: PathBuf,
    /// Held as long as this is: one build at a time below one folder.
    _lock: File,
}

impl Stage {
    fn open(asked: &Path) -> Result<Self, Problem> {
        let error = |path: &Path, error: std::io::Error| Problem::Unwritable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        // Through a link, which stays one.
        let target = Target::of(asked)?.path().to_owned();
        if target.symlink_metadata().is_ok() {
            spare(asked, &target).map_err(|e| error(asked, e))??;
        }
        let parent = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let lock = File::open(parent).map_err(|e| error(parent, e))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Problem::AnotherBuild { path: parent.display().to_string() });
        }
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = parent.join(format!(".{name}.genhost"));
        if folder.symlink_metadata().is_ok() {
            std::fs::remove_dir_all(&folder).map_err(|e| error(&folder, e))?;
        }
        let mut private = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700).create(&folder).map_err(|e| error(&folder, e))?;
        Ok(Self { target, folder, _lock: lock })
    }

    /// Puts a file there: the old one itself, where it is the same.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Problem> {
        let (new, old) = (self.folder.join(path), self.target.join(path));
        let error = |error: std::io::Error| Problem::Unwritable {
            path: self.target.join(path).display().to_string(),
            reason: error.to_string(),
        };
        if let Some(parent) = new.parent() {
            std::fs::create_dir_all(parent).map_err(error)?;
        }
        // The one that failed is written once more, for its message; never through a link to the old one.
        let _ = std::fs::remove_file(&new);
        let is_same = std::fs::read(&old).is_ok_and(|there| there == bytes);
        if is_same && std::fs::hard_link(&old, &new).is_ok() {
            return Ok(());
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new).map_err(error)?;
        std::io::Write::write_all(&mut file, bytes).map_err(error)
    }

    /// Swaps it with the target, and clears the old one away.
    fn commit(self) -> Result<(), Problem> {
        let error = |error: std::io::Error| Problem::Unwritable {
            path: self.target.display().to_string(),
            reason: error.to_string(),
        };
        let folder = File::open(&self.folder).map_err(error)?;
        syncfs(&folder).map_err(|errno| error(errno.into()))?;
        if self.target.symlink_metadata().is_ok() {
            renameat_with(CWD, &self.folder, CWD, &self.target, RenameFlags::EXCHANGE)
                .map_err(|errno| error(errno.into()))?;
            std::fs::remove_dir_all(&self.folder).map_err(error)
        } else {
            std::fs::rename(&self.folder, &self.target).map_err(error)
        }
    }
}

/// Refuses to put a build in the place of anything but an earlier build, or of nothing.
fn spare(asked: &Path, target: &Path) -> std::io::Result<Result<(), Problem>> {
    // A file is no folder with nothing in it.
    std::fs::read_dir(target)?;
    let there = files(target)?;
    let manifest = std::fs::read(target.join(MANIFEST)).ok();
    let Some(manifest) = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok()) else {
        let path = asked.display().to_string();
        return Ok(if there.is_empty() { Ok(()) } else { Err(Problem::NotABuild { path }) });
    };
    let of_build = manifest
        .outputs
        .iter()
        .flat_map(|(folder, output)| output.files.keys().map(move |name| format!("{folder}/{name}")));
    let known: BTreeSet<String> = of_build.chain([MANIFEST.to_owned()]).collect();
    Ok(match there.into_iter().find(|path| !known.contains(path)) {
        Some(found) => Err(Problem::ForeignFile { path: asked.display().to_string(), found }),
        None => Ok(()),
    })
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After a commit it is gone; after a failure nobody wants it. What cannot be removed the next run removes.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Builds in two surroundings that have nothing in common, and compares.
fn twice(session: &Session, input: &Input) -> Result<(), Problem> {
    let error = |reason: String| Problem::Unwritable { path: "a second build".to_owned(), reason };
    let place = tempfile::tempdir().map_err(|e| error(e.to_string()))?;
    let program = std::env::current_exe().map_err(|e| error(e.to_string()))?;
    // What was read once may be a pipe, which cannot be read again.
    let cluster = place.path().join("cluster.yaml");
    std::fs::write(&cluster, session.cluster_text()).map_err(|e| error(e.to_string()))?;
    let secrets = session.secrets_path().to_owned();
    // The cluster file is somewhere else now; what goes with it is not.
    let lock = Some(lock_path(input)).filter(|path| path.symlink_metadata().is_ok());
    let input = Input { file: Some(cluster), secrets: Some(secrets), lock, locked: true, ..input.clone() };
    let arguments = input.absolute();
    let surroundings = [
        ("one", "UTC", "C", "1", "022", "/"),
        ("two", "Pacific/Chatham", "tr_TR.UTF-8", "3", "077", place.path().to_str().unwrap_or("/")),
    ];
    for (name, zone, locale, jobs, umask, folder) in surroundings {
        let temporary = place.path().join(format!("tmp-{name}"));
        std::fs::create_dir(&temporary).map_err(|e| error(e.to_string()))?;
        let output = Command::new("/bin/sh")
            .args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask])
            .arg(&program)
            .args(["build", "--jobs", jobs, "-o"])
            .arg(place.path().join(name))
            .args(&arguments)
            .current_dir(folder)
            .env_clear()
            .envs([("TZ", zone), ("LANG", locale), ("LC_ALL", locale), ("USER", name), ("HOME", "/nowhere")])
            .env("TMPDIR", temporary)
            .output()
            .map_err(|e| error(e.to_string()))?;
        if !output.status.success() {
            return Err(error(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
    }
    let differences =
        compare(&place.path().join("one"), &place.path().join("two")).map_err(|e| error(e.to_string()))?;
    match differences.first() {
        None => Ok(()),
        Some(first) => Err(Problem::NotReproducible { first: first.to_string(), all: differences.len() }),
    }
}
