//! A Vagrantfile for one host or several: one file, nothing beside it.
//!
//! Vagrant's own `vm.cloud_init` is for VirtualBox alone, and boxes of Debian have no cloud-init that it could speak to. So a
//! shell provisioner puts a NoCloud seed on the guest's own disk, installs cloud-init where it is missing, and runs its
//! stages: that asks nothing of a provider, and of Vagrant nothing but its oldest provisioner.

use std::net::Ipv4Addr;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::{Format, Machine, cloud_config, seed};
use crate::cluster::VAGRANT_NETWORK;
use crate::diagnostic::Problem;

pub(super) const FORMAT: Format = Format {
    name: "vagrant",
    summary: "a Vagrantfile of one machine",
    is_user_data: false,
    platform: Some("vagrant"),
    emit: |machine| vagrantfile(&[Guest { machine: *machine, address: None }]),
};

/// A host that Vagrant is to run.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The host; its platform is the one that has the boxes.
    pub machine: Machine<'a>,
    /// Its address in a private network of the laptop's, where the hosts have to reach each other there.
    pub address: Option<Ipv4Addr>,
}

/// The address of one of several guests in the network that they share. Its lowest addresses are the laptop's and a DHCP server's.
///
/// # Errors
/// There are more guests than addresses.
pub fn private_address(index: usize) -> Result<Ipv4Addr, Problem> {
    let hosts = VAGRANT_NETWORK.hosts();
    let address = u32::try_from(index).ok().and_then(|index| u32::from(hosts.first).checked_add(9 + index));
    let address = address.map(Ipv4Addr::from).filter(|address| hosts.contains(*address));
    address.ok_or(Problem::VagrantFull)
}

/// What the template sees of a guest.
#[derive(Debug, Serialize)]
struct Values {
    name: String,
    id: String,
    #[serde(rename = "box")]
    image: String,
    address: Option<Ipv4Addr>,
    meta_data: String,
    user_data: String,
}

/// Writes a Vagrantfile.
///
/// # Errors
/// A host without a name, or an operating system that the platform has no box of.
pub fn vagrantfile(guests: &[Guest]) -> Result<Vec<u8>, Problem> {
    let wrong = |reason: String| Problem::Emit { format: FORMAT.name, reason };
    let values = guests.iter().map(values).collect::<Result<Vec<_>, _>>()?;
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    let mut engine = Environment::new();
    engine.set_syntax(syntax.map_err(|error| wrong(error.to_string()))?);
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.add_filter("ruby", |text: String| ruby(&text));
    let text = engine.render_str(include_str!("Vagrantfile"), minijinja::context! { hosts => Serde(values) });
    text.map(String::into_bytes).map_err(|error| wrong(error.to_string()))
}

fn values(guest: &Guest) -> Result<Values, Problem> {
    let Machine { tree, platform } = guest.machine;
    let name = tree.hostname.as_ref().ok_or(Problem::NameNeeded)?.to_string();
    let image = platform.and_then(|platform| platform.images.get(&tree.system));
    let image =
        image.ok_or_else(|| Problem::NoImage { platform: "vagrant".to_owned(), system: tree.system.to_string() })?;
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|error| Problem::Emit { format: FORMAT.name, reason: error.to_string() })
    };
    Ok(Values {
        name,
        id: tree.id().short().to_owned(),
        image: image.clone(),
        address: guest.address,
        meta_data: seed::meta_data(tree)?,
        user_data: text(cloud_config::emit(tree)?)?,
    })
}

/// A string literal of Ruby in which nothing is interpolated.
fn ruby(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
