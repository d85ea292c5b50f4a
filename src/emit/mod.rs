//! Output formats. An emitter sees a [`HostTree`] and nothing else; a new format is a file here and a line in [`FORMATS`].

mod cloud_config;
mod json;

use crate::diagnostic::Problem;
use crate::render::HostTree;

/// A way to write a host down.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Whether a platform takes it as user-data, and limits its size.
    pub is_user_data: bool,
    /// Makes the bytes.
    pub emit: fn(&HostTree) -> Result<Vec<u8>, Problem>,
}

/// Every format, the default first.
pub const FORMATS: &[Format] = &[cloud_config::FORMAT, json::FORMAT];
