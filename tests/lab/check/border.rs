//! What all of this sent to the world.

use crate::internet::{RESOLVER, ROUTER, Site};
use crate::lab::{Check, Lab, never};
use crate::laptop::LAPTOP;
use crate::resolver::NAME;

pub const CHECK: Check = Check {
    name: "border",
    says: "in all of the above no host sent anything to anybody but the VPN server and the server of artifacts",
    skip: never,
    run,
};

/// Of `l2tp`.
const LAPTOP_BY_L2TP: Site = Site::Cloud(95);

fn run(lab: &Lab) -> String {
    let laptops: Vec<_> = lab.fleets().map(|fleet| fleet.guest_site(LAPTOP)).chain([LAPTOP_BY_L2TP]).collect();
    let strays = lab.internet.strays();
    let is_fine = |flow: &str| {
        // what laptops of people, which are no hosts of genhost's, say to the VPN server, and it to them
        laptops.iter().any(|laptop| flow.contains(&format!(" {} ", laptop.address())))
            // `metadata` asks for it, as cloud-init does on real clouds; `artifacts` has servers of its own
            || flow.ends_with(" > 169.254.169.254 80")
            || [81, 8001, 8002].iter().any(|port| flow.ends_with(&format!("> {ROUTER} {port}")))
            // `speed` measures the link
            || flow == "tcp 203.0.113.11 > 203.0.113.10 5201"
            // hosts whose endpoint is a name
            || flow.ends_with(&format!("> {RESOLVER} 53 {NAME}."))
            // Docker asks for a container by name that is not there at the moment
            || flow.contains(&format!("> {RESOLVER} 53 box-"))
            // a host whose image of classic Swarm comes from no archive asks its registry for it
            || (!lab.artifacts.has_swarm && flow.ends_with(&format!("> {RESOLVER} 53 registry-1.docker.io.")))
    };
    let bad: Vec<_> = strays.iter().filter(|flow| !is_fine(flow)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    format!("{} kinds of packets besides the VPN's and downloads, all known", strays.len())
}
