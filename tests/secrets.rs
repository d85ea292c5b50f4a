//! `genhost secrets`: what is rotated changes, nothing else does; who may make secrets; what git is kept from.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use fixture::Workplace;

/// The built-in cluster in a directory, with a cluster file.
fn cluster(stack: &str) -> Workplace {
    let workplace = Workplace::empty();
    workplace.genhost(["init", "--endpoint", "203.0.113.10", "--stack", stack]).stdout_of_success();
    workplace
}

/// The id of every host and role, as `genhost check` calls them.
fn ids(workplace: &Workplace) -> BTreeMap<String, String> {
    let checked = workplace.genhost(["check"]).stdout_of_success();
    let lines = checked.lines().filter(|line| line.starts_with("host ") || line.starts_with("role "));
    let words = lines.map(|line| line.split_whitespace().take(3).collect::<Vec<_>>());
    words.map(|words| (format!("{} {}", words[0], words[1]), words[2].to_owned())).collect()
}

#[test]
fn a_rotation_changes_the_hosts_that_it_names_and_no_other() {
    for (stack, label, changes) in [
        ("swarm-mode", "vpn/user/user", &["host swarm-node0", "role vpn-server"][..]),
        ("swarm-mode", "vpn/psk", &["host swarm-node0", "role vpn-server"]),
        ("swarm-mode", "vpn/account/swarm-node1", &["host swarm-node0", "host swarm-node1", "role vpn-server"]),
        ("swarm-mode", "consul/token/swarm-local", &["host swarm-node0", "host swarm-local", "role vpn-server"]),
        ("swarm-mode", "vpn/management/swarm-node1", &["host swarm-node1"]),
        ("swarm-mode", "consul/certificate/swarm-node1", &["host swarm-node1"]),
        ("swarm-mode", "consul/role-certificate/swarm-agent", &["role swarm-agent"]),
        ("classic", "vpn/role/swarm-agent", &["host swarm-node0", "role swarm-agent", "role vpn-server"]),
        ("swarm-mode", "consul/management", &["host swarm-node0", "role vpn-server"]),
    ] {
        let workplace = cluster(stack);
        let before = ids(&workplace);
        let said = workplace.genhost(["secrets", "rotate", label]).stdout_of_success();
        let after = ids(&workplace);
        let differ: Vec<&str> =
            before.keys().filter(|name| before[*name] != after[*name]).map(String::as_str).collect();
        let said: BTreeSet<&str> = said.lines().collect();
        assert_eq!(said, differ.iter().copied().collect(), "{stack} {label}");
        assert_eq!(said, changes.iter().copied().collect(), "{stack} {label}");
    }
}

#[test]
fn what_every_host_has_is_rotated_on_every_host() {
    for label in ["consul/gossip", "consul/ca", "vpn/server"] {
        let workplace = cluster("swarm-mode");
        let before = ids(&workplace);
        workplace.genhost(["secrets", "rotate", label]).stdout_of_success();
        let after = ids(&workplace);
        let same: Vec<&String> = before.keys().filter(|name| before[*name] == after[*name]).collect();
        assert!(same.is_empty(), "{label}: {same:?}");
    }
}

