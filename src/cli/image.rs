//! `genhost image`: what a host boots from, as files.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::Digest;
use tempfile::TempDir;

use super::Outcome;
use super::arguments::{Image, ImageFormat, Input};
use super::fleet::{Fleet, Rendered};
use super::output::{self, Readers};
use super::report;
use super::session::{Session, lock_path};
use super::store::{Store, Wanted, bar, hash_of};
use super::target::Target;
use crate::cluster::{Arch, Sha256};
use crate::diagnostic::{Diagnostic, Problem};
use crate::emit::disk::{ARCHITECTURE, Seed};
use crate::emit::sbom::{self, Bill};
use crate::emit::seed;
use crate::image::{Contents, Deb, Format, Recipe, Workspace, build, preflight, profile};
use crate::lock::{Lock, LockedSystem};
use crate::render::HostTree;
use crate::resolve::{Artifact, Pin};

/// Writes the image of one host.
pub fn run(session: &mut Session, arguments: &Image) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let fleet = Fleet::load(session, &arguments.input)?;
    let host = fleet.cluster.host(&arguments.host).map_err(one)?;
    let rendered = fleet.render_all(&mut session.sources, [host])?;
    let at_host = |problem: Problem| vec![Diagnostic::at(host.name.place, problem)];
    let format = match arguments.format {
        ImageFormat::Raw => Some(Format::Raw),
        ImageFormat::Qcow2 => Some(Format::Qcow2),
        ImageFormat::Seed | ImageFormat::Dir => None,
    };
    if format.is_none() && (arguments.sealed || arguments.check) {
        return Err(one(Problem::NotADisk));
    }
    for Rendered { tree, .. } in &rendered {
        if let Some(format) = format {
            disk(session, arguments, &fleet, tree, format).map_err(|fault| vec![fault])?;
        } else if arguments.format == ImageFormat::Seed {
            let image = seed::image(tree).map_err(at_host)?;
            session.before_writing(&arguments.output).map_err(|fault| vec![fault])?;
            output::replace(&arguments.output, &image, Readers::Owner).map_err(one)?;
        } else {
            let files = seed::files(tree).map_err(at_host)?;
            session.before_writing(&arguments.output).map_err(|fault| vec![fault])?;
            output::replace_folder(&arguments.output, &files, &seed::FILES, Readers::Owner).map_err(one)?;
        }
    }
    Ok(())
}

/// Builds a disk of what is pinned, fetches what of it is not in the store, and writes a bill of materials beside it.
fn disk(
    session: &mut Session,
    arguments: &Image,
    fleet: &Fleet,
    tree: &HostTree,
    format: Format,
) -> Result<(), Diagnostic> {
    // Through a link, which stays one.
    let output = Target::of(&arguments.output)?.path().to_owned();
    if std::fs::metadata(&output).is_ok_and(|there| !there.is_file()) {
        let path = arguments.output.display().to_string();
        return Err(Problem::Unwritable { path, reason: "it is there and no file".to_owned() }.into());
    }
    let lock = session.lock(&arguments.input)?;
    let (system, profile) = profile(&fleet.catalogue, &tree.system)?;
    let contents = if arguments.sealed { Contents::Sealed(tree) } else { Contents::Host(tree) };
    let locked = locked(arguments, fleet, tree, &lock, contents.packages(profile))?;

    // Before anything is fetched, which takes longer than to find out.
    preflight(format)?;
    session.before_writing(&arguments.output)?;
    let store = Store::of_user()?;
    let packages: Vec<Wanted> = locked
        .packages
        .iter()
        .map(|package| {
            let what = format!("{} {}", package.name, package.version);
            Wanted { what, sha256: &package.sha256, size: package.size, url: &package.url }
        })
        .collect();
    store.fetch_all(&packages)?;
    let debs: Vec<Deb> = locked
        .packages
        .iter()
        .map(|package| Deb { path: store.path(&package.sha256), sha256: package.sha256.clone() })
        .collect();
    let mut artifacts = BTreeMap::new();
    let mut fetched = Vec::new();
    for (name, artifact) in &tree.artifacts {
        let Some(pin) = pin_of(artifact) else { continue };
        let title = format!("{name} {}", artifact.version);
        store.fetch(&title, &pin.sha256, lock.size(&pin.sha256), &pin.urls, &bar(None))?;
        artifacts.insert(pin.sha256.clone(), store.path(&pin.sha256));
        fetched.extend(pin.urls.first().map(|url| sbom::Artifact {
            name: name.to_string(),
            version: artifact.version.to_string(),
            sha256: pin.sha256.to_string(),
            url: url.to_string(),
        }));
    }
    let seed = seed_of(contents, locked, &artifacts);
    let recipe = Recipe {
        system,
        profile,
        contents,
        sources: &locked.sources,
        packages: &debs,
        artifacts: &artifacts,
        epoch: locked.date,
        seed,
        format,
    };
    // Everything is there, and nobody else has to wait any longer.
    drop(store);
    let second = arguments.check.then(|| Second::begin(session, arguments, &output)).transpose()?;
    let disk = build(&recipe, &output, &report::line)?;
    if let Some(second) = second {
        let sha256 = second.compare(disk.path())?;
        report::line(&format!("built twice, the same: sha256 {sha256}"));
    }
    let packages: Vec<sbom::Package> = locked
        .packages
        .iter()
        .filter(|package| disk.installed.contains(package.name.as_str()))
        .map(|package| sbom::Package {
            name: package.name.to_string(),
            version: package.version.to_string(),
            architecture: package.arch.to_string(),
            sha256: package.sha256.to_string(),
            url: package.url.to_string(),
        })
        .collect();
    let name = if arguments.sealed { tree.system.to_string() } else { arguments.host.to_string() };
    let bill = Bill {
        name: &name,
        distribution: &system.distribution,
        release: &system.release,
        packages: &packages,
        artifacts: &fetched,
    };
    let mut beside = output.clone().into_os_string();
    beside.push(".cdx.json");
    // No bill is better than another disk's, whatever happens now.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let path = Path::new(&beside).display().to_string();
            return Err(Problem::Unwritable { path, reason: error.to_string() }.into());
        }
        _ => {}
    }
    disk.deliver(&output)?;
    Ok(output::replace(Path::new(&beside), sbom::sbom(&bill).as_bytes(), Readers::Everyone)?)
}

