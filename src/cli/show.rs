//! Commands that print: a host, and the schema.

use std::io::IsTerminal;

use serde_json::Value;

use super::Outcome;
use super::arguments::{Render, Show};
use super::fleet::{Fleet, Rendered};
use super::output::{self, Readers};
use super::session::Session;
use crate::cluster::ClusterFile;
use crate::diagnostic::{Diagnostic, Place, Problem, Sources};
use crate::emit::{FORMATS, Machine, UserData};
use crate::load::{Catalogue, Shelf};
use crate::render::{Engine, title};
use crate::resolve::Subject;
use crate::yaml::Located;

/// Renders one host.
pub fn host(session: &mut Session, arguments: &Render) -> Outcome {
    let one = |fault: Diagnostic| vec![fault];
    let roles = arguments.roles.iter().map(|role| {
        let source = session.sources.add("--role", role.as_str());
        Located { place: Place::new(source, 0, role.as_str().len()), value: role.clone() }
    });
    let roles: Vec<_> = roles.collect();
    let subject = arguments.host.clone().map_or_else(|| Subject::Roles(roles), Subject::Host);
    // Whether there is such a role or host is clear before any secret is asked for.
    let fleet = Fleet::load_for(session, &arguments.input, |catalogue, cluster| match &subject {
        Subject::Roles(roles) => catalogue.close_roles(roles).map(drop),
        Subject::Host(name) => cluster.host(name).map(drop).map_err(Diagnostic::from),
    })?;
    let place = match &subject {
        Subject::Roles(roles) => roles.first().map(|role| role.place),
        Subject::Host(name) => fleet.cluster.host(name).ok().map(|host| host.name.place),
    };
    let mut engine = Engine::new(&fleet.catalogue.templates).map_err(one)?;
    let place = place.unwrap_or(fleet.cluster.stack.place);
    let rendered = fleet.render(&mut engine, &mut session.sources, &subject, place).map_err(one)?;
    let format = FORMATS.iter().find(|format| format.name == arguments.format).unwrap_or(&FORMATS[0]);
    let bytes = if format.is_user_data {
        user_data(session, rendered.whole().map_err(one)?, arguments).map_err(|problem| one(problem.into()))?
    } else {
        let Rendered { plan, tree, .. } = rendered.sound().map_err(one)?;
        let name = format.platform.or(plan.platform.as_ref().map(|name| name.as_str()));
        let platform = name.and_then(|name| fleet.catalogue.platforms.get(name));
        (format.emit)(&Machine { tree: &tree, platform }).map_err(|problem| one(problem.into()))?
    };
    session.before_writing(&arguments.output).map_err(one)?;
    output::write(&arguments.output, &bytes, Readers::Owner).map_err(|problem| one(problem.into()))
}

/// A host's user-data as its platform takes it, and a note where that is not plain text.
fn user_data(session: &mut Session, rendered: Rendered, arguments: &Render) -> Result<Vec<u8>, Problem> {
    let host = title(rendered.tree.hostname.as_ref(), &rendered.tree.roles);
    let platform = rendered.plan.platform.map(|name| name.to_string()).unwrap_or_default();
    match rendered.user_data {
        UserData::Plain(bytes) => Ok(bytes),
        UserData::Gzip { .. } if arguments.output.as_os_str() == "-" && std::io::stdout().is_terminal() => {
            Err(Problem::GzipOnATerminal { host })
        }
        UserData::Gzip { bytes, plain } => {
            session.note(Problem::Compressed { host, plain, bytes: bytes.len(), platform });
            Ok(bytes)
        }
        UserData::Mime { bytes, plain } => {
            session.note(Problem::CompressedAsText { host, plain, bytes: bytes.len(), platform });
            Ok(bytes)
        }
    }
}

/// Prints what a host is: its files with their modes and sizes, packages and units; or one file.
pub fn tree(session: &mut Session, arguments: &Show) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let fleet = Fleet::load(session, &arguments.input)?;
    let host = fleet.cluster.host(&arguments.host).map_err(one)?;
    let rendered = fleet.render_all(&mut session.sources, [host])?;
    session.save_secrets().map_err(|fault| vec![fault])?;
    for Rendered { tree, .. } in &rendered {
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
