//! The firewall of a host, as rendered, in a network namespace of its own with neighbours on every side: the public, the
//! VPN and a container. Real packets tell what it lets through. Nothing outside the namespaces is addressed.

mod fixture;

use std::process::Command;

use fixture::Workplace;
use serde_json::{Value, json};

/// Builds the neighbours, loads the host's firewall, tries every way and prints as JSON what came through. `vpn_vlan0` and
/// `eth0` are veth pairs: nftables goes by their names alone. Asked for `fence` it tries a container's ways only, for `unit` what
/// genhost-firewall.service does, for `bridges` the ways over bridges of any name, for `own` who answers where containers publish
/// every port, for `mtu` who carries a megabyte over a link of a smaller MTU.
const TRY: &str = r#"
import concurrent.futures, json, os, select, socket, socketserver, subprocess, sys, threading, time

TCP = [22, 80, 443, 2375, 2377, 3375, 7946, 8080, 8088, 8300, 8301, 8302, 8500, 8501, 8600, 9931]
UDP = [53, 500, 1701, 4500, 4789, 7946, 8301, 8302, 8600]
METADATA = ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "fd00:a9fe:a9fe::1", "fd20:ce::254"]

def run(command):
    subprocess.run(command.split(), check=True)

class Carry(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(1) == b"d":
            self.request.sendall(bytes(1 << 20))
        elif len(self.request.recv(1 << 20, socket.MSG_WAITALL)) == 1 << 20:
            self.request.sendall(b"k")

class Carriers(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

def serve(name, addresses):
    "Tells everybody its name and the address that was asked."
    threading.Thread(target=Carriers(("::", 9001), Carry).serve_forever, daemon=True).start()
    tcp = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
           for port in [*TCP, 53, 9000]]
    udp = {}
    for address in addresses:
        for port in UDP:
            s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, port))
            udp[s] = address
    print("ready", flush=True)
    while True:
        for s in select.select([*tcp, *udp], [], [])[0]:
            if s in udp:
                data, who = s.recvfrom(99)
                s.sendto(f"{name} {udp[s]}".encode(), who)
            else:
                with s.accept()[0] as peer:
                    try:
                        peer.sendall(f"{name} {peer.getsockname()[0].removeprefix('::ffff:')}".encode())
                    except OSError:
                        pass

def probe(source, tries):
    "Which of the [protocol, address, port] answer `source`, and what."
    answers = []
    def one(protocol, address, port):
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as s:
            s.settimeout(0.8)
            s.bind((source, 0))
            try:
                s.connect((address, port))
                if protocol == "udp":
                    s.send(b"x")
                answers.append([protocol, address, port, s.recv(99).decode()])
            except OSError:
                pass
    threads = [threading.Thread(target=one, args=t) for t in tries]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(json.dumps(sorted(answers)))

def carry(way, address, port):
    "Whether a megabyte gets there, or comes from there."
    try:
        with socket.create_connection((address, port), 2) as s:
            s.settimeout(2)
            s.sendall(b"d" if way == "down" else b"u" + bytes(1 << 20))
            size = 1 << 20 if way == "down" else 1
            print(json.dumps(len(s.makefile("rb").read(size)) == size))
    except OSError:
        print("false")

if sys.argv[1:2] == ["serve"]:
    serve(sys.argv[2], sys.argv[3:])
if sys.argv[1:2] == ["carry"]:
    carry(*sys.argv[2:])
    sys.exit()
if sys.argv[1:2] == ["probe"]:
    probe(sys.argv[2], json.loads(sys.argv[3]))
    sys.exit()

here = os.getcwd()
run("mount -t tmpfs tmpfs /run")
run("ip link set lo up")
open("/proc/sys/net/ipv4/ip_forward", "w").write("1")
open("/proc/sys/net/ipv6/conf/all/forwarding", "w").write("1")
# nobody else has an address of these networks, so none is asked for first
NO_DAD = "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad"
subprocess.run(NO_DAD, shell=True, check=True)

# the host's own files, over the machine's
for path in ["/etc", "/usr/lib"]:
    up, work = "/run/up" + path, "/run/work" + path
    os.makedirs(up + "/genhost")
    os.makedirs(work)
    run(f"mount -t overlay overlay -o lowerdir={path},upperdir={up},workdir={work} {path}")
run("cp firewall.nft /etc/genhost/firewall.nft")
run("install -m 755 loaded /usr/lib/genhost/firewall")

def is_loaded():
    return subprocess.run(["/usr/lib/genhost/firewall"], stderr=subprocess.PIPE, text=True).stderr

