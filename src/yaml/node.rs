use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Error, MergeKeyPolicy, MessageFormatter, Spanned, UserMessageFormatter};

use crate::diagnostic::{Diagnostic, Place, Problem, Result, SourceId, Sources};

/// Files larger than this are refused before they are parsed. The parser's own limit of values, 250,000 with those that
/// aliases repeat, is a cluster of about 30,000 hosts.
pub const LARGEST_FILE: usize = 8 << 20;

/// One value of a YAML document and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// A YAML value by the core schema of YAML 1.2; `yes`, `no` and `0777` are strings and numbers as they look.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in the order of the document, keys unique.
    Mapping(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: String,
}

impl Value {
    /// The word for this kind of value in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::String(_) => "text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

impl Node {
    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// The keys of a mapping, in their order; none of anything else.
    pub fn keys(&self) -> Vec<String> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().map(|(key, _)| key.text.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Lays `value` over what stands at `path`, making mappings on the way where there are none.
    pub fn set(&mut self, path: &[Key], value: Node) -> Result<()> {
        let [key, rest @ ..] = path else {
            *self = value;
            return Ok(());
        };
        if self.value == Value::Null {
            self.value = Value::Mapping(Vec::new());
        }
        let Value::Mapping(entries) = &mut self.value else {
            let problem = Problem::NotAMapping { key: key.text.clone(), found: self.value.kind() };
            return Err(Diagnostic::at(key.place, problem));
        };
        match entries.iter_mut().find(|(k, _)| k.text == key.text) {
            Some((_, node)) => node.set(rest, value),
            None => {
                let mut node = Node { place: key.place, value: Value::Null };
                node.set(rest, value)?;
                entries.push((key.clone(), node));
                Ok(())
            }
        }
    }
}

/// Reads the one document of a source. An empty source is [`Value::Null`].
pub fn parse(sources: &Sources, source: SourceId) -> Result<Node> {
    let text = sources.text(source);
    if text.len() > LARGEST_FILE {
        return Err(Diagnostic::at(Place::new(source, 0, 0), Problem::FileTooLarge { limit: LARGEST_FILE }));
    }
    if text.starts_with('\u{feff}') {
        return Err(Diagnostic::at(Place::new(source, 0, 3), Problem::ByteOrderMark));
    }
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    options.with_snippet = false;
    options.emit_comments = false;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Merge;
    options.reject_unsupported_tags = true;
    match serde_saphyr::from_str_with_options::<Raw>(text, options) {
        Ok(raw) => Ok(raw.place(source)),
        Err(error) => Err(syntax_error(source, text, &error)),
    }
}

fn syntax_error(source: SourceId, text: &str, error: &Error) -> Diagnostic {
    let place = match error.location() {
        Some(location) if location.span().byte_offset().is_some() => spot(source, location),
        // The scanner counts characters only.
        Some(location) => {
            let skipped = usize::try_from(location.span().offset()).unwrap_or(usize::MAX);
            let start = text.char_indices().nth(skipped).map_or(text.len(), |(start, _)| start);
            Place::new(source, start, start + 1)
        }
        None => Place::new(source, 0, 0),
    };
    let message = UserMessageFormatter.format_message(error);
    let names_tab = message.starts_with("tab") || message.contains("a tab");
    if let Some(tab) = tab_after(text, place.start as usize, names_tab) {
        return Diagnostic::at(Place::new(source, tab, tab + 1), Problem::TabInYaml);
    }
    let innermost = match error {
        Error::AliasError { error, .. } => error.as_ref(),
        error => error,
    };
    let problem = match innermost {
        Error::MultipleDocuments { .. } => Problem::SeveralDocuments,
        Error::DuplicateMappingKey { key: Some(key), .. } => Problem::DuplicateKey { key: key.clone() },
        Error::Unexpected { expected: "string scalar", .. } | Error::NullIntoString { .. } => Problem::KeyNotText,
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => Problem::NestedTooDeep,
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => Problem::TooManyValues,
        other => match UserMessageFormatter.format_message(other) {
            message if message == "recursion limit exceeded" => Problem::NestedTooDeep,
            message => Problem::Yaml { message: plain_words(&message).unwrap_or(&message).to_owned() },
        },
    };
    Diagnostic::at(place, problem)
}

/// What the parser's own terms say to somebody who writes a file.
fn plain_words(message: &str) -> Option<&'static str> {
    if message.starts_with("simple key expect") || message.contains("could not find expected ':'") {
        return Some("a key without its colon: `key: value` is expected here, with a blank after the colon");
    }
    message
        .starts_with("mapping values are not allowed")
        .then_some("a colon that is not expected here: perhaps the line before has none, or this text needs quotes")
}

/// The first tab that indents a line, from the line of `start` on; of that line alone when the scanner names no tab.
fn tab_after(text: &str, start: usize, names_tab: bool) -> Option<usize> {
    let mut at = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    for line in text[at..].split_inclusive('\n').take(if names_tab { usize::MAX } else { 1 }) {
        let indent = line.len() - line.trim_start().len();
        if let Some(tab) = line[..indent].find('\t') {
            return Some(at + tab);
        }
        at += line.len();
    }
    None
}

fn spot(source: SourceId, location: serde_saphyr::Location) -> Place {
    let span = location.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(0);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    Place::new(source, start, start + length)
}

/// A value as serde-saphyr hands it over, before the source is known.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Sequence(Vec<Raw>),
    Mapping(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn place(self, source: SourceId) -> Node {
        let value = match self.0.value {
            RawValue::Null => Value::Null,
            RawValue::Bool(b) => Value::Bool(b),
            RawValue::Integer(n) => Value::Integer(n),
            RawValue::Float(n) => Value::Float(n),
            RawValue::String(s) => Value::String(s),
            RawValue::Sequence(items) => Value::Sequence(items.into_iter().map(|item| item.place(source)).collect()),
            RawValue::Mapping(entries) => Value::Mapping(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        (Key { place: spot(source, key.referenced), text: key.value }, value.place(source))
                    })
                    .collect(),
            ),
        };
        Node { place: spot(source, self.0.referenced), value }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Raw)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = RawValue;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> std::result::Result<RawValue, E> {
                Ok(RawValue::Null)
            }

            fn visit_none<E>(self) -> std::result::Result<RawValue, E> {
                Ok(RawValue::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> std::result::Result<RawValue, D::Error> {
                RawValue::deserialize(inner)
            }

            fn visit_bool<E>(self, value: bool) -> std::result::Result<RawValue, E> {
                Ok(RawValue::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<RawValue, E> {
                Ok(RawValue::Integer(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<RawValue, E> {
                i64::try_from(value).map(RawValue::Integer).map_err(|_| E::custom("this number is too large"))
            }

            fn visit_f64<E>(self, value: f64) -> std::result::Result<RawValue, E> {
                Ok(RawValue::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<RawValue, E> {
                Ok(RawValue::String(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<RawValue, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(RawValue::Sequence(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<RawValue, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawValue::Mapping(entries))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}
