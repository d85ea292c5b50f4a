//! Files, written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rand_core::{OsRng, RngCore};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::report::visible;
use super::target::Target;
use crate::diagnostic::Problem;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner only: it holds secrets.
    Owner,
    /// Everybody.
    Everyone,
}

/// Writes bytes to standard output. A reader that has seen enough (`head`) is no fault.
pub fn to_stdout(bytes: &[u8]) -> Result<(), Problem> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Problem::Unwritable { path: "standard output".into(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// Writes a text for people to standard output, with nothing in it that steers their terminal.
pub fn text_to_stdout(text: &str) -> Result<(), Problem> {
    to_stdout(visible(text).as_bytes())
}

/// Puts a file in the place of what is there; `-` is standard output.
pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    if path.as_os_str() == "-" { to_stdout(bytes) } else { replace(path, bytes, readers) }
}

/// Puts a folder of files in the place of an earlier one, whole or not at all.
///
/// # Errors
/// What is there has a file in it that is not `known`, or is no folder.
pub fn replace_folder(path: &Path, files: &[(&str, Vec<u8>)], known: &[&str], readers: Readers) -> Result<(), Problem> {
    let error = |error: std::io::Error| unwritable(path, &error);
    let target = Target::of(path)?.path().to_owned();
    let there = target.symlink_metadata().is_ok();
    if there {
        for entry in std::fs::read_dir(&target).map_err(error)? {
            let name = entry.map_err(error)?.file_name();
            if !known.iter().any(|known| name == *known) {
                let found = name.to_string_lossy().into_owned();
                return Err(Problem::ForeignFile { path: path.display().to_string(), found });
            }
        }
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".genhost-");
    let mode = if readers == Readers::Owner { 0o700 } else { 0o755 };
    let staged = builder.permissions(Permissions::from_mode(mode)).tempdir_in(folder_of(&target)).map_err(error)?;
    for (name, bytes) in files {
        replace(&staged.path().join(name), bytes, readers)?;
    }
    if there {
        // The kernel swaps the two in one step; what was there goes with the staging folder.
        renameat_with(CWD, staged.path(), CWD, &target, RenameFlags::EXCHANGE).map_err(|errno| error(errno.into()))
    } else {
        std::fs::rename(staged.path(), &target).map_err(error)
    }
}

/// Puts a file in the place of what is there, or leaves that as it was. A link stays one.
///
/// # Errors
/// It cannot be written, or another user has put something in the way.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    let error = |error: std::io::Error| unwritable(path, &error);
    let target = Target::of(path)?;
    if target.is_folder() || path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(error(Errno::ISDIR.into()));
    }
    match target.open_special().map_err(error)? {
        Some(mut file) => file.write_all(bytes).map_err(error),
        None => Staged::new(&target, bytes, readers).and_then(Staged::replace).map_err(error),
    }
}

/// Makes a new file; one that is there already stays as it is.
///
/// # Errors
/// See [`replace`].
pub fn create(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    let error = |error: std::io::Error| unwritable(path, &error);
    let target = Target::new_in(folder_of(path), path.file_name().unwrap_or_default())?;
    match Staged::new(&target, bytes, readers).and_then(Staged::create) {
        Err(exists) if exists.kind() == ErrorKind::AlreadyExists => {
            Err(Problem::WouldOverwrite { path: path.display().to_string() })
        }
        done => done.map_err(error),
    }
}

/// A finished file beside the one to be, so that a rename is all that is left. It goes with this value unless it is renamed.
struct Staged<'a> {
    target: &'a Target,
    name: String,
}

impl<'a> Staged<'a> {
    fn new(target: &'a Target, bytes: &[u8], readers: Readers) -> std::io::Result<Self> {
        let mode = match readers {
            Readers::Owner => 0o600,
            // The umask has its say, as with any file that is made by `>`.
            Readers::Everyone => 0o666,
        };
        let mut random = [0; 8];
        OsRng.try_fill_bytes(&mut random).map_err(std::io::Error::other)?;
        let name = format!(".genhost-{:016x}", u64::from_ne_bytes(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(target.folder(), &name, flags, Mode::from_raw_mode(mode))?);
        let staged = Self { target, name };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    fn replace(self) -> std::io::Result<()> {
        let folder = self.folder();
        Ok(renameat(folder, &self.name, folder, self.target.name())?)
    }

    fn create(self) -> std::io::Result<()> {
        let folder = self.folder();
        match renameat_with(folder, &self.name, folder, self.target.name(), RenameFlags::NOREPLACE) {
            // A file system that knows no such rename, as NFS.
            Err(Errno::INVAL) => Ok(linkat(folder, &self.name, folder, self.target.name(), AtFlags::empty())?),
            done => Ok(done?),
        }
    }

    fn folder(&self) -> BorrowedFd<'a> {
        self.target.folder()
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // After a rename it is gone.
        let _ = unlinkat(self.folder(), &self.name, AtFlags::empty());
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    let reason = error.to_string();
    // tempfile adds the temporary name to its errors, which helps nobody.
    let reason = reason.split(" at path ").next().unwrap_or_default().to_owned();
    Problem::Unwritable { path: path.display().to_string(), reason }
}
