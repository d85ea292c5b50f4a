//! The documentation is held to the program: its tables to what is really there, its commands by running them.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixture::{Ran, Workplace};
use genhost::cluster::{Cluster, HostName, ProfileName};
use genhost::diagnostic::{Place, Sources};
use genhost::load::{self, Catalogue, Override, Shelf};
use genhost::render::{Engine, render};
use genhost::resolve::{HostPlan, Subject, resolve};
use genhost::yaml::Located;
use serde::Deserialize;
use serde_json::Value;

const SEED_MAP: &str = include_str!("../docs/seed-map.md");
const COMPONENTS: &str = include_str!("../docs/components.md");
const EXAMPLE: &str = "docs/examples/node-exporter";
const BACKUP: &str = "docs/examples/backup";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

// ---- Markdown ------------------------------------------------------------------------------------------------------

/// A fenced block.
struct Block {
    line: usize,
    language: String,
    /// The file that the block is: the line before it is the file's name in backquotes and a colon.
    file: Option<String>,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = markdown.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
            let text = inside.fold(String::new(), |text, line| text + line + "\n");
            let file = before.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")).map(str::to_owned);
            blocks.push(Block { line: number, language: language.to_owned(), file, text });
        }
        if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

/// The rows of the table that follows a comment `<!-- MARKER -->`, without the head.
fn table(markdown: &str, marker: &str) -> Vec<Vec<String>> {
    let (_, rest) = markdown.split_once(&format!("<!-- {marker} -->")).unwrap_or_else(|| panic!("no table {marker}"));
    let lines = rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = lines.skip(2).map(cells).collect();
    let width = rows.first().unwrap_or_else(|| panic!("the table {marker} is empty")).len();
    for row in &rows {
        assert_eq!(row.len(), width, "a row of the table {marker} has too few or too many cells: {row:?}");
    }
    rows
}

/// What stands in backquotes.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn only_code(cell: &str) -> &str {
    match code(cell)[..] {
        [one] => one,
        _ => panic!("one word in backquotes is expected here: {cell}"),
    }
}

// ---- The map of the article ----------------------------------------------------------------------------------------

fn seed_blocks() -> Vec<String> {
    let (_, rest) = SEED_MAP.split_once("<!-- blocks of the article: ").expect("a list of the article's blocks");
    let (list, _) = rest.split_once(" -->").expect("the end of the list");
    list.split_whitespace().map(str::to_owned).collect()
}

fn seed_map() -> Vec<Vec<String>> {
    table(SEED_MAP, &format!("blocks of the article: {}", seed_blocks().join(" ")))
}

#[test]
fn every_block_of_the_article_has_its_row() {
    let blocks: Vec<usize> = seed_blocks().iter().map(|block| block.parse().expect("a number")).collect();
    assert_eq!(blocks, (1..=26).collect::<Vec<_>>(), "the article has 26 blocks");
    let rows: Vec<String> = seed_map().into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(rows, seed_blocks(), "one row a block, in the article's order");
}

#[test]
fn every_file_of_the_map_is_there() {
    let mut gone = String::new();
    for row in seed_map() {
        let files = code(&row[3]);
        assert!(!files.is_empty(), "block {} has no file", row[0]);
        for file in files {
            let is_data = file.starts_with("templates/") || file.starts_with("profiles/");
            assert!(is_data, "block {}: {file} is neither a template nor a profile", row[0]);
            if !repository(file).is_file() {
                let _ = writeln!(gone, "block {} ({}): {file} is gone", row[0], row[1]);
            }
        }
    }
    assert!(gone.is_empty(), "{gone}");
}

/// A host as `--format json` prints it.
#[derive(Deserialize)]
struct Tree {
    files: BTreeMap<String, TreeFile>,
    packages: BTreeMap<String, Option<String>>,
    units: Vec<String>,
}

#[derive(Deserialize)]
struct TreeFile {
    mode: String,
    content: BTreeMap<String, String>,
}

impl Tree {
    fn of(ran: Ran) -> Self {
        serde_json::from_str(&ran.stdout_of_success()).expect("a host as JSON")
    }

