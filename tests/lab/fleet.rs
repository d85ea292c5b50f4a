//! Fleets, one of each stack, and what it means that they are well.

pub mod classic;
pub mod swarm_mode;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::artifacts::{Artifacts, BUSYBOX};
use crate::fixture::{SECRETS, Workplace};
use crate::internet::Site;
use crate::lab::{Lab, pace};
use crate::machine::Machine;
use crate::resolver::NAME;

/// What differs between the fleets of the stacks: a file in `fleet/` each.
pub struct Stack {
    /// As cluster.yaml calls it.
    pub name: &'static str,
    /// What the names of its machines begin with, so that no two machines of the lab have the same.
    prefix: &'static str,
    /// Its hosts; the first is the vpn-server.
    pub seats: &'static [Seat],
    /// The host that is a worker and nothing else.
    worker: &'static str,
    /// What is added to the addresses of machines that a check adds to it.
    guests: u8,
    /// Their root file system.
    guest_system: fn() -> PathBuf,
    /// Seconds of the reference machine within which it is one cluster.
    seconds: u64,
    /// Its cluster.yaml.
    recipe: fn(&Artifacts) -> Recipe,
    /// How a shell on a host begins a command of Consul's.
    pub consul: &'static str,
    /// A script that fails when a host, whose VPN and Consul are well, is not in the cluster of Docker's.
    joined: fn(&Fleet, &Host) -> String,
    /// Makes the overlay network [`NETWORK`] and a container on each host, which the others reach by the name `box-HOST`.
    make_boxes: fn(&Fleet),
    /// A command that prints the name of the one that runs on a host now.
    container: fn(&Host) -> String,
    /// Takes a machine, which is still on, out of the cluster of Docker's.
    dismiss: fn(&Fleet, &Machine),
    /// Asks with what a worker's user-data holds for more, and tells what it got. Panics where that is not what docs/security.md says.
    pub as_a_worker: fn(&Fleet, &Machine) -> String,
    /// What Consul's API shows to nobody without a token.
    pub unread: &'static [&'static str],
}

/// One host of a stack's.
pub struct Seat {
    /// As cluster.yaml calls it.
    pub name: &'static str,
    /// Where it is connected.
    pub site: Site,
    /// Its root file system.
    pub system: fn() -> PathBuf,
    /// TCP ports that everybody reaches.
    pub open: &'static [u16],
    /// TCP ports that people on the VPN reach besides.
    pub people: &'static [u16],
}

/// A cluster.yaml, with which genhost is run as a user does.
pub struct Recipe {
    workplace: Workplace,
}

