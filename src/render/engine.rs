//! Templates: strict ones, each with a first line that declares the values it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use serde::Serialize;

use super::value::{self, Printed};
use super::{THIS, filter};
use crate::diagnostic::{Diagnostic, Place, Problem, Result, SourceId, Sources};
use crate::load::Shelf;
use crate::resolve::PlannedFile;

/// The first line of a template: `{# values: vpn.hub vpn.nic #}`.
const HEADER: (&str, &str) = ("{# values:", "#}");

/// Reads and runs templates; one that many hosts share is compiled once.
#[derive(Debug)]
pub struct Engine<'a> {
    shelf: &'a Shelf,
    environment: Environment<'static>,
    compiled: BTreeMap<String, SourceId>,
    printed: Arc<Printed>,
}

impl<'a> Engine<'a> {
    /// An engine over a shelf of templates.
    pub fn new(shelf: &'a Shelf) -> Result<Self> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        let failure = |error: Error| Diagnostic::nowhere(Problem::Template { message: error.to_string() });
        environment.set_syntax(syntax.map_err(failure)?);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(|out, state, value| match value.kind() {
            ValueKind::String | ValueKind::Number => minijinja::escape_formatter(out, state, value),
            _ if value::is_secret(value) => minijinja::escape_formatter(out, state, value),
            kind => Err(Error::new(
                ErrorKind::BadSerialization,
                format!("a {kind} is not text here; write it with |tojson"),
            )),
        });
        environment.set_debug(true);
        // It prints every value, declared or not.
        environment.remove_global("debug");
        filter::add_to(&mut environment);
        Ok(Self { shelf, environment, compiled: BTreeMap::new(), printed: Arc::default() })
    }

    /// Values in the engine's own form, made once for all templates that see them; `name` is what they call them.
    pub(super) fn convert(&self, name: &str, values: &impl Serialize) -> Result<Value> {
        let value = value::convert(&self.printed, name, values);
        value.map_err(|error| Diagnostic::nowhere(Problem::Template { message: error.to_string() }))
    }

    /// Compiles a template and holds it to its header.
    pub fn compile(&mut self, sources: &mut Sources, path: &str, declared_at: Place) -> Result<SourceId> {
        if let Some(source) = self.compiled.get(path) {
            return Ok(*source);
        }
        let missing = || Diagnostic::at(declared_at, Problem::NoTemplate { path: path.to_owned() });
        let volume = self.shelf.get(path).ok_or_else(missing)?;
        let text = match std::str::from_utf8(&volume.bytes) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                let source = sources.add(&volume.name, String::from_utf8_lossy(&volume.bytes));
                let good = error.valid_up_to();
                return Err(Diagnostic::at(Place::new(source, good, good + 1), Problem::NotUtf8));
            }
        };
        let source = sources.add(&volume.name, text.as_str());
        self.environment
            .add_template_owned(path.to_owned(), text.clone())
            .map_err(|error| template_error(sources, source, &error))?;
        self.check_header(source, path, &text)?;
        self.compiled.insert(path.to_owned(), source);
        Ok(source)
    }

    fn check_header(&self, source: SourceId, path: &str, text: &str) -> Result<()> {
        let line = text.lines().next().unwrap_or_default();
        let at =
            |start: usize, length: usize, problem| Diagnostic::at(Place::new(source, start, start + length), problem);
        let declared = line.strip_prefix(HEADER.0).and_then(|rest| rest.trim_end().strip_suffix(HEADER.1));
        let Some(declared) = declared else { return Err(at(0, line.len(), Problem::NoTemplateHeader)) };
        let template = match self.environment.get_template(path) {
            Ok(template) => template,
            Err(error) => return Err(at(0, 0, Problem::Template { message: error.to_string() })),
        };
        let used: BTreeSet<String> =
            template.undeclared_variables(true).into_iter().filter(|name| !is_builtin(name)).collect();
        let words: BTreeSet<&str> = declared.split_whitespace().collect();
        if let Some(unused) = words.iter().find(|word| !used.contains(**word)) {
            let start = places_of(line, unused).next().unwrap_or(0);
            return Err(at(start, unused.len(), Problem::UnusedValue { name: (*unused).to_owned() }));
        }
        if let Some(name) = used.iter().find(|name| !words.contains(name.as_str())) {
            let known: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let start = places_of(text, name).find(|place| is_code(text, *place)).unwrap_or(0);
            return Err(at(start, name.len(), Problem::UndeclaredValue { name: name.clone(), known }));
        }
        Ok(())
    }

    /// Renders one file.
    pub(super) fn render(
        &mut self,
        sources: &mut Sources,
        file: &PlannedFile,
        values: &Value,
        this: &Value,
    ) -> Result<String> {
        let source = self.compile(sources, &file.template, file.place)?;
        let context = minijinja::context! { this => this.clone(), ..values.clone() };
        self.printed.take();
        let text = self
            .environment
            .get_template(&file.template)
            .and_then(|template| template.render(context))
            .map_err(|error| self.render_error(sources, source, &error, values, this))?;
        match self.printed.take() {
            Some(secret) if file.mode & 0o077 != 0 => Err(secret_in_the_open(sources, source, file, secret)),
            _ => Ok(text),
        }
    }

    /// A value that this host does not have is told by its name, at the header that declares it.
    fn render_error(
        &self,
        sources: &Sources,
        source: SourceId,
        error: &Error,
        values: &Value,
        this: &Value,
    ) -> Diagnostic {
        let plain = template_error(sources, source, error);
        if error.kind() != ErrorKind::UndefinedError {
            return plain;
        }
        let line = sources.text(source).lines().next().unwrap_or_default();
        for name in declared_values(line) {
            let mut parts = name.split('.');
            let (mut at, is_own) = match parts.next() {
                Some(THIS) => (this.clone(), true),
                Some(first) => (values.get_attr(first).unwrap_or_default(), false),
                None => continue,
            };
            let mut known = Vec::new();
            for part in parts {
                known = at.try_iter().map(|keys| keys.map(|key| key.to_string()).collect()).unwrap_or_default();
                at = at.get_attr(part).unwrap_or_default();
            }
            if at.is_undefined() {
                let start = places_of(line, name).next().unwrap_or(0);
                let prefix = name.rsplit_once('.').map_or(String::new(), |(prefix, _)| format!("{prefix}."));
                let known = known.into_iter().map(|key: String| format!("{prefix}{key}")).collect();
                let what = if is_own { "setting of this component" } else { "value for this host" };
                let of_version = version_value(values, name);
                let problem = of_version.unwrap_or(Problem::Unknown { what, name: name.to_owned(), known });
                return Diagnostic::at(Place::new(source, start, start + name.len()), problem);
            }
        }
        plain
    }
}

