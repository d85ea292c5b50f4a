//! A host that the vpn-server no longer knows.

use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "revoked",
    says: "a host whose account was taken away cannot join, and the others do not notice",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(|fleet| revoked(lab, fleet))
}

fn revoked(lab: &Lab, fleet: &Fleet) -> String {
    let former = fleet.recipe.change(|text| {
        text.replace("\nhosts:", "\nhosts: # as it once was")
            .replace("  swarm-local:", "  swarm-former: {roles: [swarm-agent]}\n  swarm-local:")
    });
    let machine = lab.guest(fleet.guest("swarm-former", 92, &former.print(&["--host", "swarm-former"])));
    let lines = || -> Vec<String> {
        fleet.hosts.iter().map(|host| host.ok("journalctl -q -u genhost-vpn-ready | wc -l")).collect()
    };
    let before = lines();
    machine.power_on();
    machine.wait(60, "cloud-init status | grep -x 'status: done'");
    let start = Instant::now();
    machine.wait(60, "journalctl -q -u genhost-vpn-ready | grep -F 'the VPN carries nothing'");
    let said = start.elapsed().as_secs_f32();
    std::thread::sleep(Duration::from_secs(8));
    machine.ok("! ping -qc2 -W1 192.168.30.1; ! systemctl is-active genhost-vpn-ready");
    fleet.assert_well();
    assert_eq!(lines(), before, "what the others' journals say of the VPN");
    machine.power_cut();
    format!("its journal says so after {said:.1} s; no line in the others'")
}
