//! Which artifact exactly: its version, urls and hashes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parts::expand;
use crate::cluster::{ArtifactName, ArtifactSection, ContainerImage, Setting, Sha256, Url, Version};
use crate::diagnostic::{Diagnostic, Problem, Result};
use crate::load::{ArtifactProfile, SignedSums, System};
use crate::yaml::Located;

/// Something to fetch, pinned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Artifact {
    /// Version in use.
    pub version: Version,
    /// By Debian's name of the architecture, or `all`.
    pub files: BTreeMap<String, Pin>,
    /// What its profile says of that version; how it is installed depends on it, what it is does not.
    #[serde(skip)]
    pub values: BTreeMap<String, Setting>,
}

/// One file: what it must be, and where it can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Its hash.
    pub sha256: Sha256,
    /// Where to look, in this order.
    pub urls: Vec<Url>,
}

/// The archive of a container image. Its version, which is the image's tag on the host, depends on its hashes alone: another
/// archive is another image, on every architecture alike.
pub(super) fn pin_image(image: &ContainerImage, system: &System) -> Result<Artifact> {
    let place = image.archive.place;
    let hashes = image.archive.sha256.iter().map(|(arch, sha256)| format!("{arch} {sha256}\n")).collect::<String>();
    let version = Version::new(&Sha256::of(hashes).as_str()[..12])
        .map_err(|e| Diagnostic::at(place, Problem::Value { message: e.to_string() }))?;
    let profile = Located { place, value: ArtifactProfile::default() };
    let name = Located { place, value: image.artifact.clone() };
    pin(&name, &profile, Some(&image.archive), version, system)
}

pub(super) fn pin(
    name: &Located<ArtifactName>,
    profile: &Located<ArtifactProfile>,
    own: Option<&Located<ArtifactSection>>,
    version: Version,
    system: &System,
) -> Result<Artifact> {
    let known = profile.versions.get(&version);
    let hashes = match own {
        Some(own) if !own.sha256.is_empty() => &own.sha256,
        _ => match known {
            Some(known) if !known.sha256.is_empty() => &known.sha256,
            _ => {
                let place = own.map_or(name.place, |own| own.place);
                let problem = Problem::NoPinnedHash { artifact: name.to_string(), version: version.to_string() };
                return Err(Diagnostic::at(place, problem));
            }
        },
    };
    if hashes.contains_key("all") && hashes.len() > 1 {
        return Err(Diagnostic::at(own.map_or(profile.place, |own| own.place), Problem::AllBesideOne));
    }
    let mut files = BTreeMap::new();
    for (arch, sha256) in hashes {
        if !matches!(arch.as_str(), "all" | "amd64" | "arm64") {
            let place = own.map_or(profile.place, |own| own.place);
            let known = ["all", "amd64", "arm64"].map(str::to_owned).to_vec();
            return Err(Diagnostic::at(place, Problem::Unknown { what: "architecture", name: arch.clone(), known }));
        }
        let urls = urls(name, profile, own, &version, arch, system)?;
        files.insert(arch.clone(), Pin { sha256: sha256.clone(), urls });
    }
    let values = profile.at(&version).values;
    Ok(Artifact { version, files, values })
}

/// Where an artifact can be had; there is at least one place.
///
/// # Errors
/// There is none, or one with an unknown word in it.
pub fn urls(
    name: &Located<ArtifactName>,
    profile: &Located<ArtifactProfile>,
    own: Option<&Located<ArtifactSection>>,
    version: &Version,
    arch: &str,
    system: &System,
) -> Result<Vec<Url>> {
    let word = |word: &str| match word {
        "version" => Some(version.to_string()),
        "arch" => Some(profile.arch.get(arch).map_or(arch, String::as_str).to_owned()),
        _ => system.word(word),
    };
    let url = |text: &str, place| {
        let text = expand(text, word).map_err(|problem| Diagnostic::at(place, problem))?;
        Url::new(&text).map_err(|e| Diagnostic::at(place, Problem::Value { message: e.to_string() }))
    };
    let of_version = profile.versions.get(version).map(|known| &known.urls).filter(|urls| !urls.is_empty());
    let urls: Vec<Url> = match own {
        Some(own) if !own.urls.is_empty() => {
            own.urls.iter().map(|template| url(template.as_str(), own.place)).collect::<Result<_>>()?
        }
        _ => {
            let templates = of_version.unwrap_or(&profile.urls).iter();
            templates.map(|template| url(template, profile.place)).collect::<Result<_>>()?
        }
    };
    if urls.is_empty() {
        let problem = Problem::NoUrl { artifact: name.to_string(), version: version.to_string() };
        return Err(Diagnostic::at(own.map_or(name.place, |own| own.place), problem));
    }
    Ok(urls)
}

/// Where an upstream has signed a version's hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumsUrls {
    /// The list.
    pub sums: Url,
    /// Its signature.
    pub signature: Url,
    /// The key.
    pub key: Url,
}

/// The urls of a version's signed hashes.
///
/// # Errors
/// One has an unknown word in it, or is none.
pub fn sums_urls(signed: &Located<SignedSums>, version: &Version) -> Result<SumsUrls> {
    let url = |text: &str| {
        let text = expand(text, |word| (word == "version").then(|| version.to_string()));
        let text = text.map_err(|problem| Diagnostic::at(signed.place, problem))?;
        Url::new(&text).map_err(|e| Diagnostic::at(signed.place, Problem::Value { message: e.to_string() }))
    };
    Ok(SumsUrls { sums: url(&signed.sums)?, signature: url(&signed.signature)?, key: url(&signed.key)? })
}
