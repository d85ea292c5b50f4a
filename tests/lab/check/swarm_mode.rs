//! The stack swarm-mode, as genhost prints it in an empty directory: five managers, one of them on Debian 13, and a worker, that
//! join by themselves, and what they survive.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::fleet::BuiltIn;
use crate::internet::Site;
use crate::lab::{Check, Lab, never, pace};
use crate::machine::Machine;
use crate::resolver;
use crate::sandbox::{debian_12, debian_13};

pub const CHECK: Check = Check {
    name: "swarm-mode",
    says: "hosts of the stack swarm-mode join one swarm by themselves, again after a reboot, and with a new disk",
    skip: never,
    run,
};

/// A container of the empty image, as genhost-verify makes them: its programs are the host's.
const EMPTY: &str = "--endpoint-mode dnsrr --no-resolve-image --stop-grace-period 0s \
    --mount type=bind,src=/bin,dst=/bin,ro --mount type=bind,src=/lib,dst=/lib,ro \
    --mount type=bind,src=/lib64,dst=/lib64,ro --mount type=bind,src=/usr,dst=/usr,ro localhost/genhost-empty";

/// genhost-verify is content within two minutes.
#[track_caller]
fn verified(host: &Machine) {
    let (start, limit) = (Instant::now(), pace().seconds(120));
    loop {
        let answer = host.run_for(120, &format!("genhost-verify {}", pace().seconds(60).as_secs()));
        if answer.ok {
            return;
        }
        assert!(start.elapsed() < limit, "{}: {}", host.name, answer.text);
    }
}

/// The lines of a user-data that another Consul does not change: its pin, what it calls its page since 1.9 and TLS since 1.12, the host's
/// id.
fn but_for_consul(user_data: &str) -> Vec<&str> {
    let of_tls = ["\"tls\"", "\"defaults\"", "\"internal_rpc\"", "_file\": \"/run/cred", "\"verify_"];
    let is_its = |line: &&str| {
        line.ends_with(".zip")
            || line.contains("\"ui")
            || line.starts_with("# ")
            || line.trim() == "},"
            || of_tls.iter().any(|key| line.contains(key))
    };
    user_data.lines().filter(|line| !is_its(line)).collect()
}

