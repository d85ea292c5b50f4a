//! Somebody boots a machine of his own with a worker's user-data.

use crate::fleet::Fleet;
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "stolen-user-data",
    says: "a machine that boots with a worker's user-data is a worker of that role, and reads what docs/security.md says, no more",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(|fleet| stolen(lab, fleet))
}

fn stolen(lab: &Lab, fleet: &Fleet) -> String {
    let user_data = fleet.recipe.print(&["--role", "agent"]);
    let secrets = fleet.recipe.secrets();
    for (label, secret) in &secrets {
        assert!(!user_data.contains(secret.as_str()), "a worker's user-data has {label}");
    }
    let thief = fleet.thief(lab);
    // It goes whatever is found: the other checks count the cluster's hosts.
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| steal(fleet, thief)));
    fleet.dismiss(&[thief]);
    let said = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    fleet.wait_well(crate::fleet::HEALS, std::time::Instant::now());
    format!("{} secrets not in it; {said}", secrets.len())
}

/// It asks with all that it has.
fn steal(fleet: &Fleet, thief: &Machine) -> String {
    let said = (fleet.stack.as_a_worker)(fleet, thief);
    let own = "--cacert /etc/consul.d/genhost.pem -E /etc/consul.d/genhost.pem";
    let api = format!("https://{}:8501/v1", fleet.node0().vpn_address);
    assert_eq!(thief.http_status(&format!("{own} {api}/status/leader")), "200");
    // Without a certificate there is no answer at all.
    let bare = thief.run(&format!("curl -skm9 {api}/status/leader"));
    assert!(!bare.ok, "Consul's API for hosts answers without a certificate: {}", bare.text);
    said
}
