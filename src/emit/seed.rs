//! NoCloud seeds: what cloud-init finds on a disk with the label `CIDATA`, or in a folder.
//!
//! <https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>

use super::{cloud_config, iso9660};
use crate::diagnostic::Problem;
use crate::render::HostTree;
use crate::yaml;

/// The label by which cloud-init knows a seed.
const LABEL: &str = "CIDATA";

/// The files of a seed. A host that is made otherwise is another instance to cloud-init, and set up anew.
///
/// # Errors
/// A host without a name of its own: many machines from one seed would all have the image's.
pub fn files(tree: &HostTree) -> Result<[(&'static str, Vec<u8>); 2], Problem> {
    let user_data = cloud_config::emit(tree)?;
    Ok([("meta-data", meta_data(tree)?.into_bytes()), ("user-data", user_data)])
}

/// The same as a CD image.
///
/// # Errors
/// See [`files`].
pub fn image(tree: &HostTree) -> Result<Vec<u8>, Problem> {
    let files = files(tree)?;
    iso9660::volume(LABEL, &files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice())))
}

pub(super) fn meta_data(tree: &HostTree) -> Result<String, Problem> {
    let name = tree.hostname.as_ref().ok_or(Problem::NameNeeded)?;
    let name = yaml::write_text(name.as_str());
    let name = name.map_err(|error| Problem::Emit { format: "seed", reason: error.to_string() })?;
    Ok(format!("instance-id: genhost-{}\nlocal-hostname: {name}\n", tree.id().short()))
}
