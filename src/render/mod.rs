//! From decisions to bytes: a [`HostPlan`] and its templates become a [`HostTree`].

mod engine;
mod filter;
mod inspect;
mod tree;
mod value;

pub use engine::Engine;
pub use inspect::inspect;
pub use tree::{Content, File, HostId, HostTree, Mode, PackageSource};

use std::fmt::Write as _;

use crate::cluster::{Command, HostName, HostPath};
use crate::diagnostic::{Result, Sources};
use crate::resolve::{Artifact, HostPlan, Subject};

/// What a component's templates call its own values.
const THIS: &str = "this";

/// Renders every file of a host.
///
/// # Errors
/// A template that does not parse, that uses a value it does not declare, declares one it does not use, or asks for one
/// that this host does not have, or that prints a secret into a file that others may read; each at its line.
pub fn render(engine: &mut Engine, sources: &mut Sources, plan: &HostPlan) -> Result<HostTree> {
    let mut tree = HostTree {
        hostname: match &plan.subject {
            Subject::Host(name) => Some(name.clone()),
            Subject::Roles(_) => None,
        },
        system: plan.system.clone(),
        network: plan.network.clone(),
        roles: plan.roles.clone(),
        ssh_authorized_keys: plan.options.ssh_authorized_keys.clone(),
        timezone: plan.options.timezone.clone(),
        bootcmd: Vec::new(),
        runcmd: Vec::new(),
        files: Default::default(),
        packages: plan.packages.clone(),
        apt: plan.apt.clone(),
        artifacts: plan.artifacts.clone(),
        units: plan.units.clone(),
    };
    let values = engine.convert("", &plan.values)?;
    for component in &plan.components {
        tree.bootcmd.extend(component.bootcmd.iter().cloned());
        tree.runcmd.extend(component.runcmd.iter().cloned());
        let this = engine.convert(THIS, &component.values)?;
        for file in &component.files {
            let text = engine.render(sources, file, &values, &this)?;
            tree.files.insert(file.path.clone(), File { mode: Mode(file.mode), content: Content::Text(text) });
        }
    }
    tree.runcmd.extend(plan.options.runcmd.iter().map(Command::words));
    for key in plan.apt.values().filter_map(|source| source.key.as_ref()) {
        let content = Content::Text(key.text.clone());
        tree.files.insert(key.path.clone(), File { mode: Mode(0o644), content });
    }
    for (name, artifact) in &plan.artifacts {
        let path = HostPath::literal_below("/etc/genhost/artifacts/", name.as_str());
        tree.files.insert(path, File { mode: Mode(0o644), content: Content::Text(artifact_list(artifact)) });
    }
    Ok(tree)
}

/// What the host reads: a line for each architecture, its hash and urls.
fn artifact_list(artifact: &Artifact) -> String {
    artifact.files.iter().fold(String::new(), |mut list, (arch, pin)| {
        let urls = pin.urls.iter().map(|url| url.as_str()).collect::<Vec<_>>().join(" ");
        // Writing to a String cannot fail.
        let _ = writeln!(list, "{arch} {} {urls}", pin.sha256);
        list
    })
}

/// The name of a host for people: its own, or its roles.
pub fn title(hostname: Option<&HostName>, roles: &[crate::cluster::ProfileName]) -> String {
    match hostname {
        Some(name) => name.to_string(),
        None => roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("+"),
    }
}
