//! The firewall of a host, as rendered, in a network namespace of its own with neighbours on every side: the public, the
//! VPN and a container. Real packets tell what it lets through. Nothing outside the namespaces is addressed.

mod fixture;

use std::process::Command;

use fixture::Workplace;
use serde_json::{Value, json};

/// Builds the neighbours, loads `firewall.nft`, tries every way and prints as JSON what came through. `vpn_vlan0`, `eth0`
/// and `br-x` are veth pairs: nftables goes by their names alone.
const TRY: &str = r#"
import json, select, socket, subprocess, sys, threading, time

TCP = [22, 80, 443, 2375, 2377, 3375, 7946, 8080, 8088, 8300, 8301, 8302, 8500, 8600]
UDP = [53, 500, 1701, 4500, 4789, 7946, 8301, 8302, 8600]

def run(command):
    subprocess.run(command.split(), check=True)

def serve():
    keep = []
    for port in TCP + [9000]:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", port))
        s.listen(64)
        keep.append(s)
    udp = []
    for port in UDP:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("", port))
        udp.append(s)
    print("ready", flush=True)
    while True:
        for s in select.select(udp, [], [])[0]:
            data, who = s.recvfrom(99)
            s.sendto(data, who)

def probe(source, tries):
    "Which of the [protocol, address, port] answer `source`."
    answers = []
    def one(protocol, address, port):
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as s:
            s.settimeout(0.8)
            s.bind((source, 0))
            try:
                s.connect((address, port))
                if protocol == "udp":
                    s.send(b"x")
                    s.recv(9)
                answers.append([protocol, address, port])
            except OSError:
                pass
    threads = [threading.Thread(target=one, args=t) for t in tries]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(json.dumps(sorted(answers)))

if sys.argv[1:2] == ["serve"]:
    serve()
if sys.argv[1:2] == ["probe"]:
    probe(sys.argv[2], json.loads(sys.argv[3]))
    sys.exit()

run("mount -t tmpfs tmpfs /run")
run("ip link set lo up")
open("/proc/sys/net/ipv4/ip_forward", "w").write("1")
for name, device, here, there in [
    ("public", "eth0", "198.51.100.1/24", ["198.51.100.2/24", "169.254.169.254/32"]),
    ("vpn", "vpn_vlan0", "192.168.30.2/24", ["192.168.30.3/24", "192.168.30.50/24"]),
    ("box", "br-x", "172.18.0.1/16", ["172.18.0.2/16"]),
]:
    run(f"ip netns add {name}")
    run(f"ip link add {device} type veth peer name far netns {name}")
    run(f"ip addr add {here} dev {device}")
    run(f"ip link set {device} up")
    run(f"ip -n {name} link set lo up")
    for address in there:
        run(f"ip -n {name} addr add {address} dev far")
    run(f"ip -n {name} link set far up")
    run(f"ip -n {name} route add default via {here.split('/')[0]}")
run("ip route add 169.254.169.254 dev eth0")