    fn text(&self, path: &str) -> Option<&str> {
        Some(self.files.get(path)?.content.get("text")?.as_str())
    }

    fn package_lines(&self) -> String {
        let line = |(name, version): (&String, &Option<String>)| match version {
            Some(version) => format!("{name}={version}\n"),
            None => format!("{name}\n"),
        };
        self.packages.iter().map(line).collect()
    }
}

#[test]
fn every_value_of_the_article_is_in_the_rendered_hosts() {
    let workplace = Workplace::new();
    let tree = |name: &'static str| {
        (name, Tree::of(workplace.genhost(["--stack", "classic", "--host", name, "--format", "json"])))
    };
    let hosts = BTreeMap::from(["swarm-node0", "swarm-node1", "swarm-local"].map(tree));
    let known = seed_blocks();
    let mut seen = BTreeSet::new();
    let mut lost = String::new();
    for row in table(SEED_MAP, "values of the article") {
        let [block, value, on, file, texts] = &row[..] else { panic!("five cells are expected: {row:?}") };
        assert!(known.contains(block), "the value {value} belongs to block {block}, which is none");
        seen.insert(block.clone());
        let file = only_code(file);
        let on: Vec<&str> = if on == "all" { hosts.keys().copied().collect() } else { on.split(", ").collect() };
        for host in on {
            let content = if host == "none" {
                std::fs::read_to_string(repository(file)).ok()
            } else {
                let tree = hosts.get(host).unwrap_or_else(|| panic!("block {block}, {value}: no host {host}"));
                if file == "packages" { Some(tree.package_lines()) } else { tree.text(file).map(str::to_owned) }
            };
            let Some(content) = content else {
                let _ = writeln!(lost, "block {block}, {value}: {host} has no {file}");
                continue;
            };
            for (before, text) in texts.split('`').step_by(2).zip(code(texts)) {
                let is_wanted = !before.ends_with("no ");
                if content.contains(text) != is_wanted {
                    let what = if is_wanted { "does not have" } else { "has" };
                    let _ = writeln!(lost, "block {block}, {value}: {file} of {host} {what} {text:?}");
                }
            }
        }
    }
    for block in known.iter().filter(|block| !seen.contains(*block)) {
        let _ = writeln!(lost, "block {block} has no value");
    }
    assert!(lost.is_empty(), "{lost}");
}

// ---- The reference of components -----------------------------------------------------------------------------------

/// What a template may see on some host: the path and the type of each value.
type Seen = BTreeMap<String, String>;

/// Names that are the user's or a profile's own have one row for all.
fn row_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        ["artifact", _, "version"] => "artifact.<name>.version".into(),
        ["artifact", _, "values", _] => "artifact.<name>.values.<key>".into(),
        ["image", _] => "image.<name>".into(),
        ["versions", _] => "versions.<name>".into(),
        ["variant", _, _] => "variant.<choice>.<key>".into(),
        _ => path.into(),
    }
}

fn walk(path: &str, value: &Value, seen: &mut Seen) {
    let mut leaf = |kind: &str| {
        let known = seen.entry(row_of(path)).or_insert_with(|| kind.to_owned());
        let is_setting = path.starts_with("variant.") || path.contains(".values.");
        match known.as_str() {
            _ if is_setting => "setting".clone_into(known),
            "list" => kind.clone_into(known),
            known => assert!(kind == known || kind == "list", "{path} is {kind} here and {known} there"),
        }
    };
    match value {
        Value::String(_) => leaf("text"),
        Value::Number(_) => leaf("number"),
        Value::Bool(_) => leaf("true or false"),
        Value::Null => panic!("{path} is null, which no template can print: it should be absent"),
        Value::Array(items) => match items.first() {
            // Of what, another host will tell.
            None => leaf("list"),
            Some(Value::Object(_)) => items.iter().for_each(|item| walk(&format!("{path}[]"), item, seen)),
            Some(Value::Number(_)) => leaf("list of numbers"),
            Some(_) => leaf("list of texts"),
        },
        Value::Object(entries) => {
            let join = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            entries.iter().for_each(|(key, value)| walk(&join(key), value, seen));
        }
    }
}

