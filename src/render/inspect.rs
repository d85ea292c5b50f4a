//! A look at rendered files by what they are: what can be read here without the program that will read them there.

use super::{Content, File, HostTree, title};
use crate::cluster::HostPath;
use crate::diagnostic::Problem;

/// What is wrong with a host's files.
pub fn inspect(tree: &HostTree) -> Vec<Problem> {
    let host = title(tree.hostname.as_ref(), &tree.roles);
    let found = tree.files.iter().filter_map(|(path, file)| Some((path, fault(path, file)?)));
    found.map(|(path, reason)| Problem::OutputMisread { host: host.clone(), path: path.to_string(), reason }).collect()
}

fn fault(path: &HostPath, file: &File) -> Option<String> {
    let Content::Text(text) = &file.content else { return None };
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("json") => serde_json::from_str::<serde_json::Value>(text).err().map(|error| error.to_string()),
        Some("service" | "target" | "timer" | "socket" | "network" | "conf") if path.as_str().contains("/systemd/") => {
            unit_fault(text)
        }
        _ if text.starts_with("#!") && !text.ends_with('\n') => Some("a script ends without a newline".to_owned()),
        _ => None,
    }
}

/// systemd.syntax(7): a line is empty, a comment, a section or an assignment, or goes on from the one before.
fn unit_fault(text: &str) -> Option<String> {
    let mut goes_on = false;
    let mut in_section = false;
    for (number, line) in text.lines().enumerate() {
        let is_section = line.starts_with('[') && line.ends_with(']');
        let is_comment = line.is_empty() || line.starts_with(['#', ';']);
        in_section |= is_section;
        let is_fine = goes_on || is_section || is_comment || (in_section && line.contains('='));
        if !is_fine {
            return Some(format!("line {} is no assignment: {line:?}", number + 1));
        }
        goes_on = line.ends_with('\\') && (goes_on || !is_comment);
    }
    None
}
