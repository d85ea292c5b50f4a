//! Words: names that are checked once, when they are read, and need no second look.

use std::fmt;

use sha2::Digest;

/// Why a text is not a word of its kind; says what the kind allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct WordError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

impl WordError {
    pub(crate) fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        let mut short: String = text.chars().take(80).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        Self { what, text: short, rule }
    }
}

/// What is one text in YAML, as it is in messages: made by `new`, shown by `Display`.
macro_rules! text_form {
    ($name:ident, $rule:expr, $pattern:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $rule, "pattern": $pattern })
            }
        }
    };
}
pub(super) use text_form;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $rule:literal, $pattern:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Takes a text that is ", $what, ": ", $rule, ".")]
            pub fn new(text: &str) -> Result<Self, WordError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(WordError::new($what, text, $rule)) }
            }

            /// A literal of the program; the tests check that each is a word of its kind.
            #[allow(dead_code, reason = "not every kind of word has a literal in the program")]
            pub(crate) fn literal(text: &'static str) -> Self {
                debug_assert!(Self::new(text).is_ok(), "{text}");
                Self(text.to_owned())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        text_form!($name, $rule, $pattern);
    )*};
}

words! {
    /// Name of a host: one DNS label (RFC 1123), because it becomes the host's name, its Consul node and its VPN account.
    HostName: "a host name", "letters a-z, digits and inner hyphens, at most 63 of them",
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", is_label;

    /// Name of a profile: of a file under `profiles/roles/`, `stacks/` or `platforms/`, or of a component's variant.
    ProfileName: "a profile name", "letters a-z, digits and inner hyphens, at most 63 of them",
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", is_label;

    /// Name of a component: the name of a folder under `templates/`.
    ComponentName: "a component name", "letters a-z, digits and inner hyphens, at most 63 of them",
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", is_label;

    /// Name of an operating system: the name of a file under `profiles/systems/`, such as `ubuntu-22.04`.
    SystemName: "an os", "letters a-z, digits, dots and hyphens, such as ubuntu-22.04",
        "^[a-z0-9][a-z0-9.-]{0,62}$", |t| t.len() <= 63 && starts_alnum(t) && all(t, |b| is_lower(b) || b == b'.' || b == b'-');

    /// A network interface: by the kernel's name for it, or by its hardware address.
    Interface: "an interface", "a name of the kernel's such as eno1, or a hardware address in lower case such as 52:54:00:12:34:5a",
        "^([a-z][a-z0-9]{0,14}|[0-9a-f]{2}(:[0-9a-f]{2}){5})$", is_interface;

    /// Key of a label of Docker's nodes. Docker keeps three beginnings to itself, and an engine that is given one does not start
    /// (<https://docs.docker.com/engine/manage-resources/labels/>).
    LabelKey: "a label's key", "letters a-z, digits, dots and hyphens, at most 63 of them, not below com.docker, io.docker or org.dockerproject",
        "^[a-z0-9][a-z0-9.-]{0,62}$",
        |t| LabelWord::new(t).is_ok() && !["com.docker.", "io.docker.", "org.dockerproject."].iter().any(|own| t.starts_with(own));

    /// Value of a label of Docker's nodes.
    LabelWord: "a label's value", "letters a-z, digits, dots and hyphens, at most 63 of them, the first a letter or a digit",
        "^[a-z0-9][a-z0-9.-]{0,62}$", |t| t.len() <= 63 && starts_alnum(t) && all(t, |b| is_lower(b) || b == b'.' || b == b'-');

    /// Name of an artifact: the name of a file under `profiles/artifacts/`, and a variable's name in templates.
    ArtifactName: "an artifact name", "a letter, then letters a-z, digits and underscores, at most 63 of them",
        "^[a-z][a-z0-9_]{0,62}$",
        |t| t.len() <= 63 && t.as_bytes().first().is_some_and(u8::is_ascii_lowercase) && all(t, |b| is_lower(b) || b == b'_');

    /// Name of a SoftEther Virtual Hub.
    HubName: "a hub name", "letters, digits, `-` and `_`, at most 64 of them",
        "^[A-Za-z0-9_-]{1,64}$", |t| (1..=64).contains(&t.len()) && all(t, is_plain);

    /// Name of a connection setting in SoftEther's client.
    AccountName: "an account name", "letters, digits, `-` and `_`, at most 64 of them",
        "^[A-Za-z0-9_-]{1,64}$", |t| (1..=64).contains(&t.len()) && all(t, is_plain);

    /// Name of a SoftEther user. SoftEther compares names without regard to case.
    UserName: "a user name", "letters, digits, `-`, `_` and `.`, at most 63 of them, the first a letter or a digit",
        "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
        |t| t.len() <= 63 && starts_alnum(t) && all(t, |b| is_plain(b) || b == b'.');

    /// Name of a virtual network adapter of SoftEther's client, to which the kernel's name adds `vpn_`. Interface names
    /// end at 15 characters (IFNAMSIZ), and SoftEther cuts what is longer without a word.
    NicName: "a NIC name", "letters a-z and digits, at most 11 of them (the interface is `vpn_` and this name)",
        "^[a-z0-9]{1,11}$", |t| (1..=11).contains(&t.len()) && all(t, is_lower);

    /// Where clients reach the VPN server: a DNS name or an IPv4 address.
    Endpoint: "an endpoint", "a DNS name or an IPv4 address, without a port",
        "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$", is_endpoint;

    /// Lower-case hexadecimal SHA-256 of an artifact.
    Sha256: "a sha256", "64 digits of 0-9 and a-f",
        "^[0-9a-f]{64}$", is_sha256;

    /// Digest of a container image's manifest.
    ImageDigest: "an image digest", "sha256: and 64 digits of 0-9 and a-f",
        "^sha256:[0-9a-f]{64}$", |t| t.strip_prefix("sha256:").is_some_and(is_sha256);

    /// Fingerprint of an OpenPGP key.
    Fingerprint: "a fingerprint", "40 digits of 0-9 and A-F",
        "^[0-9A-F]{40}$", |t| t.len() == 40 && all(t, |b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));

    /// Where an artifact can be had. Printable ASCII without blanks, since the host splits its list at blanks.
    Url: "a url", "http:// or https://, then printable ASCII without blanks or quotes",
        "^https?://[^\\s\"'\\\\]+$", is_url;

    /// A web server: what a url has before its path.
    Origin: "an origin", "http:// or https://, a host and perhaps a port, without a path, such as https://mirror.example.com",
        "^https?://[^\\s\"'\\\\/]+/?$", is_origin;

    /// Where a server listens: an address or name of the host, and a TCP port.
    ListenAddress: "an address to listen on", "an address and a port, such as 127.0.0.1:9323", "^.+:[0-9]+$", is_listen_address;

    /// A version as upstream writes it.
    Version: "a version", "letters, digits and . + - ~ _ : only, at most 64 of them, in quotes where it looks like a number",
        "^[A-Za-z0-9.+~_:-]{1,64}$",
        |t| (1..=64).contains(&t.len()) && all(t, |b| is_plain(b) || b".+~:".contains(&b));

    /// Debian's name of an architecture, or `all` for what runs on every one.
    Arch: "an architecture", "amd64, arm64 or all", "^(amd64|arm64|all)$", |t| matches!(t, "amd64" | "arm64" | "all");

    /// An SSH public key, as `ssh-keygen` writes it.
    SshKey: "an SSH public key", "one line of a .pub file, such as `ssh-ed25519 AAAA… me@home`",
        "^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$", super::options::is_ssh_key;

    /// A time zone of the tz database.
    Timezone: "a time zone", "a name of the tz database, such as Europe/Berlin",
        "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
        |t| t.len() <= 64 && t.split('/').all(|part| !part.is_empty() && all(part, |b| is_plain(b) || b == b'+'));

    /// Name of a Debian package (Debian Policy 5.6.7).
    PackageName: "a package name", "letters a-z, digits and + - . only, the first a letter or a digit",
        "^[a-z0-9][a-z0-9+.-]+$", |t| (2..=128).contains(&t.len()) && starts_alnum(t) && all(t, |b| is_lower(b) || b"+-.".contains(&b));

    /// Absolute path of a file on the host.
    HostPath: "a path", "absolute, without `.` or `..` parts, without control characters, at most 255 bytes a part and 4096 in all",
        "^/[^\\u0000-\\u001f\\u007f]*$", is_path;

    /// Name of a systemd unit, an instance among them (systemd.unit(5)).
    UnitName: "a unit name", "letters, digits and : - _ . \\ @, with a suffix such as .service, at most 255 of them",
        "^[A-Za-z0-9:_.\\\\@-]+\\.(service|socket|timer|target|path|mount)$", is_unit;
}