/// The file of an artifact that a disk can use.
fn pin_of(artifact: &Artifact) -> Option<&Pin> {
    artifact.files.get(ARCHITECTURE).or_else(|| artifact.files.get("all"))
}

/// What is pinned for this host: all of its packages and artifacts, from where its system has them.
fn locked<'a>(
    arguments: &Image,
    fleet: &Fleet,
    tree: &HostTree,
    lock: &'a Lock,
    packages: BTreeMap<String, Option<String>>,
) -> Result<&'a LockedSystem, Problem> {
    let stale = |what: String| {
        let path = lock_path(&arguments.input).display().to_string();
        Problem::LockStale { path, what: format!("it does not pin {what}") }
    };
    let arch = Arch::literal(ARCHITECTURE);
    let locked = lock.system(&tree.system, &arch);
    let locked = locked.ok_or_else(|| stale(format!("the packages of {} {ARCHITECTURE}", tree.system)))?;
    for (name, version) in packages {
        let asked = version.map_or_else(|| name.clone(), |version| format!("{name}={version}"));
        if !locked.asked.contains(&asked) {
            return Err(stale(format!("the package {asked} of {}", tree.system)));
        }
    }
    let suites = fleet.catalogue.systems.get(&tree.system).into_iter().flat_map(|system| system.archive.suites());
    for (_, suite) in suites {
        if !locked.sources.iter().any(|source| source.split_once(' ').is_some_and(|(_, rest)| rest == suite)) {
            return Err(stale(format!("what {suite} has")));
        }
    }
    for (name, artifact) in &tree.artifacts {
        let files = lock.artifacts.get(name).and_then(|versions| versions.get(&artifact.version));
        let is_pinned = |pin: &Pin| files.is_some_and(|files| files.values().any(|file| file.sha256 == pin.sha256));
        if !pin_of(artifact).is_some_and(is_pinned) {
            return Err(stale(format!("{name} {} for {ARCHITECTURE}", artifact.version)));
        }
    }
    Ok(locked)
}

/// What a disk's identifiers are made of: all that it is made of.
fn seed_of(contents: Contents, locked: &LockedSystem, artifacts: &BTreeMap<Sha256, PathBuf>) -> Seed {
    let mut text = format!("{}\n", locked.date);
    for package in &locked.packages {
        text += &format!("{}\n", package.sha256);
    }
    for sha256 in artifacts.keys() {
        text += &format!("{sha256}\n");
    }
    match contents {
        Contents::Host(tree) => text += &format!("host {}\n", tree.id()),
        Contents::Sealed(tree) => text += &format!("sealed {:?}\n", tree.packages.keys()),
    }
    Seed(sha2::Sha256::digest(text).into())
}

/// The same disk, built at the same time where nothing else is the same. It ends with this value.
struct Second {
    child: Child,
    disk: PathBuf,
    _folder: Workspace,
    /// Where its cluster file lies: what was read once may be a pipe, which cannot be read again.
    _inputs: TempDir,
}

impl Second {
    fn begin(session: &Session, arguments: &Image, output: &Path) -> Result<Self, Problem> {
        let error = |error: std::io::Error| unfinished(error.to_string());
        let inputs = tempfile::tempdir().map_err(error)?;
        let cluster = inputs.path().join("cluster.yaml");
        std::fs::write(&cluster, session.cluster_text()).map_err(error)?;
        let input = Input {
            file: Some(cluster),
            secrets: Some(session.secrets_path().to_owned()),
            lock: Some(lock_path(&arguments.input)),
            locked: true,
            ..arguments.input.clone()
        };
        let folder = Workspace::beside(output)?;
        let disk = folder.path().join("again");
        let format = if arguments.format == ImageFormat::Raw { "raw" } else { "qcow2" };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(std::env::current_exe().map_err(error)?);
        command.args(["image", "--host", arguments.host.as_str(), "--format", format, "-o"]).arg(&disk);
        command.args(arguments.sealed.then_some("--sealed")).args(input.absolute());
        command.envs([
            ("TZ", "Pacific/Chatham"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("TMPDIR", "/var/tmp"),
            ("USER", "nobody"),
        ]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(error)?;
        Ok(Self { child, disk, _folder: folder, _inputs: inputs })
    }

    /// Waits for it, and gives the hash that it shares with the first.
    fn compare(mut self, first: &Path) -> Result<Sha256, Problem> {
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut said).map_err(|error| unfinished(error.to_string()))?;
        }
        let status = self.child.wait().map_err(|error| unfinished(error.to_string()))?;
        if !status.success() {
            return Err(unfinished(said.trim().to_owned()));
        }
        let (one, two) = (hash_of(first)?.0, hash_of(&self.disk)?.0);
        if one == two {
            Ok(one)
        } else {
            Err(Problem::NotReproducible { first: format!("sha256 {one} and {two}"), all: 1 })
        }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // One that has ended is not there any more; what it wrote goes with its folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unfinished(reason: String) -> Problem {
    Problem::Unwritable { path: "a second disk".to_owned(), reason }
}
