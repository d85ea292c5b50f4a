//! Power goes, also in the middle of a first boot: no half-written state, and no hand is needed.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, HEALS, Recipe};
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "power-cut",
    says: "hosts whose power is cut come back as declared, even when it happens during their first boot",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(|fleet| power_cut(lab, fleet))
}

fn power_cut(lab: &Lab, fleet: &Fleet) -> String {
    let mut figures = Vec::new();
    let start = Instant::now();
    fleet.local().power_cut();
    fleet.local().power_on();
    figures.push(format!("{} {:.1}", fleet.local().name, fleet.wait_well(HEALS, start).as_secs_f32()));
    for host in &fleet.hosts {
        as_declared(&fleet.recipe, &["--host", host.name], host);
    }
    figures.push(format!("first boot, three times {:.1}", first_boot(lab, fleet).as_secs_f32()));
    fleet.assert_well();
    format!("seconds to well again: {}", figures.join(", "))
}

/// A host that is new, whose power goes at three moments of its first boot.
fn first_boot(lab: &Lab, fleet: &Fleet) -> Duration {
    let arguments = ["--role", "agent"];
    let agent = lab.guest(fleet.guest("swarm-cut", 91, &fleet.recipe.print(&arguments)));
    for moment in [
        // cloud-init has written its files; apt is at work or nearly so
        "[ -e /usr/lib/genhost/first-boot ]",
        // an artifact is fetched
        "ls -d /opt/genhost/store/*.part",
        // the configuration of the VPN client is in place
        "[ -e /var/lib/softether/vpn_client.config ]",
    ] {
        agent.power_on();
        agent.wait(60, moment);
        agent.power_cut();
    }
    let start = Instant::now();
    agent.power_on();
    let (consul, members) = (fleet.stack.consul, fleet.hosts.len() + 1);
    agent.wait(90, &format!("{consul} members | grep -c ' alive ' | grep -x {members} && systemctl is-active docker"));
    agent.wait(20, "cloud-init status | grep -x 'status: done'");
    let took = start.elapsed();
    as_declared(&fleet.recipe, &arguments, agent);
    agent.ok("! ls -d /opt/genhost/store/*.part");
    fleet.dismiss(&[agent]);
    took
}

/// Every file of the host is what genhost declared, to the byte, and SoftEther runs on it.
pub fn as_declared(recipe: &Recipe, arguments: &[&str], machine: &Machine) {
    let json = recipe.print(&[arguments, &["--format", "json"]].concat());
    let tree: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for (path, file) in tree["files"].as_object().expect("files") {
        let found = std::fs::read(machine.disk().join(&path[1..])).unwrap_or_else(|error| panic!("{path}: {error}"));
        let declared = file["content"]["text"].as_str().expect("text");
        assert_eq!(String::from_utf8_lossy(&found), declared, "{}: {path}", machine.name);
    }
    for daemon in ["client", "server"] {
        let declared = &tree["files"][format!("/etc/genhost/vpn_{daemon}.config")]["content"]["text"];
        let Some(declared) = declared.as_str() else { continue };
        // Of a package, or built from source.
        let places = ["var/lib/softether".to_owned(), format!("var/lib/genhost/vpn{daemon}")];
        let used = places.each_ref().map(|place| machine.disk().join(place).join(format!("vpn_{daemon}.config")));
        let used = used.into_iter().find_map(|path| std::fs::read_to_string(path).ok());
        let used = used.unwrap_or_else(|| panic!("{}: no configuration of the {daemon} in {places:?}", machine.name));
        // The daemon writes all that it knows; what was declared must be among it.
        let is_value = |line: &&str| ["bool ", "uint ", "string ", "byte "].iter().any(|kind| line.starts_with(kind));
        // `@MAC@` is put in by the host, and two keys are version 4's, which 5.01 does not keep.
        let is_others =
            |line: &str| ["@MAC@", "DisableOpenVPNServer", "DisableSSTPServer"].iter().any(|it| line.contains(it));
        for line in declared.lines().filter(is_value).filter(|line| !is_others(line)) {
            let there = used.lines().any(|other| other.trim() == line);
            assert!(there, "{}: `{line}` is not in the configuration that runs", machine.name);
        }
    }
}
