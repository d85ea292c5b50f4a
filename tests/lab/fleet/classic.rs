//! The article's own design: its three hosts on Debian 11, with Docker 20.10, Consul and classic Swarm.

use super::{Fleet, Host, NETWORK, Recipe, Seat, Stack};
use crate::artifacts::{Artifacts, BUSYBOX};
use crate::internet::Site;
use crate::machine::Machine;
use crate::sandbox::root;

pub const STACK: Stack = Stack {
    name: "classic",
    prefix: "",
    seats: &[
        Seat { name: "swarm-node0", site: Site::Cloud(10), system: root, open: &[22, 443], people: &[3375, 8500] },
        Seat { name: "swarm-node1", site: Site::Cloud(11), system: root, open: &[22], people: &[8500] },
        Seat { name: "swarm-local", site: Site::Home(50), system: root, open: &[22], people: &[3375, 8500] },
    ],
    worker: "swarm-node1",
    guests: 0,
    guest_system: root,
    seconds: 150,
    recipe,
    consul: "consul",
    joined,
    make_boxes,
    container: |host| format!("echo box-{}", host.name),
    dismiss: |_, _| (),
    as_a_worker,
    unread: &[],
};

/// Everything: Docker's API and Consul's ask nobody who he is inside the VPN, as in the article.
fn as_a_worker(fleet: &Fleet, thief: &Machine) -> String {
    thief.ok("curl -sfm9 localhost:8500/v1/kv/docker/nodes?keys");
    for host in &fleet.hosts {
        thief.ok(&format!("curl -sfm9 http://{}:2375/info", host.vpn_address));
    }
    "whoever is a host of this stack has Docker's API of all".to_owned()
}

/// The built-in cluster, artifacts from the lab's server.
fn recipe(artifacts: &Artifacts) -> Recipe {
    let built_in = include_str!("../../../profiles/clusters/classic.yaml").replace("os: ubuntu-22.04", "os: debian-11");
    let mut pins = artifacts.pins();
    if artifacts.has_swarm {
        pins += &format!("  swarm: {}\n", artifacts.pin("swarm.tar"));
    }
    Recipe::new(&STACK, &(built_in + "install: {consul: zip}\n" + &pins))
}

/// Every engine is in Consul, by the address of its host.
fn joined(fleet: &Fleet, _: &Host) -> String {
    let mut script = "nodes=$(curl -sf 'localhost:8500/v1/kv/docker/nodes?keys')
         systemctl is-active docker && [ -e /var/lib/genhost/up ] || exit 1\n"
        .to_owned();
    for Host { vpn_address, .. } in &fleet.hosts {
        script += &format!("echo \"$nodes\" | grep -F /{vpn_address}:2375 || {{ echo \"$nodes\"; exit 1; }}\n");
    }
    script
}

/// As the article does.
fn make_boxes(fleet: &Fleet) {
    fleet.node0().ok(&format!("docker network create -d overlay --subnet 10.9.0.0/24 {NETWORK}"));
    for host in &fleet.hosts {
        host.ok(&format!(
            "docker run -d --restart=always --name box-{} --net {NETWORK} {BUSYBOX} sleep 1000000",
            host.name
        ));
    }
}
