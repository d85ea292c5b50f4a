//! What is read before any host is printed, and the rendering of one host after another.

use super::arguments::Input;
use super::session::Session;
use crate::cluster::{Cluster, Host, ProfileName};
use crate::diagnostic::{Diagnostic, Place, Problem, Result, Sources};
use crate::emit::{FORMATS, Machine, UserData};
use crate::load::{Catalogue, Platform};
use crate::render::{Engine, HostTree, inspect, render, title};
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
        let lock = session.lock(input).map_err(|fault| vec![fault])?;
        let cluster = session.cluster(input, &catalogue, &lock)?;
        let secrets = session.secrets(input).map_err(|fault| vec![fault])?;
        Ok(Self { catalogue, cluster, secrets })
    }

    /// A host's user-data as its platform takes it.
    ///
    /// # Errors
    /// It is over the platform's limit.
    pub fn user_data(&self, tree: &HostTree, platform: Option<&ProfileName>) -> Result<UserData, Problem> {
        let named = platform.and_then(|name| Some((name, self.catalogue.platforms.get(name)?)));
        let profile = named.map(|(_, profile)| profile);
        let user_data = UserData::new((FORMATS[0].emit)(&Machine { tree, platform: profile })?, profile);
        let bytes = user_data.as_bytes().len();
        match named {
            Some((name, Platform { user_data_limit: Some(limit), .. })) if bytes > *limit => {
                let host = title(tree.hostname.as_ref(), &tree.roles);
                Err(Problem::OverLimit { host, bytes, limit: *limit, over: bytes - limit, platform: name.to_string() })
            }
            _ => Ok(user_data),
        }
    }

    /// Renders a host or role; what is wrong with it is told at `place`, unless it has a place of its own.
    ///
    /// # Errors
    /// A decision that cannot be made, a template that is wrong, an output that would be misread.
    pub fn tree(
        &self,
        engine: &mut Engine,
        sources: &mut Sources,
        subject: &Subject,
        place: Place,
    ) -> Result<HostTree> {
        let plan = resolve(&self.catalogue, &self.cluster, &self.secrets, subject);
        let tree = plan.and_then(|plan| render(engine, sources, &plan)).map_err(|fault| fault.or_at(place))?;
        match inspect(&tree).into_iter().next() {
            Some(problem) => Err(Diagnostic::at(place, problem)),
            None => Ok(tree),
        }
    }

    /// Renders these hosts.
    ///
    /// # Errors
    /// See [`Fleet::tree`].
    pub fn trees<'a>(
        &self,
        sources: &mut Sources,
        hosts: impl IntoIterator<Item = &'a Host>,
    ) -> Result<Vec<HostTree>, Vec<Diagnostic>> {
        let mut engine = Engine::new(&self.catalogue.templates).map_err(|fault| vec![fault])?;
        let mut tree =
            |host: &Host| self.tree(&mut engine, sources, &Subject::Host(host.name.value.clone()), host.name.place);
        hosts.into_iter().map(|host| tree(host).map_err(|fault| vec![fault])).collect()
    }
}