fn run(lab: &Lab) -> String {
    let cluster = BuiltIn::new(&lab.artifacts);
    let printed = cluster.print_for_the_world(&["--role", "manager"]);
    let print = |arguments: &[&str]| cluster.print(arguments);
    let role_manager = print(&["--role", "manager"]);
    assert_eq!(but_for_consul(&role_manager), but_for_consul(&printed), "more than Consul differs");

    let guest = |system: &Path, name: &str, address: u8, user_data: &str| {
        lab.guest(Machine::of(system, name, Site::Cloud(address), user_data))
    };
    // Hosts known by name get it from their user-data: here their platform calls them otherwise.
    let [.., endpoint] = resolver::ADDRESS.octets();
    let node0 = guest(&debian_12(), "mode-node0", endpoint, &print(&["--host", "swarm-node0"]));
    let node1 = guest(&debian_12(), "mode-node1", 111, &print(&["--host", "swarm-node1"]));
    // Vagrant's host gets its user-data from the Vagrantfile's provisioner.
    let local = lab.guest(Machine::boxed(&debian_12(), "mode-local", Site::Home(60)));
    let vagrantfile = print(&["vagrant"]);
    let provisioner = vagrantfile.split_once("inline: <<'").expect("a provisioner").1;
    let (end, provisioner) = provisioner.split_once("'\n").expect("the end's name");
    let (provisioner, _) = provisioner.split_once(&format!("\n{end}\n")).expect("the end");
    let worker = guest(&debian_12(), "droplet", 112, &print(&["--role", "agent"]));
    let manager = guest(&debian_12(), "manager", 114, &role_manager);
    // It has no package of SoftEther, and builds it.
    let source = format!("artifacts.softether_source={}", lab.artifacts.pin("softether.tar.xz"));
    let on_debian_13 = ["--set", "os=debian-13", "--set", "versions.softether=5.01.9674", "--set", &source];
    let newer = guest(&debian_13(), "newer", 113, &print(&[&["--role", "manager"], &on_debian_13[..]].concat()));
    let managers = [node0, node1, local, manager, newer];
    let all = [node0, node1, local, manager, newer, worker];

    let start = Instant::now();
    all.iter().for_each(|host| host.power_on());
    local.wait(60, "systemctl is-active multi-user.target");
    let answer = local.run_for(240, provisioner);
    assert!(answer.ok, "the Vagrantfile's provisioner: {}", answer.text);
    assert_eq!(local.ok(provisioner), "", "a second run does nothing");
    // All of these and no other: an older entry is unknown before it is down, and goes when it was down for a while.
    let whole = |by: &Machine, nodes: usize| {
        let all = "docker node ls --format '{{.Status}}'";
        by.wait(240, &format!("{all} | grep -c Ready | grep -x {nodes} && {all} | grep -c . | grep -x {nodes}"));
    };
    node1.wait(90, "docker node ls --format '{{.Status}}' | grep -c Ready | grep -x 5");
    let joined = start.elapsed();
    whole(node1, 6);
    let built = start.elapsed();
    for host in all {
        // A box boots without a seed, so there it says that it has nothing to do; the provisioner has looked at its result.
        host.wait(90, "cloud-init status | grep -xE 'status: (done|disabled)'");
        let failed = host.ok("systemctl --failed --no-legend");
        assert_eq!(failed, "", "{}", host.name);
    }
    let engine =
        |name: &str| node0.ok(&format!("docker node inspect {name} -f '{{{{.Description.Engine.EngineVersion}}}}'"));
    assert!(engine("manager").starts_with("20.10."), "Debian 12's engine");
    assert!(engine("newer").starts_with("26.1."), "Debian 13's engine");
    node0.wait(30, "docker node inspect swarm-node1 -f '{{.Spec.Labels.platform}}' | grep -x digitalocean");
    for name in ["manager", "newer"] {
        // one of any number on any platform
        let is =
            node0.ok(&format!("docker node inspect {name} -f '{{{{.Spec.Role}}}}, {{{{len .Spec.Labels}}}} labels'"));
        assert_eq!(is, "manager, 0 labels", "{name}");
    }
    let claimed = || {
        let by_role = [manager, newer, worker];
        for host in by_role.into_iter().take(2) {
            let reachable = "{{.Description.Hostname}} {{.ManagerStatus.Reachability}} {{.ManagerStatus.Addr}}";
            let address = "$(cat /var/lib/genhost/vpn-address)";
            host.wait(
                60,
                &format!(
                    "docker node inspect self -f '{reachable}' | grep -x \"{} reachable {address}:2377\"",
                    host.name
                ),
            );
        }
        by_role.map(|host| host.ok("cat /var/lib/genhost/vpn-address"))
    };
    let addresses = claimed();
    assert_eq!(BTreeSet::from(addresses.clone()).len(), addresses.len(), "{addresses:?}");
    let is_claim = |address: &String| address.strip_prefix("192.168.30.1").is_some_and(|rest| rest.len() == 2);
    assert!(addresses.iter().all(is_claim), "{addresses:?}");
    verified(local);

    // A worker reads how to be a worker and no more. Without a token nothing can be read.
    let code = |host: &Machine, token: &str, key: &str| {
        host.http_status(&format!("{token} localhost:8500/v1/kv/genhost/swarm/{key}"))
    };
    let own = "-H@/etc/genhost/consul-token";
    assert_eq!([code(worker, own, "worker"), code(worker, own, "manager")], ["200", "403"]);
    assert_eq!([code(worker, "", "worker"), code(node0, "", "manager")], ["403", "403"]);
    assert_eq!(worker.http_status(&format!("{own} -XPUT -d x localhost:8500/v1/kv/genhost/swarm/worker")), "403");

    // Tokens that are changed are published by themselves.
    let token = node1.ok("docker swarm join-token -q --rotate worker");
    worker.wait(30, &format!("curl -sm9 {own} 'localhost:8500/v1/kv/genhost/swarm/worker?raw' | grep -F {token}"));

    // One of the managers is gone: what ran there runs elsewhere.
    let running =
        "docker service ps goes-on -f desired-state=running --format '{{.Node}} {{.CurrentState}}' | grep Running";
    node1.ok(&format!("docker service create -q -d --name goes-on --replicas 6 {EMPTY} sleep 600"));
    node1.wait(60, &format!("{running} | cut -d' ' -f1 | sort -u | grep -c . | grep -x 6"));
    local.power_cut();
    let start = Instant::now();
    node1.wait(90, &format!("{running} | grep -cv swarm-local | grep -x 6"));
    let moved = start.elapsed();
    local.power_on();
    whole(node1, 6);
    node1.ok("docker service rm goes-on");

    // All reboot at once.
    let start = Instant::now();
    let boots = all.map(|host| host.boots());
    all.iter().for_each(|host| host.ask_to_reboot());
    for (host, boots) in all.iter().zip(boots) {
        host.wait_boot(boots + 1);
    }
    whole(newer, 6);
    verified(manager);
    assert_eq!(claimed(), addresses, "what was claimed stays");
    local.wait(90, "cloud-init status | grep -x 'status: done'");
    let rebooted = start.elapsed();

    // The first manager, with the VPN and Consul on it, comes back with an empty disk: to this swarm, as one node.
    let swarm = local.ok("docker info -f '{{.Swarm.Cluster.ID}}'");
    node0.power_cut();
    node0.wipe(&debian_12(), &print(&["--host", "swarm-node0"]));
    let start = Instant::now();
    node0.power_on();
    node0.wait(180, &format!("docker info -f '{{{{.Swarm.Cluster.ID}}}}' | grep -x {swarm}"));
    whole(node0, 6);
    let rebuilt = start.elapsed();
    for host in managers {
        assert_eq!(host.ok("docker info -f '{{.Swarm.Cluster.ID}}'"), swarm, "{} is in a swarm of its own", host.name);
    }
    verified(local);

    // Debian 13 leads, as the only manager that is left, and publishes.
    // The swarm refuses to change a node that it is changing itself just then (`update out of sequence`).
    newer.wait(
        60,
        "docker node demote swarm-node0 swarm-node1 swarm-local manager
         docker node ls -f role=manager -q | grep -c . | grep -x 1",
    );
    let token = newer.ok("docker swarm join-token -q --rotate manager");
    newer.wait(30, &format!("curl -sm9 {own} 'localhost:8500/v1/kv/genhost/swarm/manager?raw' | grep -F {token}"));
    for host in all {
        host.power_cut();
    }
    let seconds = |time: Duration| time.as_secs_f32();
    format!(
        "five nodes {:.1} s after power-on, with the one that builds {:.1} s; a lost manager's \
         container elsewhere after {:.1} s; {:.1} s after a reboot of all; {:.1} s after the first manager lost its disk",
        seconds(joined),
        seconds(built),
        seconds(moved),
        seconds(rebooted),
        seconds(rebuilt)
    )
}
