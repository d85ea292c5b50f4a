//! `genhost secrets`: what is rotated changes, nothing else does; who may make secrets; what git is kept from.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use fixture::Workplace;
use fixture::root::in_root;
use serde_json::Value;

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

#[test]
fn every_command_that_reads_the_secrets_tells_of_one_that_nobody_has() {
    let workplace = cluster("swarm-mode");
    let path = workplace.path("secrets.yaml");
    let secrets = std::fs::read_to_string(&path).expect("secrets");
    std::fs::write(&path, format!("{secrets}own:\n  vpn/user/nobody: a quiet yellow submarine of 1966\n"))
        .expect("secrets");
    for arguments in [
        &["--host", "swarm-node0", "-o", "one"][..],
        &["check"],
        &["build", "-o", "result"],
        &["show", "swarm-node0"],
        &["terraform", "-o", "tf"],
        &["vagrant", "-o", "Vagrantfile"],
        &["image", "--host", "swarm-local", "--format", "seed", "-o", "seed.iso"],
    ] {
        let said = workplace.genhost(arguments);
        assert_eq!(said.code(), Some(0), "{arguments:?}: {}", said.stderr());
        assert!(said.stderr().contains("has the secret `vpn/user/nobody`"), "{arguments:?}: {}", said.stderr());
    }
    // A picture has no secret, and asks for none.
    std::fs::remove_file(&path).expect("secrets");
    workplace.genhost(["graph", "-o", "cluster.svg"]).stdout_of_success();
    assert!(!path.exists());
}

/// A real Consul 1.8.7 with the files of the vpn-server from before and after, on one disk.
#[test]
fn consul_refuses_what_was_rotated() {
    let workplace = cluster("swarm-mode");
    let zeros = "0".repeat(64);
    let consul = format!("artifacts.consul={{urls: ['https://consul.test/'], sha256: {{amd64: '{zeros}'}}}}");
    let files = [
        "/etc/consul.d/genhost.json",
        "/etc/consul.d/genhost.pem",
        "/etc/genhost/consul-management",
        "/etc/genhost/consul-acl",
    ];
    let server = |side: &str| {
        let old_consul = ["--set", "versions.consul=1.8.7", "--set", consul.as_str(), "--format", "json"];
        let json = workplace.genhost([&["--host", "swarm-node0"], &old_consul[..]].concat()).stdout_of_success();
        let tree: Value = serde_json::from_str(&json).expect("JSON");
        for path in files.iter().chain(&["/usr/lib/genhost/consul-acl"]) {
            let text = tree["files"][path]["content"]["text"].as_str().unwrap_or_else(|| panic!("no {path}"));
            workplace.write(&format!("{side}{path}"), text);
        }
        let words = ["consul/gossip", "consul/management", "consul/token/swarm-node1"];
        let values =
            words.map(|label| workplace.genhost(["secrets", "show", label]).stdout_of_success().trim_end().to_owned());
        workplace.write(&format!("{side}/values"), values.join("\n") + "\n");
    };
    server("before");
    for label in ["consul/gossip", "consul/management", "consul/token/swarm-node1"] {
        workplace.genhost(["secrets", "rotate", label]).stdout_of_success();
    }
    server("after");
    let prepare = "ip link add vpn_vlan0 type veth peer name other; ip link set other up; ip addr add 192.168.30.2/24 dev vpn_vlan0; ip link set vpn_vlan0 up
        cp -a before after disk/root/";
    let script = r#"
        api() { curl -sm9 -H "X-Consul-Token: $1" "localhost:8500/v1/$2"; }
        code() { curl -sm9 -o /dev/null -w '%{http_code} ' -H "X-Consul-Token: $1" localhost:8500/v1/acl/token/self; }
        boot() {
          cp -r /$1/etc /$1/usr /
          mkdir -p /var/lib/genhost/consul
          install -D /etc/consul.d/genhost.pem /run/credentials/consul.service/genhost.pem
          consul agent -config-file /etc/consul.d/genhost.json >/log 2>&1 &
          consul=$!
          tries=0
          until api "$(sed -n 2p /$1/values)" acl/tokens | grep -q Accessor; do
            tries=$((tries + 1))
            [ $tries -lt 60 ] || { cat /log; exit 1; }
            sleep 1
          done
          # Consul lists tokens by their accessors, which it draws.
          sh /usr/lib/genhost/consul-acl >/removed
          sort /removed
          api "$(sed -n 2p /$1/values)" operator/keyring | grep -o '"Keys":{[^}]*}' | sort -u
          for side in before after; do for line in 2 3; do code "$(sed -n ${line}p /$side/values)"; done; done
          echo
        }
        boot before
        kill $consul
        wait $consul || :
        boot after
        kill $consul
        wait $consul || :
    "#;
    let output = in_root("bullseye", workplace.as_ref(), prepare, script);
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let key = |side: &str| {
        let values = std::fs::read_to_string(workplace.path(&format!("{side}/values"))).expect("values");
        format!("\"Keys\":{{\"{}\":1}}\n", values.lines().next().expect("a key"))
    };
    let expected = format!(
        "{}200 200 403 403 \ngenhost: removed the token Master Token\n\
         genhost: removed the token consul/token/swarm-node1\n{}403 403 200 200 \n",
        key("before"),
        key("after")
    );
    assert_eq!(said[0], expected, "{}", said[1]);
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