servers = []
for prefix in [[], *(["ip", "netns", "exec", name] for name in ("public", "vpn", "box"))]:
    server = subprocess.Popen([*prefix, sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    servers.append(server)

def ask(name, source, tries):
    command = ["ip", "netns", "exec", name, sys.executable, __file__, "probe", source, json.dumps(tries)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

def ports(name, source, address):
    tries = [["tcp", address, p] for p in TCP] + [["udp", address, p] for p in UDP]
    came = ask(name, source, tries)
    return {kind: [p for k, _, p in came if k == kind] for kind in ("tcp", "udp")}

def one(name, source, address, port):
    return bool(ask(name, source, [["tcp", address, port]]))

everything = ports("public", "198.51.100.2", "198.51.100.1")
assert everything == {"tcp": TCP, "udp": UDP}, everything  # without a firewall all of it answers
assert one("box", "172.18.0.2", "169.254.169.254", 80)
assert one("public", "198.51.100.2", "172.18.0.2", 80)
run("nft -f firewall.nft")
said = {
    "public": ports("public", "198.51.100.2", "198.51.100.1"),
    "host": ports("vpn", "192.168.30.3", "192.168.30.2"),
    "person": ports("vpn", "192.168.30.50", "192.168.30.2"),
    "container": ports("box", "172.18.0.2", "172.18.0.1"),
}
open("foreign.nft", "w").write(
    "table ip foreign { chain pre { type nat hook prerouting priority -100;\n"
    " iifname {eth0, vpn_vlan0} tcp dport {8080, 8088} counter dnat to 172.18.0.2:80\n}\n}\n")
run("nft -f foreign.nft")
run("nft -f firewall.nft")
tables = subprocess.run(["nft", "list", "tables"], check=True, stdout=subprocess.PIPE, text=True).stdout
said["tables"] = sorted(tables.splitlines())
said["foreign rules"] = subprocess.run(
    ["nft", "list", "table", "ip", "foreign"], check=True, stdout=subprocess.PIPE, text=True).stdout.count("dnat to")
said["forward"] = {
    "container to metadata": one("box", "172.18.0.2", "169.254.169.254", 80),
    "container to the public": one("box", "172.18.0.2", "198.51.100.2", 80),
    "container to an API in the VPN": one("box", "172.18.0.2", "192.168.30.3", 8500),
    "container to another port in the VPN": one("box", "172.18.0.2", "192.168.30.3", 9000),
    "public to a container": one("public", "198.51.100.2", "172.18.0.2", 80),
    "public to published 8088": one("public", "198.51.100.2", "198.51.100.1", 8088),
    "public to published 8080": one("public", "198.51.100.2", "198.51.100.1", 8080),
    "host on the VPN to published 8080": one("vpn", "192.168.30.3", "192.168.30.2", 8080),
    "person to published 8080": one("vpn", "192.168.30.50", "192.168.30.2", 8080),
    "person to published 8088": one("vpn", "192.168.30.50", "192.168.30.2", 8088),
    "person to a container": one("vpn", "192.168.30.50", "172.18.0.2", 80),
    "VPN to a container": one("vpn", "192.168.30.3", "172.18.0.2", 80),
    "VPN to the network behind": one("vpn", "192.168.30.3", "198.51.100.2", 80),
}
[server.kill() for server in servers]
print(json.dumps(said))
"#;

/// What comes through the firewall of the host that these arguments make.
fn try_firewall(arguments: &[&str]) -> Value {
    let workplace = Workplace::new();
    let all = [arguments, &["--set", "vpn.endpoint=203.0.113.10", "--format", "json"]].concat();
    let tree: Value = serde_json::from_str(&workplace.genhost(&all).stdout_of_success()).expect("a host as JSON");
    let firewall = tree["files"]["/etc/genhost/firewall.nft"]["content"]["text"].as_str().expect("a firewall");
    workplace.write("firewall.nft", firewall);
    workplace.write("try.py", TRY);
    for program in ["/usr/bin/python3", "/usr/sbin/nft"] {
        assert!(std::path::Path::new(program).exists(), "{program} is missing: run `.ci/setup`");
    }
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        .args(["timeout", "-k", "1", "60", "/usr/bin/python3", "try.py"])
        .current_dir(&workplace)
        .output()
        .expect("unshare runs: run `.ci/setup`");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

/// The ways that a forwarded packet can take: whether the public gets to 8088, and what people on the VPN get to.
fn forward(public_8088: bool, [person_8080, person_8088, person_inside]: [bool; 3]) -> Value {
    json!({
        "container to metadata": false,
        "container to the public": true,
        "container to an API in the VPN": false,
        "container to another port in the VPN": true,
        "public to a container": false,
        "public to published 8088": public_8088,
        "public to published 8080": false,
        "host on the VPN to published 8080": true,
        "person to published 8080": person_8080,
        "person to published 8088": person_8088,
        "person to a container": person_inside,
        "VPN to a container": true,
        "VPN to the network behind": false,
    })
}

#[test]
fn the_vpn_server_with_a_manager_offers_what_it_runs() {
    let said = try_firewall(&["--stack", "classic", "--host", "swarm-node0"]);
    let public = json!({"tcp": [22, 443], "udp": [500, 1701, 4500]});
    let host = json!({
        "tcp": [22, 443, 2375, 3375, 7946, 8300, 8301, 8302, 8500, 8600],
        "udp": [500, 1701, 4500, 4789, 7946, 8301, 8302, 8600],
    });
    assert_eq!(said["public"], public, "{said:#}");
    assert_eq!(said["container"], public, "{said:#}");
    assert_eq!(said["host"], host, "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 443, 3375, 8500], "udp": [500, 1701, 4500]}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [true; 3]), "{said:#}");
    assert_eq!(said["tables"], json!(["table inet genhost", "table ip foreign"]));
    assert_eq!(said["foreign rules"], 1);
}

#[test]
fn no_engine_of_the_swarm_mode_is_open_to_anybody() {
    let said = try_firewall(&["--host", "swarm-node0"]);
    let host = json!({
        "tcp": [22, 443, 2377, 7946, 8300, 8301, 8302, 8500, 8600],
        "udp": [500, 1701, 4500, 4789, 7946, 8301, 8302, 8600],
    });
    assert_eq!(said["public"], json!({"tcp": [22, 443], "udp": [500, 1701, 4500]}), "{said:#}");
    assert_eq!(said["container"], said["public"], "{said:#}");
    assert_eq!(said["host"], host, "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 443, 8500], "udp": [500, 1701, 4500]}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [true; 3]), "{said:#}");

    let said = try_firewall(&["--role", "agent"]);
    assert_eq!(said["host"]["tcp"], json!([22, 7946, 8300, 8301, 8302, 8500, 8600]), "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 8500], "udp": []}), "{said:#}");
}

#[test]
fn an_agent_offers_the_public_its_ssh_alone() {
    let said = try_firewall(&["--stack", "classic", "--role", "agent"]);
    let host = json!({
        "tcp": [22, 2375, 7946, 8300, 8301, 8302, 8500, 8600],
        "udp": [4789, 7946, 8301, 8302, 8600],
    });
    assert_eq!(said["public"], json!({"tcp": [22], "udp": []}), "{said:#}");
    assert_eq!(said["container"], said["public"], "{said:#}");
    assert_eq!(said["host"], host, "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 8500], "udp": []}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [true; 3]), "{said:#}");
}

#[test]
fn an_opened_port_is_open_on_the_host_and_on_its_containers() {
    let said = try_firewall(&["--role", "agent", "--set", "firewall.open=[8088/tcp]"]);
    assert_eq!(said["public"], json!({"tcp": [22, 8088], "udp": []}), "{said:#}");
    assert_eq!(said["forward"], forward(true, [true; 3]), "{said:#}");
}

#[test]
fn people_reach_what_the_cluster_lets_them() {
    let said = try_firewall(&["--host", "swarm-node0", "--set", "firewall.people=[8500/tcp, 8088/tcp]"]);
    assert_eq!(said["person"], json!({"tcp": [22, 443, 8500], "udp": [500, 1701, 4500]}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [false, true, false]), "{said:#}");
}

#[test]
fn people_reach_nothing_of_the_cluster_when_it_is_closed_to_them() {
    let said = try_firewall(&["--role", "agent", "--set", "firewall.people=[]"]);
    assert_eq!(said["person"], json!({"tcp": [22], "udp": []}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [false; 3]), "{said:#}");
}
