//! Today's design: three managers and a worker, in the cloud and at home on Debian 12 and on Debian 13 each. The vpn-server is
//! of Debian 13.

use super::{Fleet, Host, NETWORK, Recipe, Seat, Stack};
use crate::artifacts::{Artifacts, BUSYBOX};
use crate::internet::Site;
use crate::machine::Machine;
use crate::sandbox::{debian_12, debian_13};

pub const STACK: Stack = Stack {
    name: "swarm-mode",
    prefix: "mode-",
    seats: &[
        Seat { name: "swarm-node0", site: Site::Cloud(12), system: debian_13, open: &[22, 443], people: &[8500] },
        Seat { name: "swarm-node1", site: Site::Cloud(13), system: debian_12, open: &[22], people: &[8500] },
        Seat { name: "swarm-local", site: Site::Home(51), system: debian_13, open: &[22], people: &[8500] },
        Seat { name: "swarm-office", site: Site::Home(52), system: debian_12, open: &[22], people: &[8500] },
    ],
    worker: "swarm-office",
    guests: 100,
    guest_system: debian_12,
    seconds: 240,
    recipe,
    consul: "CONSUL_HTTP_TOKEN=$(cut -d' ' -f2 /etc/genhost/consul-token) /opt/genhost/consul/consul",
    joined,
    make_boxes,
    container: |host| format!("docker ps -qf name=box-{}.1. | head -n1 | grep .", host.name),
    dismiss: |fleet, machine| {
        machine.run("docker swarm leave");
        // The swarm calls a node down some time after it has left.
        fleet.node0().wait(60, &format!("docker node rm {0} || ! docker node inspect {0}", machine.name));
    },
    as_a_worker,
    unread: &["kv/genhost/swarm/worker", "kv/genhost/swarm/manager", "agent/self"],
};

/// How to be one more worker, and nothing else.
fn as_a_worker(fleet: &Fleet, thief: &Machine) -> String {
    let token = "-H@/etc/genhost/consul-token";
    let api = |path: &str| thief.http_status(&format!("{token} localhost:8500/v1/{path}"));
    for (path, code) in [
        ("kv/genhost/swarm/worker", "200"),
        ("kv/genhost/swarm/manager", "403"),
        ("kv/genhost/swarm/cluster", "403"),
        ("acl/tokens", "403"),
        ("operator/raft/configuration", "403"),
        ("snapshot", "403"),
        ("agent/self", "403"),
    ] {
        assert_eq!(api(path), code, "what a worker's token gets of {path}");
    }
    let put = thief.http_status(&format!("{token} -XPUT -d x localhost:8500/v1/kv/genhost/swarm/worker"));
    assert_eq!(put, "403", "a worker's token writes how to join");
    thief.wait(90, "docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' | grep -x 'active false'");
    for command in ["node ls", "service ls", "swarm join-token worker", "secret ls"] {
        let answer = thief.run(&format!("timeout 20 docker {command}"));
        assert!(!answer.ok, "a worker gets at `docker {command}`: {}", answer.text);
    }
    for host in &fleet.hosts {
        let docker = thief.run(&format!("curl -sfm3 http://{}:2375/info", host.vpn_address));
        assert!(!docker.ok, "{} shows its Docker", host.machine.name);
    }
    "a worker's join token, and no more".to_owned()
}

/// The built-in cluster and a worker; artifacts from the lab's server.
fn recipe(artifacts: &Artifacts) -> Recipe {
    let built_in = include_str!("../../../profiles/clusters/swarm-mode.yaml");
    let mut cluster = built_in.replace("  swarm-local:", "  swarm-office: {roles: [swarm-agent]}\n  swarm-local:");
    for Seat { name, .. } in STACK.seats.iter().filter(|seat| (seat.system)() == debian_13()) {
        let host = format!("\n  {name}: {{");
        assert!(cluster.contains(&host), "{cluster}");
        cluster = cluster.replace(&host, &format!("{host}os: debian-13, "));
    }
    // Debian 13 has no package of SoftEther, and builds it.
    let pins = artifacts.pins().replace("versions: {", "versions: {softether: 5.01.9674, ");
    let source = format!("  softether_source: {}\nimages:", artifacts.pin("softether.tar.xz"));
    Recipe::new(&STACK, &(cluster + &pins.replace("images:", &source)))
}

/// Every host is a ready node; what a manager knows of the others, a worker is not told.
fn joined(fleet: &Fleet, _: &Host) -> String {
    let hosts = fleet.hosts.len();
    format!(
        "state=$(docker info -f '{{{{.Swarm.LocalNodeState}}}} {{{{.Swarm.ControlAvailable}}}}')
         systemctl is-active docker genhost-swarm
         case $state in
         'active true')
           nodes=$(docker node ls --format '{{{{.Status}}}} {{{{.ManagerStatus}}}}')
           [ \"$(echo \"$nodes\" | grep -c '^Ready')\" = {hosts} ] || {{ echo \"$nodes\"; exit 1; }}
           ! echo \"$nodes\" | grep -E 'Down|Unreachable' ;;
         'active false') ;;
         *) echo \"$state\"; exit 1 ;;
         esac\n"
    )
}

/// A service for each host, whose one container runs there.
fn make_boxes(fleet: &Fleet) {
    fleet.node0().ok(&format!("docker network create -d overlay --subnet 10.9.0.0/24 {NETWORK}"));
    for Host { name, .. } in &fleet.hosts {
        fleet.node0().ok(&format!(
            "docker service create -qd --name box-{name} --constraint node.hostname=={name} --network {NETWORK} \
             --endpoint-mode dnsrr --no-resolve-image --stop-grace-period 0s {BUSYBOX} sleep 1000000"
        ));
    }
}
