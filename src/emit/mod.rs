//! Output formats. An emitter sees a [`HostTree`] and its platform, and nothing else; a new format is a file here and a line
//! in [`FORMATS`].

mod cloud_config;
pub mod disk;
pub mod graph;
mod gzip;
mod iso9660;
mod json;
mod mime;
pub mod sbom;
pub mod seed;
pub mod terraform;
mod uuid;
mod vagrant;

use crate::diagnostic::Problem;
use crate::load::Platform;
use crate::render::HostTree;

pub use vagrant::{Guest, private_address, vagrantfile};

/// A way to write a host down.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Whether a platform takes it as user-data, and limits its size.
    pub is_user_data: bool,
    /// The platform that it is for; any when none.
    pub platform: Option<&'static str>,
    /// Makes the bytes.
    pub emit: fn(&Machine) -> Result<Vec<u8>, Problem>,
}

/// A host, and where it is to run.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The host.
    pub tree: &'a HostTree,
    /// Its platform, where that is known.
    pub platform: Option<&'a Platform>,
}

/// User-data in the form that its platform takes.
#[derive(Debug)]
pub enum UserData {
    /// As it is.
    Plain(Vec<u8>),
    /// Compressed, since it is too large as it is. cloud-init tells by the first bytes.
    Gzip {
        /// The compressed bytes.
        bytes: Vec<u8>,
        /// How many they were.
        plain: usize,
    },
    /// The same as text, for a platform that takes nothing else.
    Mime {
        /// The text.
        bytes: Vec<u8>,
        /// How many bytes it was before.
        plain: usize,
    },
}

impl UserData {
    /// Compresses what is over the platform's limit, where that is enough.
    pub fn new(plain: Vec<u8>, platform: Option<&Platform>) -> Self {
        let Some(Platform { user_data_limit: Some(limit), gzip, .. }) = platform else {
            return Self::Plain(plain);
        };
        if plain.len() <= *limit {
            return Self::Plain(plain);
        }
        let bytes = gzip::compress(&plain);
        let (bytes, is_text) = if *gzip { (bytes, false) } else { (mime::message(&bytes), true) };
        match (bytes.len() <= *limit, is_text) {
            (false, _) => Self::Plain(plain),
            (true, false) => Self::Gzip { bytes, plain: plain.len() },
            (true, true) => Self::Mime { bytes, plain: plain.len() },
        }
    }

    /// The bytes, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Plain(bytes) | Self::Gzip { bytes, .. } | Self::Mime { bytes, .. } => bytes,
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) | Self::Gzip { bytes, .. } | Self::Mime { bytes, .. } => bytes,
        }
    }
}

/// Every format, the default first.
pub const FORMATS: &[Format] = &[cloud_config::FORMAT, json::FORMAT, vagrant::FORMAT];
