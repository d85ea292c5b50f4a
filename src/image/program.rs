//! The programs of the machine that a disk is built with, kept from everything that differs between machines.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Format;
use crate::diagnostic::Problem;

/// A program, and Debian's package of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub name: &'static str,
    package: &'static str,
}

pub(super) const MMDEBSTRAP: Program = Program { name: "mmdebstrap", package: "mmdebstrap" };
pub(super) const DPKG_DEB: Program = Program { name: "dpkg-deb", package: "dpkg" };
pub(super) const MKE2FS: Program = Program { name: "mke2fs", package: "e2fsprogs" };
pub(super) const SETPRIV: Program = Program { name: "setpriv", package: "util-linux" };
pub(super) const UNSHARE: Program = Program { name: "unshare", package: "util-linux" };
const NEWUIDMAP: Program = Program { name: "newuidmap", package: "uidmap" };
pub(super) const QEMU_IMG: Program = Program { name: "qemu-img", package: "qemu-utils" };

/// The first mke2fs that reads a tar, and that takes every time from SOURCE_DATE_EPOCH.
const MKE2FS_NEEDED: (u32, u32, u32) = (1, 47, 1);
/// How many lines of a program's last words are shown.
const LAST_WORDS: usize = 12;

/// Where and when programs are to think they run.
pub(super) struct Surroundings<'a> {
    /// Their working directory, in which everything is named without a path, and their place for temporary files.
    pub folder: &'a Path,
    /// Seconds since 1970.
    pub epoch: u64,
}

impl Surroundings<'_> {
    /// A command that sees nothing of the user's environment but where programs are.
    pub fn command(&self, program: Program) -> Command {
        let mut command = Command::new(program.name);
        command
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", path())
            .env("TMPDIR", self.folder);
        command.env("SOURCE_DATE_EPOCH", self.epoch.to_string()).env("TZ", "UTC0").env("LC_ALL", "C.UTF-8");
        command.env("HOME", self.folder);
        command
    }
}

/// Runs a command to its end.
///
/// # Errors
/// It fails; with its last words.
pub(super) fn run(program: Program, what: &'static str, command: &mut Command) -> Result<Output, Problem> {
    let failed = |status, said| Problem::ProgramFailed { what, program: program.name, status, said };
    let output = command.output().map_err(|error| failed(error.to_string(), Vec::new()))?;
    if output.status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr).replace(|c: char| c.is_control() && c != '\n', " ");
    let said: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = said[said.len().saturating_sub(LAST_WORDS)..].iter().map(|line| (*line).to_owned()).collect();
    Err(failed(output.status.to_string(), said))
}

/// Whether everything is there that a disk of this format is built with.
///
/// # Errors
/// Which program is missing, or too old.
pub(super) fn check(format: Format) -> Result<(), Problem> {
    let packer = match format {
        Format::Raw => None,
        Format::Qcow2 => Some(QEMU_IMG),
    };
    // With it mmdebstrap gets users of its own where it is not root.
    let mapper = (!rustix::process::geteuid().is_root()).then_some(NEWUIDMAP);
    for program in [MMDEBSTRAP, SETPRIV, UNSHARE, DPKG_DEB, MKE2FS].into_iter().chain(packer).chain(mapper) {
        let there = std::env::split_paths(&path()).any(|folder| folder.join(program.name).is_file());
        if !there {
            return Err(Problem::ToolMissing { path: program.name.to_owned(), package: program.package.to_owned() });
        }
    }
    let output = run(MKE2FS, "asking for its version", Command::new(MKE2FS.name).arg("-V").env("PATH", path()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let found = said.split_whitespace().nth(1).unwrap_or_default();
    if version(found) < Some(MKE2FS_NEEDED) {
        let (program, package) = (MKE2FS.name, MKE2FS.package);
        return Err(Problem::ProgramTooOld { program, found: found.to_owned(), needed: "1.47.1", package });
    }
    Ok(())
}

fn version(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split(['.', '-']).map(|number| number.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

/// Where programs are: the user's own search path, and root's, in which mke2fs is.
fn path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let all: Vec<PathBuf> = std::env::split_paths(&own).filter(|folder| folder.is_absolute()).chain(system).collect();
    std::env::join_paths(all).unwrap_or(own)
}
