//! A software bill of materials: what an image is made of, in CycloneDX 1.6 as JSON.
//!
//! <https://cyclonedx.org/docs/1.6/json/>, and for the names <https://github.com/package-url/purl-spec>. No time stands in it, and
//! its serial number is made of its content, so the same parts make the same document.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::uuid::Uuid;

/// A Debian package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// SHA-256 of the .deb.
    pub sha256: String,
    /// Where that was fetched.
    pub url: String,
}

/// Something that is fetched as a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Where that was fetched.
    pub url: String,
}

/// What an image is made of.
#[derive(Debug)]
pub struct Bill<'a> {
    /// What the image is called.
    pub name: &'a str,
    /// Its distribution, as in `/etc/os-release`: `debian`.
    pub distribution: &'a str,
    /// The distribution's release, such as `12`.
    pub release: &'a str,
    /// Its packages, in any order.
    pub packages: &'a [Package],
    /// Its artifacts, in any order.
    pub artifacts: &'a [Artifact],
}

/// Writes the document.
pub fn sbom(bill: &Bill) -> String {
    let (distribution, release) = (bill.distribution, bill.release);
    let mut packages: Vec<&Package> = bill.packages.iter().collect();
    packages.sort();
    packages.dedup();
    let mut artifacts: Vec<&Artifact> = bill.artifacts.iter().collect();
    artifacts.sort();
    artifacts.dedup();
    let packages = packages.into_iter().map(|package| {
        let Package { name, version, architecture, sha256, url } = package;
        let purl = format!(
            "pkg:deb/{}/{}@{}?arch={}&distro={}-{}",
            quoted(distribution),
            quoted(name),
            quoted(version),
            quoted(architecture),
            quoted(distribution),
            quoted(release)
        );
        component("library", name, version, &purl, sha256, url)
    });
    let artifacts = artifacts.into_iter().map(|artifact| {
        let Artifact { name, version, sha256, url } = artifact;
        let (quoted_name, version_quoted) = (quoted(name), quoted(version));
        let purl = format!(
            "pkg:generic/{quoted_name}@{version_quoted}?checksum=sha256:{sha256}&download_url={}",
            quoted_value(url)
        );
        component("application", name, version, &purl, sha256, url)
    });
    let components: Vec<Value> = packages.chain(artifacts).collect();
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "operating-system", "bom-ref": "image", "name": bill.name, "version": format!("{distribution}-{release}")},
        },
        "components": components,
    });
    let id = Uuid::of_hash(&Sha256::digest(document.to_string()).into());
    document["serialNumber"] = format!("urn:uuid:{id}").into();
    format!("{document:#}\n")
}

fn component(kind: &str, name: &str, version: &str, purl: &str, sha256: &str, url: &str) -> Value {
    json!({
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "externalReferences": [{"type": "distribution", "url": url}],
    })
}

/// Percent-encoded as a purl wants it: a colon stays as it is.
fn quoted(text: &str) -> String {
    encoded(text, b".-_~:")
}

/// The same of a qualifier, in which a slash stays as it is, too.
fn quoted_value(text: &str) -> String {
    encoded(text, b".-_~:/")
}

fn encoded(text: &str, plain: &[u8]) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}
