//! The firewall is taken away.

use std::time::Instant;

use crate::fleet::{Fleet, Host};
use crate::internet::inside;
use crate::lab::{Check, Lab, never};

use super::closed::answering;

pub const CHECK: Check = Check {
    name: "flushed-firewall",
    says: "a firewall that was flushed is back by itself, and without one neither the VPN nor Docker starts",
    skip: never,
    run,
};

/// How others take it away: by hand, and by the unit of Debian's own package, which does so at its start and at its stop.
const FLUSHES: [&str; 3] = ["nft flush ruleset", "systemctl restart nftables", "systemctl stop nftables"];

const IS_THERE: &str = "nft list chain inet genhost input | grep -F 'policy drop'";

fn run(lab: &Lab) -> String {
    lab.each(|fleet| {
        let took = fleet.on_each(|host| FLUSHES.map(|flush| flushed(host, flush)));
        let slowest = took.into_iter().flatten().fold(0.0, f32::max);
        // Docker's own rules went with it. One engine after the other puts them back, so that managers keep their majority.
        for host in &fleet.hosts {
            host.ok("systemctl restart docker");
        }
        refuses_to_start(fleet);
        format!("back after {slowest:.1} s at the latest")
    })
}

fn flushed(host: &Host, flush: &str) -> f32 {
    let since = host.ok("date +%s");
    host.ok(flush);
    let start = Instant::now();
    host.wait(5, IS_THERE);
    let took = start.elapsed().as_secs_f32();
    host.wait(5, &format!("journalctl -q -u genhost-firewall --since @{since} | grep -F 'genhost: '"));
    // Docker's API, Consul's and the gossip of both are asked from where a neighbour is.
    let open = inside(host.site, || answering(&host.site.address(), [2375, 2377, 7946, 8300, 8500].into_iter()));
    assert_eq!(open, Vec::<u16>::new(), "{}: {flush}", host.machine.name);
    took
}

/// On the worker: a rule file that the kernel does not take.
fn refuses_to_start(fleet: &Fleet) {
    let host = fleet.worker();
    host.ok("cp /etc/genhost/firewall.nft /root/firewall.nft; echo 'table inet genhost { nonsense' >/etc/genhost/firewall.nft");
    // Without the VPN and the firewall what is meant for the one goes where the other would stop it: who gossips says goodbye before.
    host.run("systemctl stop consul docker.socket docker");
    host.run("systemctl stop genhost-firewall; nft delete table inet genhost; systemctl start genhost-firewall");
    host.run("systemctl --no-block restart docker softether-vpnclient");
    std::thread::sleep(std::time::Duration::from_secs(8));
    for unit in ["docker", "softether-vpnclient"] {
        let state = host.run(&format!("systemctl is-active {unit}")).text;
        assert_ne!(state, "active", "{}: {unit} runs without a firewall", host.machine.name);
    }
    host.ok("mv /root/firewall.nft /etc/genhost/firewall.nft; systemctl restart genhost-firewall; systemctl --no-block start consul");
    fleet.wait_well(crate::fleet::HEALS, Instant::now());
}
