//! Somebody on the VPN gives himself an address that is not his.

use crate::fleet::Fleet;
use crate::lab::{Check, Lab, never};
use crate::laptop::Laptop;
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "spoofed-address",
    says: "nobody on the VPN is heard with an address that is not his: neither a person's laptop nor a worker",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(|fleet| spoofed(lab, fleet))
}

fn spoofed(lab: &Lab, fleet: &Fleet) -> String {
    let worker = fleet.worker();
    // A person: an address beside everybody's, which a host might have, and those that hosts do have.
    let laptop = Laptop::join(lab, fleet, "spoofer");
    let lease = laptop.ok("ip -4 -o addr show vpn_vlan0 | sed 's/.* inet \\([0-9.]*\\).*/\\1/'");
    let mut tried = 0;
    let free = "192.168.30.222".to_owned();
    let taken = fleet.others(worker).map(|host| host.vpn_address.clone());
    laptop.ok("systemctl stop systemd-networkd.socket systemd-networkd");
    for address in std::iter::once(free).chain(taken) {
        laptop.ok(&format!("ip addr flush dev vpn_vlan0; ip addr add {address}/24 dev vpn_vlan0"));
        for host in fleet.hosts.iter().filter(|host| host.vpn_address != address) {
            let passed = laptop.passes(&host.vpn_address);
            assert_eq!(passed, Vec::<u16>::new(), "a person with {address} reaches {}", host.machine.name);
            tried += 1;
        }
    }
    laptop.ok("ip addr flush dev vpn_vlan0; systemctl start systemd-networkd.socket systemd-networkd");
    laptop.wait_lease();
    assert!(!laptop.passes(&fleet.node0().vpn_address).is_empty(), "the lease {lease} is as good as before");

    // A worker: another host's address, one that hosts by role may claim, and one of the people's.
    let other = &fleet.others(worker).last().expect("hosts").vpn_address;
    for address in [other.as_str(), "192.168.30.199", "192.168.30.98"] {
        let is_heard =
            |machine: &Machine, from: &str, by: &str| machine.run(&format!("ping -qc2 -W1 -I {from} {by}")).ok;
        worker.ok(&format!("ip addr add {address}/32 dev vpn_vlan0"));
        let server = &fleet.node0().vpn_address;
        let heard = is_heard(worker, address, server);
        worker.ok(&format!("ip addr del {address}/32 dev vpn_vlan0"));
        assert!(!heard, "{} is heard as {address}", worker.machine.name);
        assert!(is_heard(worker, &worker.vpn_address, server), "{} is not heard any more", worker.machine.name);
        tried += 1;
    }
    drop(laptop);
    fleet.assert_well();
    format!("{tried} tries, none heard")
}
