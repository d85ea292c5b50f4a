//! Fetching: a mirror, a server that is late, one that breaks off, one that has something else, and SoftEther's source.

use crate::fetchers::{Fetchers, REFUSED};
use crate::lab::{Check, Lab, never};
use crate::machine::Machine;

pub const CHECK: Check = Check {
    name: "artifacts",
    says: "an artifact is fetched when it can be had and is what was pinned; else the first boot fails with one line",
    skip: never,
    run,
};

const DONE: &str = "cloud-init status | grep -x 'status: done'";
const ERROR: &str = "cloud-init status | grep -x 'status: error'";

fn run(lab: &Lab) -> String {
    let fleet = lab.classic();
    let Fetchers { mirror, late, broken, wrong, air_gap, source, .. } = lab.fetchers();
    mirror.wait(60, DONE);
    air_gap.wait(60, DONE);
    air_gap.wait(60, "docker image inspect busybox >/dev/null 2>&1 || docker images | grep busybox");
    late.wait(120, DONE);
    late.ok(REFUSED);
    // three refused or broken attempts a minute end after two minutes
    broken.wait(200, ERROR);
    wrong.wait(60, ERROR);
    let one_line = |machine: &Machine, line: &str| {
        machine.ok(&format!("grep -F 'genhost: artifact consul: {line}' /var/log/cloud-init-output.log"));
        // It is tried again now and then.
        machine.wait(60, "! ls -d /opt/genhost/store/* 2>/dev/null; [ ! -e /opt/genhost/consul ]");
    };
    one_line(broken, "cannot fetch http://203.0.113.1:8002/");
    one_line(wrong, "http://203.0.113.1/busybox.tar has sha256 ");
    source.wait(180, DONE);
    source.wait(60, "consul members | grep -c ' alive ' | grep -x 7");
    let built = source.ok("/opt/genhost/softether_source/vpncmd /? 2>&1 | grep -o 'Version 5.01[^)]*' | head -n1");
    fleet.dismiss(&[mirror, late, broken, wrong, air_gap, source]);
    fleet.wait_well(60, std::time::Instant::now());
    format!(
        "mirror, mirror by hash, late server and SoftEther's source ({built}) come up; broken and wrong ones say one line"
    )
}
