//! The one-liners of docs/platforms.md, as printed there, by the providers' own programs. Each asks a stand-in of its
//! provider's API on loopback, which gets the bytes that genhost wrote. A provider is a file below tests/providers/.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixture::Workplace;
use fixture::server::Server;
use serde_json::Value;

/// Programs that no registry has which `.ci/setup` may ask; `az`, which wants an account and a dozen answers before; and the
/// one whose provider is this machine.
const NOT_CASES: [&str; 4] = ["az", "doctl", "gcloud", "virt-install"];

/// A provider. Its file's name is the platform's.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    program: String,
    /// What the program is told; `{api}` is the stand-in's url, `{host}` its host and port.
    environment: BTreeMap<String, String>,
    /// What the stand-in says to a method and a path.
    #[serde(rename = "answers")]
    _answers: BTreeMap<String, Value>,
    /// The request that creates the machine.
    creates: String,
    /// Where its body has the user-data: a JSON pointer.
    user_data: String,
    #[serde(rename = "as")]
    form: Form,
}

/// How an API wants user-data.
#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Text,
    Base64,
}

/// A request, as api.py tells of it.
#[derive(serde::Deserialize)]
struct Request {
    request: String,
    known: bool,
    body: Value,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn cases() -> BTreeMap<String, Case> {
    let files = walkdir::WalkDir::new(here("tests/providers")).into_iter().map(|entry| entry.expect("an entry"));
    let files = files.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "yaml"));
    let cases = files.map(|entry| {
        let text = std::fs::read_to_string(entry.path()).expect("text");
        let case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{:?}: {error}", entry.path()));
        (entry.path().file_stem().expect("a name").to_string_lossy().into_owned(), case)
    });
    cases.collect()
}

/// The lines of docs/platforms.md that make a machine, by their programs.
fn one_liners() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(here("docs/platforms.md")).expect("docs/platforms.md");
    let block = text.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    block.lines().map(|line| (line.split(' ').next().expect("a word").to_owned(), line.to_owned())).collect()
}

/// A shell in a workplace that is its home, with the programs of `.ci/setup` first and nothing of this machine's environment.
fn shell(workplace: &Workplace, line: &str) -> Command {
    let programs = here("target/python/bin");
    assert!(programs.exists(), "{} is missing: run `.ci/setup`", programs.display());
    let mut command = Command::new("timeout");
    command
        .args(["60", "sh", "-euc", line])
        .current_dir(workplace)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("HOME", workplace.as_ref())
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("timeout");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: run `.ci/setup` if it is missing\n{said}", output.status);
    said
}

#[test]
fn every_one_liner_is_tried_or_named_as_not_tried() {
    let tried: BTreeSet<String> = cases().into_values().map(|case| case.program).collect();
    let known = tried.iter().map(String::as_str).chain(NOT_CASES).collect::<BTreeSet<_>>();
    assert_eq!(one_liners().keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[test]
fn a_provider_gets_the_bytes_that_genhost_wrote() {
    let lines = one_liners();
    for (platform, case) in cases() {
        let workplace = Workplace::new();
        workplace.write(".ssh/id_ed25519.pub", "ssh-ed25519 AAAA somebody\n");
        let set = format!("hosts.swarm-node0.platform={platform}");
        workplace.genhost(["--host", "swarm-node0", "--set", &set, "-o", "swarm-node0.yaml"]).stdout_of_success();
        let written = std::fs::read(workplace.path("swarm-node0.yaml")).expect("user-data");

        let server = Server::run(&here("tests/providers/api.py"), &here(&format!("tests/providers/{platform}.yaml")));
        let api = server.url("");
        let api = api.trim_end_matches('/');
        let host = api.trim_start_matches("http://");
        let environment =
            case.environment.iter().map(|(key, value)| (key, value.replace("{api}", api).replace("{host}", host)));
        succeeds(shell(&workplace, &lines[&case.program]).envs(environment));

        let requests: Vec<Request> =
            server.asked().iter().map(|line| serde_json::from_str(line).expect("a request")).collect();
        let unknown: Vec<_> = requests.iter().filter(|request| !request.known).map(|r| &r.request).collect();
        assert!(unknown.is_empty(), "{platform}: {unknown:?}");
        let created: Vec<_> = requests.iter().filter(|request| request.request == case.creates).collect();
        assert_eq!(created.len(), 1, "{platform}");
        let sent = created[0].body.pointer(&case.user_data).and_then(Value::as_str);
        let sent = sent.unwrap_or_else(|| panic!("{platform}: no {} in {}", case.user_data, created[0].body));
        let got = match case.form {
            Form::Text => sent.as_bytes().to_owned(),
            Form::Base64 => STANDARD.decode(sent).expect("base64"),
        };
        assert!(got == written, "{platform}: {} bytes written, {} came", written.len(), got.len());
    }
}

/// libvirt's test driver makes a machine in memory and starts it there.
#[test]
fn virt_install_takes_the_seed() {
    let workplace = Workplace::new();
    workplace
        .genhost(["image", "--host", "swarm-local", "--format", "seed", "-o", "swarm-local.iso"])
        .stdout_of_success();
    let line = &one_liners()["virt-install"];
    let run = |line: &str| succeeds(shell(&workplace, line).env("LIBVIRT_DEFAULT_URI", "test:///default"));
    run("qemu-img create -q -f qcow2 debian-12.qcow2 4G");
    let said = run(line);
    assert!(said.contains("Domain creation completed."), "{said}");
    let xml = run(&format!("{line} --print-xml"));
    let disks: Vec<&str> = xml.split("<disk ").skip(1).collect();
    assert_eq!(disks.len(), 2, "{xml}");
    for (disk, (device, file)) in disks.iter().zip([("disk", "debian-12.qcow2"), ("cdrom", "swarm-local.iso")]) {
        assert!(disk.contains(&format!("device=\"{device}\"")), "{xml}");
        assert!(disk.contains(&format!("{}\"", workplace.path(file).display())), "{xml}");
    }
}
