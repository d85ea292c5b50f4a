//! Hostile texts go through genhost and are read back by the programs that will read them: PyYAML, a shell, Python's
//! JSON, systemd and SoftEther. Each comes back as it was, or genhost refuses it and says why.
//!
//! The texts are a list of known troublemakers and random joints of them, the same in every run. A component of the user's
//! carries them from `settings` into a template. Needs root and what `.ci/setup` brings.

mod fixture;

use std::path::Path;
use std::process::Command;

use fixture::Workplace;
use genhost::cluster::HostPath;
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
  network: 192.168.0.0/16
  dhcp: {first: 192.168.30.10, last: 192.168.30.99}
  claims: {first: 192.168.30.100, last: 192.168.30.199}
hosts:
  node0: {roles: [vpn-server, swarm-manager]}
";

/// What has a meaning of its own somewhere on the way.
const PIECES: &[&str] = &[
    "",
    " ",
    "  ",
    "a",
    "b c",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "\t",
    "\0",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\u{c}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{80}",
    "\u{85}",
    "\u{9b}",
    "\u{a0}",
    "\u{ad}",
    "\u{2028}",
    "\u{2029}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fdd0}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{1fffe}",
    "\u{10ffff}",
    "é",
    "e\u{301}",
    "日本",
    "😀",
    "👩‍👩‍👧",
    "'",
    "\"",
    "''",
    "\"\"",
    "`",
    "`id`",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "$(id)",
    "$1",
    "$20",
    "\\",
    "\\\\",
    "\\n",
    "\\x41",
    "\\u0041",
    "\\",
    "%",
    "%%",
    "%i",
    "%n",
    "%s",
    "{{",
    "}}",
    "{{ vpn.hub }}",
    "{%",
    "%}",
    "{% raw %}",
    "{#",
    "#}",
    "#",
    " #",
    "# c",
    "//",
    "/*",
    ";",
    "&",
    "&&",
    "|",
    "||",
    ">",
    "<",
    "*",
    "?",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "!",
    "~",
    "=",
    ":",
    ": ",
    "-",
    "- ",
    ",",
    "@",
    "^",
    "--",
    "---",
    "...",
    "---\n",
    "...\n",
    "|\n",
    ">-",
    "!!str",
    "!x",
    "&a",
    "*a",
    "<<",
    "? ",
    "%YAML 1.1",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "true",
    "null",
    "Null",
    "~",
    "0",
    "-0",
    "0644",
    "0o17",
    "0x1F",
    "0b1",
    "1_000",
    "1e3",
    "1.10",
    ".5",
    ".inf",
    "-.INF",
    ".nan",
    "1:30",
    "190:20:30",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "+1",
    "\u{661}",
    "declare",
    "declare x {",
    "string a b",
    "-n",
    "-e",
    "\\c",
    "EOF",
    "\nEOF\n",
    "end\\",
    "[Service]",
    "\nExecStart=/bin/true",
    "]]>",
    "</script>",
    "../..",
    "/",
    "a/b",
    ".",
    "..",
    "CON",
    "a\tb",
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
    assert!(output.status.success(), "{program} {arguments:?}: {}: {told}", output.status);
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

/// SHA-0 of `abc`, the password of the daemons' administrator here.
const HASH_OF_ABC: &str = "AWS4qRTNKl50xPf/CCxNl/Ht+Ig=";

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
    let config = format!(
        "declare root {{{{
 declare DDnsClient {{{{
  bool Disabled true
 }}}}
 declare IPsec {{{{
  declare EtherIP_IDSettingsList {{{{
{{% for text in this.texts %}}
   declare {{{{ (loop.index ~ text ~ '.')|softether }}}} {{{{
    byte EncryptedPassword nQ==
    string HubName {{{{ text|softether }}}}
   }}}}
{{% endfor %}}
  }}}}
 }}}}
 declare ListenerList {{{{
  declare Listener0 {{{{
   bool Enabled true
   uint Port 443
  }}}}
 }}}}
 declare ServerConfiguration {{{{
  bool DisableNatTraversal true
  byte HashedPassword {HASH_OF_ABC}
 }}}}
}}}}
"
    );
    let config = config.replace("{{{{ ", "{{ ").replace(" }}}}", " }}");
    println!("{config}");
}
