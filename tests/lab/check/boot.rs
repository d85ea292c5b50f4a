//! The hosts come up from what genhost printed.

use crate::fleet::Fleet;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "boot",
    says: "cloud-init is done without errors on every host, no unit failed, and those of a stack are one cluster",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.fleets().map(|fleet| booted(lab, fleet)).collect::<Vec<_>>().join("; ")
}

fn booted(lab: &Lab, fleet: &Fleet) -> String {
    for host in &fleet.hosts {
        host.wait(60, "cloud-init status | grep -x 'status: done'");
        host.ok("! grep -E 'WARNING|ERROR|Traceback' /var/log/cloud-init.log >&2");
        host.ok("failed=$(systemctl --failed --no-legend); [ -z \"$failed\" ] || { echo \"$failed\"; exit 1; }");
    }
    let cloud_init = fleet.hosts.iter().map(|host| {
        let seconds = host
            .ok("cloud-init analyze show 2>/dev/null | sed -n 's/^Total Time: \\([0-9.]*\\) seconds/\\1/p' | tail -n1");
        format!("{} {seconds}", host.name)
    });
    let cloud_init: Vec<_> = cloud_init.collect();
    let (plain, whole) = (lab.plain.as_secs_f32(), fleet.to_cluster.as_secs_f32());
    format!(
        "{}: plain boot {plain:.1} s, whole cluster {whole:.1} s, ratio {:.1}; cloud-init: {}",
        fleet.stack.name,
        whole / plain,
        cloud_init.join(", ")
    )
}
