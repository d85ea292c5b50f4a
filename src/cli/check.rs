//! `genhost check`: everything that can be known before a host boots.

use serde::Serialize;

use super::Outcome;
use super::arguments::{Check, CheckFormat};
use super::fleet::{Fleet, Rendered};
use super::lock;
use super::output;
use super::report::{self, Record};
use super::session::Session;
use crate::cluster::{Cluster, ProfileName};
use crate::diagnostic::{Diagnostic, Place, Problem};
use crate::emit::UserData;
use crate::load::Catalogue;
use crate::render::{Engine, HostId};
use crate::resolve::Subject;
use crate::yaml::Located;

/// The smallest limit of a known platform (EC2's): what fits it can be pasted anywhere.
const ANYWHERE: usize = 16 << 10;

#[derive(Debug, Serialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<ProfileName>,
    id: HostId,
    bytes: usize,
    /// Whether the bytes are compressed, since the plain text is over the limit.
    compressed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<ProfileName>,
}

/// Hosts of which more than half must be up, or all they do together stands still.
#[derive(Debug, Serialize)]
struct Quorum {
    of: &'static str,
    hosts: usize,
    /// How many away are too many.
    lost_without: usize,
}

impl Quorum {
    fn new(of: &'static str, hosts: usize) -> Option<Self> {
        (hosts > 0).then_some(Self { of, hosts, lost_without: hosts.div_ceil(2) })
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    hosts: Vec<Line>,
    quorums: Vec<Quorum>,
    diagnostics: Vec<Record>,
}

/// Checks the cluster, and every host and role.
pub fn run(session: &mut Session, arguments: &Check) -> Outcome {
    let mut faults = Vec::new();
    let mut quorums = Vec::new();
    let lines = match Fleet::load(session, &arguments.input) {
        Ok(mut fleet) => {
            let lines = Checker { session, fleet: &fleet, faults: &mut faults }.lines();
            if !lines.is_empty() {
                quorums = quorums_of(&fleet.catalogue, &fleet.cluster);
            }
            // What a host fetches is known of hosts without a fault.
            if !faults.iter().any(Diagnostic::is_error) {
                let Fleet { catalogue, cluster, .. } = &mut fleet;
                faults.extend(lock::note_stale(session, &arguments.input, catalogue, cluster).err());
            }
            lines
        }
        Err(found) => {
            faults = found;
            Vec::new()
        }
    };
    if !faults.iter().any(Diagnostic::is_error) {
        faults.extend(session.save_secrets().err());
    }
    let mut notes = session.take_notes(false);
    notes.append(&mut faults);
    let faults = notes;
    let is_wrong = faults.iter().any(Diagnostic::is_error);
    match arguments.format {
        CheckFormat::Text => {
            let lines = lines.iter().map(text).chain(quorums.iter().map(quorum_text));
            output::text_to_stdout(&lines.collect::<String>()).map_err(|e| vec![e.into()])?;
            report::to_stderr(&session.sources, &faults);
        }
        CheckFormat::Json => {
            let diagnostics = faults.iter().map(|fault| Record::new(&session.sources, fault)).collect();
            let answer = serde_json::to_value(Answer { hosts: lines, quorums, diagnostics });
            let answer = answer.map_err(|error| Problem::Emit { format: "json", reason: error.to_string() });
            let answer = answer.map_err(|problem| vec![problem.into()])?;
            output::to_stdout(format!("{answer:#}\n").as_bytes()).map_err(|e| vec![e.into()])?;
        }
    }
    // Everything was told already.
    if is_wrong { Err(Vec::new()) } else { Ok(()) }
}

/// Consul's servers, and the managers of a Swarm that keeps its own state. Classic Swarm keeps its in Consul.
fn quorums_of(catalogue: &Catalogue, cluster: &Cluster) -> Vec<Quorum> {
    let managers = cluster.hosts.iter().filter(|host| catalogue.manages_swarm(&host.roles)).count();
    let begins = catalogue.stacks.get(&cluster.stack.value).is_some_and(|stack| stack.begins_swarm(catalogue));
    let of_swarm = Quorum::new("Swarm managers", if begins { managers } else { 0 });
    Quorum::new("Consul servers", cluster.consul_servers().count()).into_iter().chain(of_swarm).collect()
}

fn quorum_text(quorum: &Quorum) -> String {
    let Quorum { of, hosts, lost_without } = quorum;
    format!("quorum of {of}: {hosts} here, lost when {lost_without} of them cannot be reached\n")
}

fn text(line: &Line) -> String {
    let name = match (&line.host, &line.role) {
        (Some(host), _) => format!("host {host}"),
        (None, Some(role)) => format!("role {role}"),
        (None, None) => String::new(),
    };
    let limit = match line.limit {
        Some(limit) if limit < line.bytes => format!("{}, {} over", limit, line.bytes - limit),
        Some(limit) => format!("{}, {} under", limit, limit - line.bytes),
        None => "no limit".to_owned(),
    };
    let platform = line.platform.as_ref().map_or("the smallest limit, EC2's", |platform| platform.as_str());
    let compressed = if line.compressed { ", compressed" } else { "" };
    format!("{name:24} {:12} {:>7} bytes of {limit} ({platform}{compressed})\n", line.id.short(), line.bytes)
}

struct Checker<'a> {
    session: &'a mut Session,
    fleet: &'a Fleet,
    faults: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn lines(mut self) -> Vec<Line> {
        let mut engine = match Engine::new(&self.fleet.catalogue.templates) {
            Ok(engine) => engine,
            Err(fault) => {
                self.faults.push(fault);
                return Vec::new();
            }
        };
        self.templates(&mut engine);
        if self.faults.iter().any(Diagnostic::is_error) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for host in &self.fleet.cluster.hosts {
            let line = self.line(&mut engine, &Subject::Host(host.name.value.clone()), host.name.place);
            lines.extend(line.map(|line| Line { host: Some(host.name.to_string()), ..line }));
        }
        let start = self.fleet.cluster.stack.place;
        for role in self.fleet.catalogue.roles.keys() {
            let subject = Subject::Roles(vec![Located { place: start, value: role.clone() }]);
            let line = self.line(&mut engine, &subject, start);
            lines.extend(line.map(|line| Line { role: Some(role.clone()), ..line }));
        }
        lines
    }

