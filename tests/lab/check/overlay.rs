//! The article's verification: one overlay network, a container on each host, and all of them talk to each other.

use std::time::Instant;

use crate::fleet::{Fleet, NETWORK};
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "overlay",
    says: "an overlay network that one host makes is there on all; containers ping each other by address and by name",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(overlay)
}

fn overlay(fleet: &Fleet) -> String {
    for host in &fleet.hosts {
        host.wait(
            10,
            &format!("docker network ls --filter driver=overlay --format '{{{{.Name}}}}' | grep -x {NETWORK}"),
        );
    }
    let ring = fleet.wait_well(30, Instant::now());
    // The largest that a network of 1500, and of 1450 inside VXLAN, carries in one piece.
    for host in &fleet.hosts {
        for other in fleet.others(host) {
            host.ok(&format!("ping -qc1 -W2 -M do -s 1472 {}", other.vpn_address));
            let ping = format!("ping -qc1 -W2 -M do -s 1422 {}", fleet.box_address(other));
            host.ok(&fleet.in_network(host, &ping));
        }
    }
    format!(
        "all pairs after {:.1} s; 1,472 bytes over the VPN and 1,422 over the overlay in one piece",
        ring.as_secs_f32()
    )
}
