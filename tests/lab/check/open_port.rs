//! A port that cluster.yaml opens is a published one.

use crate::artifacts::BUSYBOX;
use crate::fleet::Fleet;
use crate::internet::{Site, inside, route};
use crate::lab::{Check, Lab, never};

use super::closed::answering;

pub const CHECK: Check = Check {
    name: "open-port",
    says: "firewall.open lets the internet reach a port that a container publishes, and none that it only listens on",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(opened)
}

fn opened(fleet: &Fleet) -> String {
    let host = fleet.node1();
    let Site::Cloud(number) = host.site else { panic!("{} has no neighbour on the internet", host.machine.name) };
    fleet.load_firewall(host, "firewall={open: [8088/tcp]}");
    host.ok(&format!("docker network create --subnet 10.77.{number}.0/24 doors"));
    host.ok(&format!("docker run -d --name published --net doors -p 8088:80 {BUSYBOX} httpd -f -p 80"));
    host.ok(&format!("docker run -d --name hidden --net doors {BUSYBOX} httpd -f -p 8088"));
    let hidden = host.ok("docker inspect -f '{{.NetworkSettings.Networks.doors.IPAddress}}' hidden");
    host.wait(9, &format!("curl -sm2 -o /dev/null {hidden}:8088"));
    let address = host.site.address();
    // A neighbour who sends what is for the container to the host.
    let _way = route(&format!("{hidden}/32"), &address);
    let (published, open) =
        inside(host.site, || (answering(&address, [8088].into_iter()), answering(&hidden, [8088].into_iter())));
    host.ok("docker rm -f published hidden; docker network rm doors");
    host.ok("systemctl restart genhost-firewall");
    assert_eq!(published, [8088], "{}: what is published", host.machine.name);
    assert_eq!(open, Vec::<u16>::new(), "{}: a container that publishes nothing", host.machine.name);
    fleet.assert_well();
    "the published port answers, the other one does not".to_owned()
}
