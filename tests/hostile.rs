//! Hostile texts go through genhost and are read back by the programs that will read them: PyYAML, a shell, Python's
//! JSON, systemd and SoftEther. Each comes back as it was, or genhost refuses it and says why.
//!
//! The texts are a list of known troublemakers and random joints of them, the same in every run. A component of the user's
//! carries them from `settings` into a template. Needs root and what `.ci/setup` brings.

mod fixture;

use std::path::Path;
use std::process::Command;

use fixture::Workplace;
use genhost::cluster::{Cluster, HostPath};
use genhost::diagnostic::Sources;
use genhost::load::{self, Catalogue, Shelf};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const CLUSTER: &str = "\
name: swarm0
stack: classic
os: debian-11
vpn:
  endpoint: vpn.test
  network: 192.168.16.0/20
  dhcp: {first: 192.168.30.10, last: 192.168.30.99}
  claims: {first: 192.168.30.100, last: 192.168.30.199}
hosts:
  node0: {roles: [vpn-server, swarm-manager]}
";

/// What has a meaning of its own somewhere on the way.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "", " ", "  ", "a", "b c", "\n", "\n\n", "\r", "\r\n", "\t", "\0", "\u{1}", "\u{7}", "\u{8}", "\u{b}", "\u{c}",
    "\u{1b}[31m", "\u{7f}", "\u{80}", "\u{85}", "\u{9b}", "\u{a0}", "\u{ad}", "\u{2028}", "\u{2029}", "\u{200b}",
    "\u{202e}", "\u{feff}", "\u{d7ff}", "\u{e000}", "\u{fdd0}", "\u{fffd}", "\u{fffe}", "\u{ffff}", "\u{10000}",
    "\u{1fffe}", "\u{10ffff}", "é", "e\u{301}", "日本", "😀", "👩‍👩‍👧", "'", "\"", "''", "\"\"", "`", "`id`", "$", "$$",
    "$HOME", "${HOME}", "$(id)", "$1", "$20", "\\", "\\\\", "\\n", "\\x41", "\\u0041", "\\", "%", "%%", "%i", "%n",
    "%s", "{{", "}}", "{{ vpn.hub }}", "{%", "%}", "{% raw %}", "{#", "#}", "#", " #", "# c", "//", "/*", ";", "&",
    "&&", "|", "||", ">", "<", "*", "?", "[", "]", "{", "}", "(", ")", "!", "~", "=", ":", ": ", "-", "- ", ",", "@",
    "^", "--", "---", "...", "---\n", "...\n", "|\n", ">-", "!!str", "!x", "&a", "*a", "<<", "? ", "%YAML 1.1", "yes",
    "No", "on", "OFF", "y", "n", "true", "null", "Null", "~", "0", "-0", "0644", "0o17", "0x1F", "0b1", "1_000",
    "1e3", "1.10", ".5", ".inf", "-.INF", ".nan", "1:30", "190:20:30", "2001-01-01", "2001-12-14t21:59:43.10-05:00",
    "+1", "\u{661}", "declare", "declare x {", "string a b", "-n", "-e", "\\c", "EOF", "\nEOF\n", "end\\",
    "[Service]", "\nExecStart=/bin/true", "]]>", "</script>", "../..", "/", "a/b", ".", "..", "CON", "a\tb",
];

