//! cloud-init runs a second time.

use std::time::Instant;

use super::power_cut::as_declared;
use crate::fleet::{Fleet, HEALS};
use crate::lab::{Check, Lab, never};

pub const CHECK: Check =
    Check { name: "again", says: "`cloud-init clean --reboot` ends in the same state", skip: never, run };

fn run(lab: &Lab) -> String {
    lab.each(again)
}

fn again(fleet: &Fleet) -> String {
    let start = Instant::now();
    let boots: Vec<_> = fleet.hosts.iter().map(|host| host.boots()).collect();
    for host in &fleet.hosts {
        host.run("cloud-init clean --reboot");
    }
    for (host, boots) in fleet.hosts.iter().zip(boots) {
        host.wait_boot(boots + 1);
    }
    for host in &fleet.hosts {
        host.wait(60, "cloud-init status | grep -x 'status: done'");
        as_declared(&fleet.recipe, &["--host", host.name], host);
    }
    format!("{:.1} s to well again, every file as declared", fleet.wait_well(HEALS, start).as_secs_f32())
}
