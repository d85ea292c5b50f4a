//! A container asks where clouds tell a host its user-data, with its secrets.

use crate::artifacts::BUSYBOX;
use crate::fleet::Fleet;
use crate::internet::{METADATA, METADATA_6, ROUTER, ROUTER_6, Site, route};
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "metadata",
    says: "no container reads the user-data, over IPv4 or IPv6, and it reaches the rest of the internet",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.internet.serve_metadata();
    lab.each(|fleet| {
        let hosts = fleet.hosts.len();
        over_ipv4(fleet);
        over_ipv6(fleet);
        format!("{hosts} hosts over IPv4, one over IPv6")
    })
}

fn over_ipv4(fleet: &Fleet) {
    for host in &fleet.hosts {
        host.ok(&format!("curl -sfm5 http://{METADATA}/ | grep user-data"));
        // A shell comes first: the first process of a container is deaf to `timeout`.
        let fetch = |limit, url: &str| format!("sh -c 'timeout {limit} wget -q -O /dev/null {url}; exit $?'");
        for run in [fleet.in_box(host, ""), format!("docker run --rm {BUSYBOX} ")] {
            host.ok(&format!("{run}{}", fetch(9, &format!("http://{ROUTER}/busybox.tar"))));
            let read = host.run(&format!("{run}{}", fetch(3, &format!("http://{METADATA}/"))));
            assert!(!read.ok, "a container on {} reads the user-data: {run}", host.machine.name);
        }
    }
}

/// On a host that has an IPv6 address and the firewall of one at EC2.
fn over_ipv6(fleet: &Fleet) {
    let host = fleet.node1();
    let Site::Cloud(number) = host.site else { panic!("{} is not in the cloud", host.machine.name) };
    let (own, containers) = (format!("fd00:6::{number}"), format!("fd01:{number}::/64"));
    fleet.load_firewall(host, &format!("hosts.{}.platform=ec2", host.name));
    host.ok(&format!(
        "ip -6 addr add {own}/64 dev eth0 nodad; ip -6 route add {METADATA_6}/128 dev eth0
         sysctl -qw net.ipv6.conf.all.forwarding=1; docker network create --ipv6 --subnet {containers} six"
    ));
    let _back = route(&containers, &own);
    let fetch = |address: &str| format!("sh -c 'timeout 5 wget -q -O - http://[{address}]/ | grep user-data'");
    let in_container = |address: &str| host.run(&format!("docker run --rm --network six {BUSYBOX} {}", fetch(address)));
    host.ok(&format!("curl -gsfm5 http://[{METADATA_6}]/ | grep user-data"));
    let (rest, metadata) = (in_container(ROUTER_6), in_container(METADATA_6));
    host.ok(&format!(
        "docker network rm six; systemctl restart genhost-firewall
         sysctl -qw net.ipv6.conf.all.forwarding=0; ip -6 addr del {own}/64 dev eth0; ip -6 route flush {METADATA_6}/128"
    ));
    assert!(rest.ok, "a container on {} has no IPv6 to the internet: {}", host.machine.name, rest.text);
    assert!(!metadata.ok, "a container on {} reads the user-data over IPv6", host.machine.name);
}