/// The built-in cluster on one system, with a port opened so that no list of ports is empty; on Debian 11 with what else a
/// cluster file may have.
fn cluster(sources: &mut Sources, catalogue: &Catalogue, stack: &str, system: &str) -> Cluster {
    let (name, text) = load::built_in_cluster(ProfileName::new(stack).ok().as_ref());
    let source = sources.add(name, text);
    let mut overrides = vec![format!("os={system}"), "firewall.open=[80/tcp, 53/udp]".to_owned()];
    if system == "debian-11" {
        let sha256 = "0".repeat(64);
        overrides.push("firewall.people=[8500/tcp]".to_owned());
        overrides.push(format!("images={{swarm: {{urls: ['http://a/swarm.tar'], sha256: {{all: '{sha256}'}}}}}}"));
    }
    let overrides = overrides.iter().map(|text| Override::parse(sources, text).expect("an override")).collect();
    load::cluster(sources, source, overrides, catalogue, &BTreeMap::new()).expect("the built-in cluster")
}

/// The plans of every host and role of the built-in cluster in every stack.
fn all_plans(sources: &mut Sources, catalogue: &Catalogue) -> Vec<HostPlan> {
    let secrets = sources.add("secrets.yaml", fixture::SECRETS);
    let secrets = load::secrets(sources, secrets).expect("the golden secrets");
    let mut all = Vec::new();
    for (stack, system) in [("classic", "ubuntu-22.04"), ("classic", "debian-11"), ("swarm-mode", "debian-12")] {
        let cluster = cluster(sources, catalogue, stack, system);
        let place = Place::new(sources.add("roles", ""), 0, 0);
        let located = |name: &ProfileName| Located { place, value: name.clone() };
        let hosts = cluster.hosts.iter().map(|host| Subject::Host(HostName::new(host.name.as_str()).expect("a name")));
        let roles = catalogue.roles.keys().map(|role| Subject::Roles(vec![located(role)]));
        for subject in hosts.chain(roles) {
            all.push(resolve(catalogue, &cluster, &secrets, &subject).expect("a plan"));
        }
    }
    all
}

fn built_in() -> (Sources, Catalogue) {
    let mut sources = Sources::default();
    let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()).expect("the built-in data");
    (sources, catalogue)
}

/// What templates see on each of these hosts.
fn all_values() -> Vec<Seen> {
    let (mut sources, catalogue) = built_in();
    let plans = all_plans(&mut sources, &catalogue);
    let seen = plans.iter().map(|plan| {
        let mut seen = Seen::new();
        walk("", &serde_json::to_value(&plan.values).expect("values as JSON"), &mut seen);
        seen
    });
    seen.collect()
}

#[test]
fn the_table_of_values_is_what_templates_see() {
    let all = all_values();
    let mut real = Seen::new();
    for (path, kind) in all.iter().flatten() {
        match real.get(path) {
            Some(known) if known != "list" => assert!(kind == known || kind == "list", "{path}: {kind}, {known}"),
            _ => drop(real.insert(path.clone(), kind.clone())),
        }
    }
    let rows = table(COMPONENTS, "values");
    let told: Seen = rows.iter().map(|row| (only_code(&row[0]).to_owned(), row[1].clone())).collect();
    // A list that is empty on every host could be of anything.
    let agree = |one: &str, other: &str| one == other || one.starts_with("list") && other == "list";
    let only = |these: &Seen, those: &Seen| -> Vec<String> {
        let is_told = |path: &String, kind: &str| those.get(path).is_some_and(|k| agree(k, kind) || agree(kind, k));
        these.iter().filter(|(path, kind)| !is_told(path, kind)).map(|(path, kind)| format!("{path}: {kind}")).collect()
    };
    let (extra, missing) = (only(&told, &real), only(&real, &told));
    let is_exact = extra.is_empty() && missing.is_empty();
    assert!(is_exact, "docs/components.md alone has {extra:#?}, templates alone see {missing:#?}");
    for row in rows {
        let path = only_code(&row[0]);
        let on_every_host = all.iter().all(|seen| seen.contains_key(path));
        assert_eq!(row[2] == "every", on_every_host, "`{path}`: whether every host has it");
    }
}