def unit():
    "What the unit does, in systemd's place."
    commands = dict(line.split("=", 1) for line in open("genhost-firewall.service") if line.startswith("Exec"))
    def within(seconds):
        end = time.monotonic() + seconds
        while is_loaded() and time.monotonic() < end:
            time.sleep(0.01)
        return is_loaded()
    def verify():
        with subprocess.Popen(["sh", "genhost-verify"], stdout=subprocess.PIPE, text=True) as script:
            line = script.stdout.readline()
            script.kill()
        return line
    said = {"before": is_loaded(), "verify before": verify()}
    subprocess.run(commands["ExecStartPre"], shell=True, check=True)
    said |= {"after": is_loaded(), "verify": verify()}
    log = open("log", "w+")
    watch = subprocess.Popen("exec " + commands["ExecStart"], shell=True, stdout=log, stderr=log)
    # before anybody listens
    run("nft flush ruleset")
    said["flushed at the start"] = within(5)
    for what in ["flush ruleset", "delete table inet genhost", "flush ruleset"]:
        run("nft " + what)
        said[what] = within(5)
    # what is there is left alone, the reload of genhost-farewell and its rule as well
    run("nft -f firewall.nft")
    run("nft insert rule inet genhost input tcp dport 443 ct state new reject with tcp reset")
    run("nft add table ip foreign")
    run("nft delete table ip foreign")
    time.sleep(0.5)
    chain = subprocess.run(["nft", "list", "chain", "inet", "genhost", "input"], stdout=subprocess.PIPE, text=True)
    said["farewell"] = chain.stdout.count("reject with tcp reset")
    # a policy that somebody changed
    run("nft chain inet genhost forward { policy accept ; }")
    said["open"] = is_loaded()
    said["verify open"] = verify()
    said["mended"] = within(5)
    log.seek(0)
    said["log"] = log.read()
    watch.kill()
    print(json.dumps(said))

if sys.argv[1:2] == ["unit"]:
    unit()
    sys.exit()

neighbours = {
    "public": ("eth0", ["198.51.100.1/24", "2001:db8:1::1/64"],
               ["198.51.100.2/24", "2001:db8:1::2/64", *METADATA]),
    "vpn": ("vpn_vlan0", ["192.168.30.2/24", "2001:db8:30::2/64"],
            ["192.168.30.3/24", "192.168.30.50/24", "2001:db8:30::3/64"]),
    "box": ("br-x", ["172.18.0.1/16", "2001:db8:18::1/64"], ["172.18.0.2/16", "2001:db8:18::2/64"]),
    "app": ("apps0", ["172.19.0.1/16", "2001:db8:19::1/64"], ["172.19.0.2/16", "2001:db8:19::2/64"]),
    "app2": ("apps0", [], ["172.19.0.3/16", "2001:db8:19::3/64"]),
    # beside a host whose way out is a bridge
    "lan": ("br0", ["10.9.0.1/24", "2001:db8:9::1/64"], ["10.9.0.2/24", "2001:db8:9::2/64"]),
}
BRIDGES = ["br-x", "apps0", "br0"]

def add(prefix, device, address):
    run(f"{prefix} addr add {address} dev {device}" + (" nodad" if ":" in address else ""))

for bridge in BRIDGES:
    run(f"ip link add name {bridge} type bridge")
    run(f"ip link set {bridge} up")
for name, (device, ours, theirs) in neighbours.items():
    run(f"ip netns add {name}")
    subprocess.run(["ip", "netns", "exec", name, "sh", "-c", NO_DAD], check=True)
    port = f"{name}-port" if device in BRIDGES else device
    run(f"ip link add {port} type veth peer name far netns {name}")
    if device in BRIDGES:
        run(f"ip link set {port} master {device}")
    run(f"ip link set {port} up")
    run(f"ip -n {name} link set lo up")
    run(f"ip -n {name} link set far up")
    for address in ours:
        add("ip", device, address)
    for address in theirs:
        add(f"ip -n {name}", "far", address)
    for address in ours:
        run(f"ip -n {name} route add default via {address.split('/')[0]}")
for address in METADATA:
    run(f"ip route add {address} dev eth0")

def of(name):
    "What runs a command in a neighbour's place."
    return [] if name == "host" else ["ip", "netns", "exec", name]

servers = []
bare = lambda addresses: [address.split("/")[0] for address in addresses]
for name, addresses in [
    ("host", [a for _, ours, _ in neighbours.values() for a in bare(ours)]),
    *((name, bare(theirs)) for name, (_, _, theirs) in neighbours.items()),
]:
    command = [*of(name), sys.executable, __file__, "serve", name, *addresses]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    servers.append(server)

