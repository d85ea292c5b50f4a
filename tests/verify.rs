//! What genhost-verify says of containers, with a stand-in for Docker whose containers run here: real packets in a network namespace.

mod fixture;

use std::process::Command;

use fixture::Workplace;
use serde_json::Value;

/// Docker of a swarm of two nodes, which has a container run what it is told. `$BAD` does not answer a ping.
const PROGRAMS: [(&str, &str); 4] = [
    (
        "docker",
        r#"[ "$1" = -H ] && shift 2
case "$*" in
"info -f"*) echo active true ;;
info) echo ' Nodes: 2' ;;
"node ls -q") echo node ;;
"node inspect"*) echo 127.0.0.1 ;;
"service ls"*) echo 2/2 ;;
"ps "*) echo me ;;
"service create"* | run*) while [ "$1" != python3 ]; do shift; done; "$@" >/dev/null 2>&1 & ;;
"exec me getent"*) printf '127.0.0.%s STREAM\n' 2 1 ;;
exec*) shift 2; "$@" ;;
"network inspect"*) exit 1 ;;
esac
"#,
    ),
    ("consul", "echo leader:3375\n"),
    ("ping", "case $2 in *$BAD) echo lost; exit 1 ;; esac\n"),
    (
        "curl",
        r#"while [ $# != 1 ]; do all="$all $1"; shift; done
/usr/bin/curl $all -w '%{size_download}\n' 127.0.0.1:9 >size 2>&1
failed=$?
cat size
cat size >>sizes
exit $failed
"#,
    ),
];

/// What a host's genhost-verify says after `before`, and how much each transfer carried.
fn verify(stack: &str, before: &str, bad: &str) -> (String, String) {
    let workplace = Workplace::new();
    let arguments =
        ["--stack", stack, "--host", "swarm-node0", "--set", "vpn.endpoint=203.0.113.10", "--format", "json"];
    let tree: Value = serde_json::from_str(&workplace.genhost(arguments).stdout_of_success()).expect("a host as JSON");
    let text = tree["files"]["/usr/local/sbin/genhost-verify"]["content"]["text"].as_str().expect("a program");
    // The one that is in place of Consul, and nobody's patience.
    let consul = text.split_whitespace().find(|word| word.ends_with("/consul")).expect("Consul's program");
    let text = text.replace(consul, "consul").replace("-m9", "-m1").replace("--retry 4", "--retry 1");
    workplace.write("genhost-verify", &text);
    for (name, program) in PROGRAMS {
        workplace.write(&format!("bin/{name}"), format!("#!/bin/sh\n{program}"));
    }
    let script =
        format!("chmod +x bin/*; ip link set lo up; {before}; PATH=$PWD/bin:$PATH sh genhost-verify; cat sizes >&2");
    let output = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--kill-child", "timeout", "-k", "1", "60", "sh", "-c", &script])
        .env("BAD", bad)
        .current_dir(&workplace)
        .output()
        .expect("unshare runs: run `.ci/setup`");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (stdout, stderr)
}

#[test]
fn containers_carry_a_megabyte_to_each_other() {
    for (stack, transfers) in [("classic", 2), ("swarm-mode", 3)] {
        let (said, sizes) = verify(stack, "true", "nobody");
        assert!(said.contains("ok   ping and 1 MB\n"), "{stack}: {said}{sizes}");
        let sizes: Vec<u32> = sizes.lines().filter_map(|line| line.parse().ok()).collect();
        assert_eq!(sizes.len(), transfers, "{stack}: {sizes:?}");
        assert!(sizes.iter().all(|size| *size > 1 << 20), "{stack}: {sizes:?}");
    }
}

#[test]
fn a_way_that_carries_pings_alone_is_told() {
    let small = "nft 'add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o meta length > 1400 drop'";
    for stack in ["classic", "swarm-mode"] {
        let (said, _) = verify(stack, small, "nobody");
        assert!(said.contains("FAIL ping and 1 MB: "), "{stack}: {said}");
    }
}

/// The first of two: what comes after it does not make up for it.
#[test]
fn a_container_that_does_not_answer_is_told() {
    for (stack, bad) in [("classic", "2"), ("swarm-mode", "127.0.0.2")] {
        let (said, _) = verify(stack, "true", bad);
        assert!(said.contains("FAIL ping and 1 MB: lost\n"), "{stack}: {said}");
    }
}
