//! How fast the overlay is, beside the VPN and the link that carry it, and the VPN with other settings, in one run. Figures,
//! not limits.

use crate::fleet::Host;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check =
    Check { name: "speed", says: "iperf3 runs over the link, the VPN and the overlay", skip: never, run };

/// Settings of SoftEther's client beside the declared one, which is a single TCP connection: how sed makes them of it.
const SETTINGS: [(&str, &str); 3] = [
    ("two connections", "s/^uint MaxConnection .*/uint MaxConnection 2/"),
    ("eight", "s/^uint MaxConnection .*/uint MaxConnection 8/"),
    ("eight, half-duplex", "s/^uint MaxConnection .*/uint MaxConnection 8\\nbool HalfConnection true/"),
];

const DECLARED: &str = "/etc/genhost/vpn_client.config";

fn run(lab: &Lab) -> String {
    let fleet = lab.classic();
    let (client, server, to) = (fleet.node1(), fleet.node0(), fleet.local());
    let inside = |host: &Host| fleet.in_network(host, "");
    for host in &fleet.hosts {
        host.ok("nft insert rule inet genhost input tcp dport 5201 accept");
    }
    // Mb/s
    let bits = |prefix: &str, listen: &str, at: &Host, address: &str| {
        at.ok(&format!("{listen} iperf3 -s -1 -D; until {listen} ss -Hltn sport = :5201 | grep .; do sleep 0.1; done"));
        let json = client.ok(&format!("{prefix} iperf3 -c {address} -t 3 -J"));
        let report: serde_json::Value = serde_json::from_str(&json).expect("iperf3's JSON");
        report["end"]["sum_received"]["bits_per_second"].as_f64().expect("bits") / 1e6
    };
    let link = bits("", "", server, &server.site.address());
    let vpn = bits("", "", to, &to.vpn_address);
    let overlay = bits(&inside(client), &inside(to), to, &fleet.box_address(to));
    let clients = [client, to];
    let restart = |host: &Host| host.ok("systemctl restart softether-vpnclient");
    let mut others = String::new();
    for (name, change) in SETTINGS {
        for host in clients {
            host.ok(&format!("cp -p {DECLARED} /run/declared; sed -i '{change}' {DECLARED}"));
            restart(host);
        }
        client.wait(30, &format!("ping -qc3 -i0.2 -W1 {}", to.vpn_address));
        let mbits = bits("", "", to, &to.vpn_address);
        let connections = client.ok("ss -Htn state established dport = :443 | wc -l");
        others += &format!(", {name} {mbits:.0} ({connections} open)");
        for host in clients {
            host.ok(&format!("cp -p /run/declared {DECLARED}"));
        }
    }
    clients.iter().for_each(|host| _ = restart(host));
    for host in &fleet.hosts {
        host.ok("systemctl restart genhost-firewall");
    }
    fleet.wait_well(60, std::time::Instant::now());
    format!(
        "link {link:.0}, VPN {vpn:.0}, overlay {overlay:.0} Mb/s; overlay/VPN {:.2}, VPN/link {:.3}; VPN with{}",
        overlay / vpn,
        vpn / link,
        others.trim_start_matches(',')
    )
}
