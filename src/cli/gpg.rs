//! OpenPGP keys and signatures, by GnuPG.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Fingerprint;
use crate::diagnostic::Problem;

/// A file that holds the key of this fingerprint and no other, as apt takes it.
///
/// # Errors
/// It cannot be read, or holds another key.
pub fn key(path: &Path, expected: &Fingerprint) -> Result<PathBuf, Problem> {
    let unreadable =
        |error: std::io::Error| Problem::Unreadable { path: path.display().to_string(), reason: error.to_string() };
    let path = std::fs::canonicalize(path).map_err(unreadable)?;
    let home = tempfile::tempdir().map_err(unreadable)?;
    let listed = run(home.path(), [OsStr::new("--show-keys"), OsStr::new("--with-colons"), path.as_os_str()])?;
    // A primary key's line `pub` is followed by its fingerprint in the tenth column (GnuPG's doc/DETAILS).
    let mut found = Vec::new();
    let mut lines = listed.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("pub:") {
            found.extend(lines.next().and_then(|line| line.split(':').nth(9)).map(str::to_owned));
        }
    }
    // A keyring may have a key in several parts.
    found.sort();
    found.dedup();
    if found == [expected.as_str()] {
        return Ok(path);
    }
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Err(Problem::WrongKey { path: path.display().to_string(), expected: expected.to_string(), found })
}

/// Takes a text that the key of this fingerprint has signed, or one of its own subkeys.
///
/// # Errors
/// Another key has signed it, or nobody; the key is another one, or has expired.
pub fn verify(text: &[u8], signature: &[u8], key: &[u8], expected: &Fingerprint, what: &str) -> Result<(), Problem> {
    let error = |error: std::io::Error| Problem::Unwritable { path: what.to_owned(), reason: error.to_string() };
    let home = tempfile::tempdir().map_err(error)?;
    let paths = ["text", "text.sig", "key"].map(|name| home.path().join(name));
    for (path, bytes) in paths.iter().zip([text, signature, key]) {
        std::fs::write(path, bytes).map_err(error)?;
    }
    let [text, signature, key] = paths;
    run(home.path(), [OsStr::new("--quiet"), OsStr::new("--import"), key.as_os_str()])?;
    let arguments = [OsStr::new("--status-fd=1"), OsStr::new("--verify"), signature.as_os_str(), text.as_os_str()];
    let status = run(home.path(), arguments)?;
    // gpg succeeds with a key that has expired or was revoked, and says so beside VALIDSIG, of which the last word is the primary
    // key's fingerprint (GnuPG's doc/DETAILS).
    const DOUBTS: [&str; 6] = ["BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "KEYREVOKED"];
    let said = |word: &str| status.lines().any(|line| line.split(' ').nth(1) == Some(word));
    if let Some(doubt) = DOUBTS.into_iter().find(|doubt| said(doubt)) {
        return Err(Problem::ToolFailed { program: "gpg".to_owned(), reason: format!("{what}: {doubt}") });
    }
    let by: Vec<&str> =
        status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG ")?.split(' ').next_back()).collect();
    if said("GOODSIG") && by.contains(&expected.as_str()) {
        return Ok(());
    }
    let found = if by.is_empty() { "nobody".to_owned() } else { by.join(", ") };
    Err(Problem::WrongSignature { what: what.to_owned(), expected: expected.to_string(), found })
}

fn run(home: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String, Problem> {
    const GPG: &str = "gpg";
    let failed = |reason: String| Problem::ToolFailed { program: GPG.to_owned(), reason };
    let output =
        Command::new(GPG).arg("--homedir").arg(home).arg("--batch").args(arguments).env("LC_ALL", "C").output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem::ToolMissing { path: GPG.to_owned(), package: "gpg".to_owned() });
        }
        other => other.map_err(|error| failed(error.to_string()))?,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")))
}
