use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::cluster::{HostName, ProfileName};
use crate::emit::FORMATS;

/// Makes cloud-init user-data for the hosts of one Docker cluster over a SoftEther VPN: the same input, the same bytes.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub render: Render,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a cluster.yaml to start from, its schema, secrets.yaml and .gitignore
    Init(Init),
    /// Check the cluster and every host's output, and tell their sizes
    Check(Check),
    /// Draw the cluster: hosts, where they stand, who opens which port to whom
    Graph(Graph),
    /// Write what a host boots from: its NoCloud seed
    Image(Image),
    /// Write a Terraform configuration of the hosts at DigitalOcean and Hetzner
    Terraform(Terraform),
    /// Write a Vagrantfile of the hosts whose platform is vagrant
    Vagrant(Vagrant),
    /// Print the JSON Schema of cluster.yaml
    Schema,
    /// Print the passwords that people need
    Secrets(Input),
}

/// What is read.
#[derive(Debug, Clone, Args)]
pub struct Input {
    /// Cluster file, `-` for standard input [default: cluster.yaml, or the built-in cluster where there is none]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Take another stack than the cluster file's, on the system that it runs on unless --set os=… says another
    #[arg(long, value_name = "STACK", value_parser = ProfileName::new)]
    pub stack: Option<ProfileName>,
    /// Lay a value over the cluster file, such as vpn.endpoint=203.0.113.7
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Secrets file [default: secrets.yaml beside the cluster file]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
    /// Fail where there are no secrets, instead of making them
    #[arg(long)]
    pub locked: bool,
    /// Profiles to lay over the built-in ones
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
    /// Templates to lay over the built-in ones
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["roles", "host"]))]
pub struct Render {
    #[command(flatten)]
    pub input: Input,
    /// Render a host with this role, that any number of machines may boot as (manager and agent are short names)
    #[arg(long = "role", value_name = "ROLE", value_parser = ProfileName::new)]
    pub roles: Vec<ProfileName>,
    /// Render this host of the cluster
    #[arg(long, value_name = "NAME", value_parser = HostName::new)]
    pub host: Option<HostName>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = FORMATS[0].name,
          value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.summary))))]
    pub format: String,
    /// Write to a file, whole or not at all; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Where clients reach the vpn-server: a DNS name or an IPv4 address
    #[arg(long, value_name = "ADDRESS", value_parser = crate::cluster::Endpoint::new)]
    pub endpoint: Option<crate::cluster::Endpoint>,
    /// Which generation of parts: classic or swarm-mode
    #[arg(long, value_name = "STACK", value_parser = ProfileName::new)]
    pub stack: Option<ProfileName>,
}

#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    pub input: Input,
    /// How
    #[arg(long, value_name = "FORMAT", default_value = "svg")]
    pub format: GraphFormat,
    /// Write to a file, whole or not at all; `-` is standard output
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
    /// What is written
    #[arg(long, value_name = "FORMAT")]
    pub format: ImageFormat,
    /// Where to
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
}

#[derive(Debug, Args)]
pub struct Terraform {
    #[command(flatten)]
    pub input: Input,
    /// The folder; what else is in it stays
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Vagrant {
    #[command(flatten)]
    pub input: Input,
    /// All hosts of the cluster on this machine, the vpn-server among them, in a private network
    #[arg(long)]
    pub all: bool,
    /// Write to a file, whole or not at all; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub input: Input,
    /// For people or for programs
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
