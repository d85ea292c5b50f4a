//! A bootable disk, from packages that were checked: the same bytes on every run, on any machine with the same programs.
//!
//! 1. mmdebstrap unpacks and sets up the packages, from a repository that is a folder, into a tar;
//! 2. in it, the script `customize` installs artifacts by the host's own program, makes GRUB's parts, and takes out what differs;
//! 3. mke2fs makes a file system of the tar, at its place on the disk;
//! 4. [`crate::emit::disk`] makes what is around it;
//! 5. for qcow2, qemu-img packs it.
//!
//! Nothing here needs root: mmdebstrap unshares a user namespace where it is not.

mod contents;
mod file_system;
mod program;
mod repository;
mod root;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cluster::{Sha256, SystemName};
use crate::diagnostic::Problem;
use crate::emit::disk::{Seed, around, root_offset};
use crate::load::{Catalogue, DiskProfile, System};
use crate::render::HostTree;

use program::Surroundings;
use workspace::Audience;
pub use workspace::Workspace;

/// A disk to be built. Two equal recipes are the same bytes, whatever the paths are.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The operating system.
    pub system: &'a System,
    /// What makes a disk of it, which is its [`System::image`]: see [`profile`].
    pub profile: &'a DiskProfile,
    /// What is on the disk besides the system.
    pub contents: Contents<'a>,
    /// Where its packages came from, lines of sources.list without options: the host's apt is told those of the system's archive.
    pub sources: &'a [String],
    /// Every package of it, all that they need among them. They are trusted: who made this list has checked their hashes.
    pub packages: &'a [Deb],
    /// What the host fetches, each file by its hash. The host's own program checks it again.
    pub artifacts: &'a BTreeMap<Sha256, PathBuf>,
    /// Seconds since 1970: nothing on the disk is younger.
    pub epoch: u64,
    /// What the disk's identifiers are made of.
    pub seed: Seed,
    /// How the disk is written down.
    pub format: Format,
}

/// What is on a disk besides its system.
#[derive(Debug, Clone, Copy)]
pub enum Contents<'a> {
    /// The packages and artifacts of a host, and nothing else of it, no secret above all. It serves every host with the same
    /// ones, each by its own user-data.
    Sealed(&'a HostTree),
    /// One host, its seed with its secrets included.
    Host(&'a HostTree),
}

impl<'a> Contents<'a> {
    /// The host that it is made for.
    fn tree(self) -> &'a HostTree {
        match self {
            Self::Sealed(tree) | Self::Host(tree) => tree,
        }
    }

    /// What apt is to install besides the essential packages, with the version where one is pinned: what a lock has to be of.
    pub fn packages(self, profile: &DiskProfile) -> BTreeMap<String, Option<String>> {
        let mut all: BTreeMap<_, _> = profile.packages.iter().map(|name| (name.to_string(), None)).collect();
        all.extend(self.tree().packages.clone());
        all
    }
}

/// A Debian package in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deb {
    /// The file.
    pub path: PathBuf,
    /// Its hash.
    pub sha256: Sha256,
}

/// How a disk is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Sector by sector, with holes where there is nothing.
    Raw,
    /// QEMU's, compressed. Another version of qemu-img or zlib may compress otherwise; what is inside stays the same.
    Qcow2,
}

/// What makes a disk of this system.
///
/// # Errors
/// Its profile does not say, or there is no such system.
pub fn profile<'a>(catalogue: &'a Catalogue, name: &SystemName) -> Result<(&'a System, &'a DiskProfile), Problem> {
    let system = catalogue.systems.get(name).and_then(|system| Some((system, system.image.as_ref()?)));
    system.ok_or_else(|| {
        let able = catalogue.systems.iter().filter(|(_, system)| system.image.is_some());
        Problem::NoDiskImage { system: name.to_string(), able: able.map(|(name, _)| name.to_string()).collect() }
    })
}

/// Whether the machine has all that a disk of this format is built with.
///
/// # Errors
/// Which program is missing, or too old.
pub fn preflight(format: Format) -> Result<(), Problem> {
    program::check(format)
}

/// A disk that was built, and is nowhere yet. It goes with this value unless it is delivered.
pub struct Disk {
    workspace: Workspace,
    file: PathBuf,
    audience: Audience,
    /// The names of its packages.
    pub installed: BTreeSet<String>,
}

impl Disk {
    /// Where it lies until then.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Puts it in the place of what is at `output`, in one step; a link there is replaced itself.
    ///
    /// # Errors
    /// That cannot be written.
    pub fn deliver(self, output: &Path) -> Result<(), Problem> {
        self.workspace.deliver(&self.file, output, self.audience)
    }
}

/// Builds a disk. `tell` gets a line for people before each step that takes long.
///
/// It works in a folder beside `output`, `.genhost-disk-…`; one that a run left behind, killed, is removed by the next.
///
/// # Errors
/// A program is missing, too old or fails; a file cannot be read or written; the host has no name, which its seed needs.
pub fn build(recipe: &Recipe, output: &Path, tell: &dyn Fn(&str)) -> Result<Disk, Problem> {
    preflight(recipe.format)?;
    let audience = match recipe.contents {
        Contents::Sealed(_) => Audience::Everyone,
        Contents::Host(_) => Audience::Owner,
    };
    let workspace = Workspace::beside(output)?;
    let surroundings = Surroundings { folder: workspace.path(), epoch: recipe.epoch };
    let repository = repository::write(&surroundings, recipe.packages)?;
    let contents = contents::write(&surroundings, recipe)?;
    tell(&format!("setting up {} packages, which takes minutes", recipe.packages.len()));
    let root::Root { tar, boot, installed } = root::make(&surroundings, recipe, &repository, &contents)?;
    workspace.remove_all(&[&repository, &contents]);
    tell("making the file system");
    let disk = workspace.path().join("disk");
    let size = file_system::size(&tar)?;
    let around = around(size, &boot, &recipe.seed)?;
    workspace::create(&disk, root_offset() + size.bytes() + around.tail.len() as u64)?;
    file_system::make(&surroundings, &tar, &disk, size, &recipe.seed)?;
    workspace.remove_all(&[&tar]);
    workspace::write_at(&disk, 0, &around.head)?;
    workspace::write_at(&disk, root_offset() + size.bytes(), &around.tail)?;
    let disk = match recipe.format {
        Format::Raw => disk,
        Format::Qcow2 => {
            tell("compressing");
            let packed = workspace.path().join("packed");
            workspace::create(&packed, 0)?;
            let mut command = surroundings.command(program::QEMU_IMG);
            command.args(["convert", "-q", "-c", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1", "disk", "packed"]);
            program::run(program::QEMU_IMG, "compressing", &mut command)?;
            packed
        }
    };
    Ok(Disk { workspace, file: disk, audience, installed })
}
