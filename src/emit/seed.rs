//! NoCloud seeds: what cloud-init finds on a disk with the label `CIDATA`, or in a folder.
//!
//! <https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>

use super::{cloud_config, iso9660};
use crate::cluster::NetworkSection;
use crate::diagnostic::Problem;
use crate::render::HostTree;
use crate::yaml;

/// The label by which cloud-init knows a seed.
const LABEL: &str = "CIDATA";

/// Every file that a seed may have.
pub const FILES: [&str; 3] = ["meta-data", "user-data", "network-config"];

/// The files of a seed. A host that is made otherwise is another instance to cloud-init, and set up anew.
///
/// # Errors
/// A host without a name of its own: many machines from one seed would all have the image's.
pub fn files(tree: &HostTree) -> Result<Vec<(&'static str, Vec<u8>)>, Problem> {
    let mut files = vec![("meta-data", meta_data(tree)?.into_bytes()), ("user-data", cloud_config::emit(tree)?)];
    files.extend(tree.network.as_ref().map(|network| ("network-config", network_config(network).into_bytes())));
    Ok(files)
}

/// Networking Config Version 2: <https://cloudinit.readthedocs.io/en/latest/reference/network-config-format-v2.html>
///
/// The route is written as one to 0.0.0.0/0: `gateway4` is deprecated, and `to: default` unknown to older ones.
fn network_config(network: &NetworkSection) -> String {
    let NetworkSection { interface, address, gateway, nameservers } = network;
    let (name, by) = if interface.is_mac() {
        ("lan", format!("    match: {{macaddress: \"{interface}\"}}\n    set-name: lan\n"))
    } else {
        (interface.as_str(), String::new())
    };
    let nameservers: Vec<String> = nameservers.iter().map(ToString::to_string).collect();
    format!(
        "version: 2\nethernets:\n  {name}:\n{by}    addresses: [{address}]\n    routes: [{{to: 0.0.0.0/0, via: {gateway}}}]\n    \
         nameservers: {{addresses: [{}]}}\n",
        nameservers.join(", ")
    )
}

/// The same as a CD image.
///
/// # Errors
/// See [`files`].
pub fn image(tree: &HostTree) -> Result<Vec<u8>, Problem> {
    let files = files(tree)?;
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    iso9660::volume(LABEL, &files)
}

pub(super) fn meta_data(tree: &HostTree) -> Result<String, Problem> {
    let name = tree.hostname.as_ref().ok_or(Problem::NameNeeded)?;
    let name = yaml::write_text(name.as_str());
    let name = name.map_err(|error| Problem::Emit { format: "seed", reason: error.to_string() })?;
    Ok(format!("instance-id: genhost-{}\nlocal-hostname: {name}\n", tree.id().short()))
}
