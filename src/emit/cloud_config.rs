//! cloud-init user-data.
//!
//! Modules and keys: <https://cloudinit.readthedocs.io/en/latest/reference/modules.html>. PyYAML reads it as YAML 1.1.
//! The layout spares bytes, since platforms count them: lists on one line, texts indented no more than YAML asks for.

use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::Format;
use crate::diagnostic::Problem;
use crate::render::{Content, File, HostTree, title};
use crate::yaml::{self, WriteError};

pub(super) const FORMAT: Format = Format {
    name: "cloud-config",
    summary: "cloud-init user-data",
    is_user_data: true,
    platform: None,
    emit: |machine| emit(machine.tree),
};

/// User-data of a host.
pub(super) fn emit(tree: &HostTree) -> Result<Vec<u8>, Problem> {
    let text = cloud_config(tree);
    text.map(String::into_bytes).map_err(|error| Problem::Emit { format: FORMAT.name, reason: error.to_string() })
}

fn cloud_config(tree: &HostTree) -> Result<String, WriteError> {
    let title = title(tree.hostname.as_ref(), &tree.roles);
    let mut out = format!("#cloud-config\n# {title}, by genhost, id {}\n", tree.id().short());
    if let Some(name) = &tree.hostname {
        // Without manage_etc_hosts a host of another name than the platform's cannot resolve itself.
        write!(out, "hostname: {}\nmanage_etc_hosts: true\n", yaml::write_text(name.as_str())?)?;
    }
    // cloud-init's own default fails where no locales are installed.
    out.push_str("locale: C.UTF-8\n");
    if let Some(timezone) = &tree.timezone {
        writeln!(out, "timezone: {}", yaml::write_text(timezone.as_str())?)?;
    }
    if !tree.ssh_authorized_keys.is_empty() {
        out.push_str("ssh_authorized_keys:\n");
    }
    for key in &tree.ssh_authorized_keys {
        writeln!(out, "- {}", yaml::write_text(key.as_str())?)?;
    }
    commands(&mut out, "bootcmd", &tree.bootcmd)?;
    if !tree.files.is_empty() {
        out.push_str("write_files:\n");
    }
    for (path, file) in &tree.files {
        writeln!(out, "-\n path: {}", yaml::write_text(path.as_str())?)?;
        write_file(&mut out, file)?;
    }
    if !tree.packages.is_empty() || !tree.apt.is_empty() {
        // A mirror that stumbles once must not cost the first boot. Any key here makes cloud-init write sources.list anew,
        // and 20.4.1 knows no name for Debian 11's security suite.
        out.push_str("apt:\n preserve_sources_list: true\n conf: Acquire::Retries \"5\";\n");
    }
    if !tree.apt.is_empty() {
        out.push_str(" sources:\n");
    }
    for (name, source) in &tree.apt {
        let line = yaml::write_text(&source.source)?;
        write!(out, "  {}:\n   source: {line}\n", yaml::write_text(name.as_str())?)?;
        // What cloud-init asks a key server for. A fingerprint of digits only would be a number.
        if source.key.is_none() {
            writeln!(out, "   keyid: {}", yaml::write_text(source.keyid.as_str())?)?;
        }
    }
    if !tree.packages.is_empty() {
        let packages = tree.packages.iter().map(|(name, version)| match version {
            Some(version) => yaml::write_flow(&[name, version]),
            None => yaml::write_text(name),
        });
        let packages = packages.collect::<Result<Vec<_>, _>>()?.join(", ");
        write!(out, "package_update: true\npackages: [{packages}]\n")?;
    }
    commands(&mut out, "runcmd", &tree.runcmd)?;
    Ok(out)
}

fn commands(out: &mut String, key: &str, commands: &[Vec<String>]) -> Result<(), WriteError> {
    if !commands.is_empty() {
        writeln!(out, "{key}:")?;
    }
    for command in commands {
        writeln!(out, "- {}", yaml::write_flow(command)?)?;
    }
    Ok(())
}

/// The keys of an entry of write_files besides its path. 0644 and root:root are cloud-init's defaults.
fn write_file(out: &mut String, file: &File) -> Result<(), WriteError> {
    let mode = file.mode.to_string();
    if mode != "0644" {
        writeln!(out, " permissions: \"{mode}\"")?;
    }
    match &file.content {
        Content::Text(text) if text.chars().all(yaml::is_printable) => match yaml::write_block(text, 1) {
            Some(block) => write!(out, " content: {block}")?,
            None => writeln!(out, " content: {}", yaml::write_text(text)?)?,
        },
        other => write!(out, " encoding: b64\n content: {}\n", BASE64_STANDARD.encode(other.as_bytes()))?,
    }
    Ok(())
}
