//! Commands that print: a host, and the schema.

use std::io::IsTerminal;

use super::Outcome;
use super::arguments::{Render, Show};
use super::fleet::Fleet;
use super::output::{self, Readers};
use super::session::Session;
use crate::cluster::ClusterFile;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place, Problem, Sources};
use crate::emit::{FORMATS, Machine, UserData};
use crate::load::{Catalogue, Shelf};
use crate::render::{Engine, HostTree, inspect, render, title};
use crate::resolve::{HostPlan, Subject, resolve};
use crate::yaml::Located;

/// Renders one host.
pub fn host(session: &mut Session, arguments: &Render) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let catalogue = session.catalogue(&arguments.input).map_err(one)?;
    let lock = session.lock(&arguments.input).map_err(one)?;
    let cluster = session.cluster(&arguments.input, &catalogue, &lock)?;
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
    // Whether there is such a role or host is clear before any secret is asked for.
    match &subject {
        Subject::Roles(roles) => catalogue.close_roles(roles).map(drop),
        Subject::Host(name) => cluster.host(name).map(drop).map_err(Diagnostic::from),
    }
    .map_err(one)?;
    let secrets = session.secrets(&arguments.input).map_err(one)?;
    let fleet = Fleet { catalogue, cluster, secrets };
    let Fleet { catalogue, cluster, secrets } = &fleet;
    let plan = resolve(catalogue, cluster, secrets, &subject).map_err(one)?;
    let mut engine = Engine::new(&catalogue.templates).map_err(one)?;
    let tree = render(&mut engine, &mut session.sources, &plan).map_err(one)?;
    let format = FORMATS.iter().find(|format| format.name == arguments.format).unwrap_or(&FORMATS[0]);
    let mut faults = inspect(&tree);
    let bytes = if format.is_user_data {
        user_data(session, &fleet, &tree, &plan, arguments).unwrap_or_else(|problem| {
            faults.push(problem);
            Vec::new()
        })
    } else {
        let name = format.platform.or(plan.platform.as_ref().map(|name| name.as_str()));
        let platform = name.and_then(|name| catalogue.platforms.get(name));
        (format.emit)(&Machine { tree: &tree, platform }).map_err(|problem| one(problem.into()))?
    };
    if !faults.is_empty() {
        let place = match &subject {
            Subject::Host(name) => cluster.host(name).ok().map(|host| host.name.place),
            Subject::Roles(_) => None,
        };
        return Err(faults.into_iter().map(|problem| Diagnostic { problem, place, other: None }).collect());
    }
    session.save_secrets().map_err(one)?;
    session.spare_inputs(&arguments.output).map_err(|problem| one(problem.into()))?;
    output::write(&arguments.output, &bytes, Readers::Owner).map_err(|problem| one(problem.into()))?;
    session.note_doubts(catalogue, cluster, secrets);
    Ok(())
}

/// A host's user-data as its platform takes it, and a note where that is not as text.
fn user_data(
    session: &mut Session,
    fleet: &Fleet,
    tree: &HostTree,
    plan: &HostPlan,
    arguments: &Render,
) -> Result<Vec<u8>, Problem> {
    let platform = plan.platform.as_ref();
    let host = title(tree.hostname.as_ref(), &tree.roles);
    let name = platform.map(ToString::to_string).unwrap_or_default();
    match fleet.user_data(tree, platform)? {
        UserData::Plain(bytes) => Ok(bytes),
        UserData::Gzip { .. } if arguments.output.as_os_str() == "-" && std::io::stdout().is_terminal() => {
            Err(Problem::GzipOnATerminal { host })
        }
        UserData::Gzip { bytes, plain } => {
            session.note(Problem::Compressed { host, plain, bytes: bytes.len(), platform: name });
            Ok(bytes)
        }
        UserData::Mime { bytes, plain } => {
            session.note(Problem::CompressedAsText { host, plain, bytes: bytes.len(), platform: name });
            Ok(bytes)
        }
    }
}

