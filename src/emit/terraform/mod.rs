//! Terraform's JSON syntax: <https://developer.hashicorp.com/terraform/language/syntax/json>
//!
//! What a platform's resources look like is in a template of its own beside this file; a platform with one is one that
//! Terraform can make hosts on.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Machine, UserData, cloud_config, mime};
use crate::cluster::{Endpoint, HostName, OpenPort};
use crate::diagnostic::Problem;

/// Templates by platform.
const TEMPLATES: [(&str, &str); 2] =
    [("digitalocean", include_str!("digitalocean.tf.json")), ("hetzner", include_str!("hetzner.tf.json"))];

/// The file that holds all of it beside the user-data.
pub const FILE: &str = "genhost.tf.json";

/// A host that Terraform is to make.
#[derive(Debug)]
pub struct CloudHost<'a> {
    /// The host, and its platform's data.
    pub machine: Machine<'a>,
    /// Its platform's name.
    pub platform: &'a str,
    /// Whether it is the VPN's server.
    pub is_vpn_server: bool,
    /// What it offers the internet.
    pub ports: &'a [OpenPort],
}

/// What a template sees of a host.
#[derive(Debug, Serialize)]
struct Values<'a> {
    name: &'a str,
    /// Its name as Terraform takes names: none begins with a digit.
    key: String,
    image: &'a str,
    is_vpn_server: bool,
    ports: &'a [OpenPort],
}

/// Whether Terraform can make hosts there.
pub fn knows(platform: &str) -> bool {
    TEMPLATES.iter().any(|(name, _)| *name == platform)
}

/// The endpoint that Terraform puts an address in the place of.
pub fn placeholder() -> Endpoint {
    Endpoint::literal("genhost-vpn-endpoint.example.com")
}

/// The files that a configuration was written with, itself among them; none when it is not genhost's.
pub fn files_of(configuration: &[u8]) -> Vec<String> {
    let configuration: Value = serde_json::from_slice(configuration).unwrap_or_default();
    if !configuration["//"].as_str().is_some_and(|comment| comment.starts_with("By genhost")) {
        return Vec::new();
    }
    let hosts = configuration["locals"]["user_data"].as_object().into_iter().flat_map(Map::keys);
    let names = hosts.filter(|name| HostName::new(name).is_ok()).map(|name| user_data_file(name));
    names.chain([FILE.to_owned()]).collect()
}

/// The file with a host's user-data.
pub fn user_data_file(host: &str) -> String {
    format!("user-data-{host}.yaml")
}

/// Writes the configuration, and the user-data that it reads: files by name. With `placeholder`, the endpoint in the
/// user-data is none yet: the vpn-server gets an address that stays, and that takes the placeholder's place.
///
/// # Errors
/// A platform that names no image of a host's system, or a host without a name.
pub fn files(
    cluster: &str,
    hosts: &[CloudHost],
    placeholder: Option<&str>,
) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
    let wrong = |reason: String| Problem::Emit { format: "terraform", reason };
    let mut files = BTreeMap::new();
    let mut user_data = Map::new();
    let mut whole = json!({"//": "By genhost, which writes it anew: put what is yours into another file. The user-data beside it holds secrets."});
    for host in hosts {
        let name = name_of(host)?;
        let file = user_data_file(name);
        let read = format!("file(\"${{path.module}}/{file}\")");
        let filled = match placeholder {
            Some(text) => format!("replace({read}, \"{text}\", local.vpn_endpoint)"),
            None => read,
        };
        let plain = cloud_config::emit(host.machine.tree)?;
        // Terraform compresses it, after it has put the address in.
        let taken = match UserData::new(plain.clone(), host.machine.platform) {
            UserData::Plain(_) => filled,
            UserData::Gzip { .. } | UserData::Mime { .. } => {
                format!("join(\"\\n\", concat({}, [\"\", base64gzip({filled}), \"\"]))", json!(mime::HEAD))
            }
        };
        user_data.insert(name.to_owned(), json!(format!("${{sensitive({taken})}}")));
        files.insert(file, plain);
    }
    let mut engine = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    engine.set_syntax(syntax.map_err(|error| wrong(error.to_string()))?);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.add_filter("tf", |text: String| literal(&text).to_string());
    for (platform, template) in TEMPLATES {
        let here = hosts.iter().filter(|host| host.platform == platform).map(values).collect::<Result<Vec<_>, _>>()?;
        if here.is_empty() {
            continue;
        }
        let reserves_address = placeholder.is_some() && here.iter().any(|host| host.is_vpn_server);
        let context = minijinja::context! { cluster, reserves_address, hosts => Serde(here) };
        let text = engine.render_str(template, context).map_err(|error| wrong(error.to_string()))?;
        merge(&mut whole, serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?);
    }
    merge(&mut whole, json!({"locals": {"user_data": user_data}}));
    if placeholder.is_some() {
        let endpoint = json!({"description": "vpn.endpoint of the hosts elsewhere", "value": "${local.vpn_endpoint}"});
        merge(&mut whole, json!({"output": {"vpn_endpoint": endpoint}}));
    }
    files.insert(FILE.to_owned(), format!("{whole:#}\n").into_bytes());
    Ok(files)
}

fn name_of<'a>(host: &CloudHost<'a>) -> Result<&'a str, Problem> {
    host.machine.tree.hostname.as_ref().map(|name| name.as_str()).ok_or(Problem::NameNeeded)
}

fn values<'a>(host: &CloudHost<'a>) -> Result<Values<'a>, Problem> {
    let Machine { tree, platform } = host.machine;
    let name = name_of(host)?;
    let image = platform
        .and_then(|platform| platform.images.get(&tree.system))
        .ok_or_else(|| Problem::NoImage { platform: host.platform.to_owned(), system: tree.system.to_string() })?;
    let starts_with_a_digit = name.starts_with(|c: char| c.is_ascii_digit());
    let key = if starts_with_a_digit { format!("_{name}") } else { name.to_owned() };
    Ok(Values { name, key, image, is_vpn_server: host.is_vpn_server, ports: host.ports })
}

/// A string in which Terraform finds no template.
fn literal(text: &str) -> Value {
    Value::String(text.replace("${", "$${").replace("%{", "%%{"))
}

/// Lays one configuration over another: their maps are one map.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
