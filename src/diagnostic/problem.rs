//! The one catalogue of everything that genhost says is wrong, and of the ways out.

use std::net::Ipv4Addr;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing was made.
    Error,
    /// Something was made that wants a second look.
    Note,
}

/// Something that is wrong. The texts say what and why; [`Problem::help`] says what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum Problem {
    // Reading texts
    #[error("cannot read `{path}`: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("this file is not UTF-8")]
    NotUtf8,
    #[error("this file starts with a byte order mark")]
    ByteOrderMark,
    #[error("this file is empty")]
    EmptyFile,
    #[error("this file has more than {limit} bytes")]
    FileTooLarge { limit: usize },
    #[error("YAML cannot be indented with a tab")]
    TabInYaml,
    #[error("this file has more than one YAML document")]
    SeveralDocuments,
    #[error("the key `{key}` is here twice")]
    DuplicateKey { key: String },
    #[error("a key must be text")]
    KeyNotText,
    #[error("this is nested too deep")]
    NestedTooDeep,
    #[error("this file has too many values, those that aliases repeat among them")]
    TooManyValues,
    #[error("{message}")]
    Yaml { message: String },

    // Decoding values
    #[error("unknown key `{key}`")]
    UnknownKey { key: String, known: Vec<String> },
    #[error("the key `{key}` is missing here")]
    MissingKey { key: String },
    #[error("`{word}` is not one of {}", list(known))]
    UnknownWord { word: String, known: Vec<String> },
    #[error("{expected} is expected here, not {found}")]
    WrongType { expected: String, found: String },
    #[error("text is expected here, and YAML takes this for {found}")]
    QuotesNeeded { found: String },
    #[error("true or false is expected here, not the text `{word}`")]
    NotABoolean { word: String },
    #[error("{message}")]
    Value { message: String },
    #[error("`{key}` cannot be set below {found}")]
    NotAMapping { key: String, found: &'static str },
    #[error("`--set {argument}` is not `KEY=VALUE`")]
    BadOverride { argument: String },

    // The cluster
    #[error("unknown {what} `{name}`")]
    Unknown { what: &'static str, name: String, known: Vec<String> },
    #[error("stack `{stack}` cannot run on {system}: {reason}")]
    UnableSystem { stack: Box<str>, system: Box<str>, reason: String, able: Vec<String> },
    #[error("the cluster has no host with the role vpn-server")]
    NoVpnServer,
    #[error("a cluster has one vpn-server, and `{first}` already has that role")]
    TwoVpnServers { first: String },
    #[error("no host is a Consul server")]
    NoConsulServer,
    #[error("`{host}` has no role")]
    NoRoles { host: String },
    #[error("`{name}` is the name of a role, which has a VPN account of that name")]
    HostNamedLikeRole { name: String },
    #[error("the VPN account `{name}` belongs to a host, a role, another user or SoftEther's administrator already")]
    AccountTaken { name: String },
    #[error("`dhcp` and `claims` share addresses")]
    RangesOverlap,
    #[error("{one} and {other} share addresses")]
    NetworksOverlap { one: String, other: String },
    #[error("`vpn.endpoint` {endpoint} is a private address, which only hosts of that network reach")]
    PrivateEndpoint { endpoint: String },
    #[error("{network} is too small to be divided into networks")]
    SmallPool { network: String, smallest: u8 },
    #[error("`{text}` is no option: `KEY=VALUE` is expected here")]
    NoOption { text: String },
    #[error("`{name}` requires the option `{required}`")]
    OptionLacking { name: String, required: String },
    #[error("`{of}` takes no option `{option}`")]
    UnknownOption { option: String, of: String, known: Vec<String> },
    #[error("the network of Vagrant's machines has no address for so many hosts")]
    VagrantFull,
    #[error("`{name}` ends before it begins")]
    RangeBackwards { name: &'static str },
    #[error("`{name}` extends beyond the network, or includes SecureNAT's own address, its first")]
    RangeOutside { name: &'static str, first: Ipv4Addr, last: Ipv4Addr },
    #[error("{address} is not an address of {network}")]
    AddressOutside { address: Ipv4Addr, network: String, first: Ipv4Addr, last: Ipv4Addr },
    #[error("{address} is SecureNAT's own address")]
    AddressOfGateway { address: Ipv4Addr },
    #[error("{address} lies within `vpn.{name}`")]
    AddressInRange { address: Ipv4Addr, name: &'static str },
    #[error("`{other}` has the address {address} already")]
    AddressTaken { address: Ipv4Addr, other: String },
    #[error(
        "`{host}` gets {address}, since `{other}` has the address that its name falls on: if `{other}` is the newer one, `{host}` has moved"
    )]
    AddressDisplaced { host: String, address: Ipv4Addr, other: String },
    #[error("`{host}` moves from {before}, which the lock keeps and no host may have any more, to {address}")]
    AddressMoved { host: String, address: Ipv4Addr, before: Ipv4Addr },
    #[error("the lock keeps {address} for `{other}`")]
    AddressLocked { address: Ipv4Addr, other: String },
    #[error("`vpn.network` has no address left beside `vpn.dhcp` and `vpn.claims`")]
    NetworkFull,
    #[error("`vpn.endpoint` is still the example `{endpoint}`, so no host will find the VPN server")]
    ExampleEndpoint { endpoint: String },
    #[error("no host of this cluster has the platform `vagrant`")]
    NobodyOfVagrant,
    #[error("`{host}` is on a platform that configures the network itself and accepts no seed")]
    NetworkWithoutSeed { host: String },
    #[error("{gateway} is not in the network of {address}")]
    GatewayOutside { address: String, gateway: Ipv4Addr },
    #[error("{what} cannot be fetched: {reasons}")]
    CannotFetch { what: String, reasons: String },
    #[error("no digest of the image {image}: {reason}")]
    NoDigest { image: String, reason: String },
    #[error("{what} is not what was pinned: {url} has sha256 {found}, not {expected}")]
    WrongHash { what: String, url: String, expected: Box<str>, found: Box<str> },
    #[error("`{path}` is not a build: it has no readable manifest.json")]
    NotABuild { path: String },
    #[error("another build is running below `{path}`")]
    AnotherBuild { path: String },
    #[error("the build was interrupted")]
    Interrupted,
    #[error("two builds of the same inputs differ in {all} places: {first}")]
    NotReproducible { first: String, all: usize },
    #[error("`{path}`: {what}")]
    NotAsBuilt { path: String, what: String },
    #[error("no host of this cluster has a platform that Terraform makes hosts on here")]
    NobodyOfTerraform,
    #[error("Terraform does not manage `{host}`: genhost has no configuration for its platform")]
    NotOfTerraform { host: String },
    #[error("no address is reserved for `{server}`, which Terraform does not manage")]
    EndpointNeeded { server: String },
    #[error("`{path}` contains `{found}`, which genhost did not create")]
    ForeignFile { path: String, found: String },
    #[error("this format requires a host with a name")]
    NameNeeded,
    #[error("the platform `{platform}` names no image of `{system}`")]
    NoImage { platform: String, system: String },
    #[error("no named host is a Swarm manager, so no Swarm will be created")]
    NobodyBegins,

    // Disk images
    #[error("--sealed and --check apply to disks only")]
    NotADisk,
    #[error("{program} {found} is too old for reproducible disk images: {needed} is required")]
    ProgramTooOld { program: &'static str, found: String, needed: &'static str, package: &'static str },
    #[error("{what}: {program} failed ({status}){}", said.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    ProgramFailed { what: &'static str, program: &'static str, status: String, said: Vec<String> },
    #[error("there are no disk images of {system}")]
    NoDiskImage { system: String, able: Vec<String> },
    #[error("`{artifact}` has no file for {architecture}, or it was not fetched")]
    NoArtifactFile { artifact: String, architecture: &'static str },

    // Parts
    #[error("no variant of `{choice}` is selected on {system}")]
    NoChoice { choice: String, system: String },
    #[error("`{artifact}` {version} has no pinned sha256")]
    NoPinnedHash { artifact: String, version: String },
    #[error("the line of the source `{source_name}` does not use its key")]
    KeyUnused { source_name: String },
    #[error("no profile defines `{value}` for `{artifact}` {version}, which is required here")]
    NoVersionValue { artifact: String, version: String, value: String },
    #[error("the image `{image}` {version} has no pinned digest")]
    NoPinnedDigest { image: String, version: String, known: Vec<String> },
    #[error("`all` covers every architecture and cannot be combined with another")]
    AllBesideOne,
    #[error("the secret `{name}` would be written to `{path}`, which other users of the host can read")]
    SecretInTheOpen { name: String, path: String, mode: u32 },
    #[error("`{name}` is both a secret of this component and one of its `values`")]
    SecretAndValue { name: String },
    #[error("no host, role or user of this cluster has the secret `{label}`")]
    SecretOfNobody { label: String, known: Vec<String> },
    #[error("the cluster itself uses {port}/{protocol}, on the VPN only")]
    PortOfVpn { port: u16, protocol: &'static str },
    #[error("`{name}` is not a valid name of a Docker image")]
    ImageName { name: String },
    #[error("`{{version}}` has no meaning in the URL of an image's archive")]
    ImageVersion,
    #[error("its archive would be `{artifact}`, which is an artifact of a profile")]
    ImageIsArtifact { artifact: String },
    #[error("the image `{image}` has no {key}")]
    ImageWithout { image: String, key: &'static str },
    #[error("`{artifact}` {version} has no url")]
    NoUrl { artifact: String, version: String },
    #[error("no version of `{part}` is given")]
    NoVersion { part: String },
    #[error("`{{{name}}}` has no meaning here")]
    UnknownPlaceholder { name: String },
    #[error("`{package}` is not a package name, or a name, `=` and a version")]
    BadPackage { package: String },
    #[error("`{mode}` is not a file mode of four octal digits")]
    BadMode { mode: String },
    #[error("`{path}` is written by the component `{other}` too")]
    FileTwice { path: String, other: String },
    #[error("`{name}` is not a valid name for this file")]
    BadFileName { name: String },

    // Templates
    #[error("there is no template `{path}`")]
    NoTemplate { path: String },
    #[error("the first line of a template must declare its values")]
    NoTemplateHeader,
    #[error("the value `{name}` is declared and not used")]
    UnusedValue { name: String },
    #[error("the value `{name}` is used and not declared")]
    UndeclaredValue { name: String, known: Vec<String> },
    #[error("{message}")]
    Template { message: String },

    // The lock
    #[error("this is not a genhost.lock: it has no version")]
    NotALock,
    #[error("this genhost.lock has version {found}, and this genhost supports version {known}")]
    LockVersion { found: u64, known: u32 },
    #[error("this genhost.lock was edited")]
    LockEdited,
    #[error("there is no lock `{path}`")]
    NoLock { path: String },
    #[error("`{path}` is stale: {what}")]
    LockStale { path: String, what: String },
    #[error("`{path}` is stale: {what}{}", and_more(*others))]
    LockBehind { path: String, what: String, others: usize },
    #[error("`{name}` is not in this lock")]
    NotLocked { name: String, known: Vec<String> },
    #[error("`{path}` holds another key: {found}, not {expected}")]
    WrongKey { path: String, expected: String, found: String },
    #[error("{what} is signed by {found}, not by {expected}")]
    WrongSignature { what: String, expected: String, found: String },
    #[error("{sums} has no line for `{file}`")]
    NotInSums { sums: String, file: String },
    #[error("the URL of the archive `{label}` is unknown")]
    NoArchive { label: String },
    #[error("no system of this cluster has an archive `{label}`")]
    UnknownArchive { label: String, known: Vec<String> },
    #[error("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    #[error("`{path}` is missing")]
    ToolMissing { path: String, package: String },
    #[error("{program} failed: {reason}")]
    ToolFailed { program: String, reason: String },
    #[error("cannot parse the output of `{program}`: {line}")]
    ToolMisread { program: String, line: String },
    #[error(
        "the packages of the source `{source_name}` cannot be locked: genhost has only the fingerprint of its key, {fingerprint}"
    )]
    KeyNeeded { source_name: String, fingerprint: String },

    // Secrets
    #[error("mode {mode:04o} lets other users read or change `{path}`")]
    SecretsReadable { path: String, mode: u32 },
    #[error("`{path}` is missing: all secrets of this cluster's hosts are derived from it")]
    NoSecrets { path: String },
    #[error("this file is empty; it contained the root of every secret")]
    EmptySecrets,
    #[error("the root is not 32 bytes")]
    BadRoot,
    #[error("this is not base64")]
    NotBase64,
    #[error("this is not an X.509 certificate with an RSA key")]
    BadCertificate,
    #[error("this is not an RSA key in PKCS#1")]
    BadPrivateKey,
    #[error("the certificate and the key do not match")]
    KeyPairMismatch,
    #[error("the VPN server's key could not be generated: {reason}")]
    KeyGeneration { reason: String },
    #[error(
        "the secret `{label}` is empty, longer than 127 bytes, has control characters, or blanks at an end, which \
         SoftEther's programs cut off"
    )]
    BadPassword { label: String },
    #[error("`vpn/psk` is not ASCII, and what SoftEther makes of anything else depends on its locale")]
    PreSharedKeyNotAscii,
    #[error("`consul/gossip` is not 32 bytes in base64")]
    BadGossipKey,
    #[error("created `{path}`: every password and key of this cluster is derived from it")]
    SecretsMade { path: String },
    #[error("`{label}` can be guessed: {reason}")]
    WeakPassword { label: String, reason: String },
    #[error("`{label}` is not a UUID in lower case")]
    BadToken { label: String },
    #[error("`{label}` is a key and cannot be set by hand")]
    SecretNotToSet { label: String },
    #[error("`{label}` is a key, which only files of hosts contain")]
    SecretNotToShow { label: String },
    #[error("the epoch of `{label}` is not a whole number of 2 or more")]
    BadEpoch { label: String },
    #[error("`vpn/server` has no epoch: its key and certificate are below `vpn_server`")]
    EpochOfKeyPair,
    #[error("`{line}` cannot be inserted automatically into a file of this layout")]
    EpochByHand { line: String },
    #[error("`{label}` is set by hand here")]
    OwnNotToRotate { label: String },
    #[error("the secrets were not read from a writable file")]
    SecretsNotAFile,
    #[error("`{label}` has a new value, which changes the user-data of {hosts} hosts and roles")]
    SecretRotated { label: String, hosts: usize },

    // Output
    #[error("cannot write `{path}`: {reason}")]
    Unwritable { path: String, reason: String },
    #[error("the output `{path}` is {what} of another user (uid {owner})")]
    Planted { path: String, what: &'static str, owner: u32 },
    #[error("`{path}` already exists, and genhost never overwrites it")]
    WouldOverwrite { path: String },
    #[error("`{path}` is an input of this run and would be overwritten")]
    OutputIsInput { path: String },
    #[error("`{path}` does not exclude all files with secrets from version control")]
    NotIgnored { path: String, missing: Vec<String> },
    #[error("{format} cannot be written: {reason}")]
    Emit { format: &'static str, reason: String },
    #[error("{host}: {bytes} bytes of user-data, {over} over the {limit} of {platform}")]
    OverLimit { host: String, bytes: usize, limit: usize, over: usize, platform: String },
    #[error("{host}: compressed to {bytes} bytes, since {plain} exceed the limit of {platform}")]
    Compressed { host: String, plain: usize, bytes: usize, platform: String },
    #[error("{host}: compressed and encoded as {bytes} bytes of text, since {plain} exceed the limit of {platform}")]
    CompressedAsText { host: String, plain: usize, bytes: usize, platform: String },
    #[error("{host}: this platform requires compressed user-data, which cannot be printed to a terminal")]
    GzipOnATerminal { host: String },
    #[error("nothing reads `{path}`")]
    NothingReads { path: String },
    #[error("{host}: `{path}` would be misread: {reason}")]
    OutputMisread { host: String, path: String, reason: String },
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::ExampleEndpoint { .. }
            | Self::PrivateEndpoint { .. }
            | Self::AddressDisplaced { .. }
            | Self::AddressMoved { .. }
            | Self::NobodyBegins
            | Self::SecretsMade { .. }
            | Self::SecretRotated { .. }
            | Self::NotIgnored { .. }
            | Self::Compressed { .. }
            | Self::CompressedAsText { .. }
            | Self::NotOfTerraform { .. }
            | Self::NothingReads { .. }
            | Self::LockBehind { .. }
            | Self::SecretOfNobody { .. } => Severity::Note,
            _ => Severity::Error,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::Unreadable { .. } => return None,
            Self::NotUtf8 => "save it as UTF-8".into(),
            Self::ByteOrderMark => "save it as UTF-8 without a byte order mark".into(),
            Self::EmptyFile => "`genhost init` writes one to start from, in a directory that has none".into(),
            Self::FileTooLarge { .. } => {
                "split the cluster; genhost never needs input of this size".into()
            }
            Self::TabInYaml => "use spaces".into(),
            Self::SeveralDocuments => "a file describes one cluster: remove the line `---` and the other documents".into(),
            Self::DuplicateKey { .. } => "keep one of them".into(),
            Self::KeyNotText => "put it in quotes".into(),
            Self::NestedTooDeep | Self::TooManyValues => "genhost never needs input of this size".into(),
            Self::UnknownKey { key, known } => suggest(key, known)?,
            Self::UnknownWord { word, known } => return suggestion(word, known),
            Self::QuotesNeeded { .. } => "put it in quotes".into(),
            Self::NotABoolean { .. } => "YAML 1.2 has `true` and `false` only".into(),
            Self::BadOverride { .. } => "for example `--set vpn.endpoint=203.0.113.7`".into(),
            Self::Unknown { name, known, .. } => suggest(name, known)?,
            Self::UndeclaredValue { name, known } => match suggestion(name, known) {
                Some(near) => near,
                None => format!("add `{name}` to the template's first line, if that is a value there is"),
            },
            Self::UnableSystem { able, .. } => format!("`os` can be {}", list(able)),
            Self::NoVpnServer => "give one host `roles: [vpn-server]`".into(),
            Self::TwoVpnServers { .. } => "remove the role from one of them".into(),
            Self::NoConsulServer => "give one host `consul: server`".into(),
            Self::NoRoles { .. } => "for example `roles: [swarm-agent]`".into(),
            Self::HostNamedLikeRole { .. } | Self::AccountTaken { .. } => "choose another name".into(),
            Self::RangesOverlap => "separate them: a laptop and a host must never get the same address".into(),
            Self::NobodyOfVagrant => {
                "set `platform: vagrant` for a host, or use `--all` to run all of them on this machine".into()
            }
            Self::NetworkWithoutSeed { .. } => "remove `network`, or set `platform: bare`".into(),
            Self::GatewayOutside { .. } => "choose a gateway inside the host's network".into(),
            Self::CannotFetch { .. } => "run it again (finished downloads are kept), or add other URLs under `artifacts`".into(),
            Self::NoDigest { .. } => {
                "run it again, or write a digest that you know into a stack file of your own (`--profiles`)".into()
            }
            Self::WrongHash { .. } => {
                "do not use that file before you know why it differs; to pin another one, use `artifacts`".into()
            }
            Self::NotABuild { .. } => "name a folder that `genhost build` has written, or a new one to write to".into(),
            Self::AnotherBuild { .. } => "wait for it, or choose another output folder".into(),
            Self::Interrupted => "run it again".into(),
            Self::NotReproducible { .. } => {
                "a template of yours, or genhost itself, depends on something that is not an input; if it is genhost, please report it".into()
            }
            Self::NotAsBuilt { .. } => "`genhost diff` lists what changed; `genhost build` rebuilds it".into(),
            Self::NobodyOfTerraform => "set `platform: digitalocean` or `platform: hetzner` for a host".into(),
            Self::NotOfTerraform { .. } => {
                "create it as usual; if the VPN's address is new, with \
                 `--set vpn.endpoint=$(terraform output -raw vpn_endpoint)`"
                    .into()
            }
            Self::EndpointNeeded { .. } => "set `vpn.endpoint` to its address".into(),
            Self::ForeignFile { .. } => {
                "name a new folder, or one that only earlier runs have written to".into()
            }
            Self::NameNeeded => "name a host of the cluster file with `--host`".into(),
            Self::NoImage { platform, system } => {
                format!("add `images: {{{system}: …}}` to profiles/platforms/{platform}.yaml, or choose another `os`")
            }
            Self::NotADisk => "use `--format raw` or `--format qcow2`".into(),
            Self::ProgramTooOld { package, .. } => {
                format!("Debian 13 has a newer {package}, and Debian 12 has it in bookworm-backports")
            }
            Self::NoDiskImage { able, .. } => format!(
                "available: {}; for another system, add `image: {{packages: […]}}` to its profile",
                list(able)
            ),
            Self::NoArtifactFile { .. } => "pin its sha256 under `artifacts` in cluster.yaml, and `genhost lock`".into(),
            Self::NetworksOverlap { .. } => "choose another network for one of them, such as 10.77.0.0/16".into(),
            Self::PrivateEndpoint { .. } => "set the address at which hosts elsewhere reach the vpn-server, if there are any".into(),
            Self::SmallPool { smallest, .. } => format!("choose one of /{smallest} or larger, such as 10.77.0.0/16"),
            Self::NoOption { .. } => "for example `max-size=10m`".into(),
            Self::OptionLacking { .. } => "add it".into(),
            Self::UnknownOption { option, known, .. } => suggest(option, known)?,
            Self::VagrantFull => "omit `--all`, and set `platform: vagrant` for the hosts to run here".into(),
            Self::RangeBackwards { .. } => "`first` is the lower address".into(),
            Self::AddressOutside { first, last, .. } | Self::RangeOutside { first, last, .. } => {
                format!("stay within {first} and {last}")
            }
            Self::AddressOfGateway { .. } => "choose the next address".into(),
            Self::AddressInRange { .. } => "choose one outside, or move the range".into(),
            Self::AddressTaken { .. } => "choose another for one of them, or omit it: genhost allots one".into(),
            Self::AddressLocked { other, .. } => format!("choose another, or give `{other}` a `vpn_address`"),
            Self::AddressMoved { .. } => "restore the ranges, or re-create the host; `genhost lock` keeps its new address".into(),
            Self::AddressDisplaced { address, .. } => format!(
                "`genhost lock` keeps the addresses of all hosts from now on; so does `vpn_address: {address}`"
            ),
            Self::NetworkFull => "choose a larger `vpn.network`".into(),
            Self::ExampleEndpoint { .. } => {
                "set it to the vpn-server's address: in cluster.yaml (`genhost init --endpoint ADDRESS`), \
                 or with `--set vpn.endpoint=ADDRESS`"
                    .into()
            }
            Self::NobodyBegins => {
                "give a host the role `swarm-manager`; hosts rendered by role join its Swarm".into()
            }
            Self::NoChoice { choice, .. } => format!("set `install: {{{choice}: …}}` in cluster.yaml"),
            Self::NoPinnedHash { artifact, .. } => format!(
                "pin it on first download with `genhost lock`, or write its hash into cluster.yaml: \
                 `artifacts: {{{artifact}: {{sha256: {{amd64: …}}}}}}`"
            ),
            Self::KeyUnused { .. } => "write `[signed-by=$KEY_FILE]` into the line".into(),
            Self::NoVersionValue { artifact, version, value } => format!(
                "choose another version, or define it in a copy of `artifacts/{artifact}.yaml` below `--profiles`: \
                 `versions: {{{version}: {{values: {{{value}: …}}}}}}`"
            ),
            Self::NoPinnedDigest { known, .. } => format!(
                "known here: {}; pin what the registry has now with `genhost lock`, or write its digest into a stack file of your own \
                 (`--profiles`)",
                list(known)
            ),
            Self::AllBesideOne => "remove one of them".into(),
            Self::SecretInTheOpen { mode, .. } => {
                let mode = mode & 0o700;
                format!("give the file `mode: \"{mode:04o}\"` in component.yaml, or remove the secret")
            }
            Self::SecretAndValue { name } => format!("rename one of them: templates see both as `this.{name}`"),
            Self::SecretOfNobody { label, known } => suggest(label, known)?,
            Self::PortOfVpn { .. } => "open another port".into(),
            Self::ImageName { .. } => {
                "one or two underscores may separate letters and digits, and none may be at the end".into()
            }
            Self::ImageVersion => "write the version itself; `{arch}` stands for the architecture".into(),
            Self::ImageIsArtifact { .. } => "rename one of them".into(),
            Self::ImageWithout { image, .. } => {
                format!("an archive is pinned: `images: {{{image}: {{urls: [https://…], sha256: {{amd64: …}}}}}}`")
            }
            Self::NoUrl { artifact, .. } => {
                format!("set `artifacts: {{{artifact}: {{urls: [https://…]}}}}` in cluster.yaml")
            }
            Self::NoVersion { part } => format!("set `versions: {{{part}: …}}` in cluster.yaml"),
            Self::UnknownPlaceholder { .. } => {
                "there are {version}, {arch}, {distribution}, {release}, {codename} and {version:PART}".into()
            }
            Self::BadMode { .. } => "for example \"0644\", in quotes".into(),
            Self::FileTwice { .. } => "two components cannot share a file; remove one of them, or rename the file".into(),
            Self::BadFileName { .. } => "use lower-case letters, digits and hyphens (underscores for artifacts)".into(),
            Self::NoTemplateHeader => "start with `{# values: … #}`, which names every value that the template uses".into(),
            Self::UnusedValue { .. } => "remove it from the first line".into(),
            Self::NotALock | Self::LockEdited => {
                "restore the file, or move it away and run `genhost lock`, which pins everything again".into()
            }
            Self::LockVersion { .. } => "use the genhost that wrote it, or move it away and run `genhost lock`".into(),
            Self::NoLock { .. } | Self::LockStale { .. } | Self::LockBehind { .. } => "run `genhost lock`".into(),
            Self::NotLocked { name, known } | Self::UnknownArchive { label: name, known } => suggest(name, known)?,
            Self::ToolMissing { package, .. } => format!("install the package `{package}`"),
            Self::NoArchive { label } => format!(
                "use `--archive {label}=https://…`, or run `apt-get update` on a machine that has it among its own sources"
            ),
            Self::KeyNeeded { source_name, fingerprint } => format!(
                "fetch that key (`gpg --recv-keys {fingerprint}`, `gpg --export {fingerprint} >{source_name}.gpg`) and use \
                 `--key {source_name}={source_name}.gpg`"
            ),
            Self::SecretsReadable { path, .. } => format!("chmod 600 {path}"),
            Self::NoSecrets { .. } => {
                "copy it from where the cluster was created, or name it with --secrets FILE; for a cluster that has no hosts yet, \
                 `genhost secrets init` creates one"
                    .into()
            }
            Self::EmptySecrets
            | Self::BadRoot
            | Self::NotBase64
            | Self::BadCertificate
            | Self::BadPrivateKey
            | Self::KeyPairMismatch => {
                "restore your copy of the file; with a new one you have to re-create every host".into()
            }
            Self::BadPassword { .. } | Self::PreSharedKeyNotAscii => "choose another".into(),
            Self::WeakPassword { .. } => "choose a longer one, or remove the line: a derived password has 120 bits".into(),
            Self::BadToken { .. } => "`uuidgen` makes one".into(),
            Self::SecretNotToSet { label } => format!("remove the line; `genhost secrets rotate {label}` gives it another value"),
            Self::SecretNotToShow { .. } => "`genhost show HOST PATH` prints the file".into(),
            Self::BadEpoch { .. } => "remove the line for the first epoch".into(),
            Self::EpochOfKeyPair => "`genhost secrets rotate vpn/server` generates new ones".into(),
            Self::EpochByHand { line } => format!("add `{line}` below `epochs:` by hand"),
            Self::OwnNotToRotate { .. } => "write another value here, or remove the line".into(),
            Self::SecretsNotAFile => "name the file with --secrets".into(),
            Self::SecretRotated { .. } => "re-create the hosts that are listed, the vpn-server first".into(),
            Self::BadGossipKey => "`consul keygen` makes one".into(),
            Self::SecretsMade { .. } => "keep it out of version control, and keep a copy".into(),
            Self::OutputIsInput { .. } => "write to another file".into(),
            Self::Planted { .. } => "write to another folder, preferably one that only you can write to".into(),
            Self::WouldOverwrite { .. } => "move it away, or use another directory".into(),
            Self::NotIgnored { missing, .. } => format!("add {}", list(missing)),
            Self::OverLimit { .. } => "use fewer hosts or users, or a platform with a higher limit".into(),
            Self::Compressed { .. } => "cloud-init unpacks it; upload it as a file, not as text".into(),
            Self::CompressedAsText { .. } => "cloud-init unpacks it; `genhost show HOST` and `genhost show HOST PATH` print the contents".into(),
            Self::GzipOnATerminal { .. } => "write it to a file, with `-o`".into(),
            Self::NothingReads { .. } => "profiles are files NAME.yaml in roles/, stacks/, systems/, platforms/ and artifacts/; \
                 a template is named by the component.yaml beside it"
                .into(),
            Self::OutputMisread { .. } => "the fault is in a component's template; see `docs/components.md`".into(),
            Self::Yaml { .. }
            | Self::MissingKey { .. }
            | Self::WrongType { .. }
            | Self::Value { .. }
            | Self::NotAMapping { .. }
            | Self::BadPackage { .. }
            | Self::NoTemplate { .. }
            | Self::Template { .. }
            | Self::KeyGeneration { .. }
            | Self::NoCache
            | Self::WrongKey { .. }
            | Self::WrongSignature { .. }
            | Self::NotInSums { .. }
            | Self::ToolFailed { .. }
            | Self::ToolMisread { .. }
            | Self::ProgramFailed { .. }
            | Self::Unwritable { .. }
            | Self::Emit { .. } => return None,
        };
        Some(text)
    }
}

/// `a`, `b` and `c`; of very many, the first.
fn list(words: &[String]) -> String {
    const MOST: usize = 30;
    if let Some(more @ 1..) = words.len().checked_sub(MOST) {
        let first: Vec<String> = words.iter().take(MOST).map(|word| format!("`{word}`")).collect();
        return format!("{} and {more} more", first.join(", "));
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", and {count} more") }
}

/// The nearest known word, when one is near.
fn suggestion(word: &str, known: &[String]) -> Option<String> {
    // Another number is another thing, not a slip of the fingers.
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let known = known.iter().filter(|candidate| letters(candidate) != letters(word));
    let near = known.map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    let near = near.filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3).min();
    near.map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

/// The nearest known word, or all of them; nothing when none is known.
fn suggest(word: &str, known: &[String]) -> Option<String> {
    if known.is_empty() {
        return None;
    }
    suggestion(word, known).or_else(|| Some(format!("known here: {}", list(known))))
}
