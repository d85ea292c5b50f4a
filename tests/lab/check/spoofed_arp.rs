//! Somebody on the VPN says that another's address is his.

use crate::fleet::{Fleet, Host};
use crate::lab::{Check, Lab, never};
use crate::laptop::Laptop;
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "spoofed-arp",
    says: "nobody on the VPN draws another's traffic to himself by ARP: neither a person's laptop nor a worker",
    skip: never,
    run,
};

const ARP: &str = include_str!("../arp.py");

fn run(lab: &Lab) -> String {
    lab.each(|fleet| spoofed(lab, fleet))
}

fn spoofed(lab: &Lab, fleet: &Fleet) -> String {
    let laptop = Laptop::join(lab, fleet, "thief");
    // What every host sends to the first one, tokens among it, goes there and nowhere else.
    let server = fleet.node0();
    let victims = || fleet.others(server);
    let mut sent = 0;
    let thieves: [&Machine; 2] = [&laptop, fleet.worker()];
    for thief in thieves {
        std::fs::write(thief.disk().join("root/arp.py"), ARP).expect("a program");
        let addresses: Vec<_> = victims().map(|host| host.vpn_address.as_str()).collect();
        let command = format!("python3 /root/arp.py vpn_vlan0 {} 6 {}", server.vpn_address, addresses.join(" "));
        let victims: Vec<&Host> = victims().filter(|host| host.machine.name != thief.name).collect();
        let before: Vec<_> = victims.iter().map(|host| neighbour(host, &server.vpn_address)).collect();
        let during = std::thread::scope(|scope| {
            let theft = scope.spawn(|| thief.ok(&command));
            std::thread::sleep(std::time::Duration::from_secs(4));
            let during: Vec<_> = victims.iter().map(|host| neighbour(host, &server.vpn_address)).collect();
            sent += theft.join().expect("a thread").parse::<usize>().expect("a number");
            during
        });
        assert_eq!(during, before, "hardware address of {} while {} claims it", server.vpn_address, thief.name);
    }
    drop(laptop);
    fleet.assert_well();
    format!("{sent} frames, no host's neighbours changed")
}

/// Whom a host takes for the owner of an address, after it has asked.
fn neighbour(host: &Host, address: &str) -> String {
    host.run(&format!("ping -qc1 -W1 {address}"));
    host.ok(&format!("ip neigh show {address} dev vpn_vlan0 | sed -n 's/.*lladdr \\([0-9a-f:]*\\).*/\\1/p' | grep ."))
}
