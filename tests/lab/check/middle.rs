//! A man in the middle who has a VPN server with a certificate of his own.

use std::time::Instant;

use crate::fleet::HEALS;
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
    let site = Site::Cloud(66);
    // The same hub, names and ports, but nobody's secrets.
    let user_data = lab.classic().recipe.of_a_stranger().print(&["--host", "swarm-node0"]);
    let man = lab.guest(Machine::new("man", site, &user_data));
    man.power_on();
    man.wait(60, "ss -Hltn sport = :443 | grep .");
    lab.each(|_| "up".to_owned());
    let since = lab.classic().local().ok("date +%s");
    let start = Instant::now();
    lab.internet.intercept(Some(&site.address()));
    let said = lab.each(|fleet| {
        let refused = format!(
            "journalctl -q -u genhost-vpn-ready --since @{since} | \
             grep -F 'genhost: refused: its certificate is not the pinned one'"
        );
        for host in fleet.hosts.iter().filter(|host| matches!(host.site, Site::Home(_))) {
            host.wait(60, &refused);
            let through = host.run("ping -qc2 -W1 192.168.30.1");
            assert!(!through.ok, "the man in the middle carries the VPN of {}", host.machine.name);
        }
        format!("{:.1} s", start.elapsed().as_secs_f32())
    });
    man.ok("! journalctl -q | grep -i 'successfully authenticated'");
    let start = Instant::now();
    lab.internet.intercept(None);
    let back = lab.each(|fleet| format!("{:.1} s", fleet.wait_well(HEALS, start).as_secs_f32()));
    man.power_cut();
    format!("refused and said after {said}; back after the man left {back}")
}
