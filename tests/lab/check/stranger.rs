//! A person's laptop on the VPN: what it reaches is what the article shows, and cluster.yaml can close it.

use crate::artifacts::BUSYBOX;
use crate::fleet::{Fleet, Host};
use crate::lab::{Check, Lab, never};
use crate::laptop::Laptop;

pub const CHECK: Check = Check {
    name: "stranger",
    says: "a user of the VPN reaches managers of classic, Consul's page and published containers, and nothing more",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(|fleet| stranger(lab, fleet))
}

fn stranger(lab: &Lab, fleet: &Fleet) -> String {
    let laptop = Laptop::join(lab, fleet, "laptop");
    // What a person reaches of each host, beside what everybody does. On 8501 Consul asks for a host's certificate.
    let reaches = |people: &dyn Fn(&Host) -> Vec<u16>| {
        for host in &fleet.hosts {
            let mut ports = [host.seat.open, &[8501], &people(host)].concat();
            ports.sort_unstable();
            assert_eq!(laptop.passes(&host.vpn_address), ports, "what a person reaches of {}", host.machine.name);
        }
    };
    fleet.node1().ok(&format!("docker run -d --name web -p 8080:80 {BUSYBOX} httpd -f -p 80"));
    let published = |host: &Host| if host.name == fleet.node1().name { &[8080][..] } else { &[] };
    reaches(&|host| [host.seat.people, published(host)].concat());
    laptop.ok("curl -sfm5 http://192.168.30.2:8500/v1/status/leader | grep 192.168.30.2");
    let api = laptop.run("curl -skm5 https://192.168.30.2:8501/v1/status/leader");
    assert!(!api.ok, "Consul's API for hosts answers a person: {}", api.text);
    let page = laptop.run("curl -sfm5 http://192.168.30.2:2375/info");
    assert!(!page.ok, "a person reaches a Docker API");
    for key in fleet.stack.unread {
        let code = laptop.http_status(&format!("'http://192.168.30.2:8500/v1/{key}'"));
        assert_eq!(code, "403", "a person without a token reads {key}");
    }

    // closed by cluster.yaml
    let closed = |host: &Host, people: &str| fleet.load_firewall(host, &format!("firewall={{people: {people}}}"));
    fleet.hosts.iter().for_each(|host| closed(host, "[]"));
    reaches(&|_| vec![]);
    fleet.hosts.iter().for_each(|host| closed(host, "[8500/tcp]"));
    reaches(&|_| vec![8500]);
    for host in &fleet.hosts {
        host.ok("systemctl restart genhost-firewall");
    }
    fleet.node1().ok("docker rm -f web");
    fleet.assert_well();
    "as declared, and a published 8080; with people: [] only what everybody reaches".to_owned()
}