/// The texts of the values at these paths.
fn texts_at(paths: &BTreeSet<String>, path: &str, value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if paths.contains(path) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts_at(paths, &format!("{path}[]"), item, texts)),
        Value::Object(entries) => {
            let join = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            entries.iter().for_each(|(key, value)| texts_at(paths, &join(key), value, texts));
        }
        _ => {}
    }
}

/// The table marks those values as secrets that are secrets to the program, and none is in a file that others may read.
#[test]
fn secrets_are_in_files_of_their_owner_alone() {
    let rows = table(COMPONENTS, "values");
    let marked = rows.iter().filter(|row| row[3].contains("*Secret.*"));
    let marked: BTreeSet<String> = marked.map(|row| only_code(&row[0]).to_owned()).collect();
    let (mut sources, catalogue) = built_in();
    let mut engine = Engine::new(&catalogue.templates).expect("an engine");
    let mut found = 0;
    for plan in all_plans(&mut sources, &catalogue) {
        let mut texts = Vec::new();
        texts_at(&marked, "", &serde_json::to_value(&plan.values).expect("values as JSON"), &mut texts);
        let shown = format!("{:?}", plan.values);
        assert_eq!(shown.matches('…').count(), texts.len(), "{:?}: secrets in {shown}", plan.subject);
        // Hosts have no hash for L2TP.
        texts.retain(|text| !text.is_empty());
        assert!(!texts.iter().any(|text| shown.contains(text)), "{:?}: a secret is in {shown}", plan.subject);
        for (path, file) in &render(&mut engine, &mut sources, &plan).expect("a host").files {
            let content = String::from_utf8_lossy(file.content.as_bytes());
            let has_secret = texts.iter().any(|text| content.contains(text));
            let is_private = file.mode.to_string().ends_with("00");
            assert!(is_private || !has_secret, "{:?}: {path} has a secret and the mode {}", plan.subject, file.mode);
            found += usize::from(has_secret);
        }
    }
    assert!(found > 10, "only {found} files have a secret");
}

/// For each table of keys: the file that a user would write, with a key that there is not.
const KEYS: &[(&str, &str, &str)] = &[
    ("keys of component.yaml", "templates/probe/component.yaml", "summary: probe\nqqqqqqqq: 1\n"),
    ("keys of a variant", "templates/probe/component.yaml", "summary: probe\nvariants: {one: {qqqqqqqq: 1}}\n"),
    ("keys of a file", "templates/probe/component.yaml", "summary: probe\nfiles: [{qqqqqqqq: 1}]\n"),
    ("keys of an apt source", "templates/probe/component.yaml", "summary: probe\napt: {one: {qqqqqqqq: 1}}\n"),
    ("keys of a role", "profiles/roles/probe.yaml", "summary: probe\nqqqqqqqq: 1\n"),
    ("keys of a stack", "profiles/stacks/probe.yaml", "summary: probe\nqqqqqqqq: 1\n"),
    ("keys of an acl", "profiles/stacks/probe.yaml", "summary: probe\nacl: {one: {qqqqqqqq: 1}}\n"),
    ("keys of an image", "profiles/stacks/probe.yaml", "summary: probe\nimages: {one: {qqqqqqqq: 1}}\n"),
    ("keys of a system", "profiles/systems/probe.yaml", "qqqqqqqq: 1\n"),
    ("keys of a disk", "profiles/systems/probe.yaml", "image: {qqqqqqqq: 1}\n"),
    ("keys of an archive", "profiles/systems/probe.yaml", "archive: {qqqqqqqq: 1}\n"),
    ("keys of a platform", "profiles/platforms/probe.yaml", "summary: probe\nqqqqqqqq: 1\n"),
    ("keys of an artifact", "profiles/artifacts/probe.yaml", "summary: probe\nqqqqqqqq: 1\n"),
    ("keys of signed hashes", "profiles/artifacts/probe.yaml", "summary: probe\nsigned: {qqqqqqqq: 1}\n"),
    ("keys of since", "profiles/artifacts/probe.yaml", "summary: probe\nsince: {one: {qqqqqqqq: 1}}\n"),
    ("keys of a version", "profiles/artifacts/probe.yaml", "summary: probe\nversions: {one: {qqqqqqqq: 1}}\n"),
];

