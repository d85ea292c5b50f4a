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
    /// The same, /20 or larger, to be divided.
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
    /// Options, or options with their values, that an option or one of the other value's words cannot be without.
    #[serde(default)]
    pub requires: BTreeMap<String, String>,
}

/// Four networks of /22, sixteen of /24.
const SMALLEST_POOL: u8 = 20;

impl Kind {
    /// Whether it is a network, alone or to be divided.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Form(Form::Network | Form::Pool))
    }

    /// What is wrong with a value among the others of its component. An empty text in the place of an empty one says that there is none.
    pub fn refuse<'v>(
        &self,
        value: &Setting,
        default: &Setting,
        other: impl Fn(&ArtifactName) -> Option<&'v Setting>,
    ) -> Option<Problem> {
        if value == default && matches!(value, Setting::Text(text) if text.is_empty()) {
            return None;
        }
        let texts = value.texts().iter();
        let refuse = |text: &String| match self {
            Self::Form(form) => form.refuse(text),
            Self::OneOf(known) => {
                (!known.contains(text)).then(|| Problem::UnknownWord { word: text.clone(), known: known.clone() })
            }
            Self::Options(options) => options.refuse(text, other(&options.options_of)),
        };
        let wrong = texts.map(refuse).find_map(|problem| problem);
        wrong.or_else(|| match self {
            Self::Options(options) => options.lacking(value.texts(), other(&options.options_of)),
            Self::Form(_) | Self::OneOf(_) => None,
        })
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
    fn lacking(&self, texts: &[String], of: Option<&Setting>) -> Option<Problem> {
        let of = of?.texts().first()?;
        let option = |text: &String| text.split_once('=').map_or(text.clone(), |(option, _)| option.to_owned());
        let there: Vec<String> = texts.iter().map(option).chain([of.clone()]).collect();
        let lacks = |required: &&String| !texts.iter().any(|text| text == *required || option(text) == **required);
        let requires = there.iter().filter_map(|name| Some((name, self.requires.get(name)?)));
        let mut lacking = requires.filter(|(_, required)| lacks(required));
        lacking.next().map(|(name, required)| Problem::OptionLacking { name: name.clone(), required: required.clone() })
    }

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
