//! Addresses of an overlay network change hands, and one engine hears nothing of it.

use std::time::Instant;

use crate::fleet::NETWORK;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "unheard",
    says: "containers that took each other's addresses are found, also from a host whose engine is deaf to the others",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let fleet = lab.classic();
    let (deaf, one, other) = (fleet.node1(), fleet.node0(), fleet.local());
    for port in ["dport", "sport"] {
        deaf.ok(&format!("nft insert rule inet genhost input meta l4proto {{ tcp, udp }} th {port} 7946 drop"));
    }
    let start = Instant::now();
    let before = [one, other].map(|host| fleet.box_address(host));
    let moved = |what: &str, name| format!("docker network {what} {NETWORK} box-{name}");
    for host in [one, other] {
        host.ok(&moved("disconnect", host.name));
    }
    // Docker gives the lowest address that is free.
    let order = if before[0] < before[1] { [other, one] } else { [one, other] };
    for host in order {
        host.ok(&moved("connect", host.name));
    }
    let after = [other, one].map(|host| fleet.box_address(host));
    assert_eq!(before, after, "the containers did not take each other's addresses");
    let found = fleet.wait_well(30, start).as_secs_f32();
    deaf.ok("systemctl restart genhost-firewall");
    fleet.wait_well(30, Instant::now());
    format!("{found:.1} s")
}
