//! What must hold, in the order in which it is tried. A check is a file with a `CHECK` here, and a line in [`ALL`].

mod again;
mod agents;
mod artifacts;
mod boot;
mod border;
mod closed;
mod consul_servers;
mod container_to_cluster;
mod copied;
mod expired;
mod flushed_firewall;
mod l2tp;
mod link;
mod local_user;
mod metadata;
mod middle;
mod nowhere;
mod open_port;
mod outage;
mod overlay;
mod power_cut;
mod reboot;
mod revoked;
mod rogue_consul;
mod rotated;
mod speed;
mod spoofed_address;
mod spoofed_arp;
mod stolen_user_data;
mod stranger;
mod swarm;
mod swarm_mode;
mod together;
mod unheard;

use crate::lab::Check;

/// Every check.
pub const ALL: &[Check] = &[
    boot::CHECK,
    overlay::CHECK,
    swarm::CHECK,
    closed::CHECK,
    stranger::CHECK,
    spoofed_address::CHECK,
    spoofed_arp::CHECK,
    container_to_cluster::CHECK,
    metadata::CHECK,
    open_port::CHECK,
    local_user::CHECK,
    rogue_consul::CHECK,
    // Takes the machine away that the one before has booted.
    stolen_user_data::CHECK,
    flushed_firewall::CHECK,
    l2tp::CHECK,
    speed::CHECK,
    unheard::CHECK,
    nowhere::CHECK,
    reboot::CHECK,
    power_cut::CHECK,
    together::CHECK,
    outage::CHECK,
    artifacts::CHECK,
    link::CHECK,
    middle::CHECK,
    revoked::CHECK,
    rotated::CHECK,
    again::CHECK,
    expired::CHECK,
    copied::CHECK,
    agents::CHECK,
    swarm_mode::CHECK,
    consul_servers::CHECK,
    border::CHECK,
];