#[test]
fn a_rotation_adds_a_line_and_keeps_every_other_one() {
    let workplace = cluster("swarm-mode");
    let read = || std::fs::read_to_string(workplace.path("secrets.yaml")).expect("secrets");
    let rotate = |label: &str| workplace.genhost(["secrets", "rotate", label]).stdout_of_success();
    let show = |label: &str| workplace.genhost(["secrets", "show", label]).stdout_of_success();
    let own = "# of mine\nown: {vpn/hub: nine-fish-ride-a-tractor}   # chosen\n";
    workplace.write("secrets.yaml", read() + own);
    let first = show("vpn/user/user");
    let before = read();
    rotate("vpn/user/user");
    assert_eq!(read(), format!("{before}epochs:\n  vpn/user/user: 2\n"));
    let second = show("vpn/user/user");
    rotate("consul/gossip");
    rotate("vpn/user/user");
    assert_eq!(read(), format!("{before}epochs:\n  consul/gossip: 2\n  vpn/user/user: 3\n"));
    assert_eq!(BTreeSet::from([first, second, show("vpn/user/user")]).len(), 3, "each epoch has a value of its own");
    assert_eq!(show("vpn/hub"), "nine-fish-ride-a-tractor\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(workplace.path("secrets.yaml")).expect("secrets").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_own_token_is_the_one_that_hosts_get() {
    let workplace = cluster("swarm-mode");
    let token = "11111111-2222-8333-8444-555555555555";
    let secrets = std::fs::read_to_string(workplace.path("secrets.yaml")).expect("secrets");
    let accessor = || {
        let printed = workplace.genhost(["show", "swarm-node0", "/etc/genhost/consul-acl"]).stdout_of_success();
        let line = printed.lines().find(|line| line.contains("consul/token/swarm-node1")).expect("a token").to_owned();
        line.split(' ').nth(1).expect("an accessor").to_owned()
    };
    let before = accessor();
    workplace.write("secrets.yaml", format!("{secrets}own:\n  consul/token/swarm-node1: {token}\n"));
    let user_data = workplace.genhost(["--host", "swarm-node1"]).stdout_of_success();
    assert_eq!(user_data.matches(token).count(), 2, "curl's header and Consul's configuration");
    assert!(workplace.genhost(["--host", "swarm-node0"]).stdout_of_success().contains(token));
    assert_ne!(accessor(), before, "Consul changes no token's value: another one has another accessor");
}

#[test]
fn a_cluster_file_without_its_secrets_makes_none() {
    let workplace = cluster("swarm-mode");
    let secrets = std::fs::read(workplace.path("secrets.yaml")).expect("secrets");
    std::fs::remove_file(workplace.path("secrets.yaml")).expect("secrets");
    for arguments in
        [&["check"][..], &["--host", "swarm-node1"], &["build"], &["vagrant"], &["secrets"], &["show", "swarm-node1"]]
    {
        let ran = workplace.genhost(arguments);
        assert_eq!(ran.code(), Some(1), "{arguments:?}");
        assert!(ran.stderr().contains("`secrets.yaml` is missing"), "{arguments:?}");
        assert!(!workplace.path("secrets.yaml").exists(), "{arguments:?}");
    }
    workplace.genhost(["secrets", "init"]).stdout_of_success();
    assert_ne!(std::fs::read(workplace.path("secrets.yaml")).expect("secrets"), secrets);
    workplace.genhost(["check"]).stdout_of_success();
    // In a directory without any cluster file the first command makes them.
    let empty = Workplace::empty();
    empty.genhost(["--role", "agent"]).stdout_of_success();
    assert!(empty.path("secrets.yaml").exists());
}

/// Every name after `-o` and `>` in a command of the documentation, and what `genhost build` and a lock's neighbours are called.
fn documented_outputs() -> BTreeSet<String> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(base.join("docs")).expect("docs").map(|entry| entry.expect("a document").path());
    let mut outputs = BTreeSet::from(["result/manifest.json".to_owned()]);
    for path in docs.chain([base.join("README.md")]).filter(|path| path.extension().is_some_and(|kind| kind == "md")) {
        let text = std::fs::read_to_string(&path).expect("a document");
        for line in text.lines().filter(|line| {
            line.trim_start().trim_start_matches('`').starts_with("genhost ") || line.contains("`genhost ")
        }) {
            let words: Vec<&str> = line.split([' ', '`']).collect();
            let named = words
                .windows(2)
                .filter(|pair| matches!(pair[0], "-o" | ">"))
                .map(|pair| pair[1].trim_end_matches(['.', ',']));
            outputs.extend(
                named
                    .filter(|name| !name.is_empty() && !name.starts_with('/') && *name != "DIR" && *name != "FILE")
                    .map(str::to_owned),
            );
        }
    }
    outputs
}

#[test]
fn git_is_kept_from_all_that_documented_commands_write() {
    let workplace = cluster("swarm-mode");
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).current_dir(&workplace).output().expect("git: run `.ci/setup`");
        output.status.success()
    };
    assert!(git(&["init", "-q"]));
    let outputs = documented_outputs();
    assert!(outputs.len() >= 8, "{outputs:?}");
    for name in &outputs {
        let is_folder = !name.contains('.') && !name.starts_with("user-data");
        let file = if is_folder { format!("{name}/some-file") } else { name.clone() };
        assert!(git(&["check-ignore", "-q", &file]), "git would take {file}");
    }
    assert!(!git(&["check-ignore", "-q", "cluster.yaml"]) && git(&["check-ignore", "-q", "secrets.yaml"]));
}
