//! `genhost vagrant`: the machines of a cluster that Vagrant runs, in one Vagrantfile.

use super::Outcome;
use super::arguments::Vagrant;
use super::fleet::{Fleet, Rendered};
use super::output::{self, Readers};
use super::session::Session;
use crate::cluster::{Host, ProfileName};
use crate::diagnostic::{Diagnostic, Problem};
use crate::emit::{self, Guest, Machine};

/// The platform whose hosts these are, and which names their boxes.
const PLATFORM: &str = "vagrant";

/// Writes a Vagrantfile of the hosts that are Vagrant's, or of all.
pub fn run(session: &mut Session, arguments: &Vagrant) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let mut input = arguments.input.clone();
    if arguments.all {
        // What the user says of it himself comes later, and counts.
        input.overrides.insert(0, format!("vpn.endpoint={}", emit::private_address(0).map_err(one)?));
    }
    let fleet = Fleet::load(session, &input)?;
    let server = fleet.cluster.vpn_server();
    let is_here = |host: &&Host| arguments.all || host.platform.as_ref().is_some_and(|name| name.as_str() == PLATFORM);
    // The vpn-server is the first: it has the first address, and the others find it up.
    let is_server = |host: &&Host| host.name.value == server.name.value;
    let (first, others): (Vec<&Host>, Vec<&Host>) = fleet.cluster.hosts.iter().filter(is_here).partition(is_server);
    let hosts = [first, others].concat();
    if hosts.is_empty() {
        return Err(one(Problem::NobodyOfVagrant));
    }
    let rendered = fleet.render_all(&mut session.sources, hosts)?;
    let platform = ProfileName::new(PLATFORM).ok().and_then(|name| fleet.catalogue.platforms.get(&name));
    let guests = rendered.iter().enumerate().map(|(index, Rendered { tree, .. })| {
        let address = arguments.all.then(|| emit::private_address(index)).transpose()?;
        Ok(Guest { machine: Machine { tree, platform }, address })
    });
    let guests = guests.collect::<Result<Vec<_>, _>>().map_err(one)?;
    let text = emit::vagrantfile(&guests).map_err(one)?;
    session.before_writing(&arguments.output).map_err(|fault| vec![fault])?;
    output::write(&arguments.output, &text, Readers::Owner).map_err(one)
}
