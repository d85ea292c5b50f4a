//! A bill of materials as its readers take it: CycloneDX's own library, and packageurl's.

use std::path::Path;
use std::process::Command;

use genhost::emit::sbom::{Artifact, Bill, Package, sbom};
use sha2::Digest;

/// Validates against the schema of the version that the document says, strictly, and prints what a purl says of its part.
const READER: &str = r#"
import json, sys
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
text = open(sys.argv[1]).read()
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
assert wrong is None, wrong
bom = Bom.from_json(json.loads(text))
assert bom.metadata.timestamp is None or 'timestamp' not in json.loads(text)['metadata']
print(bom.serial_number)
for part in sorted(bom.components):
    assert PackageURL.from_string(str(part.purl)).to_string() == str(part.purl), part.purl
    digest = [hash.content for hash in part.hashes][0]
    print(part.purl.type, part.purl.namespace, part.name, part.version, part.purl.qualifiers, digest[:8])
for part in json.loads(text)['components']:
    purl = PackageURL.from_string(part['purl'])
    assert (purl.name, purl.version) == (part['name'], part['version']), part
    assert purl.to_string() == part['purl'], (purl.to_string(), part['purl'])
"#;

fn read(document: &str) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3");
    assert!(python.exists(), "target/python is missing: run `.ci/setup`");
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let path = folder.path().join("bom.json");
    std::fs::write(&path, document).expect("a file");
    let output = Command::new(python).arg("-c").arg(READER).arg(path).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn sum(text: &str) -> String {
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn package(name: &str, version: &str, architecture: &str) -> Package {
    let url = format!("http://mirror.example.com/debian/pool/{name}_{version}_{architecture}.deb").replace(':', "%3a");
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        sha256: sum(&url),
        url,
    }
}

fn artifact() -> Artifact {
    Artifact {
        name: "consul".to_owned(),
        version: "1.22.7".to_owned(),
        sha256: sum("consul"),
        url: "https://releases.example.com/consul/1.22.7/consul_1.22.7_linux_amd64.zip?a=b&c=d e".replace(' ', "%20"),
    }
}

fn packages() -> Vec<Package> {
    vec![
        package("docker.io", "20.10.24+dfsg1-1+deb12u1+b4", "amd64"),
        package("libstdc++6", "12.2.0-14+deb12u1", "amd64"),
        package("qemu-utils", "1:7.2+dfsg-7+deb12u18", "amd64"),
        package("netbase", "6.4", "all"),
        package("cloud-init", "22.4.2-1~bpo12+1", "all"),
    ]
}

fn bill<'a>(packages: &'a [Package], artifacts: &'a [Artifact]) -> Bill<'a> {
    Bill { name: "swarm-node0", distribution: "debian", release: "12", packages, artifacts }
}

#[test]
fn a_bill_says_what_is_inside() {
    let (packages, artifacts) = (packages(), [artifact()]);
    let document = sbom(&bill(&packages, &artifacts));
    let said = read(&document);
    for package in &packages {
        let Package { name, version, architecture, sha256, .. } = package;
        let line =
            format!("deb debian {name} {version} {{'arch': '{architecture}', 'distro': 'debian-12'}} {}", &sha256[..8]);
        assert!(said.contains(&line), "{line}\n{said}");
    }
    let [Artifact { sha256, url, .. }] = &artifacts;
    let line = format!(
        "generic None consul 1.22.7 {{'checksum': 'sha256:{sha256}', 'download_url': '{url}'}} {}",
        &sha256[..8]
    );
    assert!(said.contains(&line), "{line}\n{said}");
}

#[test]
fn the_order_of_parts_does_not_matter_and_the_parts_do() {
    let mut packages = packages();
    let artifacts = [artifact()];
    let document = sbom(&bill(&packages, &artifacts));
    packages.reverse();
    packages.push(packages[0].clone());
    assert_eq!(sbom(&bill(&packages, &artifacts)), document);
    let serial = |document: &str| {
        let value: serde_json::Value = serde_json::from_str(document).expect("JSON");
        value["serialNumber"].as_str().expect("text").to_owned()
    };
    packages.truncate(3);
    assert_ne!(serial(&sbom(&bill(&packages, &artifacts))), serial(&document));
    read(&sbom(&bill(&[], &[])));
}
