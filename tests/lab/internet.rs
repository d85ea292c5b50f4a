//! A make-believe internet: the bridge `br0` in the lab's own network namespace, TEST-NET-3 (RFC 5737) behind it, and a
//! home with a NAT of its own. It goes nowhere. The lab itself stands on it as 203.0.113.1, the router of everybody.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::sandbox::{Daemon, folder, run};

/// Where the lab's artifacts are served, and everybody's router.
pub const ROUTER: &str = "203.0.113.1";
/// What hosts have as their resolver.
pub const RESOLVER: &str = "203.0.113.53";
/// Where clouds tell a host its user-data.
pub const METADATA: &str = "169.254.169.254";
/// Where EC2 tells it over IPv6.
pub const METADATA_6: &str = "fd00:ec2::254";
/// The router's address for hosts that a check gives an IPv6 address.
pub const ROUTER_6: &str = "fd00:6::1";
/// Public address of the home, before it changes.
pub const HOME: &str = "203.0.113.20";

/// Where a host is connected.
#[derive(Debug, Clone, Copy)]
pub enum Site {
    /// A machine with a public address, 203.0.113.N.
    Cloud(u8),
    /// A machine at home, 192.168.1.N, behind the NAT.
    Home(u8),
}

impl Site {
    /// Its own address there.
    pub fn address(self) -> String {
        match self {
            Self::Cloud(number) => format!("203.0.113.{number}"),
            Self::Home(number) => format!("192.168.1.{number}"),
        }
    }

    /// Its router.
    pub fn router(self) -> &'static str {
        match self {
            Self::Cloud(_) => ROUTER,
            Self::Home(_) => "192.168.1.1",
        }
    }

    /// Gives a host a network namespace that never was before, with `eth0` on this site: what a boot finds.
    pub fn connect(self, host: &str) {
        let name = &format!("lab-{host}");
        let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        run("ip", &["netns", "add", name]);
        run("ip", &["-n", name, "link", "set", "lo", "up"]);
        // A name of at most 15 characters.
        let far = &format!("v-{}", self.address());
        let (there, bridge): (&[&str], _) = match self {
            Self::Cloud(_) => (&[], "br0"),
            Self::Home(_) => (&["-n", "home"], "lan0"),
        };
        let _ = Command::new("ip").args(there).args(["link", "del", far]).stderr(Stdio::null()).status();
        let mac = mac(self.address().parse().expect("an address"));
        let veth = ["link", "add", far, "type", "veth", "peer", "name", "eth0", "address", &mac, "netns", name];
        run("ip", &[there, &veth[..]].concat());
        run("ip", &[there, &["link", "set", far, "master", bridge, "up"]].concat());
    }
}

