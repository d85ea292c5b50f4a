//! `genhost graph`: the cluster as a picture.

use super::Outcome;
use super::arguments::{Graph, GraphFormat};
use super::fleet::Fleet;
use super::output::{self, Readers};
use super::session::Session;
use crate::diagnostic::Diagnostic;
use crate::emit::graph::{Picture, dot, mermaid, svg};
use crate::resolve::{Subject, resolve};

/// Draws the cluster. No secret is in a picture.
pub fn run(session: &mut Session, arguments: &Graph) -> Outcome {
    let Fleet { catalogue, cluster, secrets } = Fleet::load(session, &arguments.input)?;
    let plan = |host: &crate::cluster::Host| {
        let plan = resolve(&catalogue, &cluster, &secrets, &Subject::Host(host.name.value.clone()));
        plan.map_err(|fault: Diagnostic| vec![fault.or_at(host.name.place)])
    };
    let plans = cluster.hosts.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
    let picture = Picture::new(&catalogue, &cluster, &plans);
    let text = match arguments.format {
        GraphFormat::Svg => svg(&picture),
        GraphFormat::Dot => dot(&picture),
        GraphFormat::Mermaid => mermaid(&picture),
    };
    let one = |problem: crate::diagnostic::Problem| vec![problem.into()];
    session.spare_inputs(&arguments.output).map_err(one)?;
    output::write(&arguments.output, text.as_bytes(), Readers::Everyone).map_err(one)
}
