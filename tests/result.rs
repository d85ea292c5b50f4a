//! Builds: whole or not at all, the same from the same inputs, and what is told of two that differ.

mod fixture;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use fixture::Workplace;
use serde_json::Value;

const ENDPOINT: [&str; 2] = ["--set", "vpn.endpoint=203.0.113.10"];

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("cluster.yaml", include_str!("../profiles/clusters/swarm-mode.yaml"));
    workplace
}

fn build(workplace: &Workplace, more: &[&str]) {
    workplace.genhost([&["build"], &ENDPOINT[..], more].concat()).stdout_of_success();
}

/// Every file below a folder, with its inode and bytes.
fn files(folder: &Path) -> BTreeMap<String, (u64, Vec<u8>)> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("an entry"));
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).expect("below").display().to_string();
            let inode = entry.metadata().expect("metadata").ino();
            (path, (inode, std::fs::read(entry.path()).expect("a file")))
        })
        .collect()
}

#[test]
fn a_build_has_every_host_and_leaves_what_is_the_same_alone() {
    let workplace = workplace();
    build(&workplace, &[]);
    let result = workplace.path("result");
    let first = files(&result);
    let hosts = ["swarm-node0", "swarm-node1", "swarm-local"].map(|name| format!("hosts/{name}"));
    let roles = ["vpn-server", "swarm-manager", "swarm-agent"].map(|name| format!("roles/{name}"));
    let manifest: Value = serde_json::from_slice(&first["manifest.json"].1).expect("a manifest");
    for folder in hosts.iter().chain(&roles) {
        let output = &manifest["outputs"][folder];
        for name in ["user-data", "tree.json"] {
            let bytes = &first[&format!("{folder}/{name}")].1;
            assert_eq!(output["files"][name], genhost::result::sha256(bytes), "{folder}/{name}");
        }
        assert_eq!(output["id"], output["files"]["tree.json"]);
    }
    assert_eq!(first.len(), 1 + 2 * (hosts.len() + roles.len()));
    let printed = workplace.genhost([&["--host", "swarm-local"], &ENDPOINT[..]].concat()).stdout_of_success();
    assert_eq!(first["hosts/swarm-local/user-data"].1, printed.into_bytes());
    assert_eq!(std::fs::metadata(&result).expect("metadata").mode() & 0o777, 0o700);

    // Only the host that changes is another file; by one thread as by many.
    build(&workplace, &["--set", "hosts.swarm-local.labels.site=home", "--jobs", "1"]);
    let second = files(&result);
    for (path, old) in &first {
        let changed = path == "manifest.json" || path.starts_with("hosts/swarm-local/");
        assert_eq!(*old == second[path], !changed, "{path}");
    }
    // The secrets are in it by a fingerprint, which other secrets do not share.
    let text = String::from_utf8(second["manifest.json"].1.clone()).expect("text");
    let secrets = std::fs::read_to_string(workplace.path("secrets.yaml")).expect("secrets");
    let longest = secrets.split_whitespace().filter(|word| word.len() > 20);
    assert!(longest.into_iter().all(|word| !text.contains(word)));
    workplace.write("secrets.yaml", format!("{secrets}own:\n  vpn/psk: nine-fish-ride-a-tractor\n"));
    build(&workplace, &[]);
    let third: Value = serde_json::from_slice(&files(&result)["manifest.json"].1).expect("a manifest");
    assert_ne!(third["inputs"]["secrets"], manifest["inputs"]["secrets"]);
}

