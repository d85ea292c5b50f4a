//! `genhost lock`: pins everything that the hosts of a cluster fetch.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;

use super::Outcome;
use super::apt::{self, Keyring, Source};
use super::arguments::{ArchivePlace, Input, Lock as Arguments};
use super::build::{Item, items};
use super::gpg;
use super::output::{self, Readers};
use super::registry;
use super::report;
use super::session::{Session, lock_path};
use super::store::{Store, bar};
use crate::cluster::{
    AddressSource, Arch, ArtifactName, Cluster, Host, HostName, ImageDigest, Sha256, SystemName, Url, Version,
};
use crate::diagnostic::{Diagnostic, Problem, Result};
use crate::load::{Archive, Catalogue, SignedSums};
use crate::lock::{Lock, LockedFile, LockedSystem};
use crate::resolve::{AptSource, Needs, Pin, Subject, SumsUrls, needs, sums_urls, urls};
use crate::yaml::Located;

/// Brings the lock up to date, or tells whether it is.
pub fn run(session: &mut Session, arguments: &Arguments) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let mut catalogue = session.profiles(&arguments.input).map_err(|fault| vec![fault])?;
    let path = lock_path(&arguments.input);
    // One that is to be made, under a name of its own too.
    let is_new = path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let old = if is_new { Ok(Lock::default()) } else { session.lock(&arguments.input) };
    let old = old.map_err(|fault| vec![fault])?;
    let kept = old.clone().without(&arguments.update).map_err(one)?;
    let arches = arches(arguments, &old);
    catalogue.pin(&whole(&kept, &arches));
    let mut cluster = session.cluster(&arguments.input, &catalogue, &old)?;
    // From where everything is for those who have the internet.
    cluster.mirror = None;
    if arguments.check {
        if is_new {
            return Err(one(Problem::NoLock { path: path.display().to_string() }));
        }
        let stale = stale(&catalogue, &cluster, &old, &arches).map_err(|fault| vec![fault])?.into_iter();
        let path = path.display().to_string();
        let stale: Vec<Diagnostic> = stale.map(|what| Problem::LockStale { path: path.clone(), what }.into()).collect();
        return if stale.is_empty() { Ok(()) } else { Err(stale) };
    }
    let mut locking = Locking {
        catalogue,
        cluster: &cluster,
        arches,
        old: &old,
        kept,
        archives: &arguments.archive,
        keys: arguments.key.iter().cloned().collect(),
        store: Store::of_user().map_err(one)?,
    };
    let new = locking.run().map_err(|fault| vec![fault])?;
    let text = new.text().map_err(one)?;
    if new == old && !is_new {
        report::line(&format!("`{}` already pins everything", path.display()));
        return Ok(());
    }
    output::replace(&path, text.as_bytes(), Readers::Everyone).map_err(one)?;
    let files: usize = new.artifacts.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum();
    let images: usize = new.images.values().map(BTreeMap::len).sum();
    let packages: usize = new.systems.values().flat_map(BTreeMap::values).map(|system| system.packages.len()).sum();
    report::line(&format!("`{}` pins {files} files, {images} images and {packages} packages", path.display()));
    Ok(())
}

/// In what a lock is not the one of a cluster, for these architectures.
fn stale(catalogue: &Catalogue, cluster: &Cluster, lock: &Lock, arches: &BTreeSet<Arch>) -> Result<Vec<String>> {
    let wanted = Wanted::of(catalogue, cluster)?;
    let open = |host: &&Host| !matches!(host.address_source, AddressSource::Given | AddressSource::Locked);
    let open =
        cluster.hosts.iter().filter(open).map(|host| format!("it does not keep the address of {}", host.name.value));
    let is_kept = |name: &&HostName| cluster.host(name).is_ok_and(|host| host.address_source == AddressSource::Locked);
    let gone = lock
        .addresses
        .keys()
        .filter(|name| !is_kept(name))
        .map(|name| format!("it keeps an address of {name} that is not in use"));
    Ok(wanted.missing(lock, catalogue, arches).chain(wanted.superfluous(lock)).chain(open).chain(gone).collect())
}

