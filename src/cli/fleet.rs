//! What is read before any host is printed, and the one way in which a host is rendered.

use super::arguments::Input;
use super::session::Session;
use crate::cluster::{Cluster, Host};
use crate::diagnostic::{Diagnostic, Place, Problem, Result, Sources};
use crate::emit::{FORMATS, Machine, UserData};
use crate::load::{Catalogue, Platform};
use crate::render::{Engine, HostTree, inspect, render, title};
use crate::resolve::{HostPlan, Subject, doubts, resolve};
use crate::secrets::Secrets;

/// A cluster, what there is to choose from, and its secrets.
pub struct Fleet {
    pub catalogue: Catalogue,
    pub cluster: Cluster,
    pub secrets: Secrets,
}

/// A host or role, rendered.
pub struct Rendered {
    /// What was decided.
    pub plan: HostPlan,
    /// Its files.
    pub tree: HostTree,
    /// Its user-data as its platform takes it.
    pub user_data: UserData,
    /// Files that would be misread.
    misread: Vec<Problem>,
    /// What its user-data is over, where that is so.
    over: Option<Problem>,
    /// Where it stands.
    place: Place,
}

impl Rendered {
    /// Everything that is wrong with it, the size of its user-data among it.
    pub fn findings(&self) -> impl Iterator<Item = Diagnostic> {
        self.misread.iter().chain(&self.over).map(|problem| Diagnostic::at(self.place, problem.clone()))
    }

    /// The same, when its files are read as they were meant.
    ///
    /// # Errors
    /// One is not.
    pub fn sound(self) -> Result<Self> {
        match self.misread.first() {
            Some(problem) => Err(Diagnostic::at(self.place, problem.clone())),
            None => Ok(self),
        }
    }

    /// The same, when it is sound and its platform takes its user-data.
    ///
    /// # Errors
    /// See [`Rendered::findings`].
    pub fn whole(self) -> Result<Self> {
        let first = self.findings().next();
        first.map_or(Ok(self), Err)
    }
}

impl Fleet {
    /// Reads all of it; the secrets last, so that a cluster that is wrong makes none. What is doubtful about it is noted.
    pub fn load(session: &mut Session, input: &Input) -> Result<Self, Vec<Diagnostic>> {
        Self::load_for(session, input, |_, _| Ok(()))
    }

    /// The same, once the catalogue and the cluster have what is asked for.
    pub fn load_for(
        session: &mut Session,
        input: &Input,
        has: impl FnOnce(&Catalogue, &Cluster) -> Result<()>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let one = |fault: Diagnostic| vec![fault];
        let catalogue = session.catalogue(input).map_err(one)?;
        let lock = session.lock(input).map_err(one)?;
        let cluster = session.cluster(input, &catalogue, &lock)?;
        has(&catalogue, &cluster).map_err(one)?;
        let secrets = session.secrets(input).map_err(one)?;
        session.doubt(doubts(&catalogue, &cluster, &secrets));
        Ok(Self { catalogue, cluster, secrets })
    }

    /// Renders a host or role; what is wrong with it is told at `place`, unless it has a place of its own.
    ///
    /// # Errors
    /// A decision that cannot be made, a template that is wrong.
    pub fn render(
        &self,
        engine: &mut Engine,
        sources: &mut Sources,
        subject: &Subject,
        place: Place,
    ) -> Result<Rendered> {
        let mut render = || {
            let plan = resolve(&self.catalogue, &self.cluster, &self.secrets, subject)?;
            let tree = render(engine, sources, &plan)?;
            let platform = plan.platform.as_ref().and_then(|name| self.catalogue.platforms.get_key_value(name));
            let profile = platform.map(|(_, profile)| profile);
            let user_data = UserData::new((FORMATS[0].emit)(&Machine { tree: &tree, platform: profile })?, profile);
            let bytes = user_data.as_bytes().len();
            let over = match platform {
                Some((name, Platform { user_data_limit: Some(limit), .. })) if bytes > *limit => {
                    let (host, over) = (title(tree.hostname.as_ref(), &tree.roles), bytes - limit);
                    Some(Problem::OverLimit { host, bytes, limit: *limit, over, platform: name.to_string() })
                }
                _ => None,
            };
            Ok(Rendered { misread: inspect(&tree), plan, tree, user_data, over, place })
        };
        render().map_err(|fault: Diagnostic| fault.or_at(place))
    }

    /// Renders these hosts, of which each has to be sound.
    ///
    /// # Errors
    /// See [`Fleet::render`] and [`Rendered::sound`].
    pub fn render_all<'a>(
        &self,
        sources: &mut Sources,
        hosts: impl IntoIterator<Item = &'a Host>,
    ) -> Result<Vec<Rendered>, Vec<Diagnostic>> {
        let mut engine = Engine::new(&self.catalogue.templates).map_err(|fault| vec![fault])?;
        let mut render = |host: &Host| {
            self.render(&mut engine, sources, &Subject::Host(host.name.value.clone()), host.name.place)?.sound()
        };
        hosts.into_iter().map(|host| render(host).map_err(|fault| vec![fault])).collect()
    }
}
