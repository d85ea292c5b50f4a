//! A package repository that is a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::Deb;
use super::program::{self, DPKG_DEB, Surroundings};
use super::workspace::{unreadable, unwritable};
use crate::diagnostic::Problem;

/// Makes it: the packages under their hashes, and an index of what they say of themselves.
pub(super) fn write(surroundings: &Surroundings, packages: &[Deb]) -> Result<PathBuf, Problem> {
    let folder = surroundings.folder.join("repository");
    fs::create_dir(&folder).map_err(|error| unwritable(&folder, &error))?;
    readable(&folder, 0o755)?;
    let mut stanzas = Vec::new();
    for deb in packages {
        let name = format!("{}.deb", deb.sha256);
        let target = folder.join(&name);
        let there = fs::metadata(&deb.path).map_err(|error| unreadable(&deb.path, &error))?;
        // apt may read it as another user. Where a link cannot be, on another file system, it is a copy.
        let is_open = there.permissions().mode() & 0o004 != 0;
        if !is_open || fs::hard_link(&deb.path, &target).is_err() {
            fs::copy(&deb.path, &target).map_err(|error| unreadable(&deb.path, &error))?;
            readable(&target, 0o644)?;
        }
        let mut command = surroundings.command(DPKG_DEB);
        let output = program::run(DPKG_DEB, "reading a package", command.arg("-f").arg(&target))?;
        let fields = String::from_utf8_lossy(&output.stdout);
        let (fields, size) = (fields.trim_end(), there.len());
        stanzas.push(format!("{fields}\nFilename: ./{name}\nSize: {size}\nSHA256: {}\n", deb.sha256));
    }
    // The order in which they were given must not matter to apt.
    stanzas.sort();
    let index = folder.join("Packages");
    fs::write(&index, stanzas.join("\n")).map_err(|error| unwritable(&index, &error))?;
    readable(&index, 0o644)?;
    Ok(folder)
}

/// Whatever the umask is, whoever mmdebstrap becomes has to read it.
fn readable(path: &std::path::Path, mode: u32) -> Result<(), Problem> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| unwritable(path, &error))
}