/// The troublemakers one by one, at the ends of a word, and in random company.
fn texts() -> Vec<String> {
    let piece = prop_oneof![4 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    let joint = prop::collection::vec(piece, 2..9).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    let mut joints: Vec<String> = (0..160).map(|_| joint.new_tree(&mut runner).expect("a text").current()).collect();
    let alone = PIECES.iter().flat_map(|piece| [(*piece).to_owned(), format!("a{piece}"), format!("{piece}a")]);
    joints.extend(alone);
    joints.extend(["x".repeat(255), "é ".repeat(5000), "\n".repeat(300), " ".repeat(300), "'\"$\\".repeat(500)]);
    joints.sort();
    joints.dedup();
    joints
}

/// A text as YAML that says it without doubt.
fn yaml(text: &str) -> String {
    let escape = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\U{:08x}", u32::from(c)) };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn yaml_list(texts: &[String]) -> String {
    texts.iter().map(|text| format!("\n    - {}", yaml(text))).collect()
}

/// A place with a component `hostile` that has the texts as its setting, and files: path and template.
fn workplace(texts: &[String], files: &[(String, String)]) -> Workplace {
    let workplace = Workplace::new();
    let settings = format!("components: [hostile]\nsettings:\n  hostile:\n   texts: {}\n", yaml_list(texts));
    let settings = if texts.is_empty() { "components: [hostile]\n" } else { settings.as_str() };
    workplace.write("cluster.yaml", format!("{CLUSTER}{settings}"));
    let mut manifest = "summary: Hostile texts\nvalues: {texts: []}\nfiles:\n".to_owned();
    for (number, (path, template)) in files.iter().enumerate() {
        manifest.push_str(&format!("  - {{path: {}, template: t{number}}}\n", yaml(path)));
        workplace.write(&format!("templates/hostile/t{number}"), template);
    }
    workplace.write("templates/hostile/component.yaml", manifest);
    workplace
}

const RENDER: [&str; 4] = ["--host", "node0", "--templates", "templates"];

/// What genhost makes of a template that sees all texts as `this.texts`.
fn render(texts: &[String], template: &str) -> String {
    let file = ("/hostile".to_owned(), format!("{{# values: this.texts #}}\n{template}"));
    let place = workplace(texts, &[file]);
    let json = place.genhost(RENDER.iter().chain(&["--format", "json"])).stdout_of_success();
    let tree: Value = serde_json::from_str(&json).expect("JSON");
    tree["files"]["/hostile"]["content"]["text"].as_str().expect("text").to_owned()
}

/// genhost refuses each of these texts in the template, and says where.
fn assert_refused(texts: &[String], template: &str) {
    for text in texts {
        let file = ("/hostile".to_owned(), format!("{{# values: this.texts #}}\n{template}"));
        assert_refusal(&workplace(std::slice::from_ref(text), &[file]), text);
    }
}

fn assert_refusal(workplace: &Workplace, text: &str) {
    let ran = workplace.genhost(RENDER);
    let told = ran.stderr();
    assert_eq!(ran.code(), Some(1), "{text:?}: {told}");
    assert!(told.starts_with("error: ") && told.contains("--> "), "{text:?}: {told}");
    assert!(ran.0.stdout.is_empty(), "{text:?}");
}

/// Runs a program in the place, and returns what it prints.
fn run(workplace: &Workplace, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).current_dir(workplace).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: run `.ci/setup`"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program}: {}: {told} (`.ci/setup`, as root, brings what it needs)",
        output.status
    );
    output.stdout
}

/// Compares one by one, so that a failure names the text.
fn assert_equal(want: &[String], got: &[impl AsRef<[u8]>]) {
    for (want, got) in want.iter().zip(got) {
        let got = got.as_ref();
        assert!(want.as_bytes() == got, "{want:?} came back as {:?}", String::from_utf8_lossy(got));
    }
    assert_eq!(want.len(), got.len());
}

/// The texts of a list that a program printed, each with a NUL behind it.
fn split_at_nul(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.strip_suffix(b"\0").map(|bytes| bytes.split(|byte| *byte == 0).collect()).unwrap_or_default()
}