impl Recipe {
    /// A cluster of this stack in the lab, with the password and the key of the people on its VPN.
    fn new(stack: &Stack, cluster: &str) -> Self {
        let workplace = Workplace::new();
        workplace.write(
            "secrets.yaml",
            format!("{SECRETS}own:\n  vpn/user/user: {PASSWORD}\n  vpn/psk: seven-otters-share-a-kettle\n"),
        );
        workplace.write("cluster.yaml", cluster.replace(NAME, &stack.endpoint()));
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

    /// What it keeps from workers, by label.
    pub fn secrets(&self) -> Vec<(String, String)> {
        let printed = self.print(&["secrets"]);
        printed.lines().filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// Somebody else's cluster with the same names: other secrets.
    pub fn of_a_stranger(&self) -> Self {
        let stranger = self.change(str::to_owned);
        std::fs::remove_file(stranger.workplace.path("secrets.yaml")).expect("secrets");
        stranger.print(&["secrets", "init"]);
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
    /// As cluster.yaml calls it.
    pub name: &'static str,
    pub seat: &'static Seat,
    pub machine: Machine,
    /// Its address in the VPN.
    pub vpn_address: String,
}

impl std::ops::Deref for Host {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

/// The hosts of one stack.
pub struct Fleet {
    pub stack: &'static Stack,
    pub recipe: Recipe,
    pub hosts: Vec<Host>,
    /// From power-on to a cluster that is whole.
    pub to_cluster: Duration,
    /// Whether the containers are made.
    boxes: OnceLock<()>,
    /// Somebody's machine with a worker's user-data, once a check has booted it.
    thief: OnceLock<&'static Machine>,
}

/// Seconds of the reference machine within which a fleet heals, come what may. Most of them are Docker's own: a swarm's gossip that
/// found nobody asks again after 60 s, and managers that lost each other have been without a leader for two minutes.
pub const HEALS: u64 = 240;

/// What the person `user` of every fleet's VPN types.
pub const PASSWORD: &str = "nine-fish-ride-a-tractor";

/// The overlay network that the checks make once.
pub const NETWORK: &str = "testnet";

impl Stack {
    /// Public address of its vpn-server.
    pub fn endpoint(&self) -> String {
        self.seats[0].site.address()
    }
}

impl Fleet {
    /// Powers them on together and waits until each is what cloud-init was to make of it, and all are one cluster.
    pub fn boot(stack: &'static Stack, artifacts: &Artifacts) -> Self {
        let recipe = (stack.recipe)(artifacts);
        let hosts = stack.seats.iter().map(|seat| {
            let user_data = recipe.print(&["--host", seat.name]);
            let machine =
                Machine::of(&(seat.system)(), &format!("{}{}", stack.prefix, seat.name), seat.site, &user_data);
            Host { name: seat.name, seat, machine, vpn_address: address_of(&recipe, seat.name) }
        });
        let hosts: Vec<_> = hosts.collect();
        let start = Instant::now();
        hosts.iter().for_each(|host| host.power_on());
        let mut fleet =
            Self { stack, recipe, hosts, to_cluster: Duration::ZERO, boxes: OnceLock::new(), thief: OnceLock::new() };
        fleet.wait(stack.seconds, start, |fleet, host| fleet.joined(host));
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

    /// The host that is a worker and nothing else.
    pub fn worker(&self) -> &Host {
        self.hosts.iter().find(|host| host.name == self.stack.worker).expect("a worker")
    }

    /// Loads the firewall that a host would have with this `--set`. What is in its file stays; the unit's restart loads that again.
    pub fn load_firewall(&self, host: &Host, set: &str) {
        let json = self.recipe.print(&["--host", host.name, "--set", set, "--format", "json"]);
        let tree: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let text = tree["files"]["/etc/genhost/firewall.nft"]["content"]["text"].as_str().expect("a firewall");
        let path = host.disk().join("etc/genhost/firewall.nft");
        let before = std::fs::read(&path).expect("the firewall");
        std::fs::write(&path, text).expect("the firewall");
        host.ok("systemctl restart genhost-firewall");
        std::fs::write(&path, before).expect("the firewall");
    }

    /// A machine that somebody has booted with a worker's user-data, a member of the cluster. The check `stolen-user-data` takes it away.
    pub fn thief(&self, lab: &Lab) -> &'static Machine {
        self.thief.get_or_init(|| {
            let thief = lab.guest(self.guest("thief", 93, &self.recipe.print(&["--role", "agent"])));
            thief.power_on();
            let members = self.hosts.len() + 1;
            thief.wait(120, &format!("{} members | grep -c ' alive ' | grep -x {members}", self.stack.consul));
            thief.wait(60, "cloud-init status | grep -x 'status: done'");
            thief
        })
    }

    /// Asks something of every host at the same time.
    #[track_caller]
    pub fn on_each<T: Send>(&self, ask: impl Fn(&Host) -> T + Sync) -> Vec<T> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.hosts.iter().map(|host| scope.spawn(|| ask(host))).collect();
            let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            ended.into_iter().map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    /// All hosts but one.
    pub fn others<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a Host> {
        self.hosts.iter().filter(|other| other.name != host.name)
    }

    /// A machine in the cloud that a check adds: switched off, its name and its address like no other's.
    pub fn guest(&self, name: &str, number: u8, user_data: &str) -> Machine {
        let name = format!("{}{name}", self.stack.prefix);
        Machine::of(&(self.stack.guest_system)(), &name, self.guest_site(number), user_data)
    }

    /// One more, with a copy of such a machine's disk, which has to be off.
    pub fn copy(&self, of: &Machine, name: &str, number: u8, user_data: &str) -> Machine {
        let name = format!("{}{name}", self.stack.prefix);
        of.copy(&(self.stack.guest_system)(), &name, self.guest_site(number), user_data)
    }

    /// Where such a machine is connected.
    pub fn guest_site(&self, number: u8) -> Site {
        Site::Cloud(self.stack.guests + number)
    }

    /// Takes machines that were added out of the cluster and off, all at once.
    pub fn dismiss(&self, machines: &[&Machine]) {
        std::thread::scope(|scope| {
            for machine in machines {
                scope.spawn(|| {
                    (self.stack.dismiss)(self, machine);
                    machine.run(&format!("{} leave; systemctl stop consul", self.stack.consul));
                    machine.power_cut();
                });
            }
        });
    }

    /// A shell's command that runs one in the container of the checks on a host.
    pub fn in_box(&self, host: &Host, command: &str) -> String {
        format!("docker exec \"$({})\" {command}", (self.stack.container)(host))
    }

    /// The same with a program of the host's, in the container's network.
    pub fn in_network(&self, host: &Host, command: &str) -> String {
        let container = (self.stack.container)(host);
        format!("nsenter -t \"$(docker inspect -f '{{{{.State.Pid}}}}' \"$({container})\")\" -n {command}")
    }

    /// The address that this container has in the overlay network.
    #[track_caller]
    pub fn box_address(&self, host: &Host) -> String {
        let container = (self.stack.container)(host);
        let address = format!("{{{{.NetworkSettings.Networks.{NETWORK}.IPAddress}}}}");
        host.ok(&format!("docker inspect -f '{address}' \"$({container})\""))
    }

    /// Whether a host is in the cluster: the script fails at the first thing that is not so.
    fn joined(&self, host: &Host) -> String {
        let mut script = format!(
            "ip -4 addr show vpn_vlan0 | grep -F ' {}/24 ' || {{ ip addr; exit 1; }}\nmembers=$({} members)\n",
            host.vpn_address, self.stack.consul
        );
        for Host { name, .. } in &self.hosts {
            script += &format!("echo \"$members\" | grep '^{name} .* alive ' || {{ echo \"$members\"; exit 1; }}\n");
        }
        script + &(self.stack.joined)(self, host)
    }

    /// Whether everything works on a host: it is in the cluster, and its container talks to the others.
    fn well(&self, host: &Host) -> String {
        let mut script = self.joined(host);
        for other in self.others(host) {
            script += &(self.in_box(host, &format!("ping -qc1 -W2 box-{}", other.name)) + "\n");
        }
        script + "failed=$(systemctl --failed --no-legend); [ -z \"$failed\" ] || { echo \"$failed\"; exit 1; }"
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
        let limit = pace().seconds(seconds);
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
            let name = &host.machine.name;
            assert!(
                since.elapsed() < limit,
                "{name}: not well within {} s\n{script}\nended with\n{}",
                limit.as_secs(),
                answer.text
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Makes the overlay network and a container on each host, once.
    pub fn make_boxes(&self) {
        self.boxes.get_or_init(|| {
            for host in &self.hosts {
                host.wait(60, &format!("docker image inspect {BUSYBOX}"));
            }
            (self.stack.make_boxes)(self);
        });
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
