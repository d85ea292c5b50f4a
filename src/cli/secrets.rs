//! `genhost secrets`: what people have to type, and new values for what was lost.

use std::path::Path;

use rand_core::OsRng;

use super::Outcome;
use super::arguments::{Input, OneSecret, Secrets as Arguments, SecretsCommand};
use super::fleet::{Fleet, Rendered};
use super::output::{self, Readers};
use super::session::Session;
use crate::cluster::UserName;
use crate::diagnostic::{Diagnostic, Place, Problem};
use crate::load;
use crate::render::{Engine, HostId};
use crate::resolve::{Subject, labels};
use crate::secrets::{KeyPair, Kind, Label};
use crate::yaml::Located;

/// Runs one of its commands; without one, prints what people have to type somewhere, by label.
pub fn run(session: &mut Session, arguments: &Arguments) -> Outcome {
    match &arguments.command {
        None => passwords(session, &arguments.input),
        Some(SecretsCommand::Init(input)) => init(session, input),
        Some(SecretsCommand::Show(one)) => show(session, one),
        Some(SecretsCommand::Rotate(one)) => rotate(session, one),
    }
}

fn passwords(session: &mut Session, input: &Input) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let Fleet { catalogue, cluster, secrets } = Fleet::load(session, input)?;
    session.save_secrets().map_err(one)?;
    let people = cluster.vpn.users.iter().map(|user: &UserName| Label::User(user.clone()));
    let people: Vec<_> = [Label::Administrator, Label::Hub, Label::PreSharedKey].into_iter().chain(people).collect();
    let management = labels(&catalogue, &cluster).into_iter().filter(|label| *label == Label::ConsulManagement);
    let labels = people.into_iter().chain(management);
    let lines = labels.filter_map(|label| Some(format!("{label}: {}\n", secrets.value(&label)?)));
    output::to_stdout(lines.collect::<String>().as_bytes()).map_err(|problem| vec![problem.into()])
}

/// Makes a secrets file for a cluster that has none.
fn init(session: &mut Session, input: &Input) -> Outcome {
    let path = session.place_of_secrets(input);
    session.make_secrets(&path).map_err(|fault| vec![fault])
}

fn show(session: &mut Session, arguments: &OneSecret) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let fleet = Fleet::load(session, &arguments.input)?;
    let label = known(&fleet, &arguments.label).map_err(one)?;
    let value = fleet.secrets.value(&label);
    let value = value.ok_or_else(|| one(Problem::SecretNotToShow { label: label.to_string() }))?;
    session.save_secrets().map_err(|fault| vec![fault])?;
    output::to_stdout(format!("{value}\n").as_bytes()).map_err(one)
}

/// Gives a secret its next value, and tells whose user-data differs by it.
fn rotate(session: &mut Session, arguments: &OneSecret) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let mut fleet = Fleet::load(session, &arguments.input)?;
    let label = known(&fleet, &arguments.label).map_err(|problem| one(problem.into()))?;
    if let Some(place) = fleet.secrets.own_place(&label) {
        return Err(one(Diagnostic::at(place, Problem::OwnNotToRotate { label: label.to_string() })));
    }
    let (path, source) = session.secrets_file().ok_or_else(|| one(Problem::SecretsNotAFile.into()))?;
    let before = ids(session, &fleet)?;
    let text = if label.kind() == Kind::KeyPair {
        let pair = KeyPair::generate(&mut OsRng).map_err(|problem| one(problem.into()))?;
        load::with_key_pair(&session.sources, source, &pair)
    } else {
        load::with_epoch(&mut session.sources, source, &label, fleet.secrets.epoch(&label) + 1)
    };
    let text = text.map_err(one)?;
    let changed = session.sources.add_secret(path.display().to_string(), text.as_str());
    fleet.secrets = load::secrets(&session.sources, changed).map_err(one)?;
    let after = ids(session, &fleet)?;
    output::replace(Path::new(&path), text.as_bytes(), Readers::Owner).map_err(|problem| one(problem.into()))?;
    let differ: Vec<&str> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|((name, _), _)| name.as_str())
        .collect();
    session.note(Problem::SecretRotated { label: label.to_string(), hosts: differ.len() });
    let lines: String = differ.iter().map(|name| format!("{name}\n")).collect();
    output::to_stdout(lines.as_bytes()).map_err(|problem| one(problem.into()))
}

/// The label of this text, if the cluster has such a secret.
fn known(fleet: &Fleet, text: &str) -> Result<Label, Problem> {
    let labels = labels(&fleet.catalogue, &fleet.cluster);
    labels.iter().find(|label| label.to_string() == text).cloned().ok_or_else(|| Problem::Unknown {
        what: "secret",
        name: text.to_owned(),
        known: labels.iter().map(ToString::to_string).collect(),
    })
}

/// What every host and role is now, by its name for people.
fn ids(session: &mut Session, fleet: &Fleet) -> Result<Vec<(String, HostId)>, Vec<Diagnostic>> {
    let one = |fault: Diagnostic| vec![fault];
    let mut engine = Engine::new(&fleet.catalogue.templates).map_err(one)?;
    let start = fleet.cluster.stack.place;
    let hosts = fleet.cluster.hosts.iter();
    let hosts = hosts
        .map(|host| (format!("host {}", host.name.value), Subject::Host(host.name.value.clone()), host.name.place));
    let roles = fleet.catalogue.roles.keys().map(|role| {
        let asked = vec![Located { place: start, value: role.clone() }];
        (format!("role {role}"), Subject::Roles(asked), start)
    });
    let all: Vec<(String, Subject, Place)> = hosts.chain(roles).collect();
    all.into_iter()
        .map(|(name, subject, place)| {
            let rendered = fleet.render(&mut engine, &mut session.sources, &subject, place);
            Ok((name, rendered.and_then(Rendered::sound).map_err(one)?.tree.id()))
        })
        .collect()
}
