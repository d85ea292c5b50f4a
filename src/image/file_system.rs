//! The root file system, from a tar onto its place on the disk.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use super::program::{self, MKE2FS, Surroundings};
use super::workspace::{unreadable, unwritable};
use crate::diagnostic::Problem;
use crate::emit::disk::{Seed, Size, root_offset};

/// Bytes of a block.
const BLOCK: u64 = 4096;
/// Bytes of the file system for each file that it can have, ext4's default.
const BYTES_PER_FILE: u64 = 16_384;
/// What is free at least: a machine that cannot grow its disk has to live, too.
const ROOM: u64 = 512 << 20;
/// Sizes are a multiple of it, so that a small difference makes none.
const STEP: u64 = 64 << 20;

/// What mke2fs reads in the place of the machine's own /etc/mke2fs.conf. GRUB 2.06 knows every feature.
const CONFIGURATION: &str = "[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
default_mntopts = acl,user_xattr
enable_periodic_fsck = 0
blocksize = 4096
inode_size = 256
inode_ratio = 16384
[fs_types]
ext4 = {
features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
";

/// How large the file system of a tar is to be: its content, a quarter more for what ext4 takes, and room.
pub(super) fn size(tar: &Path) -> Result<Size, Problem> {
    let measure = || {
        let mut archive = tar::Archive::new(BufReader::new(File::open(tar)?));
        let (mut bytes, mut files) = (0_u64, 0_u64);
        for entry in archive.entries_with_seek()? {
            bytes += entry?.size().div_ceil(BLOCK) * BLOCK;
            files += 1;
        }
        Ok((bytes, files))
    };
    let (bytes, files) = measure().map_err(|error: std::io::Error| unreadable(tar, &error))?;
    let least = (bytes + files * BLOCK / 4).max(files * BYTES_PER_FILE);
    Ok(Size::for_bytes((least + least / 4 + ROOM).next_multiple_of(STEP)))
}

/// Makes it.
pub(super) fn make(
    surroundings: &Surroundings,
    tar: &Path,
    disk: &Path,
    size: Size,
    seed: &Seed,
) -> Result<(), Problem> {
    let configuration = surroundings.folder.join("mke2fs.conf");
    fs::write(&configuration, CONFIGURATION).map_err(|error| unwritable(&configuration, &error))?;
    let mut command = surroundings.command(MKE2FS);
    command.env("MKE2FS_CONFIG", &configuration);
    command.args(["-q", "-F", "-t", "ext4", "-m", "1", "-L", "root", "-J", "size=64"]);
    command.arg("-U").arg(seed.root_file_system().to_string()).arg("-E").arg(format!(
        "offset={},hash_seed={},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0",
        root_offset(),
        seed.directory_hash()
    ));
    command.arg("-d").arg(tar).arg(disk).arg(format!("{}M", size.mebibytes()));
    program::run(MKE2FS, "making the file system", &mut command).map(|_| ())
}
