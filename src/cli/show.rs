//! Commands that print: a host, the schema, the passwords of people.

use super::Outcome;
use super::arguments::{Input, Render};
use super::output::{self, Readers};
use super::report;
use super::session::Session;
use crate::cluster::{ClusterFile, UserName};
use crate::diagnostic::{Diagnostic, Place};
use crate::emit::FORMATS;
use crate::render::{Engine, render};
use crate::resolve::{Subject, resolve};
use crate::secrets::Label;
use crate::yaml::Located;

/// Renders one host.
pub fn host(session: &mut Session, arguments: &Render) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let catalogue = session.catalogue(&arguments.input).map_err(one)?;
    let cluster = session.cluster(&arguments.input, &catalogue)?;
    let subject = match &arguments.host {
        Some(name) => Subject::Host(name.clone()),
        None => {
            let roles = arguments.roles.iter().map(|role| {
                let source = session.sources.add("--role", role.as_str());
                Located { place: Place::new(source, 0, role.as_str().len()), value: role.clone() }
            });
            Subject::Roles(roles.collect())
        }
    };
    // Whether there is such a role or host is clear before any secret is made.
    match &subject {
        Subject::Roles(roles) => drop(catalogue.close_roles(roles).map_err(one)?),
        Subject::Host(_) => {}
    }
    let secrets = session.secrets(&arguments.input).map_err(one)?;
    let plan = resolve(&catalogue, &cluster, &secrets, &subject).map_err(one)?;
    let mut engine = Engine::new(&catalogue.templates).map_err(one)?;
    let tree = render(&mut engine, &mut session.sources, &plan).map_err(one)?;
    let format = FORMATS.iter().find(|format| format.name == arguments.format).unwrap_or(&FORMATS[0]);
    let bytes = (format.emit)(&tree).map_err(|problem| one(problem.into()))?;
    session.save_secrets().map_err(one)?;
    session.spare_inputs(&arguments.output).map_err(|problem| one(problem.into()))?;
    let written = if arguments.output.as_os_str() == "-" {
        output::to_stdout(&bytes)
    } else {
        output::replace(&arguments.output, &bytes, Readers::Owner)
    };
    written.map_err(|problem| one(problem.into()))?;
    report::to_stderr(&session.sources, session.endpoint_note(&cluster).as_slice());
    Ok(())
}

/// Prints the JSON Schema of cluster.yaml.
pub fn schema() -> Outcome {
    output::to_stdout(schema_text().as_bytes()).map_err(|problem| vec![problem.into()])
}

/// The JSON Schema of cluster.yaml.
pub fn schema_text() -> String {
    let schema = schemars::schema_for!(ClusterFile);
    format!("{:#}\n", schema.to_value())
}

/// Prints what people have to type somewhere, by label.
pub fn secrets(session: &mut Session, input: &Input) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let catalogue = session.catalogue(input).map_err(one)?;
    let cluster = session.cluster(input, &catalogue)?;
    let secrets = session.secrets(input).map_err(one)?;
    session.save_secrets().map_err(one)?;
    let people = cluster.vpn.users.iter().map(|user: &UserName| Label::User(user.clone()));
    let labels = [Label::Administrator, Label::Hub, Label::PreSharedKey].into_iter().chain(people);
    let lines: String = labels.map(|label| format!("{label}: {}\n", secrets.password(&label))).collect();
    output::to_stdout(lines.as_bytes()).map_err(|problem| vec![problem.into()])
}