def python(name, *arguments):
    command = [*of(name), sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

def ask(name, source, tries):
    return [answer[:3] for answer in python(name, "probe", source, json.dumps(tries))]

def who(name, source, address):
    "Which ports of this address the host answers itself, and which a container."
    tries = [["tcp", address, p] for p in TCP] + [["udp", address, p] for p in UDP]
    said = {}
    for kind, _, port, answer in python(name, "probe", source, json.dumps(tries)):
        by, asked = answer.split()
        assert by != "host" or asked == address, (answer, address)
        said.setdefault(by, {"tcp": [], "udp": []})[kind].append(port)
    return said

def ports(name, source, address):
    tries = [["tcp", address, p] for p in TCP] + [["udp", address, p] for p in UDP]
    came = ask(name, source, tries)
    return {kind: [p for k, _, p in came if k == kind] for kind in ("tcp", "udp")}

def one(name, source, address, port):
    return bool(ask(name, source, [["tcp", address, port]]))

def all_of(ways):
    "What each of these comes to, all at the same time."
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return dict(zip(ways, pool.map(lambda way: way[0](*way[1:]), ways.values())))

def fence(name="box", v4="172.18.0.2", v6="2001:db8:18::2"):
    "What a container reaches of another host, and of metadata."
    metadata = [[kind, address, port] for address in METADATA for kind, port in [("tcp", 80), ("tcp", 53), ("udp", 53)]]
    said = all_of({
        "ipv4": (ports, name, v4, "192.168.30.3"),
        "ipv6": (ports, name, v6, "2001:db8:30::3"),
        "metadata": (ask, name, v4, [t for t in metadata if "." in t[1]]),
        "metadata6": (ask, name, v6, [t for t in metadata if ":" in t[1]]),
    })
    came = said["metadata"] + said.pop("metadata6")
    return said | {"metadata": sorted(f"{address} {port}/{kind}" for kind, address, port in came)}

def publish(*tables):
    "Rules as Docker makes them."
    for family, rules in tables:
        open("docker.nft", "w").write(
            f"table {family} docker {{ chain publish {{\n{rules}\n}}\n"
            "chain pre { type nat hook prerouting priority -100; fib daddr type local jump publish\n}\n"
            "chain out { type nat hook output priority -100; fib daddr type local jump publish\n}\n}\n")
        run("nft -f docker.nft")

def end(said):
    [server.kill() for server in servers]
    print(json.dumps(said))
    sys.exit()

def bridges():
    publish(("ip", "iifname vpn_vlan0 tcp dport 8080 dnat to 172.19.0.2:80"))
    return all_of({
        "box": (fence,),
        "app": (fence, "app", "172.19.0.2", "2001:db8:19::2"),
    }) | {"ways": all_of({
        "app to the public": (one, "app", "172.19.0.2", "198.51.100.2", 80),
        "app to the public over IPv6": (one, "app", "2001:db8:19::2", "2001:db8:1::2", 80),
        "app to app": (one, "app", "172.19.0.2", "172.19.0.3", 80),
        "app to app over IPv6": (one, "app", "2001:db8:19::2", "2001:db8:19::3", 80),
        "app to its host's SSH": (one, "app", "172.19.0.2", "172.19.0.1", 22),
        "VPN to what an app publishes": (one, "vpn", "192.168.30.3", "192.168.30.2", 8080),
        "LAN to another port in the VPN": (one, "lan", "10.9.0.2", "192.168.30.3", 9000),
    }), "closed": all_of({
        "app to its host's Consul": (one, "app", "172.19.0.2", "172.19.0.1", 8500),
        "app to another bridge": (one, "app", "172.19.0.2", "172.18.0.2", 80),
        "public to app": (one, "public", "198.51.100.2", "172.19.0.2", 80),
        "public to app over IPv6": (one, "public", "2001:db8:1::2", "2001:db8:19::2", 80),
        "VPN to what an app does not publish": (one, "vpn", "192.168.30.3", "172.19.0.2", 9000),
        "VPN to the LAN": (one, "vpn", "192.168.30.3", "10.9.0.2", 80),
        "LAN to app": (one, "lan", "10.9.0.2", "172.19.0.2", 80),
        "LAN to box": (one, "lan", "10.9.0.2", "172.18.0.2", 80),
        "LAN to box over IPv6": (one, "lan", "2001:db8:9::2", "2001:db8:18::2", 80),
        "LAN to the cluster": (one, "lan", "10.9.0.2", "192.168.30.3", 8500),
        "LAN to metadata": (one, "lan", "10.9.0.2", "169.254.169.254", 80),
    })}

def own():
    rules = f"meta l4proto {{tcp, udp}} th dport {{ {', '.join(map(str, {*TCP, *UDP}))} }} dnat to "
    publish(("ip", rules + "172.18.0.2"), ("ip6", rules + "2001:db8:18::2"))
    return all_of({
        "public": (who, "public", "198.51.100.2", "198.51.100.1"),
        "public over IPv6": (who, "public", "2001:db8:1::2", "2001:db8:1::1"),
        "host": (who, "vpn", "192.168.30.3", "192.168.30.2"),
        "person": (who, "vpn", "192.168.30.50", "192.168.30.2"),
        "itself": (who, "host", "192.168.30.2", "192.168.30.2"),
        "itself over IPv6": (who, "host", "2001:db8:30::2", "2001:db8:30::2"),
        "container": (who, "box", "172.18.0.2", "172.18.0.1"),
    })

def mtu():
    "The host's card has a smaller MTU than anybody else's, and nobody hears of it. One segment at a time, as on a real wire."
    run("ip link set eth0 mtu 1400")
    run("ip -n public link set far gso_max_segs 1")
    open("deaf.nft", "w").write("table inet deaf { chain input { type filter hook input priority 0;\n"
                                "icmp type destination-unreachable drop\nicmpv6 type packet-too-big drop\n}\n}\n")
    for name in ["box", "public"]:
        run(f"ip netns exec {name} nft -f deaf.nft")
    publish(("ip", "tcp dport 8088 dnat to 172.18.0.2:9001"), ("ip6", "tcp dport 8088 dnat to [2001:db8:18::2]:9001"))
    ways = [("box", "198.51.100.2", 9001), ("box", "2001:db8:1::2", 9001),
            ("public", "198.51.100.1", 8088), ("public", "2001:db8:1::1", 8088)]
    ways = [(python, name, "carry", way, address, port) for name, address, port in ways for way in ["up", "down"]]
    rules = open("firewall.nft").read().splitlines(True)
    open("unclamped.nft", "w").writelines(line for line in rules if "maxseg" not in line)
    said = {}
    for file in ["firewall.nft", "unclamped.nft"]:
        run("nft -f " + file)
        came = all_of(dict(zip(map(str, range(len(ways))), ways)))
        said[file] = list(came.values())
    return said

everything = {"tcp": TCP, "udp": UDP}
if sys.argv[1:2] == ["fence"]:
    before = fence()
    # without a firewall all of it answers
    assert len(before.pop("metadata")) == 3 * len(METADATA), before
    assert before == {"ipv4": everything, "ipv6": everything}, before
    run("nft -f firewall.nft")
    end(fence())
if sys.argv[1] != "ways":
    run("nft -f firewall.nft")
    end({"bridges": bridges, "own": own, "mtu": mtu}[sys.argv[1]]())

for source, address in [("198.51.100.2", "198.51.100.1"), ("2001:db8:1::2", "2001:db8:1::1")]:
    came = ports("public", source, address)
    assert came == everything, came  # without a firewall all of it answers
assert one("public", "198.51.100.2", "172.18.0.2", 80)
assert one("public", "198.51.100.2", "172.18.0.2", 8088)
assert one("public", "2001:db8:1::2", "2001:db8:18::2", 8088)
run("nft -f firewall.nft")
unpublished = {
    "public to an unpublished 8088": (one, "public", "198.51.100.2", "172.18.0.2", 8088),
    "the same over IPv6": (one, "public", "2001:db8:1::2", "2001:db8:18::2", 8088),
}
said = all_of({
    "public": (ports, "public", "198.51.100.2", "198.51.100.1"),
    "public over IPv6": (ports, "public", "2001:db8:1::2", "2001:db8:1::1"),
    "host": (ports, "vpn", "192.168.30.3", "192.168.30.2"),
    "person": (ports, "vpn", "192.168.30.50", "192.168.30.2"),
    "container": (ports, "box", "172.18.0.2", "172.18.0.1"),
} | unpublished)
open("foreign.nft", "w").write(
    "table ip foreign { chain pre { type nat hook prerouting priority -100;\n"
    " iifname {eth0, vpn_vlan0} tcp dport {8080, 8088} counter dnat to 172.18.0.2:80\n}\n}\n"
    "table ip6 foreign { chain pre { type nat hook prerouting priority -100;\n"
    " iifname eth0 tcp dport {8080, 8088} dnat to [2001:db8:18::2]:80\n}\n}\n")
run("nft -f foreign.nft")
run("nft -f firewall.nft")
tables = subprocess.run(["nft", "list", "tables"], check=True, stdout=subprocess.PIPE, text=True).stdout
said["tables"] = sorted(tables.splitlines())
said["foreign rules"] = subprocess.run(
    ["nft", "list", "table", "ip", "foreign"], check=True, stdout=subprocess.PIPE, text=True).stdout.count("dnat to")

def local(user):
    "Whether a local user reaches the VPN client's management port, and another port."
    def reach(port):
        code = "import os, socket, sys; os.setuid(int(sys.argv[1])); socket.create_connection(('127.0.0.1', int(sys.argv[2])), 0.8)"
        return subprocess.run([sys.executable, "-c", code, str(user), str(port)], stderr=subprocess.DEVNULL).returncode == 0
    return [reach(9931), reach(9000)]

said["root to 9931 and 9000"] = local(0)
said["nobody to 9931 and 9000"] = local(65534)
said["forward"] = all_of({
    "container to the public": (one, "box", "172.18.0.2", "198.51.100.2", 80),
    "container to another port in the VPN": (one, "box", "172.18.0.2", "192.168.30.3", 9000),
    "public to a container": (one, "public", "198.51.100.2", "172.18.0.2", 80),
    "public to published 8088": (one, "public", "198.51.100.2", "198.51.100.1", 8088),
    "the same over IPv6": (one, "public", "2001:db8:1::2", "2001:db8:1::1", 8088),
    "public to published 8080": (one, "public", "198.51.100.2", "198.51.100.1", 8080),
    "host on the VPN to published 8080": (one, "vpn", "192.168.30.3", "192.168.30.2", 8080),
    "person to published 8080": (one, "vpn", "192.168.30.50", "192.168.30.2", 8080),
    "person to published 8088": (one, "vpn", "192.168.30.50", "192.168.30.2", 8088),
    "person to a container": (one, "vpn", "192.168.30.50", "172.18.0.2", 80),
    "VPN to a container": (one, "vpn", "192.168.30.3", "172.18.0.2", 80),
    "VPN to the network behind": (one, "vpn", "192.168.30.3", "198.51.100.2", 80),
})
end(said)
"#;

/// The host that these arguments make.
fn tree(workplace: &Workplace, arguments: &[&str]) -> Value {
    let all = [arguments, &["--set", "vpn.endpoint=203.0.113.10", "--format", "json"]].concat();
    serde_json::from_str(&workplace.genhost(&all).stdout_of_success()).expect("a host as JSON")
}

/// What `TRY` says of a host's files.
fn try_host(workplace: &Workplace, tree: &Value, what: &str) -> Value {
    let files = [
        ("/etc/genhost/firewall.nft", "firewall.nft"),
        ("/usr/lib/genhost/firewall", "loaded"),
        ("/etc/systemd/system/genhost-firewall.service", "genhost-firewall.service"),
        ("/usr/local/sbin/genhost-verify", "genhost-verify"),
    ];
    for (path, name) in files {
        workplace.write(name, tree["files"][path]["content"]["text"].as_str().unwrap_or_else(|| panic!("no {path}")));
    }
    workplace.write("try.py", TRY);
    for program in ["/usr/bin/python3", "/usr/sbin/nft"] {
        assert!(std::path::Path::new(program).exists(), "{program} is missing: run `.ci/setup`");
    }
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["timeout", "-k", "1", "120", "/usr/bin/python3", "try.py", what])
        .current_dir(workplace)
        .output()
        .expect("unshare runs: run `.ci/setup`");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

/// The numbers that are not among these.
fn without(all: &[u16], closed: &[u16]) -> Vec<u16> {
    all.iter().copied().filter(|port| !closed.contains(port)).collect()
}

/// What comes through the firewall of the host that these arguments make.
fn try_firewall(arguments: &[&str]) -> Value {
    let workplace = Workplace::new();
    let said = try_host(&workplace, &tree(&workplace, arguments), "ways");
    // The same everywhere.
    assert_eq!(said["public over IPv6"], said["public"], "{said:#}");
    assert_eq!(said["public to an unpublished 8088"], false, "{said:#}");
    assert_eq!(said["the same over IPv6"], false, "{said:#}");
    assert_eq!(said["root to 9931 and 9000"], json!([true, true]), "{said:#}");
    assert_eq!(said["nobody to 9931 and 9000"], json!([false, true]), "{said:#}");
    said
}

/// The ways that a forwarded packet can take: whether the public gets to 8088, and what people on the VPN get to.
fn forward(public_8088: bool, [person_8080, person_8088, person_inside]: [bool; 3]) -> Value {
    json!({
        "container to the public": true,
        "container to another port in the VPN": true,
        "public to a container": false,
        "public to published 8088": public_8088,
        "the same over IPv6": public_8088,
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
    let public = json!({"tcp": [22, 443], "udp": [500, 4500]});
    let host = json!({
        "tcp": [22, 443, 2375, 3375, 7946, 8300, 8301, 8302, 8500, 8501, 8600],
        "udp": [500, 4500, 4789, 7946, 8301, 8302, 8600],
    });
    assert_eq!(said["public"], public, "{said:#}");
    assert_eq!(said["container"], public, "{said:#}");
    assert_eq!(said["host"], host, "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 443, 3375, 8500, 8501], "udp": [500, 4500]}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [true; 3]), "{said:#}");
    assert_eq!(said["tables"], json!(["table inet genhost", "table ip foreign", "table ip6 foreign"]));
    assert_eq!(said["foreign rules"], 1);
}

#[test]
fn no_engine_of_the_swarm_mode_is_open_to_anybody() {
    let said = try_firewall(&["--host", "swarm-node0"]);
    let host = json!({
        "tcp": [22, 443, 2377, 7946, 8300, 8301, 8302, 8500, 8501, 8600],
        "udp": [500, 4500, 4789, 7946, 8301, 8302, 8600],
    });
    assert_eq!(said["public"], json!({"tcp": [22, 443], "udp": [500, 4500]}), "{said:#}");
    assert_eq!(said["container"], said["public"], "{said:#}");
    assert_eq!(said["host"], host, "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 443, 8500, 8501], "udp": [500, 4500]}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [true; 3]), "{said:#}");

    let said = try_firewall(&["--role", "agent"]);
    assert_eq!(said["host"]["tcp"], json!([22, 7946, 8300, 8301, 8302, 8500, 8501, 8600]), "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 8500, 8501], "udp": []}), "{said:#}");
}

#[test]
fn an_agent_offers_the_public_its_ssh_alone() {
    let said = try_firewall(&["--stack", "classic", "--role", "agent"]);
    let host = json!({
        "tcp": [22, 2375, 7946, 8300, 8301, 8302, 8500, 8501, 8600],
        "udp": [4789, 7946, 8301, 8302, 8600],
    });
    assert_eq!(said["public"], json!({"tcp": [22], "udp": []}), "{said:#}");
    assert_eq!(said["container"], said["public"], "{said:#}");
    assert_eq!(said["host"], host, "{said:#}");
    assert_eq!(said["person"], json!({"tcp": [22, 8500, 8501], "udp": []}), "{said:#}");
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
    assert_eq!(said["person"], json!({"tcp": [22, 443, 8500, 8501], "udp": [500, 4500]}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [false, true, false]), "{said:#}");
}

#[test]
fn people_reach_nothing_of_the_cluster_when_it_is_closed_to_them() {
    let said = try_firewall(&["--role", "agent", "--set", "firewall.people=[]"]);
    assert_eq!(said["person"], json!({"tcp": [22, 8501], "udp": []}), "{said:#}");
    assert_eq!(said["forward"], forward(false, [false; 3]), "{said:#}");
}

/// Ports that the neighbours answer on, as `TRY` has them.
const TCP: &[u16] = &[22, 80, 443, 2375, 2377, 3375, 7946, 8080, 8088, 8300, 8301, 8302, 8500, 8501, 8600, 9931];
const UDP: &[u16] = &[53, 500, 1701, 4500, 4789, 7946, 8301, 8302, 8600];

/// A container has its host's address in the VPN, so its own host has to stop it, from whatever any other host offers.
#[test]
fn a_container_reaches_no_port_that_any_host_offers_to_the_others() {
    let consul = [8300, 8301, 8302, 8500, 8501, 8600];
    let stacks: [(&str, &[u16]); 2] = [("classic", &[2375, 3375, 7946]), ("swarm-mode", &[2377, 7946])];
    for (stack, own) in stacks {
        let tcp = without(TCP, &[own, &consul].concat());
        let open = json!({"tcp": tcp, "udp": without(UDP, &[4789, 7946, 8301, 8302, 8600])});
        for which in
            [&["--role", "agent"], &["--role", "manager"], &["--role", "vpn-server"], &["--host", "swarm-node0"]]
        {
            let workplace = Workplace::new();
            let tree = tree(&workplace, &[&["--stack", stack], &which[..]].concat());
            let said = try_host(&workplace, &tree, "fence");
            assert_eq!([&said["ipv4"], &said["ipv6"]], [&open; 2], "{stack} {which:?}: {said:#}");
        }
    }
}

/// Two components of the user's own: one of a single host, whose port is a setting, and one of every host.
#[test]
fn ports_of_components_are_offered_and_fenced_as_they_say() {
    let workplace = Workplace::new();
    workplace.write("templates/page/component.yaml", "summary: page\nvalues: {port: 80}\nvpn_ports: ['{port}/tcp']\n");
    workplace.write("templates/door/component.yaml", "summary: door\njoining_ports: [8501/tcp]\n");
    let set = [
        "components=[door]",
        "hosts.swarm-node1.components=[page]",
        "settings={page: {port: 8088}}",
        "firewall.people=[]",
    ];
    let set = set.iter().flat_map(|set| ["--set", set]);
    let arguments =
        |which: &[&'static str]| [which, &["--templates", "templates"], &set.clone().collect::<Vec<_>>()].concat();

    // A lease is all that a host has that joins by role, and people have one, too.
    let said = try_host(&workplace, &tree(&workplace, &arguments(&["--role", "agent"])), "ways");
    assert_eq!(said["person"], json!({"tcp": [22, 8501], "udp": []}), "{said:#}");
    assert_eq!(said["host"]["tcp"], json!([22, 7946, 8300, 8301, 8302, 8500, 8501, 8600]), "{said:#}");
    assert_eq!(said["public"], json!({"tcp": [22], "udp": []}), "{said:#}");
    let said = try_host(&workplace, &tree(&workplace, &arguments(&["--host", "swarm-node1"])), "ways");
    assert_eq!(said["host"]["tcp"], json!([22, 2377, 7946, 8088, 8300, 8301, 8302, 8500, 8501, 8600]), "{said:#}");

    let said = try_host(&workplace, &tree(&workplace, &arguments(&["--role", "agent"])), "fence");
    assert_eq!(said["ipv4"]["tcp"], json!([22, 80, 443, 2375, 3375, 8080, 9931]), "{said:#}");
}

#[test]
fn a_container_reaches_no_metadata_and_keeps_its_resolver() {
    let all = |address: &str| ["53/tcp", "53/udp", "80/tcp"].map(|port| format!("{address} {port}"));
    let dns = |address: &str| ["53/tcp", "53/udp"].map(|port| format!("{address} {port}")).to_vec();
    let elsewhere = |closed: &[&str], open: Vec<String>| {
        let others = ["168.63.129.16", "169.254.169.254", "fd00:a9fe:a9fe::1", "fd00:ec2::254", "fd20:ce::254"];
        let others = others.iter().filter(|address| !closed.contains(address)).flat_map(|address| all(address));
        let mut open: Vec<String> = others.chain(open).collect();
        open.sort_unstable();
        json!(open)
    };
    let v4 = "169.254.169.254";
    let any = &["168.63.129.16", v4, "fd00:a9fe:a9fe::1", "fd00:ec2::254", "fd20:ce::254"];
    let unknown = [dns("168.63.129.16"), dns(v4)].concat();
    for (platform, expected) in [
        ("ec2", elsewhere(&[v4, "fd00:ec2::254"], vec![])),
        ("gce", elsewhere(&[v4, "fd20:ce::254"], dns(v4))),
        ("azure", elsewhere(&[v4, "168.63.129.16"], dns("168.63.129.16"))),
        ("linode", elsewhere(&[v4, "fd00:a9fe:a9fe::1"], vec![])),
        ("openstack", elsewhere(&[v4], vec![])),
        ("digitalocean", elsewhere(&[v4], vec![])),
        ("hetzner", elsewhere(&[v4], vec![])),
        ("vagrant", elsewhere(&[v4], vec![])),
        // Where a host rendered by role will run nobody knows.
        ("", elsewhere(any, unknown)),
    ] {
        let workplace = Workplace::new();
        let set = format!("hosts.swarm-node1.platform={platform}");
        let named = ["--host", "swarm-node1", "--set", &set];
        let said = try_host(
            &workplace,
            &tree(&workplace, if platform.is_empty() { &["--role", "agent"] } else { &named }),
            "fence",
        );
        assert_eq!(said["metadata"], expected, "{platform:?}: {said:#}");
    }
}

#[test]
fn rules_that_somebody_flushes_are_back_at_once() {
    let workplace = Workplace::new();
    let gone = "genhost: the firewall is not loaded\n";
    for stack in ["classic", "swarm-mode"] {
        let tree = tree(&workplace, &["--stack", stack, "--role", "vpn-server"]);
        let said = try_host(&workplace, &tree, "unit");
        for (what, expected) in [
            ("before", gone),
            ("verify before", "FAIL firewall: genhost: the firewall is not loaded\n"),
            ("after", ""),
            ("verify", "ok   firewall\n"),
            ("flushed at the start", ""),
            ("flush ruleset", ""),
            ("delete table inet genhost", ""),
            ("open", gone),
            ("verify open", "FAIL firewall: genhost: the firewall is not loaded\n"),
            ("mended", ""),
            ("log", &"genhost: firewall loaded again\n".repeat(5)),
        ] {
            assert_eq!(said[what], expected, "{what}: {said:#}");
        }
        assert_eq!(said["farewell"], 1, "{said:#}");
    }
}

#[test]
fn nothing_that_carries_the_cluster_starts_without_a_firewall() {
    let workplace = Workplace::new();
    let check = "ExecStartPre=+/usr/lib/genhost/firewall\n";
    for stack in ["classic", "swarm-mode"] {
        let tree = tree(&workplace, &["--stack", stack, "--host", "swarm-node0"]);
        for path in [
            "/etc/systemd/system/softether-.service.d/daemon.conf",
            "/etc/systemd/system/docker.service.d/genhost.conf",
        ] {
            let text = tree["files"][path]["content"]["text"].as_str().expect("a drop-in");
            let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("Exec")).collect();
            assert!(commands[0] == check.trim_end(), "{stack}: {path}: {commands:?}");
        }
    }
}

/// On a platform whose resolver is at the address of its metadata, with networks of `com.docker.network.bridge.name`.
#[test]
fn a_bridge_of_any_name_is_fenced_as_docker_s_own_are() {
    for stack in ["classic", "swarm-mode"] {
        let workplace = Workplace::new();
        let gce = ["--host", "swarm-node1", "--set", "hosts.swarm-node1.platform=gce", "--stack", stack];
        let said = try_host(&workplace, &tree(&workplace, &gce), "bridges");
        assert_eq!(said["app"], said["box"], "{said:#}");
        let metadata = said["app"]["metadata"].as_array().expect("a list");
        assert!(metadata.contains(&json!("169.254.169.254 53/udp")), "{said:#}");
        assert!(!metadata.contains(&json!("169.254.169.254 80/tcp")), "{said:#}");
        let all = |what: &str| said[what].as_object().expect("ways").values().cloned().collect::<Vec<_>>();
        assert_eq!(all("ways"), vec![json!(true); 7], "{said:#}");
        assert_eq!(all("closed"), vec![json!(false); 11], "{said:#}");
    }
}

/// A service of a swarm publishes its ports on every node's every address.
#[test]
fn a_container_takes_no_port_that_its_host_listens_on() {
    let consul = [8300, 8301, 8302, 8500, 8501, 8600];
    let vpn_udp = [4789, 7946, 8301, 8302, 8600];
    // Arguments, and what the public reaches, by TCP and UDP; what the VPN does besides; and what people do.
    type Case<'a> = (&'a [&'a str], [&'a [u16]; 2], &'a [u16], &'a [u16]);
    let hosts: [Case; 3] = [
        (&["--stack", "classic", "--host", "swarm-node0"], [&[22, 443], &[500, 4500]], &[2375, 3375, 7946], &[3375]),
        (&["--host", "swarm-node0"], [&[22, 443], &[500, 4500]], &[2377, 7946], &[]),
        (&["--role", "agent", "--set", "firewall.open=[8088/tcp, 22/tcp]"], [&[22], &[]], &[7946], &[]),
    ];
    for (arguments, [public_tcp, public_udp], of_vpn, of_people) in hosts {
        let workplace = Workplace::new();
        let said = try_host(&workplace, &tree(&workplace, arguments), "own");
        let sorted = |lists: &[&[u16]]| {
            let mut all = lists.concat();
            all.sort_unstable();
            all
        };
        let tcp = sorted(&[public_tcp, of_vpn, &consul]);
        let udp = sorted(&[public_udp, &vpn_udp]);
        let others = json!({"tcp": without(TCP, &tcp), "udp": without(UDP, &udp)});
        let public = json!({"tcp": public_tcp, "udp": public_udp});

        let of_public = match arguments.last() {
            Some(&"swarm-node0") => json!({"host": public}),
            _ => json!({"host": public, "box": {"tcp": [8088], "udp": []}}),
        };
        assert_eq!(said["public"], of_public, "{said:#}");
        assert_eq!(said["public over IPv6"], of_public, "{said:#}");
        assert_eq!(said["container"]["host"], public, "{said:#}");
        let all = json!({"host": {"tcp": tcp, "udp": udp}, "box": others});
        for who in ["host", "itself", "itself over IPv6"] {
            assert_eq!(said[who], all, "{who}: {said:#}");
        }
        let of_person = json!({"tcp": sorted(&[public_tcp, of_people, &[8500, 8501]]), "udp": public_udp});
        assert_eq!(said["person"], json!({"host": of_person, "box": others}), "{said:#}");
    }
}

/// Both ways, over IPv4 and IPv6, from a container and to one.
#[test]
fn a_container_carries_a_megabyte_over_a_link_whose_mtu_nobody_tells_it() {
    let workplace = Workplace::new();
    let host = tree(&workplace, &["--role", "agent", "--set", "firewall.open=[8088/tcp]"]);
    let said = try_host(&workplace, &host, "mtu");
    assert_eq!(said, json!({"firewall.nft": vec![true; 8], "unclamped.nft": vec![false; 8]}));
}
