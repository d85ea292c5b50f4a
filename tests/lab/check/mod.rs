//! What must hold, in the order in which it is tried. A check is a file with a `CHECK` here, and a line in [`ALL`].

mod again;
mod agents;
mod artifacts;
mod boot;
mod border;
mod closed;
mod consul_servers;
mod l2tp;
mod link;
mod middle;
mod nowhere;
mod outage;
mod overlay;
mod power_cut;
mod reboot;
mod revoked;
mod speed;
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
    again::CHECK,
    agents::CHECK,
    swarm_mode::CHECK,
    consul_servers::CHECK,
    border::CHECK,
];