#[test]
fn the_tables_of_keys_are_what_the_loader_knows() {
    for (marker, path, text) in KEYS {
        let workplace = Workplace::new();
        workplace.write(path, text);
        std::fs::create_dir_all(workplace.path("templates")).expect("a folder");
        std::fs::create_dir_all(workplace.path("profiles")).expect("a folder");
        let ran =
            workplace.genhost(["check", "--format", "json", "--templates", "templates", "--profiles", "profiles"]);
        let answer: Value = serde_json::from_slice(&ran.0.stdout).expect("JSON");
        let diagnostics = answer["diagnostics"].as_array().expect("a list").iter();
        let messages = diagnostics.filter(|one| one["message"] == "unknown key `qqqqqqqq`");
        let help = messages.filter_map(|one| one["help"].as_str()).next().unwrap_or_else(|| panic!("{path}: {answer}"));
        let real: BTreeSet<&str> = code(help).into_iter().collect();
        let rows = table(COMPONENTS, marker);
        let told: BTreeSet<&str> = rows.iter().map(|row| only_code(&row[0])).collect();
        assert_eq!(told, real, "{marker}: docs/components.md (left) and the loader (right)");
    }
}

/// A `case.yaml` of bad input is read by a struct of its test.
#[test]
fn the_table_of_bad_input_keys_is_what_its_test_reads() {
    let source = std::fs::read_to_string(repository("tests/bad_input.rs")).expect("tests/bad_input.rs");
    let (_, rest) = source.split_once("struct Case {").expect("a struct Case");
    let (fields, _) = rest.split_once("\n}").expect("its end");
    let fields = fields.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let real: BTreeSet<&str> = fields.filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let rows = table(COMPONENTS, "keys of a bad-input case");
    let told: BTreeSet<&str> = rows.iter().map(|row| only_code(&row[0])).collect();
    assert_eq!(told, real, "docs/components.md (left) and tests/bad_input.rs (right)");
}

#[test]
fn the_table_of_filters_says_what_they_do() {
    for row in table(COMPONENTS, "filters") {
        let [filter, given, printed] = [0, 2, 3].map(|cell| only_code(&row[cell]));
        let filter = filter.trim_start_matches('\\');
        let workplace = Workplace::new();
        let value = serde_json::to_string(given).expect("a text as JSON");
        let manifest =
            format!("summary: probe\nvalues: {{text: {value}}}\nfiles: [{{path: /probe, template: probe}}]\n");
        workplace.write("templates/probe/component.yaml", manifest);
        workplace.write("templates/probe/probe", format!("{{# values: this.text #}}\n{{{{ this.text {filter} }}}}\n"));
        let arguments = ["--host", "swarm-node1", "--templates", "templates", "--set", "components=[probe]"];
        let tree = Tree::of(workplace.genhost(arguments.iter().chain(&["--format", "json"])));
        assert_eq!(tree.text("/probe"), Some(format!("{printed}\n").as_str()), "{filter} of {given}");
    }
}

// ---- Commands ------------------------------------------------------------------------------------------------------

fn copy(from: &Path, to: &Workplace) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("a readable folder");
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(from).expect("a path below").to_str().expect("a name in UTF-8");
            to.write(name, std::fs::read(entry.path()).expect("a readable file"));
        }
    }
}

/// Runs a document as a reader would, from top to bottom in one directory: a block with a file's name makes the
/// file, an
/// `sh` block has to succeed, and what a `text` block after it shows has to be in what it said.
fn follow(document: &str, markdown: &str, workplace: &Workplace) {
    let program = Path::new(env!("CARGO_BIN_EXE_genhost"));
    let mut path = OsString::from(program.parent().expect("a folder"));
    path.push(":/usr/sbin:/usr/bin:/sbin:/bin");
    let mut said = String::new();
    for block in blocks(markdown) {
        let Block { line, language, file, text } = &block;
        match language.as_str() {
            "sh" => {
                let mut command = Command::new("sh");
                command.args(["-euc", text]).current_dir(workplace).env("PATH", &path).env("NO_COLOR", "1");
                let ran = command.output().expect("a shell");
                said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
                assert!(ran.status.success(), "{document}:{line}: {}\n{text}\n{said}", ran.status);
            }
            "text" => {
                for shown in text.lines() {
                    assert!(said.contains(shown.trim()), "{document}:{line}: {shown:?} is not in\n{said}");
                }
            }
            _ => drop(file.as_ref().map(|file| workplace.write(file, text))),
        }
    }
}

