//! Where an output goes, and whether somebody else has put there what is in its way.
//!
//! Where others may write, in /tmp above all, a name may be a link or a pipe that waits for an output to fall into it. What another
//! user has put in the way is refused, as the kernel does for some of it (fs.protected_symlinks, protected_fifos,
//! protected_regular), whatever those are set to. Each step is taken from the open folder before it, so nothing can be
//! exchanged between the look and the step.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fstat, fstatfs, mkdirat, openat, readlinkat, stat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::diagnostic::Problem;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// A name in a folder, with every link on the way followed.
#[derive(Debug)]
pub struct Target {
    folder: OwnedFd,
    name: OsString,
    path: PathBuf,
    there: There,
}

/// What has that name already.
#[derive(Debug)]
enum There {
    Nothing,
    File,
    Folder,
    /// A pipe, a device or a socket: it cannot be renamed over.
    Special(Stat),
    /// The same, by a link of /proc to what this process has open, such as /dev/stdout.
    Open,
}

/// What to do about a folder that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Leave,
    Make,
}

impl Target {
    /// Where a path leads.
    ///
    /// # Errors
    /// A folder of it is not there, or another user has put something in the way.
    pub fn of(path: &Path) -> Result<Self, Problem> {
        walk(path, Missing::Leave)
    }

    /// The same for a name that is to be new: what has it already is not followed.
    ///
    /// # Errors
    /// See [`Target::of`].
    pub fn new_in(folder: &Path, name: &OsStr) -> Result<Self, Problem> {
        let found = walk(folder, Missing::Leave)?;
        let path = folder.join(name);
        let folder = found.open_folder().map_err(|errno| unwritable(&path, errno))?;
        Ok(Self { folder, name: name.to_owned(), path, there: There::Nothing })
    }

    /// The path of a folder, which is made with those above it where it is missing.
    ///
    /// # Errors
    /// See [`Target::of`]; or it cannot be made, or is no folder.
    pub fn make_folder(path: &Path) -> Result<PathBuf, Problem> {
        let found = walk(path, Missing::Make)?;
        found.open_folder().map_err(|errno| unwritable(path, errno))?;
        Ok(found.path)
    }

    /// The path, without a link in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it is in.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Its name there.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Whether nothing but a folder has the name.
    pub fn is_folder(&self) -> bool {
        matches!(self.there, There::Folder)
    }

