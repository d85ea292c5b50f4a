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
    #[error("a key is text, and here it is something else")]
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
    #[error("a cluster has one vpn-server, and `{first}` is it already")]
    TwoVpnServers { first: String },
    #[error("no host is a Consul server")]
    NoConsulServer,
    #[error("`{host}` has no role")]
    NoRoles { host: String },
    #[error("`{name}` is the name of a role, so its VPN account would be that role's")]
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
    #[error("`{name}` reaches out of the network, or over SecureNAT's own address, its first")]
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
    #[error("`vpn.endpoint` is still the example `{endpoint}`, where no host will find its VPN server")]
    ExampleEndpoint { endpoint: String },
    #[error("no host of this cluster has the platform `vagrant`")]
    NobodyOfVagrant,
    #[error("`{host}` is on a platform that sets up the network itself, and takes no seed")]
    NetworkWithoutSeed { host: String },
    #[error("{gateway} is not in the network of {address}")]
    GatewayOutside { address: String, gateway: Ipv4Addr },
    #[error("{what} cannot be fetched: {reasons}")]
    CannotFetch { what: String, reasons: String },
    #[error("no digest of the image {image}: {reason}")]
    NoDigest { image: String, reason: String },
    #[error("{what} is not what was pinned: {url} has sha256 {found}, not {expected}")]
    WrongHash { what: String, url: String, expected: Box<str>, found: Box<str> },
    #[error("`{path}` is no build: it has no manifest.json that could be read")]
    NotABuild { path: String },
    #[error("another build is at work below `{path}`")]
    AnotherBuild { path: String },
    #[error("the build was broken off")]
    Interrupted,
    #[error("two builds of the same inputs differ in {all} places: {first}")]
    NotReproducible { first: String, all: usize },
    #[error("`{path}`: {what}")]
    NotAsBuilt { path: String, what: String },
    #[error("no host of this cluster has a platform that Terraform makes hosts on here")]
    NobodyOfTerraform,
    #[error("`{host}` is not Terraform's: its platform has no configuration here")]
    NotOfTerraform { host: String },
    #[error("nobody reserves an address for `{server}`, which is not Terraform's")]
    EndpointNeeded { server: String },
    #[error("`{path}` has `{found}` in it, which genhost did not put there")]
    ForeignFile { path: String, found: String },
    #[error("this format is for a host with a name")]
    NameNeeded,
    #[error("the platform `{platform}` names no image of `{system}`")]
    NoImage { platform: String, system: String },
    #[error("no host known by name manages the Swarm, so nobody begins it")]
    NobodyBegins,

    // Disk images
    #[error("--sealed and --check are for disks, and this format is none")]
    NotADisk,
    #[error("{program} {found} is too old to make disk images that are the same every time: {needed} is needed")]
    ProgramTooOld { program: &'static str, found: String, needed: &'static str, package: &'static str },
    #[error("{what}: {program} failed ({status}){}", said.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    ProgramFailed { what: &'static str, program: &'static str, status: String, said: Vec<String> },
    #[error("there are no disk images of {system}")]
    NoDiskImage { system: String, able: Vec<String> },
    #[error("`{artifact}` has no file for {architecture}, or it was not fetched")]
    NoArtifactFile { artifact: String, architecture: &'static str },

    // Parts
    #[error("nothing chooses a variant of `{choice}` on {system}")]
    NoChoice { choice: String, system: String },
    #[error("`{artifact}` {version} has no pinned sha256")]
    NoPinnedHash { artifact: String, version: String },
    #[error("the key of the source `{source_name}` is for nothing: its line does not name it")]
    KeyUnused { source_name: String },
    #[error("no profile says what `{value}` is for `{artifact}` {version}, and this needs it")]
    NoVersionValue { artifact: String, version: String, value: String },
    #[error("the image `{image}` {version} has no pinned digest")]
    NoPinnedDigest { image: String, version: String, known: Vec<String> },
    #[error("`all` stands for every architecture, so no other can stand beside it")]
    AllBesideOne,
    #[error("the secret `{name}` would go into `{path}`, which others on the host may read")]
    SecretInTheOpen { name: String, path: String, mode: u32 },
    #[error("`{name}` is a secret of this component, and one of its `values` too")]
    SecretAndValue { name: String },
    #[error("`{label}` is the secret of nobody in this cluster")]
    SecretOfNobody { label: String, known: Vec<String> },
    #[error("the cluster's own parts use {port}/{protocol}, on the VPN alone")]
    PortOfVpn { port: u16, protocol: &'static str },
    #[error("Docker takes no image of the name `{name}`")]
    ImageName { name: String },
    #[error("`{{version}}` stands for nothing in the url of an image's archive")]
    ImageVersion,
    #[error("its archive would be `{artifact}`, which is an artifact of a profile")]
    ImageIsArtifact { artifact: String },
    #[error("the image `{image}` has no {key}")]
    ImageWithout { image: String, key: &'static str },
    #[error("`{artifact}` {version} has no url")]
    NoUrl { artifact: String, version: String },
    #[error("no version of `{part}` is given")]
    NoVersion { part: String },
    #[error("`{{{name}}}` stands for nothing here")]
    UnknownPlaceholder { name: String },
    #[error("`{package}` is not a package name, or a name, `=` and a version")]
    BadPackage { package: String },
    #[error("`{mode}` is not a file mode of four octal digits")]
    BadMode { mode: String },
    #[error("`{path}` is written by the component `{other}` too")]
    FileTwice { path: String, other: String },
    #[error("`{name}` is no name for this file")]
    BadFileName { name: String },

    // Templates
    #[error("there is no template `{path}`")]
    NoTemplate { path: String },
    #[error("a template starts with a line that declares its values")]
    NoTemplateHeader,
    #[error("the value `{name}` is declared and not used")]
    UnusedValue { name: String },
    #[error("the value `{name}` is used and not declared")]
    UndeclaredValue { name: String, known: Vec<String> },
    #[error("{message}")]
    Template { message: String },

    // The lock
    #[error("this is no genhost.lock: it has no version")]
    NotALock,
    #[error("this genhost.lock is of version {found}, and this genhost knows version {known}")]
    LockVersion { found: u64, known: u32 },
    #[error("this genhost.lock is not as `genhost lock` wrote it")]
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
    #[error("nobody says where the archive `{label}` is")]
    NoArchive { label: String },
    #[error("no system of this cluster has an archive `{label}`")]
    UnknownArchive { label: String, known: Vec<String> },
    #[error("there is no place for what is fetched: neither XDG_CACHE_HOME nor HOME says one")]
    NoCache,
    #[error("`{path}` is missing")]
    ToolMissing { path: String, package: String },
    #[error("{program} failed: {reason}")]
    ToolFailed { program: String, reason: String },
    #[error("what `{program}` printed is not understood: {line}")]
    ToolMisread { program: String, line: String },
    #[error(
        "the packages of the source `{source_name}` cannot be locked: genhost has only the fingerprint of its key, {fingerprint}"
    )]
    KeyNeeded { source_name: String, fingerprint: String },

    // Secrets
    #[error("{mode:04o} lets others read or change `{path}`")]
    SecretsReadable { path: String, mode: u32 },
    #[error("`{path}` is missing, and all secrets of this cluster's hosts come from it")]
    NoSecrets { path: String },
    #[error("this file is empty, and held the root of every secret")]
    EmptySecrets,
    #[error("the root is not 32 bytes")]
    BadRoot,
    #[error("this is not base64")]
    NotBase64,
    #[error("this is not an X.509 certificate with an RSA key")]
    BadCertificate,
    #[error("this is not an RSA key in PKCS#1")]
    BadPrivateKey,
    #[error("certificate and key do not belong together")]
    KeyPairMismatch,
    #[error("the VPN server's key could not be made: {reason}")]
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
    #[error("made `{path}`: every password and key of this cluster comes from it")]
    SecretsMade { path: String },
    #[error("`{label}` can be guessed: {reason}")]
    WeakPassword { label: String, reason: String },
    #[error("`{label}` is not a UUID in lower case")]
    BadToken { label: String },
    #[error("`{label}` is a key, which is not set by hand")]
    SecretNotToSet { label: String },
    #[error("`{label}` is a key, which stands in files of hosts only")]
    SecretNotToShow { label: String },
    #[error("the epoch of `{label}` is not a whole number of 2 or more")]
    BadEpoch { label: String },
    #[error("`vpn/server` has no epoch: its key and certificate stand below `vpn_server`")]
    EpochOfKeyPair,
    #[error("this file is laid out so that `{line}` cannot be put into it")]
    EpochByHand { line: String },
    #[error("`{label}` is set by hand here")]
    OwnNotToRotate { label: String },
    #[error("the secrets were not read from a file that could be changed")]
    SecretsNotAFile,
    #[error("`{label}` has a new value, and {hosts} hosts and roles have other user-data by it")]
    SecretRotated { label: String, hosts: usize },

    // Output
    #[error("cannot write `{path}`: {reason}")]
    Unwritable { path: String, reason: String },
    #[error("`{path}` is {what} that another user (uid {owner}) has put in the way of the output")]
    Planted { path: String, what: &'static str, owner: u32 },
    #[error("`{path}` is there already, and genhost never overwrites it")]
    WouldOverwrite { path: String },
    #[error("`{path}` is read for this very output, and would be lost")]
    OutputIsInput { path: String },
    #[error("`{path}` does not keep all that has secrets in it out of version control")]
    NotIgnored { path: String, missing: Vec<String> },
    #[error("{format} cannot be written: {reason}")]
    Emit { format: &'static str, reason: String },
    #[error("{host}: {bytes} bytes of user-data, {over} over the {limit} of {platform}")]
    OverLimit { host: String, bytes: usize, limit: usize, over: usize, platform: String },
    #[error("{host}: compressed to {bytes} bytes, as {plain} are too many for {platform}")]
    Compressed { host: String, plain: usize, bytes: usize, platform: String },
    #[error("{host}: compressed and as text it has {bytes} bytes, as {plain} are too many for {platform}")]
    CompressedAsText { host: String, plain: usize, bytes: usize, platform: String },
    #[error("{host}: this platform takes it compressed, which is nothing for a terminal")]
    GzipOnATerminal { host: String },
    #[error("nothing reads `{path}`")]
    NothingReads { path: String },
    #[error("{host}: `{path}` is not read back as it was meant: {reason}")]
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
                "split the cluster; nothing that genhost reads grows like this by itself".into()
            }
            Self::TabInYaml => "use spaces".into(),
            Self::SeveralDocuments => "a file is one cluster: take out the line `---` and what does not belong".into(),
            Self::DuplicateKey { .. } => "keep one of them".into(),
            Self::KeyNotText => "put it in quotes".into(),
            Self::NestedTooDeep | Self::TooManyValues => "nothing that genhost reads grows like this by itself".into(),
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
            Self::TwoVpnServers { .. } => "take the role from one of them".into(),
            Self::NoConsulServer => "give one host `consul: server`".into(),
            Self::NoRoles { .. } => "for example `roles: [swarm-agent]`".into(),
            Self::HostNamedLikeRole { .. } | Self::AccountTaken { .. } => "choose another name".into(),
            Self::RangesOverlap => "keep them apart: people's laptops and hosts must never meet on one address".into(),
            Self::NobodyOfVagrant => {
                "say `platform: vagrant` of one, or `--all` to have all of them on this machine".into()
            }
            Self::NetworkWithoutSeed { .. } => "take `network` out, or say `platform: bare`".into(),
            Self::GatewayOutside { .. } => "give a gateway that the host reaches without one".into(),
            Self::CannotFetch { .. } => "run it again: what was fetched so far is kept; or say other urls under `artifacts`".into(),
            Self::NoDigest { .. } => {
                "run it again, or write a digest that you know into a stack file of your own (`--profiles`)".into()
            }
            Self::WrongHash { .. } => {
                "do not use that file before you know why; a pin of your own stands under `artifacts`".into()
            }
            Self::NotABuild { .. } => "name a folder that `genhost build` has written, or a new one to write to".into(),
            Self::AnotherBuild { .. } => "wait for it, or write somewhere else".into(),
            Self::Interrupted => "run it again".into(),
            Self::NotReproducible { .. } => {
                "a template of yours, or genhost itself, asks something that is no input: please tell us when it is genhost".into()
            }
            Self::NotAsBuilt { .. } => "`genhost diff` tells what changed; `genhost build` builds it anew".into(),
            Self::NobodyOfTerraform => "say `platform: digitalocean` or `platform: hetzner` of one".into(),
            Self::NotOfTerraform { .. } => {
                "its user-data is made as ever; where the VPN's address is new, with \
                 `--set vpn.endpoint=$(terraform output -raw vpn_endpoint)`"
                    .into()
            }
            Self::EndpointNeeded { .. } => "say `vpn.endpoint`, where it is reached".into(),
            Self::ForeignFile { .. } => {
                "name a folder that does not exist, or that only an earlier run has filled".into()
            }
            Self::NameNeeded => "take one of the cluster file, with `--host`".into(),
            Self::NoImage { platform, system } => {
                format!("add `images: {{{system}: …}}` to profiles/platforms/{platform}.yaml, or take another `os`")
            }
            Self::NotADisk => "say `--format raw` or `--format qcow2`".into(),
            Self::ProgramTooOld { package, .. } => {
                format!("Debian 13 has a newer {package}, and Debian 12 has it in bookworm-backports")
            }
            Self::NoDiskImage { able, .. } => format!(
                "there are of {}; another gets `image: {{packages: […]}}` in profiles/systems",
                list(able)
            ),
            Self::NoArtifactFile { .. } => "pin its sha256 under `artifacts` in cluster.yaml, and `genhost lock`".into(),
            Self::NetworksOverlap { .. } => "choose another network for one of them, such as 10.77.0.0/16".into(),
            Self::PrivateEndpoint { .. } => "say where hosts elsewhere reach the vpn-server, if there are any".into(),
            Self::SmallPool { smallest, .. } => format!("choose one of /{smallest} or larger, such as 10.77.0.0/16"),
            Self::NoOption { .. } => "for example `max-size=10m`".into(),
            Self::OptionLacking { .. } => "add it".into(),
            Self::UnknownOption { option, known, .. } => suggest(option, known)?,
            Self::VagrantFull => "leave `--all` out, and say `platform: vagrant` of those to run here".into(),
            Self::RangeBackwards { .. } => "`first` is the lower address".into(),
            Self::AddressOutside { first, last, .. } | Self::RangeOutside { first, last, .. } => {
                format!("stay within {first} and {last}")
            }
            Self::AddressOfGateway { .. } => "take the next one".into(),
            Self::AddressInRange { .. } => "take one outside, or move the range".into(),
            Self::AddressTaken { .. } => "give one of them another, or none, and genhost allots it".into(),
            Self::AddressLocked { other, .. } => format!("choose another, or give `{other}` a `vpn_address`"),
            Self::AddressMoved { .. } => "leave the ranges as they were, or re-create the host; `genhost lock` keeps its new address".into(),
            Self::AddressDisplaced { address, .. } => format!(
                "`genhost lock` keeps the addresses of all hosts from now on; so does `vpn_address: {address}`"
            ),
            Self::NetworkFull => "take a larger `vpn.network`".into(),
            Self::ExampleEndpoint { .. } => {
                "set it to the vpn-server's address: in cluster.yaml (`genhost init --endpoint ADDRESS`), \
                 or with `--set vpn.endpoint=ADDRESS`"
                    .into()
            }
            Self::NobodyBegins => {
                "give a host the role `swarm-manager`; hosts rendered by role join what it began".into()
            }
            Self::NoChoice { choice, .. } => format!("say `install: {{{choice}: …}}` in cluster.yaml"),
            Self::NoPinnedHash { artifact, .. } => format!(
                "pin it on first download with `genhost lock`, or write its hash into cluster.yaml: \
                 `artifacts: {{{artifact}: {{sha256: {{amd64: …}}}}}}`"
            ),
            Self::KeyUnused { .. } => "write `[signed-by=$KEY_FILE]` into the line".into(),
            Self::NoVersionValue { artifact, version, value } => format!(
                "take another version, or say it in a copy of `artifacts/{artifact}.yaml` below `--profiles`: \
                 `versions: {{{version}: {{values: {{{value}: …}}}}}}`"
            ),
            Self::NoPinnedDigest { known, .. } => format!(
                "known here: {}; pin what the registry has now with `genhost lock`, or write its digest into a stack file of your own \
                 (`--profiles`)",
                list(known)
            ),
            Self::AllBesideOne => "keep one or the other".into(),
            Self::SecretInTheOpen { mode, .. } => {
                let mode = mode & 0o700;
                format!("give the file `mode: \"{mode:04o}\"` in component.yaml, or leave the secret out")
            }
            Self::SecretAndValue { name } => format!("rename one of them: templates see both as `this.{name}`"),
            Self::SecretOfNobody { label, known } => suggest(label, known)?,
            Self::PortOfVpn { .. } => "open another port".into(),
            Self::ImageName { .. } => {
                "one underscore or two may stand between letters and digits, none at the end".into()
            }
            Self::ImageVersion => "write the version itself; `{arch}` stands for the architecture".into(),
            Self::ImageIsArtifact { .. } => "call one of them otherwise".into(),
            Self::ImageWithout { image, .. } => {
                format!("an archive is pinned: `images: {{{image}: {{urls: [https://…], sha256: {{amd64: …}}}}}}`")
            }
            Self::NoUrl { artifact, .. } => {
                format!("say `artifacts: {{{artifact}: {{urls: [https://…]}}}}` in cluster.yaml")
            }
            Self::NoVersion { part } => format!("say `versions: {{{part}: …}}` in cluster.yaml"),
            Self::UnknownPlaceholder { .. } => {
                "there are {version}, {arch}, {distribution}, {release}, {codename} and {version:PART}".into()
            }
            Self::BadMode { .. } => "for example \"0644\", in quotes".into(),
            Self::FileTwice { .. } => "two components cannot share a file; take one of them out, or rename".into(),
            Self::BadFileName { .. } => "use lower-case letters, digits and hyphens (underscores for artifacts)".into(),
            Self::NoTemplateHeader => "make the first line `{# values: … #}`, naming every value it uses".into(),
            Self::UnusedValue { .. } => "take it out of the first line".into(),
            Self::NotALock | Self::LockEdited => {
                "bring back the file as it was, or move it away and run `genhost lock`, which pins everything anew".into()
            }
            Self::LockVersion { .. } => "use the genhost that wrote it, or move it away and run `genhost lock`".into(),
            Self::NoLock { .. } | Self::LockStale { .. } | Self::LockBehind { .. } => "run `genhost lock`".into(),
            Self::NotLocked { name, known } | Self::UnknownArchive { label: name, known } => suggest(name, known)?,
            Self::ToolMissing { package, .. } => format!("install the package `{package}`"),
            Self::NoArchive { label } => format!(
                "say `--archive {label}=https://…`, or run `apt-get update` on a machine that has it among its own sources"
            ),
            Self::KeyNeeded { source_name, fingerprint } => format!(
                "fetch that key (`gpg --recv-keys {fingerprint}`, `gpg --export {fingerprint} >{source_name}.gpg`) and say \
                 `--key {source_name}={source_name}.gpg`"
            ),
            Self::SecretsReadable { path, .. } => format!("chmod 600 {path}"),
            Self::NoSecrets { .. } => {
                "copy it from where the cluster was made, or name it with --secrets FILE; for a cluster without any host yet, \
                 `genhost secrets init` makes one"
                    .into()
            }
            Self::EmptySecrets
            | Self::BadRoot
            | Self::NotBase64
            | Self::BadCertificate
            | Self::BadPrivateKey
            | Self::KeyPairMismatch => {
                "bring back your copy of the file; a new one is a new cluster, and every host must be made again".into()
            }
            Self::BadPassword { .. } | Self::PreSharedKeyNotAscii => "choose another".into(),
            Self::WeakPassword { .. } => "choose a longer one, or leave the line out: a derived password has 120 bits".into(),
            Self::BadToken { .. } => "`uuidgen` makes one".into(),
            Self::SecretNotToSet { label } => format!("leave the line out; `genhost secrets rotate {label}` gives it another value"),
            Self::SecretNotToShow { .. } => "`genhost show HOST PATH` prints the file".into(),
            Self::BadEpoch { .. } => "leave the line out for the first epoch".into(),
            Self::EpochOfKeyPair => "`genhost secrets rotate vpn/server` makes new ones".into(),
            Self::EpochByHand { line } => format!("add `{line}` below `epochs:` by hand"),
            Self::OwnNotToRotate { .. } => "write another value here, or take the line out".into(),
            Self::SecretsNotAFile => "name the file with --secrets".into(),
            Self::SecretRotated { .. } => "re-create the hosts that are listed, the vpn-server first".into(),
            Self::BadGossipKey => "`consul keygen` makes one".into(),
            Self::SecretsMade { .. } => "keep it out of version control, and keep a copy".into(),
            Self::OutputIsInput { .. } => "write to another file".into(),
            Self::Planted { .. } => "write somewhere else, best into a folder that only you can write to".into(),
            Self::WouldOverwrite { .. } => "move it away, or work in another directory".into(),
            Self::NotIgnored { missing, .. } => format!("add {}", list(missing)),
            Self::OverLimit { .. } => "fewer hosts or users, or a platform that takes more".into(),
            Self::Compressed { .. } => "cloud-init unpacks it; give it to the platform as a file, not as text".into(),
            Self::CompressedAsText { .. } => "cloud-init unpacks it; `genhost show HOST` and `genhost show HOST PATH` tell what it says".into(),
            Self::GzipOnATerminal { .. } => "write it to a file, with `-o`".into(),
            Self::NothingReads { .. } => "profiles are roles/, stacks/, systems/, platforms/ and artifacts/NAME.yaml; \
                 a template is named by the component.yaml beside it"
                .into(),
            Self::OutputMisread { .. } => "this is a fault of a component's template; see `docs/components.md`".into(),
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
