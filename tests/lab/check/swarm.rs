//! Classic Swarm, with the real image: one manager leads, one follows, and a service spreads over the hosts.

use crate::artifacts::{BUSYBOX, SWARM_IMAGE};
use crate::lab::{Check, Lab};

pub const CHECK: Check = Check {
    name: "swarm",
    says: "classic Swarm sees three healthy nodes, has a primary and a replica, and spreads a service by its port",
    skip: |lab| {
        (!lab.artifacts.has_swarm).then(|| format!("{SWARM_IMAGE} names no archive of the classic Swarm image"))
    },
    run,
};

fn run(lab: &Lab) -> String {
    let fleet = lab.classic();
    let local = fleet.local();
    let info = |address: &str| format!("timeout 20 docker -H {address}:3375 info 2>/dev/null");
    let first = info("192.168.30.2");
    let took = local.wait(60, &format!("{first} | grep -c 'Status: Healthy' | grep -x 3"));
    let roles = [first, info(&local.vpn_address)].map(|info| local.ok(&format!("{info} | sed -n 's/^ *Role: //p'")));
    let mut sorted = roles.clone();
    sorted.sort();
    assert_eq!(sorted, ["primary", "replica"], "{roles:?}");
    let service: String = (0..3)
        .map(|n| format!("docker -H 192.168.30.2:3375 run -d --name web{n} -p 8080:80 {BUSYBOX} httpd -f -p 80\n"))
        .collect();
    local.ok(&service);
    let mut places: Vec<_> = local
        .ok("docker -H 192.168.30.2:3375 ps --format '{{.Names}}' | grep /web | cut -d/ -f1")
        .lines()
        .map(str::to_owned)
        .collect();
    places.sort();
    assert_eq!(places, ["swarm-local", "swarm-node0", "swarm-node1"]);
    for host in &fleet.hosts {
        // 404 of an httpd without pages is an answer
        local.ok(&format!("curl -sm5 -o /dev/null http://{}:8080/", host.vpn_address));
    }
    local.ok("docker -H 192.168.30.2:3375 rm -f web0 web1 web2");
    let verify = fleet.node0().run_for(120, "genhost-verify");
    assert!(verify.ok, "{}", verify.text);
    format!("three healthy after {:.1} s; {} leads; web0 to web2 on three hosts", took.as_secs_f32(), roles[0])
}