/// The names in a template's first line.
fn declared_values(line: &str) -> impl Iterator<Item = &str> {
    line.trim_start_matches(HEADER.0).trim_end().trim_end_matches(HEADER.1).split_whitespace()
}

/// A secret that was printed is told at the header, where its name stands or that of a value which contains it.
fn secret_in_the_open(sources: &Sources, source: SourceId, file: &PlannedFile, name: String) -> Diagnostic {
    let line = sources.text(source).lines().next().unwrap_or_default();
    let contains =
        |value: &&str| name.strip_prefix(*value).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let declared = declared_values(line).filter(contains).max_by_key(|value| value.len());
    let place = declared.and_then(|value| Some((places_of(line, value).next()?, value.len())));
    let place = place.map_or(file.place, |(start, length)| Place::new(source, start, start + length));
    Diagnostic::at(place, Problem::SecretInTheOpen { name, path: file.path.to_string(), mode: file.mode })
}

/// That a profile says nothing of a pinned version under this name, if it is such a name.
fn version_value(values: &Value, name: &str) -> Option<Problem> {
    let (artifact, value) = name.strip_prefix("artifact.")?.split_once(".values.")?;
    let version = values.get_attr("artifact").ok()?.get_attr(artifact).ok()?.get_attr("version").ok()?;
    let (artifact, version, value) = (artifact.to_owned(), version.as_str()?.to_owned(), value.to_owned());
    Some(Problem::NoVersionValue { artifact, version, value })
}

/// Where a dotted name stands in a text, and not as a part of a longer one.
fn places_of(text: &str, name: &str) -> impl Iterator<Item = usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let starts = text.match_indices(name).map(|(start, _)| start);
    starts.filter(move |start| !text[..*start].ends_with(is_part) && !text[start + name.len()..].starts_with(is_part))
}

/// Whether a place in a template is within `{{ }}` or `{% %}`.
fn is_code(text: &str, place: usize) -> bool {
    let last = |one, other| text[..place].rfind(one).max(text[..place].rfind(other));
    last("{{", "{%") > last("}}", "%}")
}

/// Names that the engine itself knows.
fn is_builtin(name: &str) -> bool {
    matches!(name, "range" | "dict" | "namespace" | "loop")
}

fn template_error(sources: &Sources, source: SourceId, error: &Error) -> Diagnostic {
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let place = match (error.range(), error.line()) {
        (Some(range), _) => Place::new(source, range.start, range.end),
        (None, Some(line)) => sources.line(source, line),
        (None, None) => Place::new(source, 0, 0),
    };
    Diagnostic::at(place, Problem::Template { message })
}