#[test]
fn contents_and_paths_come_back_from_pyyaml() {
    const READ: &str = r#"
import base64, json, os, sys, yaml
want = json.load(open("want.json"))
tree = json.load(open("tree.json"))
files = {f["path"]: f for f in yaml.safe_load(open("user-data", encoding="utf-8", newline=""))["write_files"]}
for path, text in want.items():
    got = files[path]
    content = got["content"].encode()
    if got.get("encoding") == "b64":
        content = base64.b64decode(content)
    assert content == text.encode(), (path, text, content)
    assert tree["files"][path]["content"] == {"text": text}, (path, text)
    real = "root" + path
    os.makedirs(os.path.dirname(real), exist_ok=True)
    open(real, "xb").close()
    assert os.path.realpath(real) == os.path.join(os.getcwd(), real), path
"#;
    let texts = texts();
    let mut files = Vec::new();
    let mut want = serde_json::Map::new();
    let shapes: [fn(&str) -> String; 4] = [
        str::to_owned,
        |text| format!("{text}\n"),
        |text| format!("key = {text}\nend\n"),
        |text| format!("a\n {text}"),
    ];
    for (number, text) in texts.iter().enumerate() {
        for (letter, shape) in ["a", "b", "c", "d"].iter().zip(shapes) {
            let used = format!("{{{{ this.texts[{number}] }}}}");
            let path = format!("/content/{letter}{number}");
            files.push((path.clone(), format!("{{# values: this.texts #}}\n{}", shape(&used))));
            want.insert(path, shape(text).into());
        }
    }
    let paths: Vec<String> = texts.iter().map(|text| format!("/path/{text}/{text}")).collect();
    let (good, bad): (Vec<String>, Vec<String>) = paths.into_iter().partition(|path| HostPath::new(path).is_ok());
    assert!(good.len() > 100 && bad.len() > 50, "{} and {}", good.len(), bad.len());
    for path in good {
        files.push((path.clone(), "{# values: #}\n".to_owned()));
        want.insert(path, "".into());
    }
    let place = workplace(&texts, &files);
    place.write("want.json", Value::from(want).to_string());
    place.write("user-data", place.genhost(RENDER).stdout_of_success());
    place.write("tree.json", place.genhost(RENDER.iter().chain(&["--format", "json"])).stdout_of_success());
    run(&place, "/usr/bin/python3", &["-X", "utf8", "-c", READ]);

    for path in bad.iter().step_by(4) {
        assert_refusal(&workplace(&[], &[(path.clone(), "{# values: #}\n".to_owned())]), path);
    }
}

#[test]
fn sh_gives_back_every_word() {
    const WORDS: &str = "printf '%s\\0'{% for text in this.texts %} {{ text|sh }}{% endfor %}\n";
    let (refused, carried): (Vec<_>, Vec<_>) = texts().into_iter().partition(|text| text.contains('\0'));
    let place = Workplace::empty();
    place.write("script", render(&carried, WORDS));
    for shell in [&["dash", "script"][..], &["bash", "--posix", "script"], &["bash", "script"]] {
        assert_equal(&carried, &split_at_nul(&run(&place, shell[0], &shell[1..])));
    }
    assert_refused(&refused, WORDS);
}

#[test]
fn json_gives_back_every_string() {
    const READ: &str = "import json, sys; sys.stdout.buffer.write(b''.join(t.encode() + b'\\n\\0\\n' for t in json.load(open('list.json'))))";
    let texts = texts();
    let place = Workplace::empty();
    place.write("list.json", render(&texts, "{{ this.texts|tojson }}"));
    let read: Value = serde_json::from_slice(&std::fs::read(place.path("list.json")).expect("a file")).expect("JSON");
    assert_eq!(read, json!(texts));
    let whole: String = texts.iter().map(|text| format!("{text}\n\0\n")).collect();
    assert!(run(&place, "/usr/bin/python3", &["-X", "utf8", "-c", READ]) == whole.into_bytes());
}

/// What systemd does not take in a unit file at all: control characters, and Unicode's noncharacters.
fn unit_can_hold(text: &str) -> bool {
    let is_noncharacter =
        |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff);
    !text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || is_noncharacter(c))
}

