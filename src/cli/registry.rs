//! What a registry has under the tag of a container image, by the OCI distribution protocol
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests>).

use std::net::IpAddr;

use serde::Deserialize;

use super::store::{Store, answer};
use crate::cluster::{ImageDigest, Url, Version};
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
    let manifest = manifest(store, &url).map_err(|reason| Problem::NoDigest {
        image: format!("{repository}:{tag}"),
        reason: format!("{url}: {reason}"),
    })?;
    Ok(ImageDigest::of(manifest))
}

/// Fetches a manifest, or tells why not.
fn manifest(store: &Store, url: &Url) -> Result<Vec<u8>, String> {
    let question = |url: &Url| store.get(url).header("Accept", MANIFESTS.join(", "));
    let mut manifest = answer(question(url))?;
    if manifest.response.status() == 401 {
        // Where it was sent on to, another registry may ask.
        let url = manifest.url;
        let challenges = manifest.response.headers().get_all("www-authenticate");
        let challenges: Vec<&str> = challenges.iter().filter_map(|value| value.to_str().ok()).collect();
        let token = token(store, &url, &challenges)?;
        manifest = answer(question(&url).header("Authorization", format!("Bearer {token}")))?;
    }
    let manifest = manifest.response;
    if manifest.status() != 200 {
        return Err(format!("the server says {}", manifest.status().as_u16()));
    }
    let header = |name| manifest.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header("content-type").split(';').next().unwrap_or_default();
    if !MANIFESTS.contains(&kind) {
        return Err(format!("the server sends {kind:?}, which is no manifest that genhost knows"));
    }
    let (told, found) = (header("docker-content-digest"), ImageDigest::of(manifest.body()));
    if !told.is_empty() && told != found.as_str() {
        return Err(format!("the server says that it is {told}, and sends {found}"));
    }
    Ok(manifest.into_body())
}

/// Where a tag's manifest is. Names are read as Docker reads them: what stands before the first slash is a registry if it could be
/// a host, and without one the image is Docker Hub's, below `library` if it has no folder
/// (<https://github.com/distribution/reference/blob/v0.6.0/normalize.go>). A registry on loopback needs no TLS.
fn manifest_url(repository: &str, tag: &Version) -> Result<Url, Problem> {
    const HUB: &str = "registry-1.docker.io";
    let is_host = |text: &&str| text.contains(['.', ':']) || *text == "localhost";
    let own = repository.split_once('/').filter(|(host, _)| is_host(host));
    let (host, path) = match own {
        Some(("docker.io" | "index.docker.io", path)) => (HUB, path),
        Some((host, path)) => (host, path),
        None => (HUB, repository),
    };
    let folder = if host == HUB && !path.contains('/') { "library/" } else { "" };
    let address = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let is_loopback = |name: &str| name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let scheme = if address.is_some_and(is_loopback) { "http" } else { "https" };
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let url = Url::new(&format!("{scheme}://{host}/v2/{folder}{path}/manifests/{tag}"));
    let url = url.ok().filter(|_| path.split('/').all(is_part));
    url.ok_or_else(|| Problem::ImageName { name: repository.to_owned() })
}

/// A token for everybody, from where the registry says that there are some
/// (<https://distribution.github.io/distribution/spec/auth/token/>).
fn token(store: &Store, manifest: &Url, challenges: &[&str]) -> Result<String, String> {
    let fields = challenges.iter().find_map(|challenge| bearer(challenge));
    let realm = fields.iter().flatten().find(|(name, _)| *name == "realm").and_then(|(_, value)| Url::new(value).ok());
    let (Some(fields), Some(realm)) = (&fields, realm) else {
        return Err(format!("it wants a password ({})", challenges.join(", ")));
    };
    let mut query: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != "realm").collect();
    // Docker asks for this by itself.
    let path = manifest.as_str().split_once("/v2/").and_then(|(_, path)| path.rsplit_once("/manifests/"));
    let scope = format!("repository:{}:pull", path.map_or("", |(path, _)| path));
    if !query.iter().any(|(name, _)| *name == "scope") {
        query.push(("scope", &scope));
    }
    let failed = |reason| format!("no token for everybody from {realm}: {reason}");
    let token = answer(store.get(&realm).query_pairs(query)).map_err(failed)?.response;
    if token.status() != 200 {
        return Err(failed(format!("the server says {}", token.status().as_u16())));
    }
    token_of(token.body()).map_err(failed)
}

/// The token in the answer of a server of tokens, which may call it by either name, or by both.
fn token_of(answer: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let mut tokens = [answer.token, answer.access_token].into_iter().flatten();
    tokens.find(|token| !token.is_empty()).ok_or_else(|| "there is none in its answer".to_owned())
}

/// The fields of a challenge for a token, `Bearer realm="…",service="…"`
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1>).
fn bearer(challenge: &str) -> Option<Vec<(&str, &str)>> {
    let (scheme, mut rest) = challenge.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut fields = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let quoted = after.strip_prefix('"').map(|quoted| quoted.split_once('"').unwrap_or((quoted, "")));
        let (value, after) = quoted.unwrap_or_else(|| after.split_at(after.find(',').unwrap_or(after.len())));
        fields.push((name.trim_matches([',', ' ']), value.trim_end()));
        rest = after;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let url = |repository| manifest_url(repository, &Version::new("1.2").expect("a version"));
        for (repository, expected) in [
            ("swarm", "https://registry-1.docker.io/v2/library/swarm/manifests/1.2"),
            ("docker.io/swarm", "https://registry-1.docker.io/v2/library/swarm/manifests/1.2"),
            ("index.docker.io/library/swarm", "https://registry-1.docker.io/v2/library/swarm/manifests/1.2"),
            ("somebody/some_thing", "https://registry-1.docker.io/v2/somebody/some_thing/manifests/1.2"),
            ("registry.example.com/a/b/c", "https://registry.example.com/v2/a/b/c/manifests/1.2"),
            ("registry:5000/a", "https://registry:5000/v2/a/manifests/1.2"),
            ("localhost/a", "http://localhost/v2/a/manifests/1.2"),
            ("127.1.2.3:5000/a", "http://127.1.2.3:5000/v2/a/manifests/1.2"),
            ("[::1]:5000/a", "http://[::1]:5000/v2/a/manifests/1.2"),
        ] {
            assert_eq!(url(repository).map(|url| url.to_string()).ok().as_deref(), Some(expected));
        }
        for wrong in
            ["", "registry:5000/", "a//b", "a:latest", "registry:5000/a:latest", "a@sha256", "a b", "a?b", "a/"]
        {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_challenge_is_read_with_quotes_and_without() {
        let fields = [("realm", "https://a/t"), ("service", "s"), ("scope", "repository:a/b:pull,push")];
        let challenges = [
            r#"Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push""#,
            r#"bearer realm="https://a/t", service=s, scope="repository:a/b:pull,push""#,
        ];
        for challenge in challenges {
            assert_eq!(bearer(challenge), Some(fields.to_vec()));
        }
        assert_eq!(bearer("Basic realm=\"people\""), None);
    }

    #[test]
    fn a_token_has_two_names() {
        let token = |answer: &str| token_of(answer.as_bytes()).ok();
        for answer in [
            r#"{"token": "t"}"#,
            r#"{"access_token": "t"}"#,
            r#"{"token": "t", "access_token": "t", "expires_in": 300}"#,
        ] {
            assert_eq!(token(answer).as_deref(), Some("t"));
        }
        assert!(token("{}").is_none() && token(r#"{"token": ""}"#).is_none());
    }
}
