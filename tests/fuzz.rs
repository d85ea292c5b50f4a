//! Fuzzes the way through the house for a bounded time: real texts, mutated, are loaded, resolved, rendered and emitted. No
//! input makes a panic or takes a second of the reference machine, and every error has a message and a place that exists.
//!
//! The inputs are the same in every run, only their number depends on the machine; `FUZZ_SECONDS` bounds it.

mod fixture;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fixture::pace::Pace;
use fixture::{SECRETS, Workplace};
use genhost::cluster::ProfileName;
use genhost::diagnostic::{Diagnostic, Place, Problem, Sources};
use genhost::emit::{FORMATS, Machine};
use genhost::load::{self, Catalogue, Override, Shelf};
use genhost::render::{Engine, inspect, render};
use genhost::resolve::{Subject, resolve};
use genhost::yaml::Located;

/// What is mutated goes the whole way in this time on the reference machine, the one of docs/reproducibility.md.
const WHOLE: Duration = Duration::from_millis(50);
const CLUSTER: &str = "\
name: swarm0
stack: classic
os: ubuntu-22.04
vpn:
  endpoint: vpn.test
  port: 443
  nic: vlan0
  network: 192.168.30.0/24
  dhcp: {first: 192.168.30.10, last: 192.168.30.99}
  claims: {first: 192.168.30.100, last: 192.168.30.199}
  users: [user, Other.One]
hosts:
  node0: {roles: [vpn-server, swarm-manager], platform: digitalocean, vpn_address: 192.168.30.2}
  node1: &other {roles: [swarm-agent], os: ubuntu-22.04, consul: client, components: [own]}
  node2: {<<: *other, consul: server}
