//! Secrets are rotated, and every host gets its new files.

use std::time::Instant;

use crate::fleet::{Fleet, HEALS, Host};
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "rotated",
    says: "after `genhost secrets rotate` an old password, token and gossip key are refused, and the cluster lives on",
    skip: never,
    run,
};

/// What is restarted when one of these files changes, in this order.
const UNITS: [(&str, &str); 4] = [
    ("/etc/genhost/vpn_server.config", "softether-vpnserver"),
    ("/etc/genhost/vpn_client.config", "softether-vpnclient"),
    ("/etc/consul.d/", "consul"),
    ("/etc/genhost/consul-", "genhost-consul-acl"),
];

fn run(lab: &Lab) -> String {
    lab.each(rotated)
}

fn rotated(fleet: &Fleet) -> String {
    let worker = fleet.worker();
    let keep = "cp /etc/genhost/vpn_client.config /etc/consul.d/genhost.json /etc/consul.d/genhost.pem /root/old/
        [ ! -e /etc/genhost/consul-token ] || cp /etc/genhost/consul-token /root/old/";
    worker.ok(&format!("rm -rf /root/old; mkdir -m 700 /root/old; {keep}"));
    let management = fleet.node0().run("cat /etc/genhost/consul-management").text;
    let account = format!("vpn/account/{}", worker.name);
    let token = format!("consul/token/{}", worker.name);
    let has_tokens = worker.run("[ -e /root/old/consul-token ]").ok;
    let of_tokens = if has_tokens { &[token.as_str(), "consul/management"][..] } else { &[] };
    for label in [account.as_str(), "consul/gossip", "consul/ca"].iter().chain(of_tokens) {
        fleet.recipe.print(&["secrets", "rotate", label]);
    }
    let start = Instant::now();
    let changed: usize = fleet.hosts.iter().map(|host| give_new_files(fleet, host)).sum();
    let healed = fleet.wait_well(HEALS, start);

    // The old password: the client that has it does not get in.
    worker.ok("cp /etc/genhost/vpn_client.config /root/new; cp /root/old/vpn_client.config /etc/genhost/; systemctl restart softether-vpnclient");
    std::thread::sleep(std::time::Duration::from_secs(9));
    let through = worker.run("ping -qc2 -W1 192.168.30.1");
    worker.ok("cp /root/new /etc/genhost/vpn_client.config; systemctl restart softether-vpnclient");
    assert!(!through.ok, "{} is on the VPN with its old password", worker.machine.name);
    fleet.wait_well(HEALS, Instant::now());

    // The old token and the old management token.
    let code = |host: &Host, header: &str, path: &str| {
        host.http_status(&format!("-H '{}' localhost:8500/v1/{path}", header.trim()))
    };
    let mut refused = vec!["password", "gossip key"];
    if has_tokens {
        let old = worker.ok("cat /root/old/consul-token");
        assert_eq!(code(worker, &old, "kv/genhost/swarm/worker"), "403", "an old token");
        assert_eq!(code(fleet.node0(), &management, "acl/tokens"), "403", "the old management token");
        refused.push("tokens");
    }

    // The old gossip key, with the new certificate and without: nobody hears it.
    worker.ok(
        "python3 - <<'END'
import json
config = json.load(open('/root/old/genhost.json'))
config.update(data_dir='/run/old/data', node_name='of-old')
json.dump(config, open('/root/old/genhost.json', 'w'))
END
         systemctl stop consul; mkdir -p /run/old /run/credentials/consul.service
         cp /etc/consul.d/genhost.pem /run/credentials/consul.service/
         systemd-run -q --unit of-old \"$(readlink -f /usr/local/bin/consul)\" agent -config-file=/root/old/genhost.json",
    );
    std::thread::sleep(std::time::Duration::from_secs(8));
    let members = fleet.node0().ok(&format!("{} members", fleet.stack.consul));
    worker.ok(
        "systemctl stop of-old; systemctl reset-failed of-old || :; rm -rf /run/old /run/credentials/consul.service/genhost.pem; systemctl start consul",
    );
    assert!(!members.contains("of-old"), "a member with the old gossip key:\n{members}");
    worker.ok("rm -rf /root/old /root/new");
    fleet.wait_well(HEALS, Instant::now());
    format!("{changed} files changed, well after {:.1} s; refused: {}", healed.as_secs_f32(), refused.join(", "))
}

/// Gives a host what it would boot with today, restarts what reads a file that changed, and tells how many did.
fn give_new_files(fleet: &Fleet, host: &Host) -> usize {
    let arguments = ["--host", host.name];
    host.seed(&fleet.recipe.print(&arguments));
    let tree: serde_json::Value =
        serde_json::from_str(&fleet.recipe.print(&[&arguments[..], &["--format", "json"]].concat())).expect("JSON");
    let mut changed = Vec::new();
    for (path, file) in tree["files"].as_object().expect("files") {
        let (there, text) = (host.disk().join(&path[1..]), file["content"]["text"].as_str().expect("text"));
        if std::fs::read_to_string(&there).is_ok_and(|old| old == text) {
            continue;
        }
        std::fs::write(there, text).expect("a file of the host's");
        changed.push(path);
    }
    for (prefix, unit) in UNITS {
        if changed.iter().any(|path| path.starts_with(prefix)) {
            // The policies wait for a server of Consul's that is back.
            host.run(&format!("systemctl --no-block restart {unit}"));
        }
    }
    changed.len()
}
