//! The folder that a disk is built in, beside where it is to be.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::program::MMDEBSTRAP;
use crate::diagnostic::Problem;

const PREFIX: &str = ".genhost-disk-";
/// The file in it that is locked as long as anybody works there.
const LOCK: &str = "lock";
/// Bytes that are either written or left a hole.
const BLOCK: usize = 4096;

/// Who may read the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Its owner only: it holds secrets.
    Owner,
    /// Whom the umask lets.
    Everyone,
}

/// A folder of its own; it goes with this value.
#[derive(Debug)]
pub struct Workspace {
    folder: TempDir,
    _lock: File,
}

impl Workspace {
    /// Makes one beside `output`, and removes those in which nobody works any more.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn beside(output: &Path) -> Result<Self, Problem> {
        let parent = match output.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let error = |error: std::io::Error| unwritable(output, &error);
        let parent = fs::canonicalize(parent).map_err(error)?;
        // Nobody removes a folder that somebody else has made and not locked yet.
        let gate = File::open(&parent).map_err(error)?;
        gate.lock().map_err(error)?;
        for entry in fs::read_dir(&parent).map_err(error)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_left(&entry.path()) {
                remove(&entry.path());
            }
        }
        let mut builder = tempfile::Builder::new();
        // mmdebstrap may become another user, who has to get through.
        builder.prefix(PREFIX).permissions(Permissions::from_mode(0o711));
        let folder = builder.tempdir_in(&parent).map_err(error)?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).map_err(error)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(error)?;
        lock.lock().map_err(error)?;
        // Programs that outlive a genhost that was killed work there too: they hold the lock with it.
        rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).map_err(|errno| error(errno.into()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes room. What cannot be removed now goes with the folder.
    pub(super) fn remove_all(&self, paths: &[&Path]) {
        for path in paths {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }

    /// Puts a finished file in the place of what is at `output`, a link itself included.
    pub(super) fn deliver(self, file: &Path, output: &Path, audience: Audience) -> Result<(), Problem> {
        let error = |error: std::io::Error| unwritable(output, &error);
        if audience == Audience::Everyone {
            // The umask has its say, as with any file that is made by `>`.
            let sample = File::create(self.path().join("sample")).and_then(|file| file.metadata()).map_err(error)?;
            fs::set_permissions(file, sample.permissions()).map_err(error)?;
        }
        File::open(file).and_then(|file| file.sync_all()).map_err(error)?;
        fs::rename(file, output).map_err(error)
    }
}

/// Makes a file of so many bytes of nothing, for its owner alone.
pub(super) fn create(path: &Path, bytes: u64) -> Result<(), Problem> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|file| file.set_len(bytes)).map_err(|error| unwritable(path, &error))
}

/// Writes into a file of nothing, where there is something to write.
pub(super) fn write_at(path: &Path, start: u64, bytes: &[u8]) -> Result<(), Problem> {
    let write = || {
        let mut file = File::options().write(true).open(path)?;
        for (index, block) in bytes.chunks(BLOCK).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                file.seek(SeekFrom::Start(start + (index * BLOCK) as u64))?;
                file.write_all(block)?;
            }
        }
        Ok(())
    };
    write().map_err(|error: std::io::Error| unwritable(path, &error))
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    let reason = error.to_string();
    // tempfile adds the temporary name to its errors, which helps nobody.
    let reason = reason.split(" at path ").next().unwrap_or_default().to_owned();
    Problem::Unwritable { path: path.display().to_string(), reason }
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}

/// Whether nobody works in a folder.
fn is_left(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        Err(_) => true,
    }
}

/// Removes a folder, as far as that is possible, and nothing that is mounted in it.
fn remove(folder: &Path) {
    let run = |command: &mut Command| {
        let command = command.args(["-rf", "--one-file-system", "--"]).arg(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !run(&mut Command::new("rm")) {
        // A root file system has files of users that only a user namespace has.
        run(Command::new(MMDEBSTRAP.name).args(["--unshare-helper", "rm"]));
    }
}

/// The path as text that mmdebstrap and apt take for a url's.
pub(super) fn as_url(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            url.push(char::from(*byte));
        } else {
            url += &format!("%{byte:02X}");
        }
        url
    })
}
