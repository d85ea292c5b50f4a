//! The bytes of a lock: a line for each package and file, in an order of their own, so that a difference reads well.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Lock, LockedPackage, LockedSystem, VERSION};
use crate::cluster::Sha256;
use crate::yaml::{self, WriteError};

const HEAD: &str = "# Made by `genhost lock`: what the hosts of this cluster fetch, to the byte. Keep it under version control, and \
                    do not edit it:\n# `genhost lock` brings in what is missing, `genhost lock --update NAME` what is new.\n";

/// The line after which the hashed part begins.
const HASH: &str = "sha256: ";

/// The part that the hash is of.
pub(super) fn body(text: &str) -> Option<&str> {
    let line = text.find(&format!("\n{HASH}"))? + 1;
    text[line..].split_once('\n').map(|(_, body)| body)
}

pub(super) fn write(lock: &Lock) -> Result<String, WriteError> {
    let mut body = String::new();
    let mut line = |indent: usize, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "{:indent$}{text}", "");
    };
    if !lock.artifacts.is_empty() {
        line(0, "artifacts:");
    }
    for (name, versions) in &lock.artifacts {
        line(2, &format!("{name}:"));
        for (version, files) in versions {
            line(4, &format!("{}:", yaml::write_text(version.as_str())?));
            for (arch, file) in files {
                let urls = file.urls.iter().map(|url| yaml::write_text(url.as_str())).collect::<Result<Vec<_>, _>>()?;
                let (sha256, size, urls) = (&file.sha256, file.size, urls.join(", "));
                let sha256 = yaml::write_text(sha256.as_str())?;
                line(6, &format!("{arch}: {{sha256: {sha256}, size: {size}, urls: [{urls}]}}"));
            }
        }
    }
    if !lock.images.is_empty() {
        line(0, "images:");
    }
    for (name, versions) in &lock.images {
        line(2, &format!("{name}:"));
        for (version, digest) in versions {
            line(4, &format!("{}: {digest}", yaml::write_text(version.as_str())?));
        }
    }
    if !lock.addresses.is_empty() {
        line(0, "addresses:");
    }
    for (host, address) in &lock.addresses {
        line(2, &format!("{}: {address}", yaml::write_text(host.as_str())?));
    }
    if !lock.systems.is_empty() {
        line(0, "systems:");
    }
    for (name, systems) in &lock.systems {
        line(2, &format!("{name}:"));
        for (arch, system) in systems {
            line(4, &format!("{arch}:"));
            for text in of_system(system)? {
                line(6, &text);
            }
        }
    }
    Ok(format!("{HEAD}version: {VERSION}\n{HASH}{}\n{body}", yaml::write_text(Sha256::of(&body).as_str())?))
}

fn of_system(system: &LockedSystem) -> Result<Vec<String>, WriteError> {
    let mut lines = vec![format!("date: {}", system.date)];
    for (key, texts) in [("sources", &system.sources), ("asked", &system.asked)] {
        lines.push(if texts.is_empty() { format!("{key}: []") } else { format!("{key}:") });
        for text in texts {
            lines.push(format!("  - {}", yaml::write_text(text)?));
        }
    }
    lines.push(if system.packages.is_empty() { "packages: []".to_owned() } else { "packages:".to_owned() });
    let sorted: BTreeMap<_, _> = system.packages.iter().map(|package| (&package.name, package)).collect();
    for LockedPackage { name, version, arch, size, sha256, url } in sorted.into_values() {
        let (name, version) = (yaml::write_text(name.as_str())?, yaml::write_text(version.as_str())?);
        let (sha256, url) = (yaml::write_text(sha256.as_str())?, yaml::write_text(url.as_str())?);
        lines.push(format!(
            "  - {{name: {name}, version: {version}, arch: {arch}, size: {size}, sha256: {sha256}, url: {url}}}"
        ));
    }
    Ok(lines)
}
