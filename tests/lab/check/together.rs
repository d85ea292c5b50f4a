//! All hosts go at once: by a reboot, and by a power cut.

use std::time::Instant;

use crate::fleet::{Fleet, HEALS};
use crate::lab::{Check, Lab, never, pace};

pub const CHECK: Check = Check {
    name: "together",
    says: "after a reboot of all hosts at once, and after power cuts of all, everything works again with the same addresses",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(together)
}

fn together(fleet: &Fleet) -> String {
    let start = Instant::now();
    let boots: Vec<_> = fleet.hosts.iter().map(|host| host.boots()).collect();
    fleet.hosts.iter().for_each(|host| host.ask_to_reboot());
    for (host, boots) in fleet.hosts.iter().zip(boots) {
        host.wait_boot(boots + 1);
    }
    let rebooted = fleet.wait_well(HEALS, start).as_secs_f32();
    // and once more while they start
    for seconds in [0, 4] {
        std::thread::sleep(pace().seconds(seconds));
        fleet.hosts.iter().for_each(|host| host.power_cut());
        fleet.hosts.iter().for_each(|host| host.power_on());
    }
    let start = Instant::now();
    let cut = fleet.wait_well(HEALS, start).as_secs_f32();
    format!("{rebooted:.1} s after the order to reboot, {cut:.1} s after the second power cut")
}
