//! `genhost terraform`: the cloud's hosts as a Terraform configuration.

use std::path::Path;

use super::Outcome;
use super::arguments::Terraform;
use super::fleet::{Fleet, Rendered};
use super::output::{self, Readers};
use super::session::Session;
use super::target::Target;
use crate::cluster::Host;
use crate::diagnostic::{Diagnostic, Problem};
use crate::emit::Machine;
use crate::emit::terraform::{self, CloudHost};

/// Writes the configuration into a folder, in which Terraform's own files and the user's may be.
pub fn run(session: &mut Session, arguments: &Terraform) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let mut fleet = Fleet::load(session, &arguments.input)?;
    let is_open = fleet.cluster.vpn.endpoint.is_example();
    if is_open {
        // Terraform replaces it wherever it stands, so it must be part of nothing else.
        fleet.cluster.vpn.endpoint.value = terraform::placeholder();
    }
    let Fleet { catalogue, cluster, .. } = &fleet;
    let platform = |host: &Host| host.platform.as_ref().and_then(|name| catalogue.platforms.get_key_value(name));
    let is_known = |host: &&Host| platform(host).is_some_and(|(name, _)| terraform::knows(name.as_str()));
    let (hosts, others): (Vec<&Host>, Vec<&Host>) = cluster.hosts.iter().partition(is_known);
    if hosts.is_empty() {
        return Err(one(Problem::NobodyOfTerraform));
    }
    let server = cluster.vpn_server();
    let has_server = hosts.iter().any(|host| host.name.value == server.name.value);
    let placeholder = is_open.then(|| cluster.vpn.endpoint.as_str());
    if placeholder.is_some() && !has_server {
        let problem = Problem::EndpointNeeded { server: server.name.to_string() };
        return Err(vec![Diagnostic::at(cluster.vpn.endpoint.place, problem)]);
    }
    let rendered = fleet.render_all(&mut session.sources, hosts.iter().copied())?;
    let rendered =
        rendered.into_iter().map(Rendered::whole).collect::<Result<Vec<_>, _>>().map_err(|fault| vec![fault])?;
    let cloud: Vec<CloudHost> = hosts
        .iter()
        .zip(&rendered)
        .filter_map(|(host, Rendered { tree, plan, .. })| {
            let (name, profile) = platform(host)?;
            Some(CloudHost {
                machine: Machine { tree, platform: Some(profile) },
                platform: name.as_str(),
                is_vpn_server: host.name.value == server.name.value,
                ports: &plan.values.firewall.public,
            })
        })
        .collect();
    let files = terraform::files(cluster.name.as_str(), &cloud, placeholder).map_err(one)?;
    if placeholder.is_some() {
        // Terraform puts the vpn-server's address into its place.
        session.settle(|problem| matches!(problem, Problem::ExampleEndpoint { .. }));
    }
    session.save_secrets().map_err(|fault| vec![fault])?;
    write(&arguments.output, &files).map_err(one)?;
    for host in others {
        session.note(Diagnostic::at(host.name.place, Problem::NotOfTerraform { host: host.name.to_string() }));
    }
    Ok(())
}

/// Each file whole or not at all, what reads the others last. User-data of hosts that are gone goes.
fn write(folder: &Path, files: &std::collections::BTreeMap<String, Vec<u8>>) -> Result<(), Problem> {
    let unwritable =
        |error: std::io::Error| Problem::Unwritable { path: folder.display().to_string(), reason: error.to_string() };
    let folder = &Target::make_folder(folder)?;
    let main = folder.join(terraform::FILE);
    // What an earlier run put there is what its configuration names.
    let old: Vec<String> = match std::fs::read(&main) {
        Ok(text) => terraform::files_of(&text),
        Err(_) => Vec::new(),
    };
    let is_foreign = |name: &&String| folder.join(name).symlink_metadata().is_ok() && !old.contains(name);
    if let Some(found) = files.keys().find(is_foreign) {
        return Err(Problem::ForeignFile { path: folder.display().to_string(), found: found.clone() });
    }
    for (name, bytes) in files.iter().filter(|(name, _)| *name != terraform::FILE) {
        output::replace(&folder.join(name), bytes, Readers::Owner)?;
    }
    if let Some(bytes) = files.get(terraform::FILE) {
        output::replace(&main, bytes, Readers::Everyone)?;
    }
    for name in old.iter().filter(|name| !files.contains_key(*name)) {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unwritable(error)),
            _ => {}
        }
    }
    Ok(())
}
