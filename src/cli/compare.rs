//! Two builds, byte by byte.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use walkdir::WalkDir;

/// A file that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is on the expected side only.
    Missing(String),
    /// It is on the other side only.
    Extra(String),
    /// Its bytes differ, first at this one.
    Changed(String, usize),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "`{path}` is missing"),
            Self::Extra(path) => write!(f, "`{path}` is not of this build"),
            Self::Changed(path, at) => write!(f, "`{path}` differs from byte {at} on"),
        }
    }
}

/// Every difference between the files below two folders, by path.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn compare(expected: &Path, found: &Path) -> std::io::Result<Vec<Difference>> {
    let (expected_files, found_files) = (files(expected)?, files(found)?);
    let mut differences = Vec::new();
    for path in expected_files.union(&found_files) {
        let difference = match (expected_files.contains(path), found_files.contains(path)) {
            (true, false) => Some(Difference::Missing(path.clone())),
            (false, _) => Some(Difference::Extra(path.clone())),
            (true, true) => {
                let (a, b) = (std::fs::read(expected.join(path))?, std::fs::read(found.join(path))?);
                let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
                (a != b).then(|| Difference::Changed(path.clone(), same))
            }
        };
        differences.extend(difference);
    }
    Ok(differences)
}

/// What is below a folder and is no folder itself, by path; a folder with nothing in it counts too.
pub fn files(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in WalkDir::new(folder).min_depth(1) {
        let entry = entry?;
        let is_empty = entry.file_type().is_dir() && std::fs::read_dir(entry.path())?.next().is_none();
        if entry.file_type().is_dir() && !is_empty {
            continue;
        }
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        found.insert(below.display().to_string() + if is_empty { "/" } else { "" });
    }
    Ok(found)
}