/// A real service manager, not the first process but a user's, starts a service in namespaces of its own and hands every
/// text to a program as an argument: systemd 252 of Debian 12, and 247 of Debian 11.
#[test]
fn systemd_hands_every_argument_to_the_program() {
    const UNIT: &str = "[Unit]\nDefaultDependencies=no\nSuccessAction=exit-force\nFailureAction=exit-force\n[Service]\nType=oneshot\n\
         StandardOutput=append:/mnt/out\n{% for text in this.texts %}ExecStart=/usr/bin/printf \"%%s\\\\000\" {{ text|systemd }}\n{% endfor %}\n";
    const START: &str = r#"
mount -t cgroup2 none /sys/fs/cgroup
own=/sys/fs/cgroup/$(basename "$PWD")
mkdir "$own"
echo $$ >"$own/cgroup.procs"
mount --bind . "$1/mnt"
[ "$1" = / ] || { mount -t proc none "$1/proc"; mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"; }
mount -t tmpfs none "$1/run"
mkdir -p "$1/run/systemd/system" "$1/run/user"
export XDG_RUNTIME_DIR=/run/user SYSTEMD_UNIT_PATH=/mnt SYSTEMD_LOG_TARGET=console HOME=/
code=0
timeout -k 2 60 chroot "$1" /lib/systemd/systemd --user --unit=hostile.service || code=$?
echo $$ >/sys/fs/cgroup/cgroup.procs
find "$own" -depth -type d -exec rmdir {} +
exit $code
"#;
    let (carried, refused): (Vec<_>, Vec<_>) = texts().into_iter().partition(|text| unit_can_hold(text));
    let unit = render(&carried, UNIT);
    for root in [Path::new("/"), &Path::new(env!("CARGO_MANIFEST_DIR")).join("target/roots/bullseye")] {
        assert!(root.join("lib/systemd/systemd").exists(), "{}: no systemd: run `.ci/setup`", root.display());
        let place = Workplace::empty();
        place.write("hostile.service", &unit);
        let root = root.to_str().expect("a path in UTF-8");
        let namespaces =
            ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-euc", START, "sh", root];
        run(&place, "unshare", &namespaces);
        let got = std::fs::read(place.path("out")).expect("the service has run");
        assert_equal(&carried, &split_at_nul(&got));
    }
    assert_refused(&refused, UNIT);
}

/// Runs a Python program that has `call(method, parameters)` of the JSON-RPC interface of a SoftEther 5.01 with this
/// configuration. The daemon has namespaces of its own, and the plain locale that it has as a service.
fn ask_softether(config: &str, program: &str) -> Value {
    const START: &str = "
for folder in lib log; do mount -t tmpfs none /var/$folder; mkdir /var/$folder/softether; done
mount -t tmpfs none /run
mkdir /run/softether
cp vpn_server.config /var/lib/softether/
ip link set lo up
/usr/libexec/softether/vpnserver/vpnserver execsvc >/dev/null 2>&1 &
exec timeout 60 /usr/bin/python3 -X utf8 program.py
";
    const CALL: &str = r#"
import http.client, json, ssl, time
connection = None
def call(method, parameters):
    global connection
    body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters})
    for attempt in range(200):
        try:
            if connection is None:
                connection = http.client.HTTPSConnection("127.0.0.1", context=ssl._create_unverified_context(), timeout=10)
            connection.request("POST", "/api/", body, {"X-VPNADMIN-PASSWORD": "abc"})
            answer = json.load(connection.getresponse())
            if "error" in answer:
                raise SystemExit(f"{method} {parameters}: {answer}")
            return answer["result"]
        except OSError:
            connection = None
            time.sleep(0.1)
    raise SystemExit("no answer from vpnserver")
"#;
    let daemon = "/usr/libexec/softether/vpnserver/vpnserver";
    assert!(Path::new(daemon).exists(), "{daemon} is missing: run `.ci/setup`");
    let place = Workplace::empty();
    place.write("vpn_server.config", config);
    place.write("program.py", format!("{CALL}{program}"));
    let clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-euc", START];
    let namespaces = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
    serde_json::from_slice(&run(&place, "unshare", &[&namespaces[..], &clean].concat())).expect("JSON")
}

