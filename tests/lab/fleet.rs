//! The article's three hosts, and what it means that they are well.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::artifacts::{Artifacts, BUSYBOX};
use crate::fixture::{SECRETS, Workplace};
use crate::internet::Site;
use crate::machine::Machine;
use crate::resolver::NAME;

/// Public address of the vpn-server.
pub const ENDPOINT: &str = "203.0.113.10";

/// A cluster.yaml, with which genhost is run as a user does.
pub struct Recipe {
    workplace: Workplace,
}

impl Recipe {
    /// The built-in cluster of the stack classic on Debian 11, artifacts from the lab's server.
    pub fn classic(artifacts: &Artifacts) -> Self {
        let built_in =
            include_str!("../../profiles/clusters/classic.yaml").replace("os: ubuntu-22.04", "os: debian-11");
        let mut pins = format!(
            "install: {{consul: zip}}\nversions: {{consul: 1.8.7}}\nartifacts:\n  consul: {}\nimages:\n  busybox: {}\n",
            artifacts.pin("consul.zip"),
            artifacts.pin("busybox.tar"),
        );
        if artifacts.has_swarm {
            pins += &format!("  swarm: {}\n", artifacts.pin("swarm.tar"));
        }
        let workplace = Workplace::new();
        workplace.write("secrets.yaml", format!("{SECRETS}own:\n  vpn/user/user: something\n  vpn/psk: sharedkey\n"));
        workplace.write("cluster.yaml", built_in.replace(NAME, ENDPOINT) + &pins);
        Self { workplace }
    }

    /// What `genhost` prints for these arguments.
    pub fn print(&self, arguments: &[&str]) -> String {
        self.workplace.genhost(arguments).stdout_of_success()
    }

    /// The same cluster, with a change of its text.
    pub fn change(&self, change: impl Fn(&str) -> String) -> Self {
        let read = |name: &str| std::fs::read_to_string(self.workplace.path(name)).expect("a file");
        let workplace = Workplace::new();
        workplace.write("secrets.yaml", read("secrets.yaml"));
        workplace.write("cluster.yaml", change(&read("cluster.yaml")));
        Self { workplace }
    }

    /// Somebody else's cluster with the same names: other secrets.
    pub fn of_a_stranger(&self) -> Self {
        let stranger = self.change(str::to_owned);
        std::fs::remove_file(stranger.workplace.path("secrets.yaml")).expect("secrets");
        stranger
    }
}

/// The built-in cluster, as genhost prints it in a directory that was empty: without a cluster.yaml, and with the secrets that the
/// first command makes.
pub struct BuiltIn {
    workplace: Workplace,
    /// The Consul that it pins cannot be downloaded here; the lab's takes that place.
    consul: String,
}

impl BuiltIn {
    /// The directory.
    pub fn new(artifacts: &Artifacts) -> Self {
        Self { workplace: Workplace::empty(), consul: format!("artifacts.consul={}", artifacts.pin("consul.zip")) }
    }

    /// What `genhost` prints for these arguments, Consul included.
    pub fn print_for_the_world(&self, arguments: &[&str]) -> String {
        self.workplace.genhost(arguments).stdout_of_success()
    }

    /// The same with the lab's Consul.
    pub fn print(&self, arguments: &[&str]) -> String {
        let consul = ["--set", "versions.consul=1.8.7", "--set", &self.consul];
        self.print_for_the_world(&[arguments, &consul].concat())
    }
}

/// A host of the cluster.
pub struct Host {
    pub machine: Machine,
    /// Its address in the VPN.
    pub vpn_address: String,
    /// Address of its container in the overlay network of the checks.
    pub box_address: String,
}

impl std::ops::Deref for Host {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

/// The three.
pub struct Fleet {
    pub hosts: [Host; 3],
    /// Seconds from power-on to a cluster that is whole.
    pub to_cluster: Duration,
    /// Whether the containers are made.
    pub boxes: OnceLock<()>,
}

/// The overlay network that the checks make once.
pub const NETWORK: &str = "testnet";

impl Fleet {
    /// Powers them on together and waits until each is what cloud-init was to make of it, and all are one cluster.
    pub fn boot(recipe: &Recipe) -> Self {
        let sites =
            [("swarm-node0", Site::Cloud(10)), ("swarm-node1", Site::Cloud(11)), ("swarm-local", Site::Home(50))];
        let mut number = 10;
        let hosts = sites.map(|(name, site)| {
            let user_data = recipe.print(&["--host", name]);
            number += 1;
            let vpn_address = address_of(recipe, name);
            Host { machine: Machine::new(name, site, &user_data), vpn_address, box_address: format!("10.9.0.{number}") }
        });
        let start = Instant::now();
        hosts.iter().for_each(|host| host.power_on());
        let mut fleet = Self { hosts, to_cluster: Duration::ZERO, boxes: OnceLock::new() };
        fleet.wait(150, start, |fleet, host| fleet.joined(host));
        fleet.to_cluster = start.elapsed();
        fleet
    }

