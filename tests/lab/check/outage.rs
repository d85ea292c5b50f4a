//! The vpn-server is away for two minutes.

use std::time::{Duration, Instant};

use crate::fleet::HEALS;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "outage",
    says: "when the vpn-server was away for two minutes, in which a host rebooted, everything connects again by itself",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let said = lab.each(|fleet| {
        fleet.node0().power_cut();
        let gone = Instant::now();
        if fleet.stack.name == lab.classic().stack.name {
            // They need no VPN to fail or to succeed: the two minutes are theirs.
            lab.fetchers();
        }
        // One that reboots meanwhile finds no cluster, and waits for it.
        fleet.node1().reboot();
        std::thread::sleep(Duration::from_secs(120).saturating_sub(gone.elapsed()));
        let local = fleet.local();
        local.ok(&format!("ip -4 addr show vpn_vlan0 | grep -F ' {}/24 '", local.vpn_address));
        let start = Instant::now();
        fleet.node0().power_on();
        format!("{:.1} s", fleet.wait_well(HEALS, start).as_secs_f32())
    });
    format!("from power-on to well {said}")
}
