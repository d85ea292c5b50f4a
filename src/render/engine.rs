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

/// A secret that was printed is reported at the header, at its name or at the name of a value that contains it.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::HostPath;
    use crate::secrets::Secret;

    #[derive(Serialize)]
    struct App {
        name: &'static str,
        token: Secret,
        accounts: Vec<Account>,
    }

    #[derive(Serialize)]
    struct Account {
        name: &'static str,
        hash: Secret,
    }

    fn app(secret: &str) -> BTreeMap<&'static str, App> {
        let account = |name| Account { name, hash: format!("{name}{secret}").into() };
        let app = App { name: "notes", token: secret.to_owned().into(), accounts: vec![account("b"), account("a")] };
        BTreeMap::from([("app", app)])
    }

    fn render(secret: &str, template: &str, mode: u32) -> std::result::Result<String, Problem> {
        let mut shelf = Shelf::templates();
        shelf.put("probe/probe".to_owned(), "probe".to_owned(), template.as_bytes().to_vec());
        let mut sources = Sources::default();
        let place = Place::new(sources.add("component.yaml", "summary: probe"), 0, 0);
        let path = HostPath::new("/probe").expect("a path");
        let file = PlannedFile { place, path, template: "probe/probe".to_owned(), mode };
        let mut engine = Engine::new(&shelf).expect("an engine");
        let values = engine.convert("", &app(secret)).expect("values");
        let this = engine.convert(THIS, &BTreeMap::<&str, &str>::new()).expect("values");
        engine.render(&mut sources, &file, &values, &this).map_err(|fault| fault.problem)
    }

    fn template(body: &str) -> String {
        format!("{{# values: app #}}\n{{% set a = app %}}\n{body}")
    }

    /// What the engine can do with a value, and what comes out.
    const PRINTED: &[(&str, &str)] = &[
        ("{{ a.token }}", "s3cret"),
        ("{{ a['token'] }}", "s3cret"),
        ("{{ a|attr('token') }}", "s3cret"),
        ("{{ a.token|upper }}", "S3CRET"),
        ("{{ a.token|lower|title }}", "S3cret"),
        ("{{ a.token|capitalize }}", "S3cret"),
        ("{{ a.token|replace('3', 'e') }}", "secret"),
        ("{{ '3cre'|replace(a.token, '')|length }}", "4"),
        ("{{ a.token|trim('s') }}", "3cret"),
        ("{{ a.token|indent(2) }}", "s3cret"),
        ("{{ a.token|safe }}", "s3cret"),
        ("{{ a.token|escape }}", "s3cret"),
        ("{{ a.token|pprint }}", "s3cret"),
        ("{{ a.token|tojson }}", "\"s3cret\""),
        ("{{ a.token|sh }}", "'s3cret'"),
        ("{{ a.token|systemd }}", "\"s3cret\""),
        ("{{ a.token|softether }}", "s3cret"),
        ("{{ a.token|string|reverse }}", "terc3s"),
        ("{{ (a.token|string)[:2] }}", "s3"),
        ("{{ a.token|string|length }}", "6"),
        ("{{ a.token ~ '!' }}", "s3cret!"),
        ("{{ '%s!'|format(a.token) }}", "s3cret!"),
        ("{{ [a.token, 1]|join(' ') }}", "s3cret 1"),
        ("{{ a.token or 'none' }}", "s3cret"),
        ("{{ a.token|default('none') }}", "s3cret"),
        ("{{ {'key': a.token}|tojson }}", "{\"key\": \"s3cret\"}"),
        ("{{ {a.token: 1}|tojson }}", "{\"s3cret\": 1}"),
        ("{{ dict(key=a.token)|tojson }}", "{\"key\": \"s3cret\"}"),
        ("{% set x = a.token %}{{ x }}", "s3cret"),
        ("{% set x = a %}{{ x.token }}", "s3cret"),
        ("{% set x %}{{ a.token }}{% endset %}{{ x }}", "s3cret"),
        ("{% set x = namespace(y=a.token) %}{{ x.y }}", "s3cret"),
        ("{% with x = a.token %}{{ x }}{% endwith %}", "s3cret"),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(a.token) }}", "s3cret"),
        ("{% filter upper %}{{ a.token }}{% endfilter %}", "S3CRET"),
        ("{% if a.token is startingwith 's' %}yes{% endif %}", "yes"),
        ("{% if a.token|string == 's3cret' %}yes{% endif %}", "yes"),
        ("{% if a.token in 'a s3cret' %}yes{% endif %}", "yes"),
        ("{{ a|tojson }}", "\"token\": \"s3cret\""),
        ("{{ [a]|tojson }}", "\"token\": \"s3cret\""),
        ("{{ a|string }}", "s3cret"),
        ("{{ a|pprint }}", "s3cret"),
        ("{{ a ~ '' }}", "s3cret"),
        ("{% for key, value in a|items %}{{ value|string }}{% endfor %}", "s3cret"),
        ("{% for key in a %}{{ a[key]|string }}{% endfor %}", "s3cret"),
        ("{% for one in a.accounts %}{{ one.hash }}{% endfor %}", "bs3cretas3cret"),
        ("{{ (a.accounts|first).hash }}", "bs3cret"),
        ("{{ a.accounts|last|tojson }}", "\"hash\": \"as3cret\""),
        ("{{ a.accounts|map(attribute='hash')|join(' ') }}", "bs3cret as3cret"),
        ("{{ a.accounts|sort(attribute='hash')|map(attribute='name')|join }}", "ab"),
    ];

    #[test]
    fn every_way_to_print_a_secret_taints_the_file() {
        for (body, printed) in PRINTED {
            let template = template(body);
            let private = render("s3cret", &template, 0o700).unwrap_or_else(|fault| panic!("{body}: {fault}"));
            assert!(private.contains(printed), "{body}: {private}");
            for mode in [0o644, 0o755, 0o640, 0o604, 0o611] {
                match render("s3cret", &template, mode) {
                    Err(Problem::SecretInTheOpen { name, .. }) => {
                        assert!(["app.token", "app.accounts[].hash"].contains(&name.as_str()), "{body}: {name}");
                    }
                    other => panic!("{body} with {mode:o}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn what_prints_no_secret_leaves_the_file_to_everybody() {
        for (body, printed) in [
            ("{{ a.name }}", "notes"),
            ("{% if a.token is defined %}yes{% endif %}", "yes"),
            ("{% if a.gone is defined %}yes{% else %}no{% endif %}", "no"),
            ("{% if a.token %}yes{% endif %}", "yes"),
            ("{% set x = a.token %}{{ a.name }}", "notes"),
            ("{{ a|list|join(' ') }}", "name token accounts"),
            ("{{ a.accounts|length }}", "2"),
            ("{% for one in a.accounts %}{{ one.name }}{% endfor %}", "ba"),
            // A secret is no text, so it equals none.
            ("{% if a.token == 's3cret' %}yes{% else %}no{% endif %}", "no"),
        ] {
            let template = template(body);
            let public = render("s3cret", &template, 0o644).unwrap_or_else(|fault| panic!("{body}: {fault}"));
            assert_eq!(public, printed, "{body}");
        }
    }

    #[test]
    fn what_needs_a_text_refuses_a_secret_without_showing_it() {
        for body in ["{{ a.token|reverse }}", "{{ a.token[:2] }}", "{{ a.token|length }}", "{{ a.token * 2 }}"] {
            match render("s3cret", &template(body), 0o600) {
                Err(Problem::Template { message }) => assert!(!message.contains("s3cret"), "{body}: {message}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_tainted_file_taints_no_other() {
        let mut shelf = Shelf::templates();
        for (name, text) in [("secret", "{# values: app.token #}\n{{ app.token }}"), ("public", "{# values: #}\nhello")]
        {
            shelf.put(format!("probe/{name}"), name.to_owned(), text.as_bytes().to_vec());
        }
        let mut sources = Sources::default();
        let place = Place::new(sources.add("component.yaml", "summary: probe"), 0, 0);
        let path = HostPath::new("/probe").expect("a path");
        let file = |name, mode| PlannedFile { place, path: path.clone(), template: format!("probe/{name}"), mode };
        let mut engine = Engine::new(&shelf).expect("an engine");
        let values = engine.convert("", &app("s3cret")).expect("values");
        let mut render = |file| engine.render(&mut sources, &file, &values, &Value::from(())).map_err(|e| e.problem);
        assert_eq!(render(file("secret", 0o600)), Ok("s3cret".to_owned()));
        assert_eq!(render(file("public", 0o644)), Ok("hello".to_owned()));
        assert!(matches!(render(file("secret", 0o644)), Err(Problem::SecretInTheOpen { .. })));
        assert_eq!(render(file("public", 0o644)), Ok("hello".to_owned()));
    }

    const STARTS: &[&str] = &[
        "a.token",
        "a.accounts",
        "a",
        "[a.token, 'm']",
        "[a.accounts[0].hash, a.accounts[1].hash]",
        "a.token ~ 'x'",
        "(a.token == 'one')",
        "(a.token < 'p')",
        "(a.accounts[0].hash < a.accounts[1].hash)",
        "(a.token in ['one', 'two'])",
        "('one' in a.token)",
        "{'k': a.token}",
        "{'one': 1}[a.token]",
        "a.accounts|map(attribute='hash')",
    ];
    const FILTERS: &[&str] = &[
        "attr('token')",
        "batch(2)",
        "bool",
        "default('d')",
        "dictsort",
        "escape",
        "first",
        "groupby('hash')",
        "indent",
        "int(0)",
        "items",
        "join('-')",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map('upper')",
        "max",
        "min",
        "pprint",
        "reject('eq', 'one')",
        "replace('o', 'a')",
        "reverse",
        "safe",
        "select('eq', 'one')",
        "select('startingwith', 't')",
        "selectattr('hash', 'eq', 'bone')",
        "sh",
        "slice(2)",
        "softether",
        "sort",
        "sort(attribute='hash')",
        "split",
        "string",
        "sum",
        "systemd",
        "title",
        "tojson",
        "trim",
        "unique",
        "upper",
        "zip(['x', 'y'])",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whoever reads a public file cannot tell one secret from another by it, whatever its template does.
        #[test]
        fn a_public_file_is_the_same_for_every_secret(
            start in prop::sample::select(STARTS),
            filters in prop::collection::vec(prop::sample::select(FILTERS), 0..4),
            prints in any::<bool>(),
        ) {
            let expression = filters.iter().fold(start.to_owned(), |all, filter| format!("({all})|{filter}"));
            let body = if prints { format!("{{{{ ({expression})|tojson }}}}") } else {
                format!("{{% if {expression} %}}yes{{% endif %}}")
            };
            let template = template(&body);
            let [one, other] = ["one", "three"].map(|secret| render(secret, &template, 0o644).ok());
            prop_assert_eq!(one, other);
        }
    }
}
