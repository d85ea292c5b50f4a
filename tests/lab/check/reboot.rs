//! Every host reboots, one after another, and nobody lends a hand.

use std::time::Instant;

use crate::fleet::HEALS;
use crate::fleet::Host;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "reboot",
    says: "after a reboot of each host everything works again with the same addresses",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let said = lab.each(|fleet| {
        let reboot = |host: &Host| {
            let start = Instant::now();
            host.reboot();
            format!("{} {:.1}", host.name, fleet.wait_well(HEALS, start).as_secs_f32())
        };
        fleet.hosts.iter().map(reboot).collect::<Vec<_>>().join(", ")
    });
    format!("seconds from the order to well again: {said}")
}