#[test]
fn a_build_that_is_killed_at_any_moment_leaves_the_old_one_whole() {
    let workplace = workplace();
    // Enough hosts that most of the time is the build's own.
    let mut cluster = std::fs::read_to_string(workplace.path("cluster.yaml")).expect("a cluster");
    for host in 0..36 {
        cluster += &format!("  h{host}: {{roles: [swarm-agent], vpn_address: 192.168.30.{}}}\n", 205 + host);
    }
    let cluster = cluster.replace("swarm-node1: {", "swarm-node1: {vpn_address: 192.168.30.3, ");
    workplace.write("cluster.yaml", cluster.replace("swarm-local: {", "swarm-local: {vpn_address: 192.168.30.4, "));
    let hubs = ["hub0", "hub1"];
    let wanted = hubs.map(|hub| {
        build(&workplace, &["--set", &format!("vpn.hub={hub}")]);
        files(&workplace.path("result")).into_iter().map(|(path, (_, bytes))| (path, bytes)).collect::<BTreeMap<_, _>>()
    });
    // From the first moment to well after the time that a build takes here.
    let start = Instant::now();
    build(&workplace, &["--set", "vpn.hub=hub1"]);
    let whole = start.elapsed();
    let mut seen = [0; 2];
    let mut turn = 0;
    // A machine that others use is now faster, now slower.
    while turn < 40 || (turn < 400 && seen.iter().any(|count| *count <= 3)) {
        let hub = format!("vpn.hub={}", hubs[turn % 2]);
        let mut command = workplace.command([&["build"], &ENDPOINT[..], &["--set", &hub]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("genhost");
        std::thread::sleep(whole * (turn % 40) as u32 / 24);
        let _ = child.kill();
        child.wait().expect("genhost");
        let there = files(&workplace.path("result"));
        let there: BTreeMap<_, _> = there.into_iter().map(|(path, (_, bytes))| (path, bytes)).collect();
        let which = wanted.iter().position(|wanted| *wanted == there);
        seen[usize::from(which.expect("one of the two, whole") == turn % 2)] += 1;
        turn += 1;
    }
    // Some were killed before they were done, and some were done.
    assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
    build(&workplace, &["--set", "vpn.hub=hub0"]);
    let names = std::fs::read_dir(&workplace).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn verify_names_what_is_not_as_it_was_built() {
    let workplace = workplace();
    build(&workplace, &[]);
    let verify = || workplace.genhost([&["verify"], &ENDPOINT[..]].concat());
    assert_eq!(verify().code(), Some(0));
    let user_data = workplace.path("result/hosts/swarm-node0/user-data");
    let mut bytes = std::fs::read(&user_data).expect("user-data");
    bytes[1000] ^= 1;
    std::fs::write(&user_data, &bytes).expect("user-data");
    std::fs::remove_dir_all(workplace.path("result/hosts/swarm-local")).expect("a host");
    workplace.write("result/hosts/mallory/user-data", "#cloud-config\n");
    std::fs::create_dir(workplace.path("result/empty")).expect("a folder");
    let ran = verify();
    let told = ran.stderr();
    assert_eq!(ran.code(), Some(1));
    for line in [
        "`hosts/swarm-node0/user-data` differs from byte 1000 on",
        "`hosts/swarm-local/user-data` is missing",
        "`hosts/swarm-local/tree.json` is missing",
        "`hosts/mallory/user-data` is not of this build",
        "`empty/` is not of this build",
    ] {
        assert!(told.contains(line), "no {line} in {told}");
    }
    assert_eq!(told.matches("error:").count(), 5, "{told}");
    // Nor is a build put in the place of what no build has written.
    let over = workplace.genhost([&["build"], &ENDPOINT[..]].concat());
    assert!(over.code() == Some(1) && workplace.path("result/hosts/mallory/user-data").exists(), "{}", over.stderr());
    std::fs::remove_dir_all(workplace.path("result")).expect("a build");
    // Other inputs are another build, and no secrets are made for it.
    build(&workplace, &[]);
    assert_eq!(workplace.genhost([&["verify", "--set", "vpn.hub=other"], &ENDPOINT[..]].concat()).code(), Some(1));
    std::fs::remove_file(workplace.path("secrets.yaml")).expect("secrets");
    assert_eq!(verify().code(), Some(1));
    assert!(!workplace.path("secrets.yaml").exists());
}

#[test]
fn diff_tells_thing_by_thing_and_no_secret() {
    let workplace = workplace();
    build(&workplace, &[]);
    let diff = |more: &[&str]| workplace.genhost([&["diff"], &ENDPOINT[..], more].concat());
    let same = diff(&[]);
    assert_eq!((same.code(), same.0.stdout.len()), (Some(0), 0));

    let port = ["--set", "firewall.open=[8080/tcp]", "--set", "labels.site=home"];
    let changed = diff(&port);
    let text = String::from_utf8_lossy(&changed.0.stdout).into_owned();
    assert_eq!(changed.code(), Some(1));
    assert!(
        text.contains("hosts/swarm-local\n    /etc/docker/daemon.json\n      -\"labels\": [\"platform=vagrant\"],\n"),
        "{text}"
    );
    assert!(text.contains("      + tcp dport {22,8080} accept\n"), "{text}");
    // Between two builds it is the same answer as between one and what would come.
    build(&workplace, &[&["-o", "later"], &port[..]].concat());
    let between = workplace.genhost(["diff", "result", "later"]);
    assert_eq!(String::from_utf8_lossy(&between.0.stdout), text);

    // The same host in other words is a difference too.
    let profile =
        "summary: Little room\nuser_data_limit: 16384\ngzip: true\nmetadata: {addresses: [169.254.169.254]}\n";
    workplace.write("profiles/platforms/little.yaml", profile);
    let set = [
        "--profiles",
        "profiles",
        "--set",
        "hosts.swarm-node0.labels.platform=x",
        "--set",
        "hosts.swarm-node0.platform",
    ];
    let platform = |name: &str| [&set[..5], &[&format!("{}={name}", set[5])[..]]].concat().join("\n");
    let as_words = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
    let (plain, small) = (as_words(&platform("digitalocean")), as_words(&platform("little")));
    let ran = |command: &str, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        workplace.genhost([&[command], &ENDPOINT[..], &words].concat())
    };
    ran("build", &plain).stdout_of_success();
    let compressed = ran("diff", &small);
    let told = String::from_utf8_lossy(&compressed.0.stdout).into_owned();
    assert_eq!(compressed.code(), Some(1));
    assert!(told.starts_with("hosts/swarm-node0\n  - user-data: sha256 ") && told.lines().count() == 3, "{told}");
    build(&workplace, &[]);

    // Packages and units by name, hosts that come and go, and as JSON.
    let classic = diff(&["--stack", "classic", "--format", "json"]);
    let classic: Value = serde_json::from_slice(&classic.0.stdout).expect("JSON");
    let all = classic.to_string();
    for part in
        [r#""kind":"packages""#, r#""now":"docker-ce 5:20.10.24~3-0~ubuntu-jammy""#, r#""now":"swarm-agent.service""#]
    {
        assert!(all.contains(part), "no {part} in {all}");
    }
    workplace.write(
        "cluster.yaml",
        include_str!("../profiles/clusters/swarm-mode.yaml").replace("  swarm-local:", "  swarm-other:"),
    );
    let moved = diff(&[]);
    let moved = String::from_utf8_lossy(&moved.0.stdout).into_owned();
    assert!(
        moved.contains("hosts/swarm-local\n  - gone\n") && moved.contains("hosts/swarm-other\n  + new\n"),
        "{moved}"
    );

    // Other secrets everywhere: every file that has one is named, and none is shown.
    let other = Workplace::empty();
    other.genhost(["build", "-o", "made"]).stdout_of_success();
    workplace.write("cluster.yaml", include_str!("../profiles/clusters/swarm-mode.yaml"));
    let fresh = std::fs::read_to_string(other.path("secrets.yaml")).expect("secrets")
        + "own:\n  vpn/psk: seven-otters-share-a-kettle\n";
    workplace.write("other.yaml", fresh);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(workplace.path("other.yaml"), mode).expect("chmod");
    let rekeyed = diff(&["--secrets", "other.yaml"]);
    let rekeyed = String::from_utf8_lossy(&rekeyed.0.stdout).into_owned();
    for file in ["/etc/genhost/vpn_server.config", "/etc/genhost/consul-token", "/etc/consul.d/genhost.json"] {
        assert!(rekeyed.contains(file), "no {file} in {rekeyed}");
    }
    // What is longer than a word of a configuration would be a secret.
    let is_word =
        |word: &&str| word.starts_with('/') || word.contains("/swarm-") || word.contains("initial_management");
    let longest: Vec<&str> = rekeyed.split_whitespace().filter(|word| word.len() > 20 && !is_word(word)).collect();
    assert!(longest.is_empty() && !rekeyed.contains("seven-otters-share-a-kettle"), "{longest:?} in {rekeyed}");
}

#[test]
fn two_surroundings_make_one_build() {
    let workplace = workplace();
    workplace.genhost([&["build", "--check"], &ENDPOINT[..]].concat()).stdout_of_success();
    assert!(!workplace.path("result").exists());
    // Without a cluster file too, where it makes the secrets that both are built of.
    let empty = Workplace::empty();
    empty.genhost([&["build", "--check"], &ENDPOINT[..]].concat()).stdout_of_success();
    assert!(empty.path("secrets.yaml").exists());
    // A cluster that comes through a pipe is read once.
    let mut piped = workplace.command([&["build", "--check", "-f", "-"], &ENDPOINT[..]].concat());
    let cluster = std::fs::File::open(workplace.path("cluster.yaml")).expect("a cluster");
    let output = piped.stdin(cluster).output().expect("genhost");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_host_is_shown_whole_and_file_by_file() {
    let workplace = workplace();
    let show = |more: &[&str]| workplace.genhost([&["show", "swarm-node0"], &ENDPOINT[..], more].concat());
    let whole = show(&[]).stdout_of_success();
    let tree = workplace.genhost([&["--host", "swarm-node0", "--format", "json"], &ENDPOINT[..]].concat());
    let tree: Value = serde_json::from_str(&tree.stdout_of_success()).expect("JSON");
    for (path, file) in tree["files"].as_object().expect("files") {
        assert!(whole.contains(&format!(" {path}\n")), "{path}");
        assert_eq!(show(&[path]).stdout_of_success(), file["content"]["text"].as_str().expect("text"), "{path}");
    }
}

#[test]
fn what_is_shown_to_people_steers_no_terminal() {
    let workplace = workplace();
    let escapes = "a\u{1b}]0;b\u{7}c\u{9b}31md\u{202e}e\u{2066}f";
    let signs = "a␛]0;b␇c\u{fffd}31md\u{fffd}e\u{fffd}f";
    workplace.write("templates/motd/component.yaml", "summary: Message\nfiles:\n- {path: /etc/motd, template: motd}\n");
    let more = ["--templates", "templates", "--set", "components=[motd]"];
    workplace.write("templates/motd/motd", "{# values: #}\nhello\n");
    build(&workplace, &more);
    workplace.write("templates/motd/motd", format!("{{# values: #}}\n{escapes}\n"));
    let changed = workplace.genhost([&["diff"], &ENDPOINT[..], &more].concat());
    let told = String::from_utf8_lossy(&changed.0.stdout).into_owned();
    assert!(told.contains(&format!("+{signs}\n")) && !told.contains(escapes), "{told:?}");
    // A program gets the very bytes.
    let json = workplace.genhost([&["diff", "--format", "json"], &ENDPOINT[..], &more].concat());
    let json: Value = serde_json::from_slice(&json.0.stdout).expect("JSON");
    let exact = |value: &Value| value.to_string().contains(&Value::from(escapes).to_string().replace('"', ""));
    assert!(exact(&json), "{json}");
    let show = [&["show", "swarm-node0", "/etc/motd"], &ENDPOINT[..], &more].concat();
    assert_eq!(workplace.genhost(&show).stdout_of_success(), format!("{escapes}\n"));
    // At a terminal, of which `script` makes one
    let line = format!("{} {}", env!("CARGO_BIN_EXE_genhost"), show.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(&workplace).stdin(Stdio::null());
    let shown = script.output().expect("script");
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains(signs) && !shown.contains(escapes), "{shown:?}");
}
