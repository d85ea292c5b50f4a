//! A bad link, and a provider that gives the home another address.

use std::time::{Duration, Instant};

use crate::fleet::HEALS;
use crate::internet::{HOME, Site};
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "link",
    says: "half a minute of 30 % loss, and another public address of the home, heal by themselves",
    skip: never,
    run,
};

/// The home's public address afterwards.
const MOVED: &str = "203.0.113.21";

fn run(lab: &Lab) -> String {
    lab.each(|_| "up".to_owned());
    lab.internet.lose(30);
    std::thread::sleep(Duration::from_secs(30));
    lab.internet.lose(0);
    let start = Instant::now();
    let loss = lab.each(|fleet| format!("{:.1} s", fleet.wait_well(HEALS, start).as_secs_f32()));
    let start = Instant::now();
    lab.internet.move_home(HOME, MOVED);
    let moved = lab.each(|fleet| {
        let at_home = fleet.hosts.iter().filter(|host| matches!(host.site, Site::Home(_))).count();
        // The server still counts the old sessions until it gives them up; the new ones come from the new address.
        let new = format!("ss -Htn state established sport = :443 | grep -cF {MOVED}: | grep -x {at_home}");
        fleet.node0().wait(60, &new);
        format!("{:.1} s", fleet.wait_well(HEALS, start).as_secs_f32())
    });
    format!("after the loss {loss}; after the new address {moved}")
}
