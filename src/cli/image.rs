//! `genhost image`: what a host boots from, as files.

use super::Outcome;
use super::arguments::{Image, ImageFormat};
use super::fleet::Fleet;
use super::output::{self, Readers};
use super::session::Session;
use crate::diagnostic::{Diagnostic, Problem};
use crate::emit::seed;

/// Writes the image of one host.
pub fn run(session: &mut Session, arguments: &Image) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let fleet = Fleet::load(session, &arguments.input)?;
    let host = fleet.cluster.host(&arguments.host).map_err(one)?;
    let trees = fleet.trees(&mut session.sources, [host])?;
    let at_host = |problem: Problem| vec![Diagnostic::at(host.name.place, problem)];
    for tree in &trees {
        match arguments.format {
            ImageFormat::Seed => {
                let image = seed::image(tree).map_err(at_host)?;
                session.save_secrets().map_err(|fault| vec![fault])?;
                session.spare_inputs(&arguments.output).map_err(one)?;
                output::replace(&arguments.output, &image, Readers::Owner).map_err(one)?;
            }
            ImageFormat::Dir => {
                let files = seed::files(tree).map_err(at_host)?;
                session.save_secrets().map_err(|fault| vec![fault])?;
                output::replace_folder(&arguments.output, &files, &seed::FILES, Readers::Owner).map_err(one)?;
            }
        }
    }
    session.note_doubts(&fleet.catalogue, &fleet.cluster, &fleet.secrets);
    Ok(())
}
