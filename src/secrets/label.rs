//! Labels: what a secret is for, and what kind of value that is.

use std::fmt;
use std::str::FromStr;

use crate::cluster::{ArtifactName, ComponentName, HostName, ProfileName, UserName};
use crate::diagnostic::Problem;

/// What a secret is for. The text of a label is its name in `secrets.yaml`, and its HKDF info.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// The VPN server's key pair, which is random and stands in `secrets.yaml` itself.
    VpnServer,
    /// Password of the VPN server's administrator.
    Administrator,
    /// Password of the Virtual Hub's administrator.
    Hub,
    /// Pre-shared key of L2TP/IPsec.
    PreSharedKey,
    /// Password of a host's own VPN account.
    Host(HostName),
    /// Password of the VPN account of all hosts rendered for a role.
    Role(ProfileName),
    /// Password that manages a host's VPN client.
    HostManagement(HostName),
    /// Password that manages the VPN client of all hosts rendered for a role.
    RoleManagement(ProfileName),
    /// Password of a person.
    User(UserName),
    /// Key of Consul's gossip.
    Gossip,
    /// Consul's management token, which may do everything.
    ConsulManagement,
    /// A host's own token for Consul.
    ConsulHost(HostName),
    /// The token for Consul of all hosts rendered for a role.
    ConsulRole(ProfileName),
    /// Key of the authority that signs the certificates of Consul's agents.
    ConsulAuthority,
    /// Key of a host's own certificate.
    ConsulHostCertificate(HostName),
    /// Key of the certificate of all hosts rendered for a role.
    ConsulRoleCertificate(ProfileName),
    /// A secret that a component declares, the same on every host.
    Component(ComponentName, ArtifactName),
}

/// What kind of value a label has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that people or programs send.
    Password,
    /// Text that IKE takes: a password in ASCII.
    PreSharedKey,
    /// 32 bytes in base64.
    GossipKey,
    /// A UUID.
    Token,
    /// A key on P-256, which is derived and never set by hand.
    SigningKey,
    /// An RSA key and its certificate, which are random.
    KeyPair,
}

impl Label {
    /// What kind of value it has.
    pub fn kind(&self) -> Kind {
        match self {
            Self::VpnServer => Kind::KeyPair,
            Self::PreSharedKey => Kind::PreSharedKey,
            Self::Gossip => Kind::GossipKey,
            Self::ConsulManagement | Self::ConsulHost(_) | Self::ConsulRole(_) => Kind::Token,
            Self::ConsulAuthority | Self::ConsulHostCertificate(_) | Self::ConsulRoleCertificate(_) => Kind::SigningKey,
            Self::Administrator
            | Self::Hub
            | Self::Host(_)
            | Self::Role(_)
            | Self::HostManagement(_)
            | Self::RoleManagement(_)
            | Self::User(_)
            | Self::Component(..) => Kind::Password,
        }
    }

    /// Labels without a name in them.
    pub const SINGLE: [Self; 7] = [
        Self::VpnServer,
        Self::Administrator,
        Self::Hub,
        Self::PreSharedKey,
        Self::Gossip,
        Self::ConsulManagement,
        Self::ConsulAuthority,
    ];
}

/// What labels with a name in them begin with, and what their names make.
type Named = (&'static str, fn(&str) -> Option<Label>);
const NAMED: [Named; 10] = [
    ("vpn/account/", |name| HostName::new(name).ok().map(Label::Host)),
    ("vpn/role/", |name| ProfileName::new(name).ok().map(Label::Role)),
    ("vpn/management/", |name| HostName::new(name).ok().map(Label::HostManagement)),
    ("vpn/role-management/", |name| ProfileName::new(name).ok().map(Label::RoleManagement)),
    ("vpn/user/", |name| UserName::new(name).ok().map(Label::User)),
    ("consul/token/", |name| HostName::new(name).ok().map(Label::ConsulHost)),
    ("consul/role/", |name| ProfileName::new(name).ok().map(Label::ConsulRole)),
    ("consul/certificate/", |name| HostName::new(name).ok().map(Label::ConsulHostCertificate)),
    ("consul/role-certificate/", |name| ProfileName::new(name).ok().map(Label::ConsulRoleCertificate)),
    ("component/", |name| {
        let (component, name) = name.split_once('/')?;
        Some(Label::Component(ComponentName::new(component).ok()?, ArtifactName::new(name).ok()?))
    }),
];

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VpnServer => f.write_str("vpn/server"),
            Self::Administrator => f.write_str("vpn/administrator"),
            Self::Hub => f.write_str("vpn/hub"),
            Self::PreSharedKey => f.write_str("vpn/psk"),
            Self::Host(name) => write!(f, "vpn/account/{name}"),
            Self::Role(name) => write!(f, "vpn/role/{name}"),
            Self::HostManagement(name) => write!(f, "vpn/management/{name}"),
            Self::RoleManagement(name) => write!(f, "vpn/role-management/{name}"),
            Self::User(name) => write!(f, "vpn/user/{name}"),
            Self::Gossip => f.write_str("consul/gossip"),
            Self::ConsulManagement => f.write_str("consul/management"),
            Self::ConsulHost(name) => write!(f, "consul/token/{name}"),
            Self::ConsulRole(name) => write!(f, "consul/role/{name}"),
            Self::ConsulAuthority => f.write_str("consul/ca"),
            Self::ConsulHostCertificate(name) => write!(f, "consul/certificate/{name}"),
            Self::ConsulRoleCertificate(name) => write!(f, "consul/role-certificate/{name}"),
            Self::Component(component, name) => write!(f, "component/{component}/{name}"),
        }
    }
}

impl FromStr for Label {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let single = Self::SINGLE.into_iter().find(|label| label.to_string() == text);
        let named = || NAMED.iter().find_map(|(prefix, label)| label(text.strip_prefix(prefix)?));
        single.or_else(named).ok_or_else(|| {
            let singles = Self::SINGLE.iter().map(ToString::to_string);
            let prefixes = NAMED.iter().map(|(prefix, _)| match *prefix {
                "component/" => "component/COMPONENT/NAME".to_owned(),
                prefix => format!("{prefix}NAME"),
            });
            let known = singles.chain(prefixes).collect();
            Problem::Unknown { what: "secret", name: text.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_read_back_from_its_text() {
        for text in
            Label::SINGLE.iter().map(ToString::to_string).chain(NAMED.iter().map(|(prefix, _)| {
                if *prefix == "component/" { format!("{prefix}app/key") } else { format!("{prefix}a") }
            }))
        {
            assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
        }
        for text in ["", "vpn/account/", "vpn/account/A B", "component/app", "consul/token/a#2", "vpn/server/x"] {
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
    }
}
