//! A laptop joins by L2TP/IPsec, as the article's Mac does.

use crate::l2tp;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "l2tp",
    says: "strongSwan, xl2tpd and pppd join with the pre-shared key and a user's password, and reach 192.168.30.2",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    let fleet = lab.classic();
    let console = l2tp::boot();
    for needed in
        ["connection 'vpn' established successfully", "inet 192.168.30.", "3 packets received", "\"192.168.30.2:8300\""]
    {
        assert!(console.contains(needed), "no {needed:?} on its console:\n{console}");
    }
    fleet.assert_well();
    let address = console.split("inet ").nth(1).and_then(|rest| rest.split([' ', '/']).next()).unwrap_or_default();
    format!("{address} by IKEv1, L2TP and PPP; 192.168.30.2 answers pings and Consul's API")
}