fn documents() -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(repository("docs")).sort_by_file_name();
    let files = files.into_iter().map(|entry| entry.expect("docs/ is readable").into_path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn every_command_of_every_document_works() {
    let mut commands = 0;
    for path in documents() {
        let markdown = std::fs::read_to_string(&path).expect("a readable document");
        let workplace = Workplace::new();
        if path.file_name().is_some_and(|name| name == "README.md") {
            copy(path.parent().expect("a folder"), &workplace);
        }
        follow(&path.display().to_string(), &markdown, &workplace);
        commands += blocks(&markdown).iter().filter(|block| block.language == "sh").count();
    }
    assert!(commands >= 5, "only {commands} commands were found");
}

#[test]
fn every_link_leads_somewhere() {
    for path in documents() {
        let markdown = std::fs::read_to_string(&path).expect("a readable document");
        for link in markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let is_there = file.is_empty() || file.contains("://") || path.with_file_name("").join(file).exists();
            assert!(is_there, "{}: {link} leads nowhere", path.display());
        }
    }
}

/// Decisions are about files; a file that has moved takes its decision with it.
/// Every `fn` of a test and every name of a check of the lab's.
fn attacks() -> BTreeSet<String> {
    let files = ["tests", "src"].map(|folder| walkdir::WalkDir::new(repository(folder)));
    let files = files.into_iter().flatten().map(|entry| entry.expect("a file"));
    let mut attacks = BTreeSet::new();
    for entry in files.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs")) {
        let text = std::fs::read_to_string(entry.path()).expect("a source");
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).filter(|_| is_test)
            {
                attacks.insert(name.to_owned());
            }
            is_test = line == "#[test]";
            let name = line.split_once("name: \"").and_then(|(_, rest)| rest.split_once('"'));
            if let Some((name, _)) =
                name.filter(|_| entry.path().parent().is_some_and(|folder| folder.ends_with("check")))
            {
                attacks.insert(name.to_owned());
            }
        }
    }
    attacks
}

/// A promise without a check that attacks it is taken out.
#[test]
fn every_promise_of_security_has_a_check_that_attacks_it() {
    let text = std::fs::read_to_string(repository("docs/security.md")).expect("docs/security.md");
    let known = attacks();
    let mut promises = 0;
    let mut rows = text.lines();
    while let Some(line) = rows.next() {
        if line != "| Promise | Attacked by |" {
            continue;
        }
        for row in rows.by_ref().skip(1).take_while(|row| row.starts_with('|')) {
            let cell = row.trim_matches('|').rsplit('|').next().expect("a cell");
            let named = code(cell);
            assert!(!named.is_empty(), "nothing attacks: {row}");
            for name in named {
                assert!(known.contains(name), "there is no check `{name}`: {row}");
            }
            promises += 1;
        }
    }
    assert!(promises >= 15, "{promises} promises");
}

#[test]
fn files_that_decisions_name_are_there() {
    let path = repository("docs/decisions.md");
    let markdown = std::fs::read_to_string(path).expect("a readable document");
    for word in code(&markdown) {
        let is_path = ["templates/", "profiles/", "src/", "tests/", "golden/", "docs/"]
            .iter()
            .any(|start| word.starts_with(start));
        assert!(!is_path || repository(word).exists(), "docs/decisions.md names {word}, which is gone");
    }
}

// ---- The example ---------------------------------------------------------------------------------------------------

const OVERLAY: [&str; 4] = ["--templates", "templates", "--profiles", "profiles"];
const UNIT: &str = "prometheus-node-exporter.service";
const DROP_IN: &str = "/etc/systemd/system/prometheus-node-exporter.service.d/genhost.conf";