    pub fn node0(&self) -> &Host {
        &self.hosts[0]
    }

    pub fn node1(&self) -> &Host {
        &self.hosts[1]
    }

    pub fn local(&self) -> &Host {
        &self.hosts[2]
    }

    /// Whether a host is in the cluster: the script fails at the first thing that is not so.
    fn joined(&self, host: &Host) -> String {
        let mut script = format!(
            "ip -4 addr show vpn_vlan0 | grep -F ' {}/24 ' || {{ ip addr; exit 1; }}
             members=$(consul members) nodes=$(curl -sf 'localhost:8500/v1/kv/docker/nodes?keys')
             systemctl is-active docker && [ -e /var/lib/genhost/up ] || exit 1\n",
            host.vpn_address
        );
        for Host { machine, vpn_address, .. } in &self.hosts {
            script += &format!(
                "echo \"$members\" | grep '^{} .* alive ' || {{ echo \"$members\"; exit 1; }}\n",
                machine.name
            );
            script += &format!("echo \"$nodes\" | grep -F /{vpn_address}:2375 || {{ echo \"$nodes\"; exit 1; }}\n");
        }
        script
    }

    /// Whether everything works on a host: it is in the cluster, and its container talks to the others by name and by address.
    fn well(&self, host: &Host) -> String {
        let mut script = self.joined(host);
        for other in self.hosts.iter().filter(|other| other.name != host.name) {
            for to in [format!("box-{}", other.name), other.box_address.clone()] {
                script += &format!("\ndocker exec box-{} ping -qc1 -W2 {to}", host.name);
            }
        }
        script + "\nfailed=$(systemctl --failed --no-legend); [ -z \"$failed\" ] || { echo \"$failed\"; exit 1; }"
    }

    /// Waits until all is well on every host, and tells how long that took since then.
    #[track_caller]
    pub fn wait_well(&self, seconds: u64, since: Instant) -> Duration {
        self.wait(seconds, since, |fleet, host| fleet.well(host))
    }

    /// Nothing is amiss right now.
    #[track_caller]
    pub fn assert_well(&self) {
        self.wait(5, Instant::now(), |fleet, host| fleet.well(host));
    }

    #[track_caller]
    fn wait(&self, seconds: u64, since: Instant, script: impl Fn(&Self, &Host) -> String) -> Duration {
        loop {
            let asked: Vec<_> = self.hosts.iter().map(|host| (host, script(self, host))).collect();
            let answers: Vec<_> = std::thread::scope(|scope| {
                let ask = |(host, script): &'_ (&Host, String)| host.run_for(30, script);
                let threads: Vec<_> = asked.iter().map(|asked| scope.spawn(move || ask(asked))).collect();
                threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
            });
            let Some((answer, (host, script))) = answers.iter().zip(&asked).find(|(answer, _)| !answer.ok) else {
                return since.elapsed();
            };
            let name = &host.name;
            assert!(
                since.elapsed() < Duration::from_secs(seconds),
                "{name}: not well within {seconds} s\n{script}\nended with\n{}",
                answer.text
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Makes the overlay network and a container on each host, as the article does.
    pub fn make_boxes(&self) {
        self.node0().ok(&format!("docker network create -d overlay --subnet 10.9.0.0/24 {NETWORK}"));
        for host in &self.hosts {
            host.wait(30, &format!("docker image inspect {BUSYBOX}"));
            host.ok(&format!(
                "docker run -d --restart=always --name box-{} --net {NETWORK} --ip {} {BUSYBOX} sleep 1000000",
                host.name, host.box_address
            ));
        }
    }
}

/// The address that genhost gives a host in the VPN.
fn address_of(recipe: &Recipe, name: &str) -> String {
    let tree: serde_json::Value =
        serde_json::from_str(&recipe.print(&["--host", name, "--format", "json"])).expect("JSON");
    let network = tree["files"]["/etc/systemd/network/10-genhost-vpn.network"]["content"]["text"].as_str();
    let address = network.expect("a network").lines().find_map(|line| line.strip_prefix("Address="));
    address.expect("an address").trim_end_matches("/24").to_owned()
}
