//! Packages and all that they need, from a distribution's archive: apt is asked, in an empty state of its own, so that nothing
//! of this machine has a say in it. It checks the archive's signatures.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::cluster::{Arch, PackageName, Sha256, Url, Version};
use crate::diagnostic::Problem;
use crate::lock::{LockedPackage, LockedSystem};

const APT: &str = "apt-get";

/// A source of packages.
#[derive(Debug, Clone)]
pub struct Source {
    /// What follows `deb` in sources.list, without options.
    pub line: String,
    /// Whose signatures count.
    pub keyring: Keyring,
}

/// OpenPGP keys, as apt takes them.
#[derive(Debug, Clone)]
pub enum Keyring {
    /// In a file of this machine.
    File(PathBuf),
    /// In ASCII armour.
    Armour(String),
}

/// Everything that these packages need, from nothing: what every system has comes with them.
///
/// # Errors
/// There is no apt; the archive cannot be reached, or its signature is wrong; a package is not there.
pub fn closure(arch: &Arch, sources: &[Source], asked: &BTreeSet<String>) -> Result<LockedSystem, Problem> {
    let state = State::new(arch, sources)?;
    state.run(["-q", "update"])?;
    let printed = state.run(
        ["-qq", "--print-uris", "-y", "install", "?essential"].into_iter().chain(asked.iter().map(String::as_str)),
    )?;
    let mut packages = printed.lines().map(package).collect::<Result<Vec<_>, _>>()?;
    packages.sort();
    Ok(LockedSystem {
        date: state.date()?,
        sources: sources.iter().map(|source| source.line.clone()).collect(),
        asked: asked.iter().cloned().collect(),
        packages,
    })
}

/// An archive that the machine's own apt has.
#[derive(Debug)]
pub struct Known {
    label: String,
    codename: String,
    url: Url,
}

/// What the machine's own apt has, in its own order.
///
/// # Errors
/// There is no apt.
pub fn archives() -> Result<Vec<Known>, Problem> {
    let printed = finish(Command::new(APT).args(["indextargets", "--format", "$(CODENAME) $(SITE) $(LABEL)"]))?;
    let archives = printed.lines().filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let (codename, site, label) = (words.next()?, words.next()?, words.next()?);
        let url = Url::new(site.trim_end_matches('/')).ok()?;
        Some(Known { label: label.to_owned(), codename: codename.to_owned(), url })
    });
    Ok(archives.collect())
}

/// Where the machine has an archive: the place that has this very suite, or else the only one that has any of it.
pub fn place<'a>(known: &'a [Known], label: &str, suite: &str) -> Option<&'a Url> {
    let codename = suite.split(' ').next();
    let of_label = || known.iter().filter(|archive| archive.label == label);
    let exact = of_label().find(|archive| Some(archive.codename.as_str()) == codename);
    let mut any = of_label().map(|archive| &archive.url);
    let first = any.next();
    exact.map(|archive| &archive.url).or(first.filter(|first| any.all(|url| url == *first)))
}

/// Runs apt to its end, and gives what it prints.
fn finish(command: &mut Command) -> Result<String, Problem> {
    command.envs([("LC_ALL", "C"), ("TZ", "UTC"), ("DEBIAN_FRONTEND", "noninteractive")]);
    let output = match command.stdin(std::process::Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem::ToolMissing { path: APT.to_owned(), package: "apt".to_owned() });
        }
        other => other.map_err(|error| failed(error.to_string()))?,
    };
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(failed(lines[lines.len().saturating_sub(5)..].join("; ")))
}

/// An apt that knows these sources and nothing of this machine.
struct State {
    folder: tempfile::TempDir,
}

