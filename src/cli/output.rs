//! Files, written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

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
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
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
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, staged.path(), rustix::fs::CWD, &target, flags)
            .map_err(|errno| error(errno.into()))
    } else {
        std::fs::rename(staged.path(), &target).map_err(error)
    }
}

/// Puts a file in the place of what is there, or leaves that as it was.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    let error = |error: std::io::Error| unwritable(path, &error);
    let is_special = std::fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir());
    if is_special {
        // A pipe or a device, such as /dev/stdout, cannot be renamed over.
        return File::options().write(true).open(path).and_then(|mut file| file.write_all(bytes)).map_err(error);
    }
    // Following a link keeps it one.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    staged(&target, bytes, readers).map_err(error)?.persist(&target).map_err(|e| error(e.error))?;
    Ok(())
}

/// Makes a new file; one that is there already stays as it is.
pub fn create(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    let staged = staged(path, bytes, readers).map_err(|e| unwritable(path, &e))?;
    match staged.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            Err(Problem::WouldOverwrite { path: path.display().to_string() })
        }
        Err(error) => Err(unwritable(path, &error.error)),
    }
}

/// A finished file beside the one to be, so that a rename is all that is left.
fn staged(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".genhost-");
    let everyone = Permissions::from_mode(0o666);
    if readers == Readers::Everyone {
        // The umask has its say, as with any file that is made by `>`.
        builder.permissions(everyone);
    }
    let mut file = builder.tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
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
