//! The stack swarm-mode with three Consul servers, of which one may be away.

use std::time::Instant;

use crate::fleet::BuiltIn;
use crate::internet::Site;
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;
use crate::sandbox::debian_12;

pub const CHECK: Check = Check {
    name: "consul-servers",
    says: "three Consul servers are one with its policies and tokens, whoever leads; without one of them they still take writes",
    skip: never,
    run,
};

/// Public address of this cluster's vpn-server.
const ENDPOINT: u8 = 120;

fn run(lab: &Lab) -> String {
    let cluster = BuiltIn::new(&lab.artifacts);
    let endpoint = format!("vpn.endpoint={}", Site::Cloud(ENDPOINT).address());
    let guest = |name: &str, host: &str, site: Site| {
        let servers = ["--set", "hosts.swarm-node1.consul=server", "--set", "hosts.swarm-local.consul=server"];
        let user_data = cluster.print(&[&["--host", host, "--set", &endpoint], &servers[..]].concat());
        lab.guest(Machine::of(&debian_12(), name, site, &user_data))
    };
    let node0 = guest("consul-node0", "swarm-node0", Site::Cloud(ENDPOINT));
    let node1 = guest("consul-node1", "swarm-node1", Site::Cloud(121));
    let local = guest("consul-local", "swarm-local", Site::Home(61));
    let all = [node0, node1, local];
    let start = Instant::now();
    all.iter().for_each(|host| host.power_on());
    let whole = |by: &Machine| {
        by.wait(120, "curl -sfm9 localhost:8500/v1/status/peers | grep -o :8300 | grep -c . | grep -x 3");
        by.wait(120, "docker node ls --format '{{.Status}}' | grep -c Ready | grep -x 3");
    };
    whole(node0);
    let joined = start.elapsed().as_secs_f32();

    // The token of a host that was taken out of the cluster goes; one that somebody else has made stays.
    let tokens = "curl -sfm9 -H@/etc/genhost/consul-management localhost:8500/v1/acl/token";
    for name in ["consul/token/swarm-gone", "of somebody else"] {
        node0.ok(&format!("{tokens} -XPUT -d '{{\"Description\": \"{name}\"}}'"));
    }
    let count = |name: &str| node0.ok(&format!("{tokens}s | grep -o '\"{name}[^\"]*\"' | grep -c . || :"));
    let declared = count("consul/token/");
    node0.ok("systemctl restart genhost-consul-acl");
    node0.wait(9, "journalctl -q -u genhost-consul-acl | grep -F 'genhost: removed the token consul/token/swarm-gone'");
    assert_eq!([&declared, &count("consul/token/"), &count("of somebody else")], ["4", "3", "1"]);

    // The vpn-server takes the VPN with it; of the other two, the one that leads if either does.
    let leads = |host: &Machine| {
        host.run("curl -sfm9 localhost:8500/v1/status/leader | grep -F $(cut -d= -f2 /run/genhost/vpn.env):").ok
    };
    let (lost, left) = if leads(local) { (local, node1) } else { (node1, local) };
    let leader = if leads(lost) { "the leader" } else { "a follower" };
    lost.power_cut();
    let start = Instant::now();
    for host in [node0, left] {
        let key = "-H@/etc/genhost/consul-token localhost:8500/v1/kv/genhost/swarm/check";
        host.wait(
            60,
            &format!("curl -sfm9 -XPUT -d {0} {key} | grep true; curl -sfm9 {key}?raw | grep {0}", host.name),
        );
    }
    let writes = start.elapsed().as_secs_f32();
    lost.power_on();
    whole(lost);
    for host in all {
        host.power_cut();
    }
    format!("one swarm {joined:.1} s after power-on; without {leader} a write to both others after {writes:.1} s")
}