/// A note where the lock that there is, if there is one, is not the one of the cluster.
pub fn note_stale(
    session: &mut Session,
    input: &Input,
    catalogue: &Catalogue,
    cluster: &mut Cluster,
) -> Result<(), Diagnostic> {
    let lock = session.lock(input)?;
    let Some(arches) = Some(lock.arches()).filter(|arches| !arches.is_empty()) else { return Ok(()) };
    let mirror = cluster.mirror.take();
    let stale = stale(catalogue, cluster, &lock, &arches);
    cluster.mirror = mirror;
    let mut stale = stale?.into_iter();
    if let Some(what) = stale.next() {
        let path = lock_path(input).display().to_string();
        session.note(Problem::LockBehind { path, what, others: stale.count() });
    }
    Ok(())
}

/// For which architectures.
fn arches(arguments: &Arguments, old: &Lock) -> BTreeSet<Arch> {
    let asked: BTreeSet<Arch> = arguments.arch.iter().cloned().collect();
    let locked = old.arches();
    if !asked.is_empty() {
        asked
    } else if !locked.is_empty() {
        locked
    } else {
        BTreeSet::from([Arch::literal("amd64")])
    }
}

/// The same lock, without the files that it has for some of the architectures only.
fn whole(lock: &Lock, arches: &BTreeSet<Arch>) -> Lock {
    let mut whole = lock.clone();
    whole.artifacts.values_mut().for_each(|versions| versions.retain(|_, files| is_whole(files, arches)));
    whole
}

fn is_whole(files: &BTreeMap<Arch, LockedFile>, arches: &BTreeSet<Arch>) -> bool {
    files.contains_key("all") || arches.iter().all(|arch| files.contains_key(arch))
}

/// What all hosts and roles of a cluster fetch.
#[derive(Debug, Default)]
struct Wanted {
    artifacts: BTreeMap<(ArtifactName, Version, Arch), Pin>,
    images: BTreeMap<(ArtifactName, Version), ImageDigest>,
    systems: BTreeMap<SystemName, Packages>,
}

/// What the hosts of one system have by name.
#[derive(Debug, Default)]
struct Packages {
    asked: BTreeSet<String>,
    apt: BTreeMap<ArtifactName, AptSource>,
}

/// Where packages come from.
#[derive(Debug)]
enum Origin<'a> {
    /// A suite of the distribution's own archive.
    Archive { label: &'a str, suite: &'a str },
    /// Somewhere else.
    Own { name: &'a ArtifactName, source: &'a AptSource, line: &'a str },
}

impl Packages {
    /// In the order of a lock.
    fn origins<'a>(&'a self, archive: &'a Archive) -> impl Iterator<Item = Origin<'a>> {
        let own = self.apt.iter().map(|(name, source)| {
            let line = source.source.split_once("] ").map_or(source.source.as_str(), |(_, line)| line);
            Origin::Own { name, source, line }
        });
        archive.suites().map(|(label, suite)| Origin::Archive { label, suite }).chain(own)
    }

    /// Whether a lock has just these, from the same archives; which mirror it asked does not matter.
    fn are(&self, locked: &LockedSystem, archive: &Archive) -> bool {
        let is = |(origin, line): (Origin, &String)| match origin {
            Origin::Archive { suite, .. } => line.split_once(' ').is_some_and(|(_, rest)| rest == suite),
            Origin::Own { line: own, .. } => own == line,
        };
        self.asked.iter().eq(&locked.asked)
            && self.origins(archive).count() == locked.sources.len()
            && self.origins(archive).zip(&locked.sources).all(is)
    }
}

impl Wanted {
    fn of(catalogue: &Catalogue, cluster: &Cluster) -> Result<Self> {
        let mut wanted = Self::default();
        for item in items(catalogue, cluster) {
            wanted.add(needs(catalogue, cluster, &item.subject).map_err(|fault| fault.or_at(item.place))?);
        }
        wanted.add_disks(catalogue);
        Ok(wanted)
    }

