//! What goes onto a disk besides its packages, as a tar that is unpacked over them.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::program::Surroundings;
use super::workspace::{create, unreadable, unwritable};
use super::{Contents, Recipe};
use crate::cluster::{ArtifactName, Sha256};
use crate::diagnostic::Problem;
use crate::emit::disk::{self, ARCHITECTURE, MODULES, PLATFORMS};
use crate::emit::seed;
use crate::render::HostTree;
use crate::resolve::Artifact;

/// Where what is for `customize` alone is put in the root file system.
pub(super) const OWN: &str = "var/tmp/genhost";
/// The host's program that installs an artifact, and what it reads; see `templates/host/artifact`.
const PROGRAM: &str = "/usr/lib/genhost/artifact";
const RECIPES: &str = "/usr/lib/genhost/recipe/";
const PINS: &str = "etc/genhost/artifacts";
/// Where cloud-init looks for a seed first.
const SEED: &str = "var/lib/cloud/seed/nocloud";
/// What the machine calls itself until cloud-init has told it its name.
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/// Makes the tar.
pub(super) fn write(surroundings: &Surroundings, recipe: &Recipe) -> Result<PathBuf, Problem> {
    let path = surroundings.folder.join("contents.tar");
    create(&path, 0)?;
    let file = File::options().write(true).open(&path).map_err(|error| unwritable(&path, &error))?;
    let mut tar = Overlay { tar: Builder::new(BufWriter::new(file)), path: &path, epoch: recipe.epoch };
    let title = format!("{} {}", recipe.system.distribution, recipe.system.release);
    tar.text("etc/fstab", &disk::file_systems(&recipe.seed))?;
    tar.text("etc/hosts", HOSTS)?;
    tar.text("boot/grub/grub.cfg", &disk::configuration(&recipe.seed, &title))?;
    let sources = recipe.sources.iter().filter(|line| recipe.system.archive.has(line));
    tar.text("etc/apt/sources.list", &sources.map(|line| format!("deb {line}\n")).collect::<String>())?;
    tar.text(&format!("{OWN}/early.cfg"), &disk::early_configuration(&recipe.seed))?;
    let platforms = PLATFORMS.map(|(platform, modules)| format!("{platform} {MODULES} {modules}\n")).concat();
    tar.text(&format!("{OWN}/platforms"), &platforms)?;
    tar.host(recipe.contents.tree(), recipe)?;
    if let Contents::Host(tree) = recipe.contents {
        tar.folder(SEED, 0o700)?;
        for (name, bytes) in seed::files(tree)? {
            tar.file(&format!("{SEED}/{name}"), 0o600, &bytes)?;
        }
    }
    tar.tar.finish().map_err(|error| unwritable(&path, &error))?;
    Ok(path)
}

/// The file of an artifact for this architecture, and its hash.
fn file_of<'a>(
    name: &ArtifactName,
    artifact: &'a Artifact,
    recipe: &'a Recipe,
) -> Result<(&'a Sha256, &'a Path), Problem> {
    let pin = artifact.files.get(ARCHITECTURE).or_else(|| artifact.files.get("all"));
    let found = pin.and_then(|pin| Some((&pin.sha256, recipe.artifacts.get(&pin.sha256)?.as_path())));
    found.ok_or_else(|| Problem::NoArtifactFile { artifact: name.to_string(), architecture: ARCHITECTURE })
}

struct Overlay<'a> {
    tar: Builder<BufWriter<File>>,
    path: &'a Path,
    epoch: u64,
}

impl Overlay<'_> {
    /// What `customize` installs a host's artifacts with, and which units it is to leave to the first boot.
    fn host(&mut self, tree: &HostTree, recipe: &Recipe) -> Result<(), Problem> {
        for (path, file) in &tree.files {
            let path = path.as_str();
            if path == PROGRAM || path.starts_with(RECIPES) {
                self.file(path.trim_start_matches('/'), 0o755, file.content.as_bytes())?;
            }
        }
        let mut names = String::new();
        for (name, artifact) in &tree.artifacts {
            let (sha256, path) = file_of(name, artifact, recipe)?;
            let inside = format!("{OWN}/{sha256}");
            self.text(&format!("{PINS}/{name}"), &format!("{ARCHITECTURE} {sha256} file:///{inside}\n"))?;
            let source = File::open(path).map_err(|error| unreadable(path, &error))?;
            let length = source.metadata().map_err(|error| unreadable(path, &error))?.len();
            self.entry(&inside, 0o644, EntryType::Regular, length, source)?;
            names += &format!("{name}\n");
        }
        self.text(&format!("{OWN}/artifacts"), &names)?;
        let units = tree.units.iter().map(|unit| format!("{unit}\n")).collect::<String>();
        self.text(&format!("{OWN}/units"), &units)
    }

    fn text(&mut self, path: &str, text: &str) -> Result<(), Problem> {
        self.file(path, 0o644, text.as_bytes())
    }

    fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<(), Problem> {
        self.entry(path, mode, EntryType::Regular, bytes.len() as u64, bytes)
    }

    fn folder(&mut self, path: &str, mode: u32) -> Result<(), Problem> {
        self.entry(path, mode, EntryType::Directory, 0, std::io::empty())
    }

    fn entry(
        &mut self,
        path: &str,
        mode: u32,
        kind: EntryType,
        length: u64,
        bytes: impl std::io::Read,
    ) -> Result<(), Problem> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.epoch);
        header.set_size(length);
        self.tar.append_data(&mut header, path, bytes).map_err(|error| unwritable(self.path, &error))
    }
}
