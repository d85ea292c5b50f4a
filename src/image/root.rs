//! The root file system, as a tar.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Recipe;
use super::contents::OWN;
use super::program::{self, MMDEBSTRAP, SETPRIV, Surroundings, UNSHARE};
use super::workspace::{as_url, unreadable};
use crate::diagnostic::Problem;
use crate::emit::disk::{Boot, PLATFORMS};

/// What is run in it once its packages are set up.
const CUSTOMIZE: &str = include_str!("customize");
/// The names of the packages that it has, a line each.
const INSTALLED: &str = "installed";
/// GRUB's parts, by the names that `customize` gives them.
const BOOT_IMG: &str = "boot.img";

/// What was made.
pub(super) struct Root {
    /// The file system.
    pub tar: PathBuf,
    /// GRUB's parts.
    pub boot: Boot,
    /// The names of its packages.
    pub installed: BTreeSet<String>,
}

/// Makes it, and GRUB's parts with the programs that it has.
pub(super) fn make(
    surroundings: &Surroundings,
    recipe: &Recipe,
    repository: &Path,
    contents: &Path,
) -> Result<Root, Problem> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tar = surroundings.folder.join("root.tar");
    super::workspace::create(&tar, 0)?;
    let packages = recipe.contents.packages(recipe.profile).into_iter().map(|(name, version)| match version {
        Some(version) => format!("{name}={version}"),
        None => name,
    });
    let (mut command, mode) = if rustix::process::geteuid().is_root() {
        // As root mmdebstrap mounts /proc and the like where everybody sees them. Here that is for it alone, and its processes
        // and mounts go with genhost, however that ends.
        let mut command = surroundings.command(SETPRIV);
        command.args(["--pdeathsig=KILL", UNSHARE.name, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.arg(MMDEBSTRAP.name);
        (command, "root")
    } else {
        (surroundings.command(MMDEBSTRAP), "unshare")
    };
    command.args(["--quiet", "--variant=essential", "--format=tar", "--aptopt=APT::Install-Recommends \"false\""]);
    // customize has emptied apt's directories. This machine's apt would make one anew, whose owner depends on the number that
    // apt's user has here, and on whether he gets through to the folder.
    command.arg("--skip=cleanup/apt");
    command.arg(format!("--mode={mode}"));
    command.arg(format!("--include={}", packages.collect::<Vec<_>>().join(",")));
    // Where /bin and the like are links, they are so before the first package is unpacked.
    command.arg("--setup-hook=/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh");
    command.arg(format!("--customize-hook=tar-in {} /", name(contents)));
    command.arg(format!("--customize-hook={CUSTOMIZE}"));
    let parts = [BOOT_IMG, PLATFORMS[0].0, PLATFORMS[1].0];
    for part in parts.iter().chain(&[INSTALLED]) {
        command.arg(format!("--customize-hook=download /{OWN}/{part} {part}"));
    }
    command.arg(format!("--customize-hook=rm -r \"$1\"/{OWN}"));
    command.args(["", "root.tar"]);
    command.arg(format!("deb [trusted=yes] copy:{} ./", as_url(repository)));
    program::run(MMDEBSTRAP, "setting up the packages", &mut command)?;
    let read = |part: &str| {
        let path = surroundings.folder.join(part);
        fs::read(&path).map_err(|error| unreadable(&path, &error))
    };
    let [boot_img, core_img, efi] = parts;
    let boot = Boot { boot_img: read(boot_img)?, core_img: read(core_img)?, efi: read(efi)? };
    let installed = String::from_utf8_lossy(&read(INSTALLED)?).lines().map(str::to_owned).collect();
    Ok(Root { tar, boot, installed })
}
