//! A person's laptop on the VPN: what it reaches is what the article shows, and cluster.yaml can close it.

use std::time::Duration;

use crate::artifacts::BUSYBOX;
use crate::fleet::{Fleet, Host};
use crate::lab::{Check, Lab, never, pace};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "stranger",
    says: "a user of the VPN reaches managers of classic, Consul's page and published containers, and nothing more",
    skip: never,
    run,
};

/// As the article's laptop does it, with SoftEther's own client: an address from the VPN's DHCP.
const CONNECT: &str = "
systemctl start softether-vpnclient
v() { timeout 20 vpncmd 127.0.0.1 /CLIENT /CMD \"$@\"; }
until v VersionGet; do sleep 1; done
v NicCreate vlan0
v AccountCreate private /SERVER:@ENDPOINT@:443 /HUB:cluster /USERNAME:user /NICNAME:vlan0
v AccountPasswordSet private /PASSWORD:something /TYPE:standard
v AccountConnect private
printf '[Match]\\nName=vpn_vlan0\\n[Network]\\nDHCP=ipv4\\n[DHCPv4]\\nUseDNS=no\\n' >/etc/systemd/network/vpn.network
systemctl start systemd-networkd
";

/// Where a laptop stands among a fleet's guests.
pub const LAPTOP: u8 = 90;

/// Prints which TCP ports of an address a firewall lets through within some seconds, whether somebody listens or not.
const PROBE: &str = r#"
import socket, sys, threading
passed = []
def ask(port):
    with socket.socket() as s:
        s.settimeout(float(sys.argv[1]))
        try:
            s.connect((sys.argv[2], port))
        except ConnectionRefusedError:
            pass
        except OSError:
            return
        passed.append(port)
threads = [threading.Thread(target=ask, args=(int(port),)) for port in sys.argv[3:]]
[t.start() for t in threads]
[t.join() for t in threads]
print(*sorted(passed))
"#;

fn run(lab: &Lab) -> String {
    lab.each(|fleet| stranger(lab, fleet))
}

fn stranger(lab: &Lab, fleet: &Fleet) -> String {
    let name = format!("laptop-of-{}", fleet.stack.name);
    let laptop = lab.guest(Machine::new(&name, fleet.guest_site(LAPTOP), "#cloud-config\n{}\n"));
    laptop.power_on();
    laptop.wait(30, "systemctl is-active multi-user.target && systemctl is-active networking");
    laptop.ok(&CONNECT.replace("@ENDPOINT@", &fleet.stack.endpoint()));
    laptop.wait(30, "ip -4 addr show vpn_vlan0 | grep -E ' 192.168.30.[1-9][0-9]/24 '");
    std::fs::write(laptop.disk().join("root/probe.py"), PROBE).expect("a probe");
    let limit = pace().of(Duration::from_millis(1500)).as_secs_f32();
    let passed = |address: &str| {
        laptop.ok(&format!(
            "python3 /root/probe.py {limit} {address} 22 80 443 2375 2377 3375 4789 5555 7946 8080 8300 8301 8302 8500 8600"
        ))
    };
    // What a person reaches of each host, beside what everybody does.
    let reaches = |people: &dyn Fn(&Host) -> Vec<u16>| {
        for host in &fleet.hosts {
            let mut ports = [host.seat.open, &people(host)].concat();
            ports.sort_unstable();
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            assert_eq!(passed(&host.vpn_address), ports.join(" "), "what a person reaches of {}", host.machine.name);
        }
    };
    fleet.node1().ok(&format!("docker run -d --name web -p 8080:80 {BUSYBOX} httpd -f -p 80"));
    let published = |host: &Host| if host.name == fleet.node1().name { &[8080][..] } else { &[] };
    reaches(&|host| [host.seat.people, published(host)].concat());
    laptop.ok("curl -sfm5 http://192.168.30.2:8500/v1/status/leader | grep 192.168.30.2");
    // a host knows a person from a host by the address alone, which SoftEther's DHCP gives and nobody may choose
    let page = laptop.run("curl -sfm5 http://192.168.30.2:2375/info");
    assert!(!page.ok, "a person reaches a Docker API");
    for key in fleet.stack.unread {
        let code =
            laptop.ok(&format!("curl -sm5 -o /dev/null -w '%{{http_code}}' 'http://192.168.30.2:8500/v1/{key}'"));
        assert_eq!(code, "403", "a person without a token reads {key}");
    }

    // closed by cluster.yaml
    let closed = |host: &Host, people: &str| {
        let set = format!("firewall={{people: {people}}}");
        let json = fleet.recipe.print(&["--host", host.name, "--set", &set, "--format", "json"]);
        let tree: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let text = tree["files"]["/etc/genhost/firewall.nft"]["content"]["text"].as_str().expect("a firewall");
        let path = host.disk().join("etc/genhost/firewall.nft");
        let before = std::fs::read(&path).expect("the firewall");
        std::fs::write(&path, text).expect("the firewall");
        host.ok("systemctl restart genhost-firewall");
        std::fs::write(&path, before).expect("the firewall");
    };
    fleet.hosts.iter().for_each(|host| closed(host, "[]"));
    reaches(&|_| vec![]);
    fleet.hosts.iter().for_each(|host| closed(host, "[8500/tcp]"));
    reaches(&|_| vec![8500]);
    for host in &fleet.hosts {
        host.ok("systemctl restart genhost-firewall");
    }
    fleet.node1().ok("docker rm -f web");
    fleet.assert_well();
    laptop.power_cut();
    "as declared, and a published 8080; with people: [] only what everybody reaches".to_owned()
}