    /// Every template of every component, also of those that no host has.
    fn templates(&mut self, engine: &mut Engine) {
        for (name, component) in &self.fleet.catalogue.components {
            let of_variants = component.variants.values().flat_map(|parts| &parts.files);
            for file in component.files.iter().chain(of_variants) {
                let path = format!("{name}/{}", file.template);
                if let Err(fault) = engine.compile(&mut self.session.sources, &path, file.place) {
                    self.faults.push(fault);
                }
            }
        }
    }

    fn line(&mut self, engine: &mut Engine, subject: &Subject, place: Place) -> Option<Line> {
        let rendered = match self.fleet.render(engine, &mut self.session.sources, subject, place) {
            Ok(rendered) => rendered,
            Err(fault) => {
                // What every host has in common is told once.
                if !self.faults.contains(&fault) {
                    self.faults.push(fault);
                }
                return None;
            }
        };
        self.faults.extend(rendered.findings());
        let Rendered { plan, tree, user_data, .. } = rendered;
        let platform = plan.platform.as_ref().and_then(|name| self.fleet.catalogue.platforms.get(name));
        let limit = platform.map_or(Some(ANYWHERE), |platform| platform.user_data_limit);
        let bytes = user_data.as_bytes().len();
        let compressed = !matches!(user_data, UserData::Plain(_));
        Some(Line { host: None, role: None, id: tree.id(), bytes, compressed, limit, platform: plan.platform })
    }
}
