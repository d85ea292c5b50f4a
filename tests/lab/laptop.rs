//! A person's laptop on a fleet's VPN, with SoftEther's own client, as the article's.

use std::ops::Deref;

use crate::fleet::Fleet;
use crate::lab::Lab;
use crate::machine::Machine;

/// Where it stands among a fleet's guests.
pub const LAPTOP: u8 = 90;

const CONNECT: &str = "
systemctl start softether-vpnclient
v() { timeout 20 vpncmd 127.0.0.1 /CLIENT /CMD \"$@\"; }
until v VersionGet; do sleep 1; done
v NicCreate vlan0
v AccountCreate private /SERVER:@ENDPOINT@:443 /HUB:cluster /USERNAME:user /NICNAME:vlan0
v AccountPasswordSet private /PASSWORD:@PASSWORD@ /TYPE:standard
v AccountConnect private
printf '[Match]\\nName=vpn_vlan0\\n[Network]\\nDHCP=ipv4\\n[DHCPv4]\\nUseDNS=no\\n' >/etc/systemd/network/vpn.network
systemctl start systemd-networkd
";

/// A laptop that is on, on the VPN, with a lease. Its power is cut when this is dropped.
pub struct Laptop(&'static Machine);

impl Laptop {
    /// Powers a new one on. `name` is no other machine's.
    pub fn join(lab: &Lab, fleet: &Fleet, name: &str) -> Self {
        let name = format!("{name}-of-{}", fleet.stack.name);
        let laptop = Self(lab.guest(Machine::new(&name, fleet.guest_site(LAPTOP), "#cloud-config\n{}\n")));
        laptop.power_on();
        laptop.wait(30, "systemctl is-active multi-user.target && systemctl is-active networking");
        let connect = CONNECT.replace("@ENDPOINT@", &fleet.stack.endpoint());
        laptop.ok(&connect.replace("@PASSWORD@", crate::fleet::PASSWORD));
        laptop.wait_lease();
        laptop
    }

    /// Waits until it has an address of the VPN's DHCP.
    pub fn wait_lease(&self) {
        self.wait(30, "ip -4 addr show vpn_vlan0 | grep -E ' 192.168.30.[1-9][0-9]/24 '");
    }
}

impl Deref for Laptop {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.0
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        self.0.power_cut();
    }
}
