//! An engine starts while the VPN's interface has no address.

use std::time::Instant;

use crate::fleet::{Fleet, HEALS};
use crate::lab::{Check, Lab, never, pace};

pub const CHECK: Check = Check {
    name: "nowhere",
    says: "an engine that starts while its host's address on the VPN is away is in the cluster once it is back",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(nowhere)
}

fn nowhere(fleet: &Fleet) -> String {
    let host = fleet.local();
    host.ok("systemctl stop systemd-networkd.socket systemd-networkd; ip addr flush dev vpn_vlan0
         systemctl restart --no-block docker");
    std::thread::sleep(pace().seconds(5));
    host.ok("! ip addr show vpn_vlan0 | grep -w inet; systemctl start systemd-networkd");
    let start = Instant::now();
    format!("{:.1} s", fleet.wait_well(HEALS, start).as_secs_f32())
}
