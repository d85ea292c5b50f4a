//! A machine is made of a snapshot of one that was up.

use std::time::Instant;

use crate::fleet::HEALS;
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "copied",
    says: "a machine that boots from a copy of another's disk is a host of its own, beside the other",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let fleet = lab.fleets().find(|fleet| fleet.stack.name == "swarm-mode").expect("the fleet");
    fleet.make_boxes();
    let user_data = fleet.recipe.print(&["--role", "agent"]);
    let first = lab.guest(fleet.guest("original", 92, &user_data));
    let active = "docker info -f '{{.Swarm.LocalNodeState}}' | grep -x active";
    first.power_on();
    first.wait(180, active);
    first.wait(60, "cloud-init status | grep -x 'status: done'");
    first.power_cut();
    let second = lab.guest(fleet.copy(first, "copy", 93, &user_data));
    let start = Instant::now();
    let both = [first, second];
    both.iter().for_each(|machine| machine.power_on());
    both.iter().for_each(|machine| {
        machine.wait(180, active);
    });
    let told = |machine: &Machine| machine.run("journalctl -b | grep 'genhost: this disk is a copy'").ok;
    assert_eq!(both.map(told), [false, true], "who takes itself for a copy");
    for what in [
        "cat /var/lib/genhost/vpn-address",
        "cat /sys/class/net/vpn_vlan0/address",
        "docker info -f '{{.ID}}'",
        "docker info -f '{{.Swarm.NodeID}}'",
        "cat /var/lib/genhost/consul/node-id",
    ] {
        let [one, other] = both.map(|machine| machine.ok(what));
        assert_ne!(one, other, "`{what}`");
    }
    let nodes = fleet.hosts.len() + 2;
    let ready = format!("docker node ls --format '{{{{.Status}}}}' | grep -c Ready | grep -x {nodes}");
    fleet.node0().wait(60, &format!("{ready} && {} members | grep -c ' alive ' | grep -x {nodes}", fleet.stack.consul));
    let took = start.elapsed().as_secs_f32();
    fleet.dismiss(&both);
    fleet.wait_well(HEALS, Instant::now());
    format!("original and copy are two nodes {took:.1} s after power-on")
}
