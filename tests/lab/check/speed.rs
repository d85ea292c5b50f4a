//! How fast the overlay is, beside the VPN and the link that carry it, in one run. A figure, not a limit.

use crate::lab::{Check, Lab, never};

pub const CHECK: Check =
    Check { name: "speed", says: "iperf3 runs over the link, the VPN and the overlay", skip: never, run };

fn run(lab: &Lab) -> String {
    let fleet = lab.fleet();
    let (from, to) = (fleet.node1(), fleet.local());
    let (client, server) = (fleet.node1(), fleet.node0());
    let inside = |name: &str| format!("nsenter -t \"$(docker inspect -f '{{{{.State.Pid}}}}' box-{name})\" -n");
    for host in [from, to, server] {
        host.ok("nft insert rule inet genhost input tcp dport 5201 accept");
    }
    let bits = |prefix: &str, listen: &str, at: &crate::fleet::Host, address: &str| {
        at.ok(&format!("{listen} iperf3 -s -1 -D; sleep 0.3"));
        let json = client.ok(&format!("{prefix} iperf3 -c {address} -t 3 -J"));
        let report: serde_json::Value = serde_json::from_str(&json).expect("iperf3's JSON");
        report["end"]["sum_received"]["bits_per_second"].as_f64().expect("bits") / 1e6
    };
    let link = bits("", "", server, &server.site.address());
    let vpn = bits("", "", to, &to.vpn_address);
    let overlay = bits(&inside(&client.name), &inside(&to.name), to, &to.box_address);
    for host in [from, to, server] {
        host.ok("systemctl restart genhost-firewall");
    }
    fleet.assert_well();
    format!(
        "link {link:.0}, VPN {vpn:.0}, overlay {overlay:.0} Mb/s; overlay/VPN {:.2}, VPN/link {:.3}",
        overlay / vpn,
        vpn / link
    )
}