    /// What disk images of the hosts' systems have besides.
    fn add_disks(&mut self, catalogue: &Catalogue) {
        for (name, packages) in &mut self.systems {
            let disk = catalogue.systems.get(name).and_then(|system| system.image.as_ref());
            packages.asked.extend(disk.into_iter().flat_map(|disk| &disk.packages).map(ToString::to_string));
        }
    }

    fn add(&mut self, needs: Needs) {
        for (name, artifact) in needs.artifacts {
            for (arch, pin) in artifact.files {
                let Ok(arch) = Arch::new(&arch) else { continue };
                self.artifacts.insert((name.clone(), artifact.version.clone(), arch), pin);
            }
        }
        for (name, image) in needs.images {
            let digest = image.split_once('@').and_then(|(_, digest)| ImageDigest::new(digest).ok());
            let version = needs.versions.get(&name).cloned();
            self.images.extend(version.zip(digest).map(|(version, digest)| ((name, version), digest)));
        }
        let packages = self.systems.entry(needs.system).or_default();
        packages.asked.extend(needs.packages.into_iter().map(|(name, version)| match version {
            Some(version) => format!("{name}={version}"),
            None => name,
        }));
        packages.apt.extend(needs.apt);
    }

    /// What is not in a lock.
    fn missing<'a>(
        &'a self,
        lock: &'a Lock,
        catalogue: &'a Catalogue,
        arches: &'a BTreeSet<Arch>,
    ) -> impl Iterator<Item = String> {
        let files = self.files(arches).filter(|((name, version, arch), pin)| {
            let file = lock.file(name, version, arch);
            file.is_none_or(|file| file.sha256 != pin.sha256 || file.urls != pin.urls)
        });
        let files = files.map(|((name, version, arch), _)| format!("{name} {version} {arch}"));
        let images = self.images.iter().filter(|((name, version), digest)| {
            lock.images.get(name).and_then(|versions| versions.get(version)) != Some(*digest)
        });
        let images = images.map(|((name, version), _)| format!("the image {name} {version}"));
        let systems = self.systems.iter().flat_map(move |(name, packages)| {
            let archive = catalogue.systems.get(name).map(|system| &system.archive);
            let stale = arches.iter().filter(move |arch| {
                let locked = lock.system(name, arch).zip(archive);
                locked.is_none_or(|(locked, archive)| !packages.are(locked, archive))
            });
            stale.map(move |arch| format!("the packages of {name} {arch}"))
        });
        files.chain(images).chain(systems).map(|what| format!("it does not pin {what}"))
    }

    /// What is in a lock and nobody fetches.
    fn superfluous<'a>(&'a self, lock: &'a Lock) -> impl Iterator<Item = String> {
        let files = lock.artifacts.iter().flat_map(|(name, versions)| {
            versions.iter().flat_map(move |(version, files)| files.keys().map(move |arch| (name, version, arch)))
        });
        let files = files
            .filter(|(name, version, arch)| {
                !self.artifacts.contains_key(&((*name).clone(), (*version).clone(), (*arch).clone()))
            })
            .map(|(name, version, arch)| format!("{name} {version} {arch}"));
        let images = lock
            .images
            .iter()
            .flat_map(|(name, versions)| versions.keys().map(move |version| (name, version)))
            .filter(|(name, version)| !self.images.contains_key(&((*name).clone(), (*version).clone())))
            .map(|(name, version)| format!("the image {name} {version}"));
        let systems = lock.systems.keys().filter(|name| !self.systems.contains_key(*name));
        let systems = systems.map(|name| format!("the packages of {name}"));
        files.chain(images).chain(systems).map(|what| format!("nobody fetches {what}"))
    }

    /// Files for these architectures.
    fn files<'a>(
        &'a self,
        arches: &'a BTreeSet<Arch>,
    ) -> impl Iterator<Item = (&'a (ArtifactName, Version, Arch), &'a Pin)> {
        self.artifacts.iter().filter(|((_, _, arch), _)| arch.as_str() == "all" || arches.contains(arch))
    }
}

