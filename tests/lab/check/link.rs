//! A bad link, and a provider that gives the home another address.

use std::time::{Duration, Instant};

use crate::internet::HOME;
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
    let fleet = lab.fleet();
    lab.internet.lose(30);
    std::thread::sleep(Duration::from_secs(30));
    lab.internet.lose(0);
    let loss = fleet.wait_well(60, Instant::now()).as_secs_f32();
    let start = Instant::now();
    lab.internet.move_home(HOME, MOVED);
    // The server still counts the old session until it gives it up; the new one comes from the new address.
    fleet.node0().wait(60, &format!("ss -Htn state established sport = :443 | grep -F {MOVED}:"));
    let moved = fleet.wait_well(60, start).as_secs_f32();
    format!("{loss:.1} s after the loss, {moved:.1} s after the new address")
}
