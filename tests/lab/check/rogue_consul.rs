//! Somebody who has a worker's user-data, or root on a worker, starts a server of Consul's.

use crate::fleet::Fleet;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "rogue-consul",
    says: "whoever has a worker's gossip key, token and certificate is replicated to by no server of Consul's",
    skip: never,
    run,
};

/// Makes of the worker's own configuration that of a server, in Python.
const ROGUE: &str = r#"
import json, sys
config = json.load(open("/etc/consul.d/genhost.json"))
pem = "/run/rogue/genhost.pem"
for part in (config, config.get("tls", {}).get("defaults", {})):
    for key in ("ca_file", "cert_file", "key_file"):
        if key in part:
            part[key] = pem
if sys.argv[1] == "without":
    for key in ("ca_file", "cert_file", "key_file", "verify_incoming", "verify_outgoing", "verify_server_hostname", "tls"):
        config.pop(key, None)
config.pop("leave_on_terminate", None)
config.update(server=True, data_dir="/run/rogue/data", node_name="rogue")
json.dump(config, open("/run/rogue/genhost.json", "w"))
"#;

/// What only servers of Consul may hold.
const MARK: &str = "only-for-servers-4711";

fn run(lab: &Lab) -> String {
    lab.each(|fleet| rogue(lab, fleet))
}

fn rogue(lab: &Lab, fleet: &Fleet) -> String {
    let (server, worker) = (fleet.node0(), fleet.thief(lab));
    let consul = fleet.stack.consul;
    server.ok(&format!("{consul} kv put genhost/swarm/{MARK} {MARK}"));
    let program = worker.ok("readlink -f /usr/local/bin/consul");
    let mut seen = Vec::new();
    for certificate in ["with", "without"] {
        worker.ok("systemctl stop consul; rm -rf /run/rogue; mkdir -m 700 /run/rogue; cp /etc/consul.d/genhost.pem /run/rogue");
        std::fs::write(worker.disk().join("root/rogue.py"), ROGUE).expect("a program");
        worker.ok(&format!("python3 /root/rogue.py {certificate}"));
        worker.ok(&format!(
            "systemd-run -q --unit rogue-{certificate} {program} agent -config-file=/run/rogue/genhost.json"
        ));
        // It is a server to all who gossip.
        server.wait(30, &format!("{consul} members | grep -E '^rogue .* alive +server'"));
        // The leader sends what it has within 15 s, if it does.
        std::thread::sleep(std::time::Duration::from_secs(20));
        let held = worker.run(&format!("grep -rac {MARK} /run/rogue/data | grep -v ':0$'"));
        let token = server.run("cut -d' ' -f2 /etc/genhost/consul-management");
        let tokens = worker.run(&format!("grep -raF '{}' /run/rogue/data", token.text));
        worker.ok(&format!("systemctl stop rogue-{certificate}; rm -rf /run/rogue"));
        server.run(&format!("{consul} force-leave -prune rogue"));
        server.wait(30, &format!("! {consul} members | grep -E '^rogue .* alive'"));
        assert!(!held.ok, "{}: a rogue server {certificate} its certificate holds {}", worker.name, held.text);
        assert!(token.ok != tokens.ok || !token.ok, "{}: a rogue server holds the management token", worker.name);
        seen.push(certificate);
    }
    worker.ok("systemctl start consul");
    server.ok(&format!("{consul} kv delete genhost/swarm/{MARK}"));
    let members = fleet.hosts.len() + 1;
    worker.wait(60, &format!("{consul} members | grep -c ' alive ' | grep -x {members}"));
    format!("{} certificate: a server to all, and nothing in its data", seen.join(" and "))
}