/// The unit of Debian's and Ubuntu's package, as far as systemd-analyze needs it.
const PACKAGED: &str = "[Unit]\nDescription=Prometheus exporter for machine metrics\n\n[Service]\nRestart=on-failure\n\
    User=prometheus\nEnvironmentFile=/etc/default/prometheus-node-exporter\n\
    ExecStart=/usr/bin/prometheus-node-exporter $ARGS\n\n[Install]\nWantedBy=multi-user.target\n";

fn example() -> Workplace {
    let workplace = Workplace::new();
    copy(&repository(EXAMPLE), &workplace);
    workplace
}

fn example_tree(workplace: &Workplace, arguments: &[&str]) -> Tree {
    let arguments = OVERLAY.iter().chain(arguments).chain(&["--format", "json"]);
    Tree::of(workplace.genhost(arguments))
}

/// cloud-init's view of the rendered user-data.
#[derive(Deserialize)]
struct UserData {
    write_files: Vec<WriteFile>,
    packages: Vec<Value>,
}

#[derive(Deserialize)]
struct WriteFile {
    path: String,
    content: String,
}

#[test]
fn the_example_puts_its_component_on_every_host() {
    let workplace = example();
    for host in ["swarm-node0", "swarm-node1", "swarm-local"] {
        let text = workplace.genhost(OVERLAY.iter().chain(&["--host", host])).stdout_of_success();
        let user_data: UserData = serde_saphyr::from_str(&text).expect("user-data");
        let content = |path: &str| {
            let file = user_data.write_files.iter().find(|file| file.path == path);
            file.unwrap_or_else(|| panic!("{host} has no {path}")).content.as_str()
        };
        assert!(content(DROP_IN).contains("--web.listen-address=${VPN_ADDRESS}:9200 $ARGS\n"), "{}", content(DROP_IN));
        let wants = content("/etc/systemd/system/genhost.target").lines().find(|line| line.starts_with("Wants="));
        assert!(wants.is_some_and(|wants| wants.split([' ', '=']).any(|unit| unit == UNIT)), "{wants:?}");
        assert!(user_data.packages.contains(&"prometheus-node-exporter".into()), "{:?}", user_data.packages);
    }
}

#[test]
fn the_example_opens_its_port_on_the_vpn_alone() {
    let workplace = example();
    let tree = example_tree(&workplace, &["--host", "swarm-node0"]);
    let rules = tree.text("/etc/genhost/firewall.nft").expect("a firewall");
    let opens = |chain: &&str| chain.lines().any(|line| line.ends_with(",9200} accept"));
    let opened: Vec<&str> =
        rules.split("chain ").filter(opens).filter_map(|chain| chain.split_whitespace().next()).collect();
    assert_eq!(opened, ["vpn"], "{rules}");

    // Nothing else is opened, and nothing is lost.
    let built_in = Workplace::new();
    let built_in = Tree::of(built_in.genhost(["--stack", "classic", "--host", "swarm-node0", "--format", "json"]));
    let built_in = built_in.text("/etc/genhost/firewall.nft").expect("a firewall").to_owned();
    assert_eq!(rules.replace(",9200", ""), built_in);
}

/// An override is a copy: this one may differ in its one word only, so that the example never lags behind.
#[test]
fn the_examples_override_is_the_built_in_file_but_for_a_word() {
    let path = "templates/swarm-manager/swarm-agent-master.service";
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let built_in = read(repository(path));
    let own = read(repository(EXAMPLE).join(path));
    assert_ne!(own, built_in);
    assert_eq!(own, built_in.replace("--strategy=spread", "--strategy=binpack"), "copy the built-in file again");
}

