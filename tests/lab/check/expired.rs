//! Nodes of a swarm were off for longer than their certificates live.

use std::time::Instant;

use crate::fleet::Host;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "expired",
    says: "a worker and a manager whose certificates in the swarm have ended join it again by themselves",
    skip: never,
    run,
};

/// Gives the node a certificate that ended years ago, for its key. The engine looks at the dates first, so anybody may have signed it.
const EXPIRE: &str = r#"
systemctl stop docker.socket docker
cd /var/lib/docker/swarm/certificates
dir=$(mktemp -d)
: >$dir/index
echo 01 >$dir/serial
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=optional\n' $dir $dir $dir >$dir/conf
sed '/^[a-z-]*:/d; /^$/d' swarm-node.key >$dir/key
openssl req -new -key $dir/key -subj "/CN=$(hostname)" -out $dir/csr
openssl ca -batch -notext -selfsign -config $dir/conf -keyfile $dir/key -in $dir/csr -out $dir/crt \
  -startdate 20200101000000Z -enddate 20210101000000Z
cat $dir/crt >swarm-node.crt
"#;

/// The old node's entry goes two minutes after the new one is ready.
const REMOVED: u64 = 300;

fn run(lab: &Lab) -> String {
    let fleet = lab.fleets().find(|fleet| fleet.stack.name == "swarm-mode").expect("the fleet");
    fleet.make_boxes();
    let hosts = [fleet.node1(), fleet.worker()];
    let node = |host: &Host| host.ok("docker info -f '{{.Swarm.NodeID}}'");
    let before = hosts.map(node);
    let start = Instant::now();
    for host in hosts {
        host.ok(EXPIRE);
        host.reboot();
    }
    for (host, old) in hosts.into_iter().zip(&before) {
        host.wait(120, "docker info -f '{{.Swarm.LocalNodeState}}' | grep -x active");
        host.ok("journalctl -b -u genhost-swarm | grep 'genhost: leaves, to join anew'");
        assert_ne!(&node(host), old, "{}", host.name);
    }
    let joined = start.elapsed().as_secs_f32();
    let well = fleet.wait_well(REMOVED, start).as_secs_f32();
    format!("a manager and a worker in the swarm again after {joined:.1} s, their old entries gone after {well:.1} s")
}
