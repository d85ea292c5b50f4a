//! Every host reboots, one after another, and nobody lends a hand.

use std::time::Instant;

use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "reboot",
    says: "after a reboot of each host everything works again with the same addresses",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let fleet = lab.fleet();
    let mut figures = Vec::new();
    for host in &fleet.hosts {
        let start = Instant::now();
        host.reboot();
        figures.push(format!("{} {:.1}", host.name, fleet.wait_well(90, start).as_secs_f32()));
    }
    format!("seconds from the order to well again: {}", figures.join(", "))
}