/// What the interface with this address is called on the wire. It outlives a reboot, as a card's does: neighbours go on for half a
/// minute with the one they know.
fn mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Runs something where a host's neighbours are: on the internet, or in the home.
pub fn inside<T: Send>(site: Site, run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            if let Site::Home(_) = site {
                let home = std::fs::File::open("/run/netns/home").expect("the home's namespace");
                let kind = Some(rustix::thread::LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(home.as_fd(), kind).expect("setns");
            }
            run()
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What a host sent to somebody: `udp 203.0.113.53 53 name.example`.
pub type Flow = String;

/// The internet, as long as this is kept.
pub struct Internet {
    capture: PathBuf,
    /// Whether there is an answer at the metadata addresses.
    metadata: OnceLock<()>,
    _tcpdump: Daemon,
}

impl Internet {
    /// Builds it, with nobody on it.
    pub fn new() -> Self {
        let ip = |line: &str| {
            run("ip", &line.split_whitespace().collect::<Vec<_>>());
        };
        // Without an address of its own a bridge takes another one whenever machines come and go.
        ip(&format!("link add br0 address {} type bridge", mac(Ipv4Addr::new(203, 0, 113, 1))));
        for address in ["203.0.113.1/24", "203.0.113.53/32", "169.254.169.254/32"] {
            ip(&format!("addr add {address} dev br0"));
        }
        ip("link set br0 up");
        ip("netns add home");
        ip("-n home link set lo up");
        ip("link add v-home type veth peer name eth0 netns home");
        ip("link set v-home master br0 up");
        ip(&format!("-n home addr add {HOME}/24 dev eth0"));
        ip("-n home link set eth0 up");
        ip(&format!("-n home route add default via {ROUTER}"));
        ip(&format!("-n home link add lan0 address {} type bridge", mac(Ipv4Addr::new(192, 168, 1, 1))));
        ip("-n home addr add 192.168.1.1/24 dev lan0");
        ip("-n home link set lan0 up");
        let sysctl = ["netns", "exec", "home", "sysctl", "-qw", "net.ipv4.ip_forward=1"];
        // Whoever still writes to an address that the home had is not told of a better way there.
        let no_redirects = ["net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0"];
        run("ip", &[&sysctl[..], &no_redirects].concat());
        nft_at_home(
            "table ip nat { chain post { type nat hook postrouting priority 100; oifname eth0 masquerade; }; }
             table ip filter { chain forward { type filter hook forward priority 0; policy drop;
               ct state established,related accept; iifname lan0 accept; }; }",
        );
        // Frames between hosts are the bridge's; Docker hosts' own rules are in their own namespaces.
        let _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
        let capture = folder().join("border.pcap");
        let mut tcpdump = Command::new("tcpdump");
        tcpdump
            .args(["-q", "-n", "-U", "-s", "160", "-i", "br0", "-w"])
            .arg(&capture)
            .arg(format!("not arp and not icmp6 and not (host {ROUTER} and tcp port 80) and not (tcp port 443)"));
        Self { capture, metadata: OnceLock::new(), _tcpdump: Daemon::start(&mut tcpdump) }
    }

    /// Answers from now on with `user-data` at the addresses where clouds tell a host its user-data, and at the router's over IPv6.
    pub fn serve_metadata(&self) {
        self.metadata.get_or_init(|| {
            for address in [METADATA_6, ROUTER_6] {
                run("ip", &["-6", "addr", "add", &format!("{address}/64"), "dev", "br0", "nodad"]);
            }
            for address in [METADATA, METADATA_6, ROUTER_6] {
                let listener = TcpListener::bind((address, 80)).expect("an address of the lab's own");
                std::thread::spawn(move || {
                    for mut stream in listener.incoming().flatten() {
                        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuser-data\n");
                    }
                });
            }
        });
    }

    /// What was begun with anybody, but for the VPN's own connections and downloads from the lab's server: every kind of
    /// datagram, and who asked whom for a TCP connection.
    pub fn strays(&self) -> BTreeSet<Flow> {
        let begun = format!(
            "not src host {ROUTER} and not src host {RESOLVER} and not src host {METADATA} and not dst net ff02::/16 \
             and not src net fd00::/8 \
             and (not tcp or tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn)"
        );
        let output =
            Command::new("tcpdump").args(["-n", "-tt", "-r"]).arg(&self.capture).arg(begun).output().expect("tcpdump");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(flow).collect()
    }

    /// Loses this share of all packets that cross the bridge, both ways; 0 ends it.
    pub fn lose(&self, percent: u8) {
        let mut rules = "table bridge loss\ndelete table bridge loss\n".to_owned();
        if percent > 0 {
            rules += &format!(
                "table bridge loss {{ chain forward {{ type filter hook forward priority 0; \
                 numgen random mod 100 < {percent} drop; }}; }}"
            );
        }
        nft(&mut Command::new("nft"), &rules);
    }

    /// The home's provider gives it another address: every connection through the NAT is dead, and nobody is told.
    pub fn move_home(&self, from: &str, to: &str) {
        run("ip", &["-n", "home", "addr", "del", &format!("{from}/24"), "dev", "eth0"]);
        run("ip", &["-n", "home", "addr", "add", &format!("{to}/24"), "dev", "eth0"]);
        let route = ["-n", "home", "route", "replace", "default", "via", ROUTER];
        run("ip", &route);
    }

    /// Somebody at home's provider answers in place of every VPN server; `None`: nobody does any more. What was connected is
    /// cut off.
    pub fn intercept(&self, by: Option<&str>) {
        let mut rules = "table ip middle\ndelete table ip middle\n".to_owned();
        if let Some(by) = by {
            rules += &format!(
                "table ip middle {{ chain pre {{ type nat hook prerouting priority -110; \
                 iifname lan0 tcp dport 443 dnat to {by}; }}; }}\n"
            );
        }
        nft_at_home(&rules);
        let cut = "table ip cut { chain forward { type filter hook forward priority -10; \
             ct state established tcp dport 443 reject with tcp reset; \
             ct state established tcp sport 443 reject with tcp reset; }; }";
        nft_at_home(cut);
        std::thread::sleep(std::time::Duration::from_secs(3));
        nft_at_home("delete table ip cut");
    }
}

/// A route of the router's, until this is dropped.
pub struct Route(String);

/// Sends what is for a network by way of one of the hosts on the internet.
pub fn route(network: &str, via: &str) -> Route {
    let family = if network.contains(':') { "-6" } else { "-4" };
    run("ip", &[family, "route", "replace", network, "via", via]);
    Route(network.to_owned())
}

impl Drop for Route {
    fn drop(&mut self) {
        let family = if self.0.contains(':') { "-6" } else { "-4" };
        run("ip", &[family, "route", "del", &self.0]);
    }
}

fn nft_at_home(rules: &str) {
    nft(Command::new("ip").args(["netns", "exec", "home", "nft"]), rules);
}

fn nft(command: &mut Command, rules: &str) {
    // nft wants a line's end before `}`.
    let rules = rules.replace("; ", "\n").replace(';', "\n").replace("{ ", "{\n").replace('}', "\n}");
    let mut nft = command.args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft");
    nft.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("nft reads");
    assert!(nft.wait().expect("nft").success(), "{rules}");
}

/// A line of tcpdump, without what differs from packet to packet.
fn flow(line: &str) -> Flow {
    // 1764023456.123 IP 203.0.113.10.41234 > 203.0.113.53.53: 4711+ A? deb.example. (30)
    let words: Vec<&str> = line.split_whitespace().collect();
    let (Some(from), Some(to)) = (words.get(2), words.get(4)) else { return line.to_owned() };
    let host = |text: &str| text.trim_end_matches(':').splitn(5, '.').take(4).collect::<Vec<_>>().join(".");
    let port = to.trim_end_matches(':').splitn(5, '.').nth(4).unwrap_or("-").to_owned();
    let kind = if line.contains("Flags [") {
        "tcp"
    } else if line.contains("ICMP") {
        "icmp"
    } else {
        "udp"
    };
    let asked = words.iter().position(|word| word.ends_with('?')).and_then(|at| words.get(at + 1)).unwrap_or(&"");
    format!("{kind} {} > {} {port} {asked}", host(from), host(to)).trim_end().to_owned()
}
