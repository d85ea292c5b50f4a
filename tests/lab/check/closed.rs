//! What the world outside reaches, and what containers do not.

use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use crate::fleet::{Fleet, Host};
use crate::internet::{RESOLVER, inside};
use crate::lab::{Check, Lab, never, pace};
use crate::machine::CLUSTER_PORTS;

pub const CHECK: Check = Check {
    name: "closed",
    says: "from the internet and from a host's own network only SSH and the VPN answer",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(closed)
}

fn closed(fleet: &Fleet) -> String {
    let mut asked = 0;
    for host in &fleet.hosts {
        let listening = host.ok("ss -Hltn | awk '{ sub(/.*:/, \"\", $4); print $4 }' | sort -un");
        let ports: std::collections::BTreeSet<u16> =
            listening.lines().filter_map(|port| port.parse().ok()).chain(CLUSTER_PORTS).collect();
        asked += ports.len();
        let address = host.site.address();
        let answers = inside(host.site, || answering(&address, ports.iter().copied()));
        assert_eq!(answers, host.seat.open, "TCP ports of {} that answer its neighbours", host.machine.name);
        let refused = inside(host.site, || udp_refused(&address, [137, 4789, 7946, 8301, 8302, 8600, 9999]));
        assert_eq!(
            refused,
            Vec::<u16>::new(),
            "UDP ports of {} to which its firewall lets packets through",
            host.machine.name
        );
        stays_its_own(host);
    }
    format!("{asked} TCP ports asked, 22 and the VPN's 443 answer")
}

/// The VPN takes neither the default route nor the resolver.
fn stays_its_own(host: &Host) {
    let route = host.ok("ip -4 route show default");
    let expected = format!("default via {} dev eth0", host.site.router());
    assert!(route.starts_with(&expected) && route.lines().count() == 1, "{}: {route}", host.machine.name);
    let resolver = host.ok("grep -v '^#' /etc/resolv.conf");
    assert_eq!(resolver, format!("nameserver {RESOLVER}"), "{}", host.machine.name);
}

/// Which TCP ports accept a connection.
pub fn answering(address: &str, ports: impl Iterator<Item = u16>) -> Vec<u16> {
    let threads: Vec<_> = ports
        .map(|port| {
            let address = format!("{address}:{port}").parse().expect("an address");
            let limit = pace().of(Duration::from_millis(1200));
            (port, std::thread::spawn(move || TcpStream::connect_timeout(&address, limit).is_ok()))
        })
        .collect();
    threads.into_iter().filter_map(|(port, thread)| thread.join().expect("a thread").then_some(port)).collect()
}

/// Which UDP ports answer that nobody listens there, which only a packet brings about that passed the firewall.
fn udp_refused<const N: usize>(address: &str, ports: [u16; N]) -> Vec<u16> {
    let sockets = ports.map(|port| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.connect((address, port)).expect("connect");
        socket.set_read_timeout(Some(pace().of(Duration::from_millis(150)))).expect("a limit");
        socket.send(b"?").expect("send");
        socket
    });
    let refused = |socket: &UdpSocket| {
        socket.recv(&mut [0; 9]).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    ports.into_iter().zip(&sockets).filter(|(_, socket)| refused(socket)).map(|(port, _)| port).collect()
}