impl State {
    fn new(arch: &Arch, sources: &[Source]) -> Result<Self, Problem> {
        let error = |error: std::io::Error| Problem::Unwritable {
            path: std::env::temp_dir().display().to_string(),
            reason: error.to_string(),
        };
        let folder = tempfile::Builder::new().prefix("genhost-apt-").tempdir().map_err(error)?;
        let at = folder.path();
        let mut list = String::new();
        for (number, Source { line, keyring }) in sources.iter().enumerate() {
            let keyring = match keyring {
                Keyring::File(path) => path.clone(),
                Keyring::Armour(text) => {
                    let path = at.join(format!("{number}.asc"));
                    std::fs::write(&path, text).map_err(error)?;
                    path
                }
            };
            list += &format!("deb [arch={arch} signed-by={}] {line}\n", keyring.display());
        }
        // apt drops its rights for fetching, and could not read this folder then; what it fetches it checks. A source that
        // cannot be reached is a warning to it, unless it is told otherwise.
        let here = at.display();
        let conf = format!(
            "Dir \"{here}\"; Dir::State \"{here}\"; Dir::State::status \"{here}/status\"; Dir::Cache \"{here}/cache\";\n\
             Dir::Etc \"{here}\"; Dir::Etc::sourcelist \"{here}/sources.list\"; Dir::Etc::sourceparts \"{here}/none\";\n\
             Dir::Etc::parts \"{here}/none\"; Dir::Etc::trusted \"{here}/none.gpg\"; Dir::Etc::trustedparts \"{here}/none\";\n\
             Dir::Etc::preferences \"{here}/none\"; Dir::Etc::preferencesparts \"{here}/none\"; Dir::Log \"{here}\";\n\
             APT::Architecture \"{arch}\"; APT::Architectures {{ \"{arch}\"; }}; APT::Install-Recommends \"false\";\n\
             APT::Sandbox::User \"root\"; APT::Update::Error-Mode \"any\"; Acquire::Languages \"none\"; Acquire::ForceHash \"SHA256\"; Acquire::Retries \"3\";\n"
        );
        for (name, text) in [("sources.list", list.as_str()), ("status", ""), ("apt.conf", &conf)] {
            std::fs::write(at.join(name), text).map_err(error)?;
        }
        for name in ["lists/partial", "cache/archives/partial", "none"] {
            std::fs::create_dir_all(at.join(name)).map_err(error)?;
        }
        Ok(Self { folder })
    }

    fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String, Problem> {
        finish(Command::new(APT).args(arguments).env("APT_CONFIG", self.folder.path().join("apt.conf")))
    }

    /// The latest date of the archive's Release files, in seconds since 1970.
    fn date(&self) -> Result<u64, Problem> {
        let folder = self.folder.path().join("lists");
        let unreadable = |path: &Path, error: std::io::Error| Problem::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut latest = None;
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let path = entry.map_err(|error| unreadable(&folder, error))?.path();
            if !path.to_string_lossy().ends_with("Release") {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            let date = text.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap_or_default();
            // The same as HTTP's date, but for the name of the zone.
            let parsed = httpdate::parse_http_date(&date.replace("UTC", "GMT").replace("+0000", "GMT")).ok();
            let seconds = parsed.and_then(|date| date.duration_since(UNIX_EPOCH).ok()).map(|date| date.as_secs());
            let misread = || Problem::ToolMisread { program: APT.to_owned(), line: format!("Date: {date}") };
            latest = latest.max(Some(seconds.ok_or_else(misread)?));
        }
        latest.ok_or_else(|| failed("it left no Release file".to_owned()))
    }
}

fn failed(reason: String) -> Problem {
    Problem::ToolFailed { program: APT.to_owned(), reason }
}

/// A line of `--print-uris`: `'URL' NAME_VERSION_ARCH.deb SIZE SHA256:HASH`, an epoch's colon written `%3a`.
fn package(line: &str) -> Result<LockedPackage, Problem> {
    let parsed = || {
        let mut words = line.split(' ');
        let url = words.next()?.strip_prefix('\'')?.strip_suffix('\'')?;
        let file = words.next()?.strip_suffix(".deb")?.replace("%3a", ":");
        let size = words.next()?.parse().ok()?;
        let sha256 = words.next()?.strip_prefix("SHA256:")?;
        let mut parts = file.split('_');
        Some(LockedPackage {
            name: PackageName::new(parts.next()?).ok()?,
            version: Version::new(parts.next()?).ok()?,
            arch: Arch::new(parts.next()?).ok()?,
            size,
            sha256: Sha256::new(sha256).ok()?,
            url: Url::new(url).ok()?,
        })
    };
    parsed().ok_or_else(|| Problem::ToolMisread { program: APT.to_owned(), line: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_an_archive_where_it_has_the_suite_or_only_once() {
        let known = [
            ("bookworm", "https://a.example.com"),
            ("buster", "https://b.example.com"),
            ("sid", "https://a.example.com"),
        ];
        let known = known.map(|(codename, url)| Known {
            label: "Debian".to_owned(),
            codename: codename.to_owned(),
            url: Url::new(url).expect("a url"),
        });
        let place = |known: &[Known], suite| place(known, "Debian", suite).map(ToString::to_string);
        assert_eq!(place(&known, "bookworm main"), Some("https://a.example.com".to_owned()));
        assert_eq!(place(&known, "buster main"), Some("https://b.example.com".to_owned()));
        assert_eq!(place(&known, "trixie main"), None);
        assert_eq!(place(&known[2..], "trixie main"), Some("https://a.example.com".to_owned()));
    }
}