impl Url {
    /// A file in the folder that this names.
    pub fn below(&self, hash: &Sha256) -> Self {
        Self(format!("{}/{hash}", self.0.trim_end_matches('/')))
    }
}

impl Version {
    /// Its numbers, in their order: of 4.44-9807-rtm they are 4, 44 and 9807.
    pub fn numbers(&self) -> Vec<u64> {
        self.0.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    }

    /// Whether it is not older than another one, by their numbers.
    pub fn is_since(&self, other: &Self) -> bool {
        self.numbers() >= other.numbers()
    }
}

impl ImageDigest {
    /// The digest of a manifest with these bytes.
    pub fn of(manifest: impl AsRef<[u8]>) -> Self {
        Self(format!("sha256:{}", Sha256::of(manifest)))
    }
}

impl Sha256 {
    /// The hash of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::from_digest(sha2::Sha256::digest(bytes).into())
    }

    /// A hash that was made piece by piece.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Interface {
    /// Whether it is named by its hardware address.
    pub fn is_mac(&self) -> bool {
        self.as_str().contains(':')
    }
}

fn is_interface(text: &str) -> bool {
    let is_name = text.len() <= 15 && text.starts_with(|c: char| c.is_ascii_lowercase()) && all(text, is_lower);
    let parts: Vec<&str> = text.split(':').collect();
    let is_pair =
        |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_name || (parts.len() == 6 && parts.iter().all(is_pair))
}