#[test]
fn softether_reads_every_string_and_name() {
    // The settings of EtherIP are what has a free name and a string of the same kind as the pre-shared key, many times.
    // The administrator's password is `abc`.
    const CONFIG: &str = "\
declare root {
 declare DDnsClient {
  bool Disabled true
 }
 declare IPsec {
  declare EtherIP_IDSettingsList {
{% for text in this.texts %}
   declare {{ ('%04d'|format(loop.index) ~ text ~ '.')|softether }} {
    byte EncryptedPassword nQ==
    string HubName {{ text|softether }}
   }
{% endfor %}
  }
 }
 declare ListenerList {
  declare Listener0 {
   bool Enabled true
   uint Port 443
  }
 }
 declare ServerConfiguration {
  bool DisableNatTraversal true
  byte HashedPassword AWS4qRTNKl50xPf/CCxNl/Ht+IA=
 }
}
";
    // It cuts blanks off the ends, and beyond ASCII its locale decides.
    let can_hold = |text: &String| text.is_ascii() && !text.contains('\0') && text.trim_matches([' ', '\t']) == text;
    let (carried, refused): (Vec<_>, Vec<_>) = texts().into_iter().partition(can_hold);
    // A string of this kind has 255 bytes at most.
    let carried: Vec<String> = carried.into_iter().filter(|text| text.len() <= 255).collect();
    let config = render(&carried, CONFIG);

    // It answers before it has read them all.
    const PROGRAM: &str = "
for attempt in range(100):
    settings = call('EnumEtherIpId', {})['Settings']
    if len(settings) == COUNT:
        break
    time.sleep(0.1)
print(json.dumps(settings))
";
    let answer = ask_softether(&config, &PROGRAM.replace("COUNT", &carried.len().to_string()));
    let mut read: Vec<(&str, &str)> = answer
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (entry["Id_str"].as_str().expect("a name"), entry["HubName_str"].as_str().expect("a string")))
        .collect();
    read.sort_unstable();
    let (names, strings): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    assert_equal(&carried, &strings);
    let named: Vec<String> = (1..).zip(&carried).map(|(number, text)| format!("{number:04}{text}.")).collect();
    assert_equal(&named, &names);
    assert_refused(&refused, CONFIG);
}

/// The hashes that SoftEther itself makes of a password, as `[AuthPassword, AuthNtLmSecureHash]`.
fn hashes_by_softether(users: &[(String, &String)]) -> Value {
    const PROGRAM: &str = r#"
call("CreateHub", {"HubName_str": "h", "AdminPasswordPlainText_str": "x", "Online_bool": True, "HubType_u32": 0})
answer = []
for name, password in json.load(open("users.json")):
    user = {"HubName_str": "h", "Name_str": name, "AuthType_u32": 1, "Auth_Password_str": password}
    call("CreateUser", user)
    user = call("GetUser", user)
    answer.append([user["HashedKey_bin"], user["NtLmSecureHash_bin"]])
print(json.dumps(answer))
"#;
    let program =
        PROGRAM.replace("json.load(open(\"users.json\"))", &format!("json.loads({})", json!(json!(users).to_string())));
    ask_softether(EMPTY, &program)
}

const EMPTY: &str = "declare root {
 declare ListenerList {
  declare Listener0 {
   bool Enabled true
   uint Port 443
  }
 }
 declare ServerConfiguration {
  bool DisableNatTraversal true
  byte HashedPassword AWS4qRTNKl50xPf/CCxNl/Ht+IA=
 }
}
";

