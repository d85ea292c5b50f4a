//! Ten agents from one user-data.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::internet::Site;
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "agents",
    says: "any number of machines boot from one `--role agent` user-data, each with a name and an address of its own",
    skip: never,
    run,
};

const COUNT: u8 = 10;

fn run(lab: &Lab) -> String {
    let fleet = lab.classic();
    let user_data = fleet.recipe.print(&["--role", "agent"]);
    let start = Instant::now();
    let agents: Vec<_> = (0..COUNT)
        .map(|number| lab.guest(Machine::new(&format!("droplet-{number}"), Site::Cloud(30 + number), &user_data)))
        .collect();
    agents.iter().for_each(|agent| agent.power_on());
    let all = usize::from(COUNT) + fleet.hosts.len();
    fleet.node0().wait(180, &format!("consul members | grep -c ' alive ' | grep -x {all}"));
    let took = start.elapsed().as_secs_f32();
    let members = fleet.node0().ok("consul members | awk '/ alive / { sub(/:.*/, \"\", $2); print $1, $2 }'");
    let names: BTreeSet<_> = members.lines().filter_map(|line| line.split(' ').next()).collect();
    let addresses: BTreeSet<_> = members.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!((names.len(), addresses.len()), (all, all), "{members}");
    for agent in &agents {
        assert!(names.contains(agent.name.as_str()), "{} is not in\n{members}", agent.name);
    }
    // what was claimed stays, through a reboot of two of them
    let address = |agent: &Machine| agent.ok("cat /var/lib/genhost/vpn-address");
    let some = &agents[..2];
    let before: Vec<_> = some.iter().map(|agent| address(agent)).collect();
    let boots: Vec<u32> = some.iter().map(|agent| agent.boots()).collect();
    some.iter().for_each(|agent| agent.ask_to_reboot());
    for (agent, boots) in some.iter().zip(boots) {
        agent.wait_boot(boots + 1);
    }
    for (agent, before) in some.iter().zip(&before) {
        agent.wait(90, &format!("consul members | grep '^{} .* {before}:8301 .*alive'", agent.name));
    }
    fleet.dismiss(&agents);
    fleet.wait_well(60, Instant::now());
    format!("{all} members alive {took:.1} s after ten were powered on together")
}
