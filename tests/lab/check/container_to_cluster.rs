//! A container that looks for the cluster's own ports.

use crate::artifacts::BUSYBOX;
use crate::fleet::{Fleet, Host};
use crate::lab::{Check, Lab, never};
use crate::machine::CLUSTER_PORTS;

pub const CHECK: Check = Check {
    name: "container-to-cluster",
    says: "no container, on a bridge or on an overlay network, reaches a port of the cluster on any host",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(reached)
}

fn reached(fleet: &Fleet) -> String {
    let ports: Vec<_> = CLUSTER_PORTS.iter().map(u16::to_string).collect();
    let ask = |host: &Host| {
        format!(
            "sh -c 'for p in {}; do (timeout 3 nc {} $p </dev/null >/dev/null 2>&1 && echo $p) & done; wait' | sort -n",
            ports.join(" "),
            host.vpn_address
        )
    };
    let asked = fleet.on_each(|from| {
        let (mut pairs, mut offered) = (0, 0);
        for to in &fleet.hosts {
            let kinds = [
                ("an overlay network", fleet.in_box(from, &ask(to))),
                ("a bridge", format!("docker run --rm {BUSYBOX} {}", ask(to))),
            ];
            for (kind, command) in kinds {
                let open = from.ok(&command);
                let (there, here) = (&to.machine.name, &from.machine.name);
                assert_eq!(open, "", "cluster ports of {there} that a container on {kind} of {here} reaches");
                pairs += 1;
            }
            // The host itself, which may, shows that somebody is there.
            if from.name != to.name {
                offered += from.passes(&to.vpn_address).iter().filter(|port| CLUSTER_PORTS.contains(port)).count();
            }
        }
        // A container reaches what is no port of the cluster's.
        from.ok(&format!("docker run --rm {BUSYBOX} timeout 5 nc {} 443 </dev/null", fleet.stack.endpoint()));
        (pairs, offered)
    });
    let (pairs, offered) = asked.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(offered > 0, "hosts offer each other nothing");
    format!("{pairs} pairs, none reached; hosts reach {offered} ports of each other")
}
