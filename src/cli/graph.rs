//! `genhost graph`: the cluster as a picture.

use super::Outcome;
use super::arguments::{Graph, GraphFormat};
use super::output::{self, Readers};
use super::session::Session;
use crate::cluster::Host;
use crate::diagnostic::Diagnostic;
use crate::emit::graph::{Picture, dot, mermaid, svg};
use crate::resolve::{Subject, offers};

/// Draws the cluster. No secret is in a picture, and none is asked for.
pub fn run(session: &mut Session, arguments: &Graph) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let catalogue = session.catalogue(&arguments.input).map_err(one)?;
    let lock = session.lock(&arguments.input).map_err(one)?;
    let cluster = session.cluster(&arguments.input, &catalogue, &lock)?;
    let of = |host: &Host| {
        let offers = offers(&catalogue, &cluster, &Subject::Host(host.name.value.clone()));
        offers.map_err(|fault| one(fault.or_at(host.name.place)))
    };
    let offers = cluster.hosts.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    let picture = Picture::new(&catalogue, &cluster, &offers);
    let text = match arguments.format {
        GraphFormat::Svg => svg(&picture),
        GraphFormat::Dot => dot(&picture),
        GraphFormat::Mermaid => mermaid(&picture),
    };
    session.before_writing(&arguments.output).map_err(one)?;
    output::write(&arguments.output, text.as_bytes(), Readers::Everyone).map_err(|problem| one(problem.into()))
}
