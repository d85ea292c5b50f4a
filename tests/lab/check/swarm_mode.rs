//! The stack swarm-mode: three managers and two workers, one of them on Debian 13, that join by themselves, and what they
//! survive.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::fleet::Recipe;
use crate::internet::Site;
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;
use crate::sandbox::{debian_12, debian_13};

pub const CHECK: Check = Check {
    name: "swarm-mode",
    says: "hosts of the stack swarm-mode join one swarm by themselves, again after a reboot, and with a new disk",
    skip: never,
    run,
};

/// Public address of this cluster's vpn-server.
const ENDPOINT: &str = "203.0.113.110";

/// Asks Consul for a key with the token of a file, and prints the answer's code.
const KEY: &str = "curl -sm9 -o /dev/null -w '%{http_code}'";

/// A container of the empty image, as genhost-verify makes them: its programs are the host's.
const EMPTY: &str = "--endpoint-mode dnsrr --no-resolve-image --stop-grace-period 0s \
    --mount type=bind,src=/bin,dst=/bin,ro --mount type=bind,src=/lib,dst=/lib,ro \
    --mount type=bind,src=/lib64,dst=/lib64,ro --mount type=bind,src=/usr,dst=/usr,ro localhost/genhost-empty";

/// genhost-verify is content within two minutes.
#[track_caller]
fn verified(host: &Machine) {
    let start = Instant::now();
    loop {
        let answer = host.run("genhost-verify");
        if answer.ok {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{}: {}", host.name, answer.text);
    }
}

fn run(lab: &Lab) -> String {
    let recipe = Recipe::swarm_mode(&lab.artifacts, ENDPOINT);
    let machine = |system: &Path, name: &str, site: Site, arguments: &[&str]| {
        lab.guest(Machine::of(system, name, site, &recipe.print(arguments)))
    };
    let named = |name: &str, site: Site| machine(&debian_12(), name, site, &["--host", name]);
    let [node0, node1] = [named("mode-node0", Site::Cloud(110)), named("mode-node1", Site::Cloud(111))];
    // Vagrant's host gets its user-data from the Vagrantfile's provisioner.
    let local = lab.guest(Machine::boxed(&debian_12(), "mode-local", Site::Home(60)));
    let vagrantfile = recipe.print(&["vagrant"]);
    let provisioner = vagrantfile.split_once("inline: <<'").expect("a provisioner").1;
    let (end, provisioner) = provisioner.split_once("'\n").expect("the end's name");
    let (provisioner, _) = provisioner.split_once(&format!("\n{end}\n")).expect("the end");
    let worker = machine(&debian_12(), "droplet", Site::Cloud(112), &["--role", "agent"]);
    // It has no package of SoftEther, and builds it.
    let source = format!("artifacts.softether_source={}", lab.artifacts.pin("softether.tar.xz"));
    let on_debian_13 = ["--set", "os=debian-13", "--set", "versions.softether=5.01.9674", "--set", &source];
    let newer = machine(&debian_13(), "newer", Site::Cloud(113), &[&["--role", "agent"], &on_debian_13[..]].concat());
    let all = [node0, node1, local, worker, newer];

    let start = Instant::now();
    all.iter().for_each(|host| host.power_on());
    local.wait(60, "systemctl is-active multi-user.target");
    let answer = local.run_for(240, provisioner);
    assert!(answer.ok, "the Vagrantfile's provisioner: {}", answer.text);
    assert_eq!(local.ok(provisioner), "", "a second run does nothing");
    let whole = |by: &Machine, nodes: usize| {
        let nodes = format!("docker node ls --format '{{{{.Status}}}}' | grep -c Ready | grep -x {nodes}");
        by.wait(240, &format!("{nodes} && ! docker node ls | grep Down"));
    };
    node1.wait(90, "docker node ls --format '{{.Status}}' | grep -c Ready | grep -x 4");
    let joined = start.elapsed();
    whole(node1, 5);
    let built = start.elapsed();
    for host in all {
        // A box boots without a seed, so there it says that it has nothing to do; the provisioner has looked at its result.
        host.wait(90, "cloud-init status | grep -xE 'status: (done|disabled)'");
        let failed = host.ok("systemctl --failed --no-legend");
        assert_eq!(failed, "", "{}", host.name);
    }
    assert_eq!(node0.ok("docker node ls -q -f role=manager | wc -l"), "3");
    node0.wait(30, "docker node inspect mode-node1 -f '{{.Spec.Labels.platform}}' | grep -x digitalocean");
    verified(local);

    // Who may what: a worker knows how to be one, no more; who has no token, nothing.
    let code = |host: &Machine, token: &str, key: &str| {
        host.ok(&format!("{KEY} {token} localhost:8500/v1/kv/genhost/swarm/{key}"))
    };
    let own = "-H@/etc/genhost/consul-token";
    assert_eq!([code(worker, own, "worker"), code(worker, own, "manager")], ["200", "403"]);
    assert_eq!([code(worker, "", "worker"), code(node0, "", "manager")], ["403", "403"]);
    assert_eq!(worker.ok(&format!("{KEY} {own} -XPUT -d x localhost:8500/v1/kv/genhost/swarm/worker")), "403");

    // Tokens that are changed are published by themselves.
    let token = node1.ok("docker swarm join-token -q --rotate worker");
    worker.wait(30, &format!("curl -sm9 {own} 'localhost:8500/v1/kv/genhost/swarm/worker?raw' | grep -F {token}"));

    // One of three managers is gone: what ran there runs elsewhere.
    let running =
        "docker service ps goes-on -f desired-state=running --format '{{.Node}} {{.CurrentState}}' | grep Running";
    node1.ok(&format!("docker service create -q -d --name goes-on --replicas 5 {EMPTY} sleep 600"));
    node1.wait(60, &format!("{running} | cut -d' ' -f1 | sort -u | grep -c . | grep -x 5"));
    local.power_cut();
    let start = Instant::now();
    node1.wait(90, &format!("{running} | grep -cv mode-local | grep -x 5"));
    let moved = start.elapsed();
    local.power_on();
    whole(node1, 5);
    node1.ok("docker service rm goes-on");

    // All reboot at once.
    let start = Instant::now();
    let boots = all.map(|host| host.boots());
    all.iter().for_each(|host| host.ask_to_reboot());
    for (host, boots) in all.iter().zip(boots) {
        host.wait_boot(boots + 1);
    }
    whole(local, 5);
    verified(local);
    local.wait(90, "cloud-init status | grep -x 'status: done'");
    let rebooted = start.elapsed();

    // The first manager, with the VPN and Consul on it, comes back with an empty disk: to this swarm, as one node.
    let swarm = local.ok("docker info -f '{{.Swarm.Cluster.ID}}'");
    node0.power_cut();
    node0.wipe(&debian_12(), &recipe.print(&["--host", "mode-node0"]));
    let start = Instant::now();
    node0.power_on();
    node0.wait(180, &format!("docker info -f '{{{{.Swarm.Cluster.ID}}}}' | grep -x {swarm}"));
    whole(node0, 5);
    let rebuilt = start.elapsed();
    verified(local);
    for host in all {
        host.power_cut();
    }
    let seconds = |time: Duration| time.as_secs_f32();
    format!(
        "four nodes {:.1} s after power-on, with the one that builds {:.1} s; a lost manager's \
         container elsewhere after {:.1} s; {:.1} s after a reboot of all; {:.1} s after the first manager lost its disk",
        seconds(joined),
        seconds(built),
        seconds(moved),
        seconds(rebooted),
        seconds(rebuilt)
    )
}