install: {softether: source}
versions: {consul: \"1.22.7\"}
artifacts:
  consul: {urls: [\"https://mirror.test/{version}/{arch}.zip\"]}
components: [own]
settings:
  own: {text: \"a: {{ b }} % $c 'd'\\n\", number: 5, flag: false, list: [a, b]}
firewall: {open: [80/tcp, 53/udp]}
";
const OWN_SECRETS: &str = "own:\n  vpn/administrator: \"hunter2 % of nine otters\"\n  vpn/psk: 'it''s nine fish on tractors'\n  vpn/user/user: ünï fährt neun Traktoren\n";
const COMPONENT: &str = "\
summary: A component of the user's
needs: [docker]
packages: [nginx, \"curl=1.2-3~{codename}\"]
values: {text: hello, number: 1, flag: true, list: []}
bootcmd: [[sh, -c, \"true # {{ }}\"]]
runcmd: [[/usr/bin/true, \"%i\"]]
files:
  - {path: /etc/own.conf, template: own.conf, mode: \"0600\"}
units: [own.service]
choice: docker
variants:
  docker-ce: {packages: [jq], values: {socket: /run/docker.sock}, needs: [consul]}
  distro: {}
";
const TEMPLATE: &str = "\
{# values: this.text this.number this.flag this.list vpn.prefix vpn.hub variant.docker.socket #}
{% if this.flag %}
{{ this.text|sh }} {{ vpn.hub|softether }}
{% else %}
{{ this.text|systemd }} = {{ variant.docker.socket|tojson }}
{% endif %}
{% for item in this.list %}
{{ loop.index }}: {{ item }}{{ this.number * 2 }}
{% endfor %}
{{ vpn.prefix }}
";

/// What mutation puts in.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "\u{feff}", "\t", "\0", "\r", "\u{1b}", "\u{2028}", "😀", "&a ", "*a", "<<: ", "? ", "!!binary ", "!x ", "---\n",
    "...\n", "{", "}", "[", "]", "'", "\"", ": ", "- ", "|\n", ">-\n", "#", "~", "null", "yes", "true", "0", "-1",
    "65536", "99999999999999999999", "1e999", ".nan", "0644", "1.10", "255.255.255.255", "0.0.0.0/8", "10.0.0.0/29",
    "{{ ", " }}", "{% ", " %}", "{% for x in [1] %}", "{% endfor %}", "{# ", " #}", "|tojson", "|sh", "[0]", ".x",
    "()", "{version}", "{x}", "%", "$", "\\", "/", "..", "agent", "vpn-server", "debian-12", "own",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit.max(1) as u64).expect("below a usize")
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    fn span(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..(start + self.below(most)).min(length)
    }

    /// Where a word of a text stands.
    fn word(&mut self, text: &[u8]) -> std::ops::Range<usize> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./".contains(byte);
        let at = self.below(text.len());
        let start = text[..at].iter().rposition(|byte| !is_part(byte)).map_or(0, |end| end + 1);
        let end = text[at..].iter().position(|byte| !is_part(byte)).map_or(text.len(), |length| at + length);
        start..end.max(start)
    }

    fn mutate(&mut self, text: &mut Vec<u8>, others: &[&str]) {
        let other = self.pick(others).as_bytes();
        let (here, there) = (self.span(text.len(), 40), self.span(other.len(), 80));
        match self.below(8) {
            0 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] ^= 1 << self.below(8);
            }
            1 => drop(text.splice(here.start..here.start, self.pick(TOKENS).bytes())),
            2 => drop(text.splice(here, self.pick(TOKENS).bytes())),
            3 => drop(text.drain(here)),
            4 => drop(text.splice(here, other[there].iter().copied())),
            5 => {
                let copy = text[here.clone()].to_vec();
                text.splice(here.start..here.start, copy);
            }
            6 => {
                let (word, other_word) = (self.word(text), self.word(other));
                text.splice(word, other[other_word].iter().copied());
            }
            _ => {
                let word = self.word(text);
                text.splice(word, self.pick(TOKENS).bytes());
            }
        }
    }
}

/// The texts of one attempt.
struct Input {
    cluster: String,
    secrets: String,
    set: String,
    /// A file among the templates or the profiles that is not what it was.
    file: Option<(bool, String, Vec<u8>)>,
}

impl Input {
    /// One without a fault.
    fn whole() -> Self {
        Self { cluster: CLUSTER.to_owned(), secrets: format!("{SECRETS}{OWN_SECRETS}"), set: String::new(), file: None }
    }

    fn shelves(&self) -> (Shelf, Shelf) {
        let mut shelves = (Shelf::profiles(), Shelf::templates());
        shelves.1.put("own/component.yaml".into(), "component.yaml".into(), COMPONENT.into());
        shelves.1.put("own/own.conf".into(), "own.conf".into(), TEMPLATE.into());
        if let Some((is_template, path, bytes)) = &self.file {
            let shelf = if *is_template { &mut shelves.1 } else { &mut shelves.0 };
            shelf.put(path.clone(), path.clone(), bytes.clone());
        }
        shelves
    }

    /// The whole way; the number of bytes at its end.
    fn go(&self, sources: &mut Sources) -> Result<usize, Vec<Diagnostic>> {
        let one = |fault: Diagnostic| vec![fault];
        let (profiles, templates) = self.shelves();
        let catalogue = Catalogue::load(sources, &profiles, templates).map_err(one)?;
        let set =
            if self.set.is_empty() { Vec::new() } else { vec![Override::parse(sources, &self.set).map_err(one)?] };
        let source = sources.add("cluster.yaml", self.cluster.as_str());
        let cluster = load::cluster(sources, source, set, &catalogue, &std::collections::BTreeMap::new())?;
        let source = sources.add("secrets.yaml", self.secrets.as_str());
        let secrets = load::secrets(sources, source).map_err(one)?;
        let role = ProfileName::new("agent").expect("a name");
        let place = Place::new(source, 0, 0);
        let mut subjects = vec![Subject::Roles(vec![Located { place, value: role }])];
        subjects.extend(cluster.hosts.iter().take(2).map(|host| Subject::Host(host.name.value.clone())));
        let mut engine = Engine::new(&catalogue.templates).map_err(one)?;
        let mut bytes = 0;
        for subject in subjects {
            let plan = resolve(&catalogue, &cluster, &secrets, &subject).map_err(one)?;
            let tree = render(&mut engine, sources, &plan).map_err(one)?;
            for format in FORMATS {
                let platform = format.platform.and_then(|name| catalogue.platforms.get(name));
                match (format.emit)(&Machine { tree: &tree, platform }) {
                    // A host by role has no name that these could give.
                    Err(Problem::NameNeeded) if tree.hostname.is_none() => {}
                    emitted => bytes += emitted.map_err(|problem| one(problem.into()))?.len(),
                }
            }
            bytes += inspect(&tree).len();
        }
        Ok(bytes)
    }
}

/// Everything that can be mutated: the built-in files and those above.
struct Corpus {
    /// Whether it is a template, its path and its text.
    files: Vec<(bool, String, String)>,
}

impl Corpus {
    fn new() -> Self {
        let shelf = |is_template: bool, shelf: &Shelf| {
            let text = |path: &str| shelf.get(path).map(|volume| String::from_utf8_lossy(&volume.bytes).into_owned());
            let files = shelf.paths().filter_map(|path| Some((is_template, path.to_owned(), text(path)?)));
            files.collect::<Vec<_>>()
        };
        let mut files = [shelf(false, &Shelf::profiles()), shelf(true, &Shelf::templates())].concat();
        // Often, since these have something of everything.
        for _ in 0..files.len() / 2 {
            files.push((true, "own/component.yaml".to_owned(), COMPONENT.to_owned()));
            files.push((true, "own/own.conf".to_owned(), TEMPLATE.to_owned()));
        }
        Self { files }
    }

    fn input(&self, random: &mut Random) -> Input {
        let mut texts: Vec<&str> = self.files.iter().map(|(_, _, text)| text.as_str()).collect();
        texts.extend([CLUSTER, SECRETS, OWN_SECRETS]);
        let mut mutant = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                random.mutate(&mut bytes, &texts);
            }
            (bytes, random.below(texts.len()))
        };
        let mut input = Input::whole();
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (bytes, choice) = mutant(CLUSTER);
        match choice % 10 {
            0..4 => input.cluster = lossy(bytes),
            4 => input.secrets = lossy(mutant(&input.secrets).0),
            5 => input.set = lossy(mutant("hosts.node1.vpn_address=192.168.30.7").0),
            _ => {
                let (is_template, path, text) = &self.files[choice % self.files.len()];
                input.file = Some((*is_template, path.clone(), mutant(text).0));
            }
        }
        input
    }
}

/// The same input for the program itself, which shows what is wrong.
fn show(input: &Input) {
    let place = Workplace::new();
    place.write("cluster.yaml", &input.cluster);
    place.write("secrets.yaml", &input.secrets);
    place.write("templates/own/component.yaml", COMPONENT);
    place.write("templates/own/own.conf", TEMPLATE);
    place.write("profiles/none", "");
    if let Some((is_template, path, bytes)) = &input.file {
        place.write(&format!("{}/{path}", if *is_template { "templates" } else { "profiles" }), bytes);
    }
    let set = format!("--set={}", input.set);
    let mut arguments = vec!["check", "--locked", "--templates", "templates", "--profiles", "profiles"];
    // The shell cannot pass a NUL.
    if !input.set.is_empty() && !input.set.contains('\0') {
        arguments.push(&set);
    }
    let ran = place.genhost(&arguments);
    let told = ran.stderr();
    assert!(matches!(ran.code(), Some(0 | 1)) && !told.contains("panicked"), "{:?}: {told}", ran.code());
    assert!(ran.code() == Some(0) || told.contains("error: "), "{told}");
}

fn assert_told(sources: &Sources, faults: &[Diagnostic]) {
    assert!(!faults.is_empty(), "an error without a fault");
    for fault in faults {
        assert!(!fault.to_string().trim().is_empty(), "{fault:?}");
        if let Some(place) = fault.place {
            let text = sources.text(place.source);
            let is_inside = place.start <= place.end && place.start as usize <= text.len();
            assert!(is_inside && !sources.name(place.source).is_empty(), "{fault:?}");
            assert!(sources.position(place).line > 0);
        }
    }
}

#[test]
fn no_input_makes_a_panic_or_takes_a_second() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let corpus = Corpus::new();
    let whole = || {
        let start = Instant::now();
        let outcome = Input::whole().go(&mut Sources::default());
        assert!(outcome.is_ok(), "what is mutated is good to begin with: {outcome:?}");
        start.elapsed()
    };
    let second = Pace::measured((0..5).map(|_| whole()).min().expect("five"), WHOLE).seconds(1);
    let mut random = Random(0x5eed);
    let start = Instant::now();
    let (mut inputs, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    while start.elapsed() < Duration::from_secs(seconds) || inputs <= 100 {
        let input = corpus.input(&mut random);
        inputs += 1;
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut sources = Sources::default();
            let outcome = input.go(&mut sources);
            if let Err(faults) = &outcome {
                assert_told(&sources, faults);
            }
            outcome.is_ok()
        }));
        let mut took = began.elapsed();
        if took > second {
            // The machine may have been busy with something else just then.
            let began = Instant::now();
            let _ = catch_unwind(AssertUnwindSafe(|| input.go(&mut Sources::default()).is_ok()));
            took = took.min(began.elapsed());
        }
        let text = || format!("{:?}\n--set {:?}\n{}\n{}", input.file, input.set, input.cluster, input.secrets);
        assert!(took <= second, "input {inputs} took {took:?}: {}", text());
        slowest = slowest.max(took);
        match outcome {
            Ok(true) => {}
            Ok(false) => {
                refused += 1;
                if refused % 8 == 0 {
                    show(&input);
                }
            }
            Err(_) => panic!("input {inputs}: {}", text()),
        }
    }
    println!("{inputs} inputs, {refused} of them refused, the slowest in {slowest:?}");
    assert!(refused > inputs / 4 && refused < inputs, "{inputs} inputs, {refused} of them refused");
}
