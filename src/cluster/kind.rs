//! What the values of a component are, so that a wrong one is told at its place and not by a daemon that does not start.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ArtifactName, ListenAddress, Network, Origin, Setting};
use crate::diagnostic::Problem;

/// What a value's text is, or each text of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "`network`, `pool`, `origin`, `listen-address`, a list of words, or a mapping with `options_of` is expected here"
)]
pub enum Kind {
    /// A text of a certain form.
    Form(Form),
    /// One of these words.
    OneOf(Vec<String>),
    /// `key=value`, the key one of those that another value of the component takes.
    Options(OptionsOf),
}

/// The form of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// An IPv4 network, which must share no address with any other of the cluster.
    Network,
    /// The same, /22 or larger, since the networks in it are /24.
    Pool,
    /// Scheme, host and port of a web server.
    Origin,
    /// Where a server listens.
    ListenAddress,
}

/// Options by the word of another value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionsOf {
    /// The other value, such as `log_driver`.
    pub options_of: ArtifactName,
    /// Every option that each of its words takes.
    pub options: BTreeMap<String, Vec<String>>,
    /// The words of options that take no others.
    #[serde(default)]
    pub words: BTreeMap<String, Vec<String>>,
}

/// Four networks of /24.
const SMALLEST_POOL: u8 = 22;

impl Kind {
    /// Whether it is a network, alone or to be divided.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Form(Form::Network | Form::Pool))
    }

    /// What is wrong with a value among the others of its component. An empty text says that there is none.
    pub fn refuse<'v>(&self, value: &Setting, other: impl Fn(&ArtifactName) -> Option<&'v Setting>) -> Option<Problem> {
        let texts = value.texts().iter().filter(|text| !text.is_empty());
        let refuse = |text: &String| match self {
            Self::Form(form) => form.refuse(text),
            Self::OneOf(known) => {
                (!known.contains(text)).then(|| Problem::UnknownWord { word: text.clone(), known: known.clone() })
            }
            Self::Options(options) => options.refuse(text, other(&options.options_of)),
        };
        texts.map(refuse).find_map(|problem| problem)
    }
}

impl Form {
    fn refuse(self, text: &str) -> Option<Problem> {
        let error = match self {
            Self::Network => Network::new(text).err(),
            Self::Pool => match Network::new(text) {
                Ok(network) if network.prefix() > SMALLEST_POOL => {
                    return Some(Problem::SmallPool { network: network.to_string(), smallest: SMALLEST_POOL });
                }
                other => other.err(),
            },
            Self::Origin => Origin::new(text).err(),
            Self::ListenAddress => ListenAddress::new(text).err(),
        };
        error.map(|error| Problem::Value { message: error.to_string() })
    }
}

impl OptionsOf {
    fn refuse(&self, text: &str, of: Option<&Setting>) -> Option<Problem> {
        let of = of?.texts().first()?;
        let Some((option, word)) = text.split_once('=') else {
            return Some(Problem::NoOption { text: text.to_owned() });
        };
        let known = self.options.get(of)?;
        if !known.iter().any(|known| known == option) {
            return Some(Problem::UnknownOption { option: option.to_owned(), of: of.clone(), known: known.clone() });
        }
        let words = self.words.get(option).filter(|words| !words.iter().any(|known| known == word));
        words.map(|known| Problem::UnknownWord { word: word.to_owned(), known: known.clone() })
    }
}
