use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, Styles, TypedValueParser};
use clap::{ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::WRONG;
use super::report::{line, visible};
use crate::cluster::{Arch, ArtifactName, HostName, ProfileName, Url};
use crate::emit::FORMATS;

/// Generates cloud-init user-data for the hosts of a Docker cluster over a SoftEther VPN, reproducibly.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub render: Render,
}

impl Arguments {
    /// Reads the command line, or prints what is wrong with it or the help that was asked for.
    pub fn read() -> Result<Self, ExitCode> {
        // clap repeats what it was given as it is, between colours of its own.
        let is_plain =
            std::env::args_os().all(|argument| visible(&argument.to_string_lossy()) == argument.to_string_lossy());
        let command = if is_plain { Self::command() } else { Self::command().styles(Styles::plain()) };
        command.try_get_matches().and_then(|matches| Self::from_arg_matches(&matches)).map_err(|error| {
            if is_plain {
                // Nobody is left to tell when stderr is closed.
                let _ = error.print();
            } else {
                line(error.render().ansi().to_string().trim_end());
            }
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG))
        })
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a cluster.yaml to start from, its schema, secrets.yaml and .gitignore
    Init(Init),
    /// Check the cluster and every host's output, and print their sizes
    Check(Check),
    /// Pin everything that the hosts fetch: artifacts, images and packages
    Lock(Lock),
    /// Render the whole cluster into a folder, with a manifest
    Build(Build),
    /// List what changed between two builds, or since one; exits with 1 when something did, with 2 on errors
    Diff(Diff),
    /// Check that a build matches its inputs, byte for byte
    Verify(Verify),
    /// Show a host's files, or one of them
    Show(Show),
    /// Download everything that hosts fetch into a folder, by hash, for `mirror` in cluster.yaml
    Mirror(Mirror),
    /// Draw the cluster: its hosts, where they run, and the ports that they open
    Graph(Graph),
    /// Write a host's NoCloud seed, or a bootable disk
    Image(Image),
    /// Write a Terraform configuration of the hosts at DigitalOcean and Hetzner
    Terraform(Terraform),
    /// Write a Vagrantfile of the hosts whose platform is vagrant
    Vagrant(Vagrant),
    /// Print the JSON Schema of cluster.yaml
    Schema,
    /// Print the passwords that people type, or give a secret a new value
    Secrets(Secrets),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Secrets {
    #[command(subcommand)]
    pub command: Option<SecretsCommand>,
    #[command(flatten)]
    pub input: Input,
}

#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Create secrets.yaml for a cluster file that has none yet
    Init(Input),
    /// Print one secret
    Show(OneSecret),
    /// Give a secret a new value, and list the hosts whose user-data changes
    Rotate(OneSecret),
}

#[derive(Debug, Args)]
pub struct OneSecret {
    /// The secret's label, such as vpn/user/NAME or consul/gossip
    pub label: String,
    #[command(flatten)]
    pub input: Input,
}

/// What is read.
#[derive(Debug, Clone, Args)]
pub struct Input {
    /// Cluster file, `-` for standard input [default: cluster.yaml, or the built-in cluster where there is none]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Use another stack than the cluster file's, on that stack's default os unless --set os=… names another
    #[arg(long, value_name = "STACK", value_parser = ProfileName::new)]
    pub stack: Option<ProfileName>,
    /// Override a value of the cluster file, such as vpn.endpoint=203.0.113.7
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Secrets file [default: secrets.yaml beside the cluster file]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
    /// Lock file [default: genhost.lock beside the cluster file, where there is one]
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// Fail when there are no secrets, even for the built-in cluster
    #[arg(long)]
    pub locked: bool,
    /// Folder of profiles that override or extend the built-in ones
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
    /// Folder of components that override or extend the built-in ones
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
}

impl Input {
    /// The same as arguments of a run in another folder.
    pub fn absolute(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        for (option, path) in [
            ("--file", self.file.clone()),
            ("--secrets", self.secrets.clone()),
            ("--lock", self.lock.clone()),
            ("--profiles", self.profiles.clone()),
            ("--templates", self.templates.clone()),
        ] {
            let Some(path) = path else { continue };
            arguments.push(option.into());
            arguments.push(std::path::absolute(&path).unwrap_or(path).into_os_string());
        }
        for (option, value) in self
            .stack
            .iter()
            .map(|stack| ("--stack", stack.to_string()))
            .chain(self.overrides.iter().map(|set| ("--set", set.clone())))
        {
            arguments.extend([option.into(), value.into()]);
        }
        if self.locked {
            arguments.push("--locked".into());
        }
        arguments
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["roles", "host"]))]
pub struct Render {
    #[command(flatten)]
    pub input: Input,
    /// Render a host with this role, for any number of machines (manager and agent are short names)
    #[arg(long = "role", value_name = "ROLE", value_parser = ProfileName::new)]
    pub roles: Vec<ProfileName>,
    /// Render this host of the cluster
    #[arg(long, value_name = "NAME", value_parser = HostName::new)]
    pub host: Option<HostName>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = FORMATS[0].name,
          value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.summary))))]
    pub format: String,
    /// Output file, written completely or not at all; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Where clients reach the vpn-server: a DNS name or an IPv4 address
    #[arg(long, value_name = "ADDRESS", value_parser = crate::cluster::Endpoint::new)]
    pub endpoint: Option<crate::cluster::Endpoint>,
    /// Stack: classic or swarm-mode
    #[arg(long, value_name = "STACK", value_parser = ProfileName::new)]
    pub stack: Option<ProfileName>,
}