#[test]
fn passwords_are_hashed_as_softether_hashes_them_or_refused() {
    // SoftEther's own programs cut blanks off the ends.
    let can_be = |text: &String| {
        (1..=127).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim_matches(' ') == text
    };
    // What can be guessed is refused for that alone.
    let texts = texts().into_iter().map(|text| text + "nine-fish-ride-a-tractor");
    let (carried, refused): (Vec<_>, Vec<_>) = texts.partition(can_be);
    let users: Vec<(String, &String)> = (0..).map(|number| format!("User.{number}")).zip(&carried).collect();
    let place = workplace(&[], &[]);
    let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
    place.write("cluster.yaml", CLUSTER.replace("hosts:", &format!("  users: {}\nhosts:", json!(names))));
    let own = |label: &str, password: &str| format!("  vpn/{label}: {}\n", yaml(password));
    let secrets: String = users.iter().map(|(name, password)| own(&format!("user/{name}"), password)).collect();
    place.write("secrets.yaml", format!("{}own:\n{secrets}", fixture::SECRETS));
    let json = place.genhost(["--host", "node0", "--format", "json"]).stdout_of_success();
    let tree: Value = serde_json::from_str(&json).expect("JSON");
    let config = tree["files"]["/etc/genhost/vpn_server.config"]["content"]["text"].as_str().expect("text");
    let by_softether = hashes_by_softether(&users);
    for (number, (name, password)) in users.iter().enumerate() {
        let (_, user) = config.split_once(&format!("declare {name} {{")).expect("the user");
        let (user, _) = user.split_once('}').expect("its end");
        let hash = |key: &str| user.split_once(&format!("byte {key} ")).and_then(|(_, rest)| rest.lines().next());
        assert_eq!(hash("AuthPassword"), by_softether[number][0].as_str(), "{password:?}");
        // SoftEther makes this one of bytes; the people's programs make it of UTF-16, as genhost does.
        if password.is_ascii() {
            assert_eq!(hash("AuthNtLmSecureHash"), by_softether[number][1].as_str(), "{password:?}");
        }
    }
    for password in &refused {
        place.write("secrets.yaml", format!("{}own:\n{}", fixture::SECRETS, own("administrator", password)));
        assert_refusal(&place, password);
    }
}

/// A cluster file with a text in the place of a word.
fn cluster_with(key: &str, text: &str) -> String {
    let vpn = |name: &str| CLUSTER.replace("\nhosts:", &format!("\n  {name}: {}\nhosts:", yaml(text)));
    match key {
        "name" => CLUSTER.replace("swarm0", &yaml(text)),
        "endpoint" => CLUSTER.replace("vpn.test", &yaml(text)),
        "host" => CLUSTER.replace("node0", &yaml(text)),
        "user" => CLUSTER.replace("\nhosts:", &format!("\n  users: [{}]\nhosts:", yaml(text))),
        other => vpn(other),
    }
}

fn word_of(cluster: &Cluster, key: &str) -> String {
    match key {
        "name" => cluster.name.to_string(),
        "endpoint" => cluster.vpn.endpoint.to_string(),
        "host" => cluster.hosts[0].name.to_string(),
        "user" => cluster.vpn.users[0].to_string(),
        "hub" => cluster.vpn.hub.to_string(),
        "nic" => cluster.vpn.nic.to_string(),
        other => {
            assert_eq!(other, "account");
            cluster.vpn.account.to_string()
        }
    }
}

#[test]
fn words_are_kept_as_they_are_or_refused_at_their_place() {
    let mut sources = Sources::default();
    let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()).expect("a catalogue");
    let mut kept = 0;
    for key in ["name", "endpoint", "host", "user", "hub", "nic", "account"] {
        for text in texts() {
            let source = sources.add("cluster.yaml", cluster_with(key, &text));
            match load::cluster(&sources, source, Vec::new(), &catalogue, &std::collections::BTreeMap::new()) {
                Ok(cluster) => {
                    assert_eq!(word_of(&cluster, key), text, "{key}");
                    kept += 1;
                }
                Err(faults) => {
                    for fault in faults {
                        assert!(fault.place.is_some() && !fault.to_string().is_empty(), "{key}: {text:?}: {fault:?}");
                    }
                }
            }
        }
    }
    assert!(kept > 100, "{kept}");
}

/// Names that YAML 1.1 takes for something else.
#[test]
fn host_names_are_text_to_pyyaml() {
    const READ: &str =
        "import sys, yaml; print(repr(yaml.safe_load(open('user-data', encoding='utf-8'))['hostname']), end='')";
    for name in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "false",
        "null",
        "0",
        "17",
        "0644",
        "0x1f",
        "0b11",
        "1e3",
        "2001-01-01",
    ] {
        let place = Workplace::new();
        place.write("cluster.yaml", CLUSTER.replace("node0", &format!("'{name}'")));
        place.write("user-data", place.genhost(["--host", name]).stdout_of_success());
        let read = run(&place, "/usr/bin/python3", &["-X", "utf8", "-c", READ]);
        assert_eq!(String::from_utf8_lossy(&read), format!("'{name}'"));
    }
}