/// A lock on its way.
struct Locking<'a> {
    catalogue: Catalogue,
    cluster: &'a Cluster,
    arches: BTreeSet<Arch>,
    /// The lock that there was.
    old: &'a Lock,
    /// Pins that stay, and those that were found.
    kept: Lock,
    /// Where archives are said to be.
    archives: &'a [ArchivePlace],
    /// Keys of sources that are not the distribution's.
    keys: BTreeMap<ArtifactName, PathBuf>,
    store: Store,
}

impl Locking<'_> {
    fn run(&mut self) -> Result<Lock> {
        let mut wanted = Wanted::default();
        for item in items(&self.catalogue, self.cluster) {
            wanted.add(self.needs(&item)?);
        }
        wanted.add_disks(&self.catalogue);
        self.know_labels(&wanted)?;
        // Whose keys are missing is told before anything is fetched.
        let mut questions = Vec::new();
        for (name, packages) in &wanted.systems {
            let Some(system) = self.catalogue.systems.get(name) else { continue };
            for arch in &self.arches {
                let known = self.kept.system(name, arch);
                if !known.is_some_and(|known| {
                    packages.are(known, &system.archive) && self.is_where_said(known, arch, &system.archive)
                }) {
                    let sources = self.sources(self.old.system(name, arch), arch, &system.archive, packages)?;
                    questions.push((name, arch.clone(), sources, &packages.asked));
                }
            }
        }
        let addresses = self.cluster.hosts.iter().filter(|host| host.address_source != AddressSource::Given);
        let mut lock = Lock {
            addresses: addresses.map(|host| (host.name.value.clone(), host.address)).collect(),
            ..Lock::default()
        };
        for ((name, version, arch), pin) in wanted.files(&self.arches) {
            let title = format!("{name} {version} {arch}");
            let known = self.kept.file(name, version, arch).filter(|file| file.sha256 == pin.sha256);
            let size = match known {
                Some(file) => file.size,
                None => {
                    report::line(&format!("{title}: fetching"));
                    let size = self.old.size(&pin.sha256);
                    self.store.fetch(&title, &pin.sha256, size, &pin.urls, &bar(None))?;
                    self.store.size(&pin.sha256)?
                }
            };
            let file = LockedFile { sha256: pin.sha256.clone(), size, urls: pin.urls.clone() };
            let versions = lock.artifacts.entry(name.clone()).or_default();
            versions.entry(version.clone()).or_default().insert(arch.clone(), file);
        }
        for ((name, version), digest) in &wanted.images {
            lock.images.entry(name.clone()).or_default().insert(version.clone(), digest.clone());
        }
        for name in wanted.systems.keys() {
            let kept = self.kept.systems.get(name).into_iter().flatten();
            let kept = kept.filter(|(arch, _)| self.arches.contains(*arch));
            lock.systems.insert(name.clone(), kept.map(|(arch, system)| (arch.clone(), system.clone())).collect());
        }
        for (name, arch, sources, asked) in questions {
            report::line(&format!("packages of {name} {arch}: asking apt"));
            let closure = apt::closure(&arch, &sources, asked)?;
            lock.systems.entry(name.clone()).or_default().insert(arch, closure);
        }
        Ok(lock)
    }

    /// Where apt is to look, and whom it is to believe.
    fn sources(
        &self,
        old: Option<&LockedSystem>,
        arch: &Arch,
        archive: &Archive,
        packages: &Packages,
    ) -> Result<Vec<Source>, Problem> {
        // A key that is missing takes longest to get, so it is told first.
        let mut own = Vec::new();
        let mut suites = Vec::new();
        for origin in packages.origins(archive) {
            match origin {
                Origin::Archive { label, suite } => suites.push((label, suite)),
                Origin::Own { name, source, line } => {
                    own.push(Source { line: line.to_owned(), keyring: self.keyring_of(name, source)? });
                }
            }
        }
        let keyring = PathBuf::from(&archive.keyring);
        if !keyring.is_file() {
            let package = archive.keyring_package.to_string();
            return Err(Problem::ToolMissing { path: archive.keyring.clone(), package });
        }
        let mut sources = Vec::new();
        let mut locked: Vec<(&str, &str)> =
            old.into_iter().flat_map(|old| &old.sources).filter_map(|line| line.split_once(' ')).collect();
        for (label, suite) in suites {
            // Two archives may have suites of one name: each takes its own, in the lock's order.
            let at = locked.iter().position(|(_, rest)| *rest == suite);
            let locked = at.map(|at| locked.remove(at).0);
            let line = format!("{} {suite}", self.place_of(label, arch, suite, locked)?);
            sources.push(Source { line, keyring: Keyring::File(keyring.clone()) });
        }
        sources.extend(own);
        Ok(sources)
    }

    /// Whose signature counts on a source that is not the distribution's.
    fn keyring_of(&self, name: &ArtifactName, source: &AptSource) -> Result<Keyring, Problem> {
        match (&source.key, self.keys.get(name)) {
            (_, Some(path)) => gpg::key(path, &source.keyid).map(Keyring::File),
            (Some(key), None) => Ok(Keyring::Armour(key.text.clone())),
            (None, None) => {
                let fingerprint = source.keyid.to_string();
                Err(Problem::KeyNeeded { source_name: name.to_string(), fingerprint })
            }
        }
    }

    /// The url of an archive: what was said, what the lock has, what this machine has.
    fn place_of(&self, label: &str, arch: &Arch, suite: &str, locked: Option<&str>) -> Result<String, Problem> {
        match (self.said(label, arch), locked) {
            (Some(url), _) => Ok(url.to_string()),
            (None, Some(url)) => Ok(url.to_owned()),
            (None, None) => {
                let machine = apt::archives()?;
                let url = apt::place(&machine, label, suite).map(ToString::to_string);
                url.ok_or_else(|| Problem::NoArchive { label: label.to_owned() })
            }
        }
    }

    /// Where an archive is said to be: what is said of an architecture counts more.
    fn said(&self, label: &str, arch: &Arch) -> Option<&Url> {
        let places = || self.archives.iter().rev().filter(|place| place.label == label);
        let own = places().find(|place| place.arch.as_ref() == Some(arch));
        own.or_else(|| places().find(|place| place.arch.is_none())).map(|place| &place.url)
    }

    /// Whether a lock has each archive from where it is said to be.
    fn is_where_said(&self, locked: &LockedSystem, arch: &Arch, archive: &Archive) -> bool {
        archive.suites().zip(&locked.sources).all(|((label, _), line)| {
            let place = line.split_once(' ').map(|(url, _)| url);
            self.said(label, arch).is_none_or(|url| place == Some(url.as_str()))
        })
    }

    /// An archive that no system of the cluster has is a mistake.
    fn know_labels(&self, wanted: &Wanted) -> Result<(), Problem> {
        let systems = wanted.systems.keys().filter_map(|name| self.catalogue.systems.get(name));
        let known: BTreeSet<&str> =
            systems.flat_map(|system| system.archive.suites()).map(|(label, _)| label).collect();
        match self.archives.iter().find(|place| !known.contains(place.label.as_str())) {
            Some(place) => Err(Problem::UnknownArchive {
                label: place.label.clone(),
                known: known.into_iter().map(ToOwned::to_owned).collect(),
            }),
            None => Ok(()),
        }
    }

    /// What a host fetches; where no profile knows a hash or a digest, whatever is there now is pinned.
    fn needs(&mut self, item: &Item) -> Result<Needs> {
        loop {
            let fault = match needs(&self.catalogue, self.cluster, &item.subject) {
                Ok(needs) => return Ok(needs),
                Err(fault) => fault.or_at(item.place),
            };
            let (name, version) = match &fault.problem {
                Problem::NoPinnedHash { artifact: name, version }
                | Problem::NoPinnedDigest { image: name, version, .. } => (name, version),
                _ => return Err(fault),
            };
            let (Ok(name), Ok(version)) = (ArtifactName::new(name), Version::new(version)) else {
                return Err(fault);
            };
            if matches!(fault.problem, Problem::NoPinnedDigest { .. }) {
                self.pin_image(&fault, &name, &version)?;
                continue;
            }
            // One that is pinned, and does not run on any architecture of its stack, comes back.
            let pinned = self.kept.artifacts.get(&name).and_then(|versions| versions.get(&version));
            if pinned.is_some_and(|files| is_whole(files, &self.arches)) {
                return Err(fault);
            }
            self.pin(item, &fault, &name, &version)?;
        }
    }

    /// Pins the digest that an image's registry has now.
    fn pin_image(&mut self, fault: &Diagnostic, name: &ArtifactName, version: &Version) -> Result<()> {
        let stack = self.catalogue.stacks.get(&self.cluster.stack.value);
        let Some(image) = stack.and_then(|stack| stack.value.images.get(name)) else { return Err(fault.clone()) };
        report::line(&format!("{name} {version}: no known digest; pinning what the registry has now"));
        let digest = registry::digest(&self.store, &image.name, version);
        let digest = digest.map_err(|problem| Diagnostic { problem, ..fault.clone() })?;
        self.kept.images.entry(name.clone()).or_default().insert(version.clone(), digest);
        self.catalogue.pin(&whole(&self.kept, &self.arches));
        Ok(())
    }

    fn pin(&mut self, item: &Item, fault: &Diagnostic, name: &ArtifactName, version: &Version) -> Result<()> {
        let place = fault.place.unwrap_or(item.place);
        let profile = self.catalogue.artifacts.get(name);
        let system = match &item.subject {
            Subject::Host(name) => &self.cluster.host(name)?.system,
            Subject::Roles(_) => &self.cluster.system,
        };
        let (Some(profile), Some(system)) = (profile, self.catalogue.systems.get(&system.value)) else {
            return Err(fault.clone());
        };
        let kept = self.kept.artifacts.entry(name.clone()).or_default().entry(version.clone()).or_default();
        for arch in &self.arches {
            if kept.contains_key(arch) {
                continue;
            }
            let name = Located { place, value: name.clone() };
            let own = self.cluster.artifacts.get(&name.value);
            let urls = urls(&name, profile, own, version, arch.as_str(), system)?;
            let title = format!("{name} {version} {arch}", name = name.value);
            let sha256 = match &profile.signed {
                Some(signed) => {
                    report::line(&format!("{title}: asking for its signed hash"));
                    let sha256 = signed_hash(&self.store, signed, version, &urls)?;
                    self.store.fetch(&title, &sha256, self.old.size(&sha256), &urls, &bar(None))?;
                    sha256
                }
                None => {
                    report::line(&format!("{title}: no known hash; pinning what the server has now"));
                    let pinned = self.store.pin(&title, &urls, &bar(None));
                    pinned.map_err(|problem| Diagnostic::at(place, problem))?
                }
            };
            let size = self.store.size(&sha256)?;
            kept.insert(arch.clone(), LockedFile { sha256, size, urls });
        }
        self.catalogue.pin(&whole(&self.kept, &self.arches));
        Ok(())
    }
}

/// The hash that upstream has signed for the file that the first url names.
fn signed_hash(store: &Store, signed: &Located<SignedSums>, version: &Version, urls: &[Url]) -> Result<Sha256> {
    let SumsUrls { sums, signature, key } = sums_urls(signed, version)?;
    let what = sums.to_string();
    let [text, signature, key] = [&sums, &signature, &key].map(|url| store.text(&what, url));
    let text = text?;
    gpg::verify(&text, &signature?, &key?, &signed.fingerprint, &what)?;
    let file = urls.first().and_then(|url| url.as_str().rsplit('/').next()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // sha256sum's format: the hash, two characters, the name.
    let hash =
        text.lines().find_map(|line| Some(line.split_at_checked(64)?).filter(|(_, name)| name.get(2..) == Some(file)));
    let hash = hash.and_then(|(hash, _)| Sha256::new(hash).ok());
    Ok(hash.ok_or_else(|| Problem::NotInSums { sums: what, file: file.to_owned() })?)
}