#[derive(Debug, Args)]
pub struct Lock {
    #[command(flatten)]
    pub input: Input,
    /// Check that the lock pins exactly what the hosts fetch, without network access and without writing
    #[arg(long, conflicts_with_all = ["update", "arch", "archive", "key"])]
    pub check: bool,
    /// Pin this artifact, image or operating system again, even if the lock has it
    #[arg(long, value_name = "NAME")]
    pub update: Vec<String>,
    /// Architectures, by Debian's names [default: those of the lock, or amd64]
    #[arg(long, value_name = "ARCH", value_parser = machine)]
    pub arch: Vec<Arch>,
    /// URL of a distribution's archive, by apt's label, such as Debian=https://mirror.example.com/debian, or
    /// Ubuntu:arm64=https://… for one architecture [default: the lock's, else that of this machine's apt]
    #[arg(long, value_name = "LABEL[:ARCH]=URL", value_parser = archive)]
    pub archive: Vec<ArchivePlace>,
    /// OpenPGP key of a package source other than the distribution's, such as docker=docker.gpg
    #[arg(long, value_name = "NAME=FILE", value_parser = key)]
    pub key: Vec<(ArtifactName, PathBuf)>,
}

/// An architecture that a machine can have.
fn machine(text: &str) -> Result<Arch, String> {
    let arch = Arch::new(text).ok().filter(|arch| arch.as_str() != "all");
    arch.ok_or_else(|| "there are amd64 and arm64".to_owned())
}

/// Where an archive is.
#[derive(Debug, Clone)]
pub struct ArchivePlace {
    /// Its name to apt.
    pub label: String,
    /// For which architecture; for all that nothing else was said of when there is none.
    pub arch: Option<Arch>,
    pub url: Url,
}

fn archive(text: &str) -> Result<ArchivePlace, String> {
    let (name, url) = text.split_once('=').ok_or("an archive's name, `=` and a url are expected here")?;
    let (label, arch) = match name.rsplit_once(':') {
        Some((label, arch)) => (label, Some(machine(arch)?)),
        None => (name, None),
    };
    Ok(ArchivePlace { label: label.to_owned(), arch, url: Url::new(url).map_err(|error| error.to_string())? })
}

fn key(text: &str) -> Result<(ArtifactName, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("a source's name, `=` and a file are expected here")?;
    Ok((ArtifactName::new(name).map_err(|error| error.to_string())?, PathBuf::from(path)))
}

#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    pub input: Input,
    /// Output folder; it is replaced as a whole
    #[arg(short, long, value_name = "DIR", default_value = "result")]
    pub output: PathBuf,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub jobs: Option<usize>,
    /// Build twice in different environments and compare, without writing
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    pub input: Input,
    /// A build's folder
    #[arg(value_name = "OLD", default_value = "result")]
    pub old: PathBuf,
    /// A later build's folder [default: what would be built now]
    #[arg(value_name = "NEW")]
    pub new: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: DiffFormat,
}

/// How `diff` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    pub input: Input,
    /// A build's folder
    #[arg(value_name = "RESULT", default_value = "result")]
    pub result: PathBuf,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub input: Input,
    /// The host of the cluster
    #[arg(value_name = "HOST", value_parser = HostName::new)]
    pub host: HostName,
    /// Path of one of its files
    #[arg(value_name = "FILE")]
    pub path: Option<String>,
}

#[derive(Debug, Args)]
pub struct Mirror {
    #[command(flatten)]
    pub input: Input,
    /// Output folder; existing files stay
    #[arg(value_name = "DIR")]
    pub output: PathBuf,
    /// Architectures, by Debian's names [default: all that are pinned]
    #[arg(long, value_name = "ARCH", value_parser = ["amd64", "arm64"])]
    pub arch: Vec<String>,
}

impl Mirror {
    /// Whether files of this architecture are wanted.
    pub fn takes(&self, arch: &str) -> bool {
        self.arch.is_empty() || self.arch.iter().any(|wanted| wanted == arch)
    }
}

#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    pub input: Input,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "svg")]
    pub format: GraphFormat,
    /// Output file, written completely or not at all; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

/// What `graph` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A picture
    Svg,
    /// Graphviz's language
    Dot,
    /// Mermaid's
    Mermaid,
}

#[derive(Debug, Args)]
pub struct Image {
    #[command(flatten)]
    pub input: Input,
    /// The host of the cluster
    #[arg(long, value_name = "NAME", value_parser = HostName::new)]
    pub host: HostName,
    /// Output format
    #[arg(long, value_name = "FORMAT")]
    pub format: ImageFormat,
    /// Build a disk without secrets, for every host with these packages; each host boots it with its own user-data or seed
    #[arg(long)]
    pub sealed: bool,
    /// Build the disk a second time, in another environment, and compare
    #[arg(long)]
    pub check: bool,
    /// Output file or folder
    #[arg(short, long, value_name = "PATH")]
    pub output: PathBuf,
}

/// What `image` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageFormat {
    /// A CD image with the label CIDATA
    Seed,
    /// The seed's files in a folder
    Dir,
    /// A bootable disk of the packages that genhost.lock pins, sector by sector
    Raw,
    /// The same, compressed, for QEMU and clouds
    Qcow2,
}

#[derive(Debug, Args)]
pub struct Terraform {
    #[command(flatten)]
    pub input: Input,
    /// Output folder; other files in it stay
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Vagrant {
    #[command(flatten)]
    pub input: Input,
    /// Run all hosts of the cluster on this machine, including the vpn-server, in a private network
    #[arg(long)]
    pub all: bool,
    /// Output file, written completely or not at all; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub input: Input,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: CheckFormat,
}

/// How `check` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}
