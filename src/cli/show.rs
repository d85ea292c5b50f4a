//! Commands that print: a host, the schema, the passwords of people.

use std::io::IsTerminal;

use super::Outcome;
use super::arguments::{Input, Render, Show};
use super::fleet::Fleet;
use super::output::{self, Readers};
use super::session::Session;
use crate::cluster::{ClusterFile, ProfileName, UserName};
use crate::diagnostic::{Diagnostic, Place, Problem};
use crate::emit::{FORMATS, Machine, UserData};
use crate::render::{Engine, inspect, render, title};
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
    // Whether there is such a role or host is clear before any secret is asked for.
    match &subject {
        Subject::Roles(roles) => catalogue.close_roles(roles).map(drop),
        Subject::Host(name) => cluster.host(name).map(drop).map_err(Diagnostic::from),
    }
    .map_err(one)?;
    let secrets = session.secrets(&arguments.input).map_err(one)?;
    let plan = resolve(&catalogue, &cluster, &secrets, &subject).map_err(one)?;
    let mut engine = Engine::new(&catalogue.templates).map_err(one)?;
    let tree = render(&mut engine, &mut session.sources, &plan).map_err(one)?;
    let format = FORMATS.iter().find(|format| format.name == arguments.format).unwrap_or(&FORMATS[0]);
    let mut faults = inspect(&tree);
    let of_format = format.platform.and_then(|name| ProfileName::new(name).ok());
    let platform = of_format.as_ref().or(plan.platform.as_ref());
    let platform = platform.and_then(|name| Some((name, catalogue.platforms.get(name)?)));
    let machine = Machine { tree: &tree, platform: platform.map(|(_, platform)| platform) };
    let mut bytes = (format.emit)(&machine).map_err(|problem| one(problem.into()))?;
    let host = || title(tree.hostname.as_ref(), &tree.roles);
    if let Some((name, platform)) = platform.filter(|_| format.is_user_data) {
        let (plain, limit) = (bytes.len(), platform.user_data_limit.unwrap_or(usize::MAX));
        match UserData::new(bytes, Some(platform)) {
            UserData::Plain(same) if same.len() > limit => {
                let over = plain - limit;
                faults.push(Problem::OverLimit { host: host(), bytes: plain, limit, over, platform: name.to_string() });
                bytes = same;
            }
            UserData::Plain(same) => bytes = same,
            UserData::Gzip(small) => {
                let is_printed = arguments.output.as_os_str() == "-";
                if is_printed && std::io::stdout().is_terminal() {
                    faults.push(Problem::GzipOnATerminal { host: host() });
                }
                session.note(Problem::Compressed {
                    host: host(),
                    plain,
                    bytes: small.len(),
                    platform: name.to_string(),
                });
                bytes = small;
            }
        }
    }
    if !faults.is_empty() {
        let place = match &subject {
            Subject::Host(name) => cluster.host(name).ok().map(|host| host.name.place),
            Subject::Roles(_) => None,
        };
        return Err(faults.into_iter().map(|problem| Diagnostic { problem, place }).collect());
    }
    session.save_secrets().map_err(one)?;
    session.spare_inputs(&arguments.output).map_err(|problem| one(problem.into()))?;
    output::write(&arguments.output, &bytes, Readers::Owner).map_err(|problem| one(problem.into()))?;
    session.note_doubts(&catalogue, &cluster, &secrets);
    Ok(())
}

/// Prints what a host is: its files with their modes and sizes, packages and units; or one file.
pub fn tree(session: &mut Session, arguments: &Show) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let fleet = Fleet::load(session, &arguments.input)?;
    let host = fleet.cluster.host(&arguments.host).map_err(one)?;
    let trees = fleet.trees(&mut session.sources, [host])?;
    session.save_secrets().map_err(|fault| vec![fault])?;
    let mut out = Vec::new();
    for tree in &trees {
        match &arguments.path {
            Some(path) => {
                let file = tree.files.iter().find(|(known, _)| known.as_str() == path);
                let (_, file) = file.ok_or_else(|| {
                    let known = tree.files.keys().map(ToString::to_string).collect();
                    one(Problem::Unknown { what: "file", name: path.clone(), known })
                })?;
                out.extend(file.content.as_bytes());
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
                out.extend(text.into_bytes());
            }
        }
    }
    output::to_stdout(&out).map_err(one)
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
    let mut lines: String = labels.map(|label| format!("{label}: {}\n", secrets.password(&label))).collect();
    if catalogue.stacks.get(&cluster.stack.value).is_some_and(|stack| stack.acl.is_some()) {
        let label = Label::ConsulManagement;
        lines += &format!("{label}: {}\n", secrets.token(&label));
    }
    output::to_stdout(lines.as_bytes()).map_err(|problem| vec![problem.into()])
}
