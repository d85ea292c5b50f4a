//! Hosts as nodes of a swarm over the years: certificates that end, names that are not unique, disks that are copied. Rendered programs
//! run in a Debian root with real engines of Docker 20.10, each in namespaces of its own. Only Consul's KV and journalctl are
//! stand-ins there. Needs root and what `.ci/setup` brings.

mod fixture;

use std::path::Path;
use std::process::Output;

use fixture::Workplace;
use fixture::root::in_root;
use serde_json::Value;

/// Runs a script of `tests/node/` in a root with the files of the host that genhost prints for these arguments.
fn on_host(arguments: &[&str], scripts: &[&str]) -> String {
    let workplace = Workplace::new();
    let json = [arguments, &["--set", "vpn.endpoint=203.0.113.10", "--format", "json"]].concat();
    let tree: Value = serde_json::from_str(&workplace.genhost(&json).stdout_of_success()).expect("a host as JSON");
    for (path, file) in tree["files"].as_object().expect("files") {
        let name = format!("root{path}");
        workplace.write(&name, file["content"]["text"].as_str().expect("text"));
        let mode = u32::from_str_radix(file["mode"].as_str().expect("a mode"), 8).expect("octal");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(workplace.path(&name), mode).expect("chmod");
    }
    let source = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node").join(name);
        std::fs::read_to_string(path).expect("a file of tests/node/")
    };
    workplace.write("consul.py", source("consul.py"));
    let script: String = scripts.iter().map(|name| source(name)).collect();
    let prepare = "cp -a root/. disk/root/\ncp consul.py disk/root/\nmount --rbind /dev disk/root/dev";
    let output: Output = in_root("bookworm", workplace.as_ref(), prepare, &script);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

/// The lines, without what Docker says of a certificate's dates.
fn without_dates(said: &str) -> Vec<&str> {
    said.lines().map(|line| line.split(": error while loading").next().expect("a part")).collect()
}

#[test]
fn a_node_that_its_swarm_takes_no_more_joins_anew_unless_it_is_the_last_manager() {
    let said = on_host(&["--host", "swarm-node0"], &["swarm.sh", "expired.sh"]);
    let expected = [
        "m: genhost: began the swarm",
        "Expiry Duration: 10 years",
        "w: genhost: joined the swarm as a worker",
        "w is error",
        "w: genhost: leaves, to join anew",
        "w: genhost: joined the swarm as a worker",
        "w is active",
        "w: genhost: Docker says that its swarm is error",
        "w is error",
        "w is pending",
        "w: genhost: leaves, to join anew: removed",
        "w: genhost: joined the swarm as a worker",
        "w is active",
        "m: genhost: no other manager answers, so this one stays",
        "m is error, with /var/lib/docker/swarm/raft",
    ];
    assert_eq!(without_dates(&said), expected, "{said}");
}

#[test]
fn the_leader_takes_a_machine_of_the_same_name_for_no_older_one() {
    let said = on_host(&["--host", "swarm-node0"], &["swarm.sh", "names.sh"]);
    let expected = [
        "m: genhost: began the swarm",
        "w1: genhost: joined the swarm as a worker",
        "w2: genhost: joined the swarm as a worker",
        "3",
        "w1: genhost: joined the swarm as a worker",
        "the one that is off is down",
        "the old one waits",
        "1",
        "the one that is off stays",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{said}");
}

#[test]
fn a_copy_of_a_disk_is_a_new_host_and_a_reboot_is_none() {
    let all = "/etc/systemd/network/10-genhost-vpn.network /etc/systemd/network/10-genhost-vpn.network.d/claim.conf docker/engine-id \
               docker/image docker/swarm/state.json genhost/consul/node-id genhost/consul/serf/local.snapshot genhost/vpn-address ";
    let expected = [
        "- nothing known yet",
        "- first boot",
        all,
        "- reboot",
        "- no metadata",
        "- no cloud-init",
        "- metadata again",
        "- a copy",
        "genhost: this disk is a copy of another machine: starts as a new host",
        "/etc/systemd/network/10-genhost-vpn.network docker/image docker/swarm.old-T/state.json ",
        "- the copy again",
        "- the first again",
        "genhost: this disk is a copy of another machine: starts as a new host",
        "/etc/systemd/network/10-genhost-vpn.network docker/image docker/swarm.old-T/state.json docker/swarm.old-T/state.json ",
        "- a restart of the client",
        "- a seed",
        "- another seed",
        "- a drive of user-data",
        "- a name",
        "- the bytes of the UUID swapped",
        "- no DMI",
        "- other hardware",
        "genhost: this disk is a copy of another machine: starts as a new host",
        "/etc/systemd/network/10-genhost-vpn.network docker/image docker/swarm.old-T/state.json ",
        "- a container elsewhere",
    ];
    let said = on_host(&["--role", "agent"], &["copied.sh"]);
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{said}");
}