#[test]
fn the_examples_unit_is_one_for_systemd() {
    let workplace = example();
    let tree = example_tree(&workplace, &["--host", "swarm-node1"]);
    assert!(tree.units.iter().any(|unit| unit == UNIT), "{:?}", tree.units);
    assert_eq!(tree.files[DROP_IN].mode, "0644");

    let root = Workplace::empty();
    root.write(&format!("usr/lib/systemd/system/{UNIT}"), PACKAGED);
    root.write(DROP_IN.trim_start_matches('/'), tree.text(DROP_IN).expect("a drop-in"));
    root.write("usr/bin/prometheus-node-exporter", "#!/bin/sh\n");
    let program = root.path("usr/bin/prometheus-node-exporter");
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("chmod");
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no", UNIT]).arg("--root").arg(root.as_ref());
    let ran = Ran(command.output().unwrap_or_else(|error| panic!("systemd-analyze: {error}; run .ci/setup")));
    assert_eq!(ran.stderr(), "", "systemd-analyze verify");
    assert_eq!(ran.code(), Some(0), "systemd-analyze verify");
}

// ---- The example with a secret -------------------------------------------------------------------------------------

const PASSWORD: &str = "/etc/genhost/backup-password";

fn backup_tree(workplace: &Workplace, host: &str) -> Tree {
    let arguments = ["--templates", "templates", "--host", host, "--set", "components=[backup]", "--format", "json"];
    Tree::of(workplace.genhost(arguments))
}

fn backup() -> Workplace {
    let workplace = Workplace::new();
    copy(&repository(BACKUP), &workplace);
    workplace
}

#[test]
fn a_components_secret_is_the_clusters_and_in_its_one_file() {
    let workplace = backup();
    let trees = ["swarm-node0", "swarm-node1", "swarm-local"].map(|host| backup_tree(&workplace, host));
    let password = trees[0].text(PASSWORD).expect("a password").to_owned();
    let is_password = |text: &str| text.len() == 24 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    assert!(password.strip_suffix('\n').is_some_and(is_password), "{password:?}");
    for tree in &trees {
        let holds = |file: &&TreeFile| file.content.values().any(|text| text.contains(password.trim_end()));
        assert_eq!(tree.files.values().filter(holds).count(), 1);
        assert_eq!((tree.text(PASSWORD), tree.files[PASSWORD].mode.as_str()), (Some(password.as_str()), "0600"));
    }

    let root = fixture::SECRETS.lines().find(|line| line.starts_with("root: ")).expect("a root");
    let other = fixture::SECRETS.replace(root, &format!("root: {}=", "A".repeat(43)));
    workplace.write("secrets.yaml", other);
    let other = backup_tree(&workplace, "swarm-node1");
    assert!(other.text(PASSWORD).is_some_and(|text| text != password), "another root gives another password");
}

#[test]
fn a_components_secret_can_be_set_by_hand() {
    let workplace = backup();
    let set = |label| {
        workplace.write("secrets.yaml", format!("{}own:\n  {label}: nine-fish-ride-a-tractor\n", fixture::SECRETS))
    };
    set("component/backup/password");
    assert_eq!(backup_tree(&workplace, "swarm-node1").text(PASSWORD), Some("nine-fish-ride-a-tractor\n"));
    set("component/backup/passwort");
    let arguments = ["--templates", "templates", "--host", "swarm-node1", "--set", "components=[backup]"];
    let ran = workplace.genhost(arguments);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr());
    let told = ["has the secret `component/backup/passwort`", "did you mean `component/backup/password`?"];
    assert!(told.iter().all(|text| ran.stderr().contains(text)), "{}", ran.stderr());
}

#[test]
fn the_backups_units_are_for_systemd() {
    let workplace = backup();
    let tree = backup_tree(&workplace, "swarm-node1");
    let root = Workplace::empty();
    root.write("usr/lib/genhost/backup", "#!/bin/sh\n");
    let program = root.path("usr/lib/genhost/backup");
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("chmod");
    let units = ["genhost-backup.service", "genhost-backup.timer"];
    for unit in units {
        let path = format!("etc/systemd/system/{unit}");
        root.write(&path, tree.text(&format!("/{path}")).expect("a unit"));
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).args(units).arg("--root").arg(root.as_ref());
    let ran = Ran(command.output().unwrap_or_else(|error| panic!("systemd-analyze: {error}; run .ci/setup")));
    assert_eq!((ran.stderr().as_str(), ran.code()), ("", Some(0)), "systemd-analyze verify");
}