/// Prints what a host is: its files with their modes and sizes, packages and units; or one file.
pub fn tree(session: &mut Session, arguments: &Show) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let fleet = Fleet::load(session, &arguments.input)?;
    let host = fleet.cluster.host(&arguments.host).map_err(one)?;
    let trees = fleet.trees(&mut session.sources, [host])?;
    session.save_secrets().map_err(|fault| vec![fault])?;
    for tree in &trees {
        match &arguments.path {
            Some(path) => {
                let file = tree.files.iter().find(|(known, _)| known.as_str() == path);
                let (_, file) = file.ok_or_else(|| {
                    let known = tree.files.keys().map(ToString::to_string).collect();
                    one(Problem::Unknown { what: "file", name: path.clone(), known })
                })?;
                let bytes = file.content.as_bytes();
                // A pipe gets the very bytes.
                if std::io::stdout().is_terminal() {
                    output::text_to_stdout(&String::from_utf8_lossy(bytes)).map_err(one)?;
                } else {
                    output::to_stdout(bytes).map_err(one)?;
                }
            }
            None => {
                let packages = tree.packages.iter().map(|(name, version)| match version {
                    Some(version) => format!("{name}={version}"),
                    None => name.clone(),
                });
                let files = tree
                    .files
                    .iter()
                    .map(|(path, file)| format!("{} {:>7} {path}\n", file.mode, file.content.as_bytes().len()));
                let units = tree.units.iter().map(ToString::to_string);
                let text = format!(
                    "{} {}\n{}packages: {}\nunits: {}\n",
                    title(tree.hostname.as_ref(), &tree.roles),
                    tree.id(),
                    files.collect::<String>(),
                    packages.collect::<Vec<_>>().join(" "),
                    units.collect::<Vec<_>>().join(" ")
                );
                output::text_to_stdout(&text).map_err(one)?;
            }
        }
    }
    Ok(())
}

/// Prints the JSON Schema of cluster.yaml.
pub fn schema() -> Outcome {
    output::to_stdout(schema_text().as_bytes()).map_err(|problem| vec![problem.into()])
}

/// The JSON Schema of cluster.yaml. Where a name of a built-in profile stands, an editor can offer all of them.
pub fn schema_text() -> String {
    let mut schema = schemars::schema_for!(ClusterFile).to_value();
    let mut sources = Sources::default();
    // The built-in profiles are read by every command, so they are whole.
    if let Ok(catalogue) = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()) {
        let names = |names: Vec<String>| Value::from(names);
        let aliases = catalogue.roles.values().flat_map(|role| &role.aliases);
        let roles = names(catalogue.roles.keys().chain(aliases).map(ToString::to_string).collect());
        let stacks = names(catalogue.stacks.keys().map(ToString::to_string).collect());
        let systems = names(catalogue.systems.keys().map(ToString::to_string).collect());
        let platforms = names(catalogue.platforms.keys().map(ToString::to_string).collect());
        for (pointer, known) in [
            ("/properties/stack", &stacks),
            ("/properties/os", &systems),
            ("/$defs/HostSection/properties/os", &systems),
            ("/$defs/HostSection/properties/platform", &platforms),
            ("/$defs/HostSection/properties/roles/items", &roles),
        ] {
            if let Some(word) = schema.pointer_mut(pointer) {
                offer(word, known);
            }
        }
    }
    format!("{schema:#}\n")
}

/// One of these, or any other word of its form: a user's own profile.
fn offer(word: &mut Value, known: &Value) {
    let Some(fields) = word.as_object_mut() else { return };
    let form: Vec<_> =
        ["pattern", "type"].into_iter().filter_map(|key| Some((key.to_owned(), fields.remove(key)?))).collect();
    let form = Value::Object(form.into_iter().collect());
    fields.insert("anyOf".to_owned(), serde_json::json!([{ "enum": known }, form]));
}
