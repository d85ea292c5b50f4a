//! A man in the middle who has a VPN server with a certificate of his own.

use std::time::Instant;

use crate::fleet::ENDPOINT;
use crate::internet::Site;
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "middle",
    says: "a client refuses another certificate, says so in its journal, and connects when the real server is back",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let fleet = lab.fleet();
    let local = fleet.local();
    let site = Site::Cloud(66);
    // The same hub, names and ports, but nobody's secrets.
    let user_data = lab.recipe.of_a_stranger().print(&["--host", "swarm-node0"]);
    let man = lab.guest(Machine::new("man", site, &user_data));
    man.power_on();
    man.wait(60, "ss -Hltn sport = :443 | grep .");
    let start = Instant::now();
    lab.internet.intercept(ENDPOINT, Some(&site.address()));
    let since = local.ok("date +%s");
    let refused = format!(
        "journalctl -q -u genhost-vpn-ready --since @{since} | \
         grep -F 'genhost: refused: its certificate is not the pinned one'"
    );
    local.wait(60, &refused);
    let said = start.elapsed().as_secs_f32();
    let through = local.run("ping -qc2 -W1 192.168.30.1");
    assert!(!through.ok, "the man in the middle carries the VPN");
    man.ok("! journalctl -q | grep -i 'successfully authenticated'");
    let start = Instant::now();
    lab.internet.intercept(ENDPOINT, None);
    let back = fleet.wait_well(60, start).as_secs_f32();
    man.power_cut();
    format!("refused and said after {said:.1} s, back {back:.1} s after the man left")
}
