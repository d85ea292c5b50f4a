//! What a registry has under the tag of a container image, by the OCI distribution protocol
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests>).

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::store::{Store, answer};
use crate::cluster::{ImageDigest, Sha256, Url, Version};
use crate::diagnostic::Problem;

/// Kinds of manifest whose digest is the hash of their bytes: of several platforms and of one, OCI's and Docker's.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Asks an image's registry for the digest of a tag: of all its platforms where it has several.
///
/// # Errors
/// The registry cannot be reached, does not have it, wants a password, or sends something else than it says.
pub fn digest(store: &Store, repository: &str, tag: &Version) -> Result<ImageDigest, Problem> {
    let url = manifest_url(repository, tag)?;
    let no_digest = |reason| Problem::NoDigest { image: format!("{repository}:{tag}"), reason };
    let manifest = manifest(store, &url).map_err(|reason| no_digest(format!("{url}: {reason}")))?;
    ImageDigest::new(&format!("sha256:{}", Sha256::of(manifest))).map_err(|error| no_digest(error.to_string()))
}

/// Fetches a manifest, or tells why not.
fn manifest(store: &Store, url: &Url) -> Result<Vec<u8>, String> {
    let question = || store.get(url).header("Accept", MANIFESTS.join(", "));
    let mut manifest = answer(question())?;
    if manifest.status() == 401 {
        let challenge = manifest.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        let token = token(store, challenge.unwrap_or_default())?;
        manifest = answer(question().header("Authorization", format!("Bearer {token}")))?;
    }
    if manifest.status() != 200 {
        return Err(format!("the server says {}", manifest.status().as_u16()));
    }
    let header = |name| manifest.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header("content-type").split(';').next().unwrap_or_default();
    if !MANIFESTS.contains(&kind) {
        return Err(format!("the server sends {kind:?}, which is no manifest that genhost knows"));
    }
    let (told, found) = (header("docker-content-digest"), Sha256::of(manifest.body()));
    if !told.is_empty() && told != format!("sha256:{found}") {
        return Err(format!("the server says that it is {told}, and sends sha256:{found}"));
    }
    Ok(manifest.into_body())
}

/// Where a tag's manifest is. Names are read as Docker reads them: what stands before the first slash is a registry if it could be
/// a host, and without one the image is Docker Hub's, below `library` if it has no folder
/// (<https://github.com/distribution/reference/blob/v0.6.0/normalize.go>). A registry on loopback needs no TLS.
fn manifest_url(repository: &str, tag: &Version) -> Result<Url, Problem> {
    let is_host = |text: &&str| text.contains(['.', ':']) || *text == "localhost";
    let own = repository.split_once('/').filter(|(host, _)| is_host(host));
    let (host, path) = match own {
        Some(("docker.io" | "index.docker.io", path)) => ("registry-1.docker.io", path),
        Some((host, path)) => (host, path),
        None => ("registry-1.docker.io", repository),
    };
    let folder = if host == "registry-1.docker.io" && !path.contains('/') { "library/" } else { "" };
    let name = host.split(':').next().unwrap_or_default();
    let is_loopback = name == "localhost" || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    let scheme = if is_loopback { "http" } else { "https" };
    let url = Url::new(&format!("{scheme}://{host}/v2/{folder}{path}/manifests/{tag}"));
    url.map_err(|_| Problem::ImageName { name: repository.to_owned() })
}

/// A token for everybody, from where the registry says that there are some
/// (<https://distribution.github.io/distribution/spec/auth/token/>).
fn token(store: &Store, challenge: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Token {
        #[serde(alias = "access_token")]
        token: String,
    }
    let fields = bearer(challenge);
    let realm = fields.iter().find(|(name, _)| *name == "realm").and_then(|(_, value)| Url::new(value).ok());
    let realm = realm.ok_or_else(|| format!("it wants a password ({challenge})"))?;
    let query = fields.into_iter().filter(|(name, _)| *name != "realm");
    let failed = |reason| format!("no token for everybody from {realm}: {reason}");
    let token = answer(store.get(&realm).query_pairs(query)).map_err(failed)?;
    if token.status() != 200 {
        return Err(failed(format!("the server says {}", token.status().as_u16())));
    }
    serde_json::from_slice(token.body()).map(|Token { token }| token).map_err(|error| failed(error.to_string()))
}

/// The fields of a challenge: `Bearer realm="…",service="…"`. None of another kind.
fn bearer(challenge: &str) -> Vec<(&str, &str)> {
    let mut rest = challenge.strip_prefix("Bearer ").unwrap_or_default();
    let mut fields = Vec::new();
    while let Some((name, after)) = rest.split_once("=\"")
        && let Some((value, after)) = after.split_once('"')
    {
        fields.push((name.trim_start_matches([',', ' ']), value));
        rest = after;
    }
    fields
}
