//! Somebody boots a machine of his own with a worker's user-data.

use crate::fleet::Fleet;
use crate::lab::{Check, Lab, never};

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
    let said = (fleet.stack.as_a_worker)(fleet, thief);
    // It asks with all that it has.
    let code = |with: &str, what: &str| thief.ok(&format!("curl -sm9 -o /dev/null -w '%{{http_code}}' {with} {what}"));
    let own = "--cacert /etc/consul.d/genhost.pem -E /etc/consul.d/genhost.pem";
    let api = format!("https://{}:8501/v1", fleet.node0().vpn_address);
    assert_eq!(code(own, &format!("{api}/status/leader")), "200");
    // Without a certificate there is no answer at all.
    let bare = thief.run(&format!("curl -skm9 {api}/status/leader"));
    assert!(!bare.ok, "Consul's API for hosts answers without a certificate: {}", bare.text);
    fleet.dismiss(&[thief]);
    fleet.wait_well(crate::fleet::HEALS, std::time::Instant::now());
    format!("{} secrets not in it; {said}", secrets.len())
}