impl Endpoint {
    /// Whether it is a name below example.com, which stands for one that is still to be said (RFC 2606).
    pub fn is_example(&self) -> bool {
        self.as_str().split('.').rev().take(2).eq(["com", "example"])
    }
}

impl HostPath {
    /// A file of genhost's own: a folder of the program and a name that is a word already.
    pub(crate) fn literal_below(folder: &'static str, name: &str) -> Self {
        debug_assert!(is_path(folder.trim_end_matches('/')) && !name.contains('/'), "{folder}{name}");
        Self(format!("{folder}{name}"))
    }
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn starts_alnum(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && all(text, |b| is_lower(b) || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && all(text, |b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_endpoint(text: &str) -> bool {
    let looks_like_address = text.rsplit('.').next().is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    if looks_like_address {
        return text.parse::<std::net::Ipv4Addr>().is_ok();
    }
    text.len() <= 253 && text.split('.').all(|label| is_label(&label.to_ascii_lowercase()))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= 2048
        && rest.is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                && all(rest, |b| b.is_ascii_graphic() && !b"\"'\\".contains(&b))
        })
}

fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    authority.is_some_and(|authority| {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        is_url_host(host) && port.is_none_or(is_port)
    })
}

fn is_listen_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| is_url_host(host) && is_port(port))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_url_host(text: &str) -> bool {
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    in_brackets.map_or_else(|| is_endpoint(text), |text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_port(text: &str) -> bool {
    all(text, |b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_path(text: &str) -> bool {
    text.len() <= 4096
        && text.starts_with('/')
        && text.len() > 1
        && !text.chars().any(char::is_control)
        && text[1..].split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
}

fn is_unit(text: &str) -> bool {
    let suffixes = [".service", ".socket", ".timer", ".target", ".path", ".mount"];
    text.len() <= 255
        && suffixes.iter().any(|suffix| text.len() > suffix.len() && text.ends_with(suffix))
        && all(text, |b| is_plain(b) || b":.\\@".contains(&b))
}