    /// Opens a pipe or a device; none for what is to be renamed over.
    pub fn open_special(&self) -> std::io::Result<Option<File>> {
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = |flags| openat(&self.folder, &self.name, flags, Mode::empty());
        match &self.there {
            There::Nothing | There::File | There::Folder => Ok(None),
            There::Open => Ok(Some(open(flags)?.into())),
            There::Special(seen) => {
                let opened = open(flags | OFlags::NOFOLLOW)?;
                let now = fstat(&opened)?;
                if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino) {
                    return Err(std::io::Error::other("it was exchanged meanwhile"));
                }
                Ok(Some(opened.into()))
            }
        }
    }

    fn open_folder(&self) -> Result<OwnedFd, Errno> {
        openat(&self.folder, &self.name, FOLDER | OFlags::NOFOLLOW, Mode::empty())
    }
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn walk(asked: &Path, missing: Missing) -> Result<Target, Problem> {
    let error = |errno| unwritable(asked, errno);
    let open = |at: BorrowedFd<'_>, name: &OsStr, flags| openat(at, name, flags, Mode::empty()).map_err(error);
    if asked.as_os_str().is_empty() {
        return Err(error(Errno::NOENT));
    }
    let mut left = steps(asked);
    let mut folder = open(CWD, OsStr::new("."), FOLDER)?;
    let mut path = PathBuf::new();
    let mut links = 0;
    while let Some(name) = left.pop() {
        match Path::new(&name).components().next() {
            Some(Component::RootDir) => {
                folder = open(CWD, OsStr::new("/"), FOLDER)?;
                path = "/".into();
                continue;
            }
            Some(Component::ParentDir) => {
                folder = open(folder.as_fd(), &name, FOLDER)?;
                if !path.has_root() && path.file_name().is_none() {
                    path.push("..");
                } else {
                    path.pop();
                }
                continue;
            }
            Some(Component::Normal(_)) => {}
            _ => continue,
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(&folder, &name, flags, Mode::empty()) {
            Err(Errno::NOENT) if missing == Missing::Make => {
                match mkdirat(&folder, &name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(error(errno)),
                }
                open(folder.as_fd(), &name, flags)?
            }
            Err(Errno::NOENT) if left.is_empty() => {
                path.push(&name);
                return Ok(Target { folder, name, path, there: There::Nothing });
            }
            found => found.map_err(error)?,
        };
        let there = fstat(&found).map_err(error)?;
        let kind = FileType::from_raw_mode(there.st_mode);
        if is_planted(&fstat(&folder).map_err(error)?, &there) {
            let path = path.join(&name).display().to_string();
            return Err(Problem::Planted { path, what: name_of(kind), owner: there.st_uid });
        }
        match kind {
            FileType::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(error(Errno::LOOP));
                }
                if fstatfs(&folder).map_err(error)?.f_type == PROC_SUPER_MAGIC {
                    // Some links of /proc have no path to follow, and none of them is anybody's own.
                    let behind = open(folder.as_fd(), &name, OFlags::PATH | OFlags::CLOEXEC)?;
                    let behind = fstat(&behind).map_err(error)?;
                    if is_special(FileType::from_raw_mode(behind.st_mode)) && left.is_empty() {
                        path.push(&name);
                        return Ok(Target { folder, name, path, there: There::Open });
                    }
                }
                let to = readlinkat(&found, "", Vec::new()).map_err(error)?;
                left.extend(steps(Path::new(&OsString::from_vec(to.into_bytes()))));
            }
            FileType::Directory if !left.is_empty() => {
                path.push(&name);
                folder = found;
            }
            kind => {
                if !left.is_empty() {
                    return Err(error(Errno::NOTDIR));
                }
                path.push(&name);
                let there = match kind {
                    FileType::Directory => There::Folder,
                    kind if is_special(kind) => There::Special(there),
                    _ => There::File,
                };
                return Ok(Target { folder, name, path, there });
            }
        }
    }
    // It ends in a folder without a name of its own, such as `..`.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
    let path = std::fs::canonicalize(path)
        .map_err(|e| Problem::Unwritable { path: asked.display().to_string(), reason: e.to_string() })?;
    Ok(Target { folder, name: ".".into(), path, there: There::Folder })
}

/// The parts of a path, the first one last.
fn steps(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// Whether another user may have put this into a folder. Root may do what it likes, and who owns `/` is root, or is mapped to nobody
/// in a user namespace.
fn is_planted(folder: &Stat, there: &Stat) -> bool {
    let own = geteuid().as_raw();
    if there.st_uid == own || there.st_uid == 0 {
        return false;
    }
    match FileType::from_raw_mode(there.st_mode) {
        // Nobody reads along in these: a file is replaced and not opened, and what is put into a folder is for its owner only.
        FileType::Directory | FileType::RegularFile => folder.st_mode & 0o002 != 0,
        _ => {
            let is_of_root = stat("/").is_ok_and(|root| root.st_uid == folder.st_uid);
            folder.st_mode & 0o022 != 0 || !(folder.st_uid == own || is_of_root)
        }
    }
}

fn is_special(kind: FileType) -> bool {
    !matches!(kind, FileType::Directory | FileType::RegularFile | FileType::Symlink)
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a folder",
        FileType::RegularFile => "a file",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}

fn unwritable(path: &Path, errno: Errno) -> Problem {
    Problem::Unwritable { path: path.display().to_string(), reason: std::io::Error::from(errno).to_string() }
}
