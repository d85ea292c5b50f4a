//! The lab as the checks see it: what they share, each made when it is asked for first.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::artifacts::Artifacts;
use crate::fetchers::Fetchers;
use crate::fixture::pace::Pace;
use crate::fleet::{Fleet, Stack, classic, swarm_mode};
use crate::internet::{Internet, Site};
use crate::machine::Machine;
use crate::resolver;
use crate::sandbox::folder;

/// One thing that must hold.
pub struct Check {
    pub name: &'static str,
    /// What must hold, for whoever reads that it does not.
    pub says: &'static str,
    /// Why it cannot be judged here.
    pub skip: fn(&Lab) -> Option<String>,
    /// Panics when it does not hold; tells figures when it does.
    pub run: fn(&Lab) -> String,
}

/// The stacks of which there is a fleet.
const STACKS: [&Stack; 2] = [&classic::STACK, &swarm_mode::STACK];

/// Three plain boots take this long on the reference machine: two cores that nothing else uses.
const PLAIN: Duration = Duration::from_secs(4);

static PACE: OnceLock<Pace> = OnceLock::new();

/// How much slower this machine is than the reference. Every bound of the lab is written in seconds of that one, and `Machine::wait`
/// and its like let a slower machine have as much more.
pub fn pace() -> Pace {
    PACE.get().copied().unwrap_or(Pace::UNKNOWN)
}

/// For a check that can always be judged.
pub fn never(_: &Lab) -> Option<String> {
    None
}

/// Everything that checks share.
pub struct Lab {
    pub internet: Internet,
    pub artifacts: Artifacts,
    /// How long three plain boots took.
    pub plain: Duration,
    fleets: [OnceLock<Option<Fleet>>; STACKS.len()],
    fetchers: OnceLock<Fetchers>,
    guests: Mutex<Vec<&'static Machine>>,
}

impl Lab {
    /// An internet with nobody on it but a server of artifacts and a resolver. How fast it is here is measured first.
    pub fn new() -> Self {
        let internet = Internet::new();
        let artifacts = Artifacts::serve();
        resolver::serve();
        let plain = plain();
        let pace = PACE.get_or_init(|| Pace::measured(plain, PLAIN));
        eprintln!("lab: three plain boots take {:.1} s; bounds are {pace}", plain.as_secs_f32());
        Self {
            internet,
            artifacts,
            plain,
            fleets: Default::default(),
            fetchers: OnceLock::new(),
            guests: Mutex::default(),
        }
    }

    /// The hosts of every stack, up. The first check that asks boots them, one stack after the other; when that fails, all
    /// others do at once.
    pub fn fleets(&self) -> impl Iterator<Item = &Fleet> {
        (0..STACKS.len()).map(|index| self.fleet(index))
    }

    /// The article's own hosts, up, with a container on each.
    #[track_caller]
    pub fn classic(&self) -> &Fleet {
        let fleet = self.fleet(0);
        fleet.make_boxes();
        fleet
    }

    #[track_caller]
    fn fleet(&self, index: usize) -> &Fleet {
        let boot = || {
            let boot = || Fleet::boot(STACKS[index], &self.artifacts);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(boot)).ok()
        };
        let fleet = self.fleets[index].get_or_init(boot).as_ref();
        fleet.unwrap_or_else(|| panic!("the hosts of {} did not become a cluster", STACKS[index].name))
    }

    /// Asks every fleet, with a container on each host, at the same time, and tells what each of them says.
    #[track_caller]
    pub fn each(&self, ask: impl Fn(&Fleet) -> String + Sync) -> String {
        let fleets: Vec<_> = self.fleets().collect();
        std::thread::scope(|scope| {
            let ask = |fleet: &Fleet| {
                fleet.make_boxes();
                format!("{}: {}", fleet.stack.name, ask(fleet))
            };
            let threads: Vec<_> = fleets.into_iter().map(|fleet| scope.spawn(move || ask(fleet))).collect();
            let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            let said = ended.into_iter().map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            said.collect::<Vec<_>>().join("; ")
        })
    }

    /// Machines of the stack classic that fetch in all the ways there are, powered on when they are asked for first.
    pub fn fetchers(&self) -> &Fetchers {
        self.fetchers.get_or_init(|| Fetchers::boot(self, self.fleet(0)))
    }

    /// A machine besides the fleets, whose journal is kept as theirs when something fails. It lives as long as the lab.
    pub fn guest(&self, machine: Machine) -> &'static Machine {
        let machine: &'static Machine = Box::leak(Box::new(machine));
        self.guests.lock().expect("guests").push(machine);
        machine
    }

    /// Saves every machine's journal and console below `target/lab/failed/<check>`, and points at the lines that look guilty.
    pub fn keep_journals(&self, check: &str) -> String {
        let failed = folder().join("failed").join(check);
        let _ = std::fs::create_dir_all(&failed);
        let fleets = self.fleets.iter().filter_map(|fleet| fleet.get()?.as_ref());
        let hosts = fleets.flat_map(|fleet| &fleet.hosts).map(|host| &host.machine);
        let guests: Vec<_> = self.guests.lock().expect("guests").clone();
        let mut suspects = String::new();
        for machine in hosts.chain(guests) {
            let journal = machine.journal();
            let _ = std::fs::write(failed.join(format!("{}.journal", machine.name)), &journal);
            let _ = std::fs::write(failed.join(format!("{}.console", machine.name)), machine.console());
            let guilty = |line: &&str| {
                ["genhost:", "Failed with result", "Failed to start", "[ERROR]", "level=fatal", "panic:"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            // date time host unit[pid]: message
            let last: Vec<&str> = journal.lines().filter(guilty).collect();
            for line in &last[last.len().saturating_sub(3)..] {
                suspects += &format!("\n  {}: {line}", machine.name);
            }
        }
        format!("\njournals are in {}; their last words:{suspects}", failed.display())
    }
}

/// How long the root of the stack classic takes to multi-user.target with no user-data to speak of: three at once, the slowest counts.
fn plain() -> Duration {
    let machines = [1, 2, 3]
        .map(|number| Machine::new(&format!("plain-{number}"), Site::Cloud(100 + number), "#cloud-config\n{}\n"));
    let start = Instant::now();
    machines.iter().for_each(Machine::power_on);
    for machine in &machines {
        machine.wait(60, "systemctl is-active multi-user.target");
    }
    let took = start.elapsed();
    machines.iter().for_each(Machine::power_cut);
    took
}
