//! What is read before any host is printed, and the rendering of one host after another.

use super::arguments::Input;
use super::session::Session;
use crate::cluster::{Cluster, Host};
use crate::diagnostic::{Diagnostic, Result, Sources};
use crate::load::Catalogue;
use crate::render::{Engine, HostTree, inspect, render};
use crate::resolve::{Subject, resolve};
use crate::secrets::Secrets;

/// A cluster, what there is to choose from, and its secrets.
pub struct Fleet {
    pub catalogue: Catalogue,
    pub cluster: Cluster,
    pub secrets: Secrets,
}

impl Fleet {
    /// Reads all of it; the secrets last, so that a cluster that is wrong makes none.
    pub fn load(session: &mut Session, input: &Input) -> Result<Self, Vec<Diagnostic>> {
        let catalogue = session.catalogue(input).map_err(|fault| vec![fault])?;
        let cluster = session.cluster(input, &catalogue)?;
        let secrets = session.secrets(input).map_err(|fault| vec![fault])?;
        Ok(Self { catalogue, cluster, secrets })
    }

    /// Renders these hosts.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be rendered, at its place in the file.
    pub fn trees<'a>(
        &self,
        sources: &mut Sources,
        hosts: impl IntoIterator<Item = &'a Host>,
    ) -> Result<Vec<HostTree>, Vec<Diagnostic>> {
        let mut engine = Engine::new(&self.catalogue.templates).map_err(|fault| vec![fault])?;
        let mut trees = Vec::new();
        for host in hosts {
            let subject = Subject::Host(host.name.value.clone());
            let tree = resolve(&self.catalogue, &self.cluster, &self.secrets, &subject)
                .and_then(|plan| render(&mut engine, sources, &plan));
            let tree = tree.map_err(|fault| vec![fault.or_at(host.name.place)])?;
            let faults = inspect(&tree);
            if !faults.is_empty() {
                return Err(faults.into_iter().map(|problem| Diagnostic::at(host.name.place, problem)).collect());
            }
            trees.push(tree);
        }
        Ok(trees)
    }
}
