//! The lab as the checks see it: what they share, each made when it is asked for first.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::artifacts::Artifacts;
use crate::fetchers::Fetchers;
use crate::fleet::{Fleet, Recipe};
use crate::internet::Internet;
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

/// For a check that can always be judged.
pub fn never(_: &Lab) -> Option<String> {
    None
}

/// Everything that checks share.
pub struct Lab {
    pub internet: Internet,
    pub artifacts: Artifacts,
    pub recipe: Recipe,
    fleet: OnceLock<Option<Fleet>>,
    /// The same root file system with no user-data to speak of: seconds to multi-user.target.
    plain: OnceLock<Duration>,
    fetchers: OnceLock<Fetchers>,
    guests: Mutex<Vec<&'static Machine>>,
}

impl Lab {
    /// An internet with nobody on it but a server of artifacts and a resolver.
    pub fn new() -> Self {
        let internet = Internet::new();
        let artifacts = Artifacts::serve();
        resolver::serve();
        let recipe = Recipe::classic(&artifacts);
        Self {
            internet,
            artifacts,
            recipe,
            fleet: OnceLock::new(),
            plain: OnceLock::new(),
            fetchers: OnceLock::new(),
            guests: Mutex::default(),
        }
    }

    /// The three hosts, up, with a container on each.
    #[track_caller]
    pub fn fleet(&self) -> &Fleet {
        let fleet = self.hosts();
        fleet.boxes.get_or_init(|| fleet.make_boxes());
        fleet
    }

    /// The three hosts, up. The first check that asks boots them; when that fails, all others do at once.
    #[track_caller]
    pub fn hosts(&self) -> &Fleet {
        let boot = || {
            self.plain();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Fleet::boot(&self.recipe))).ok()
        };
        self.fleet.get_or_init(boot).as_ref().expect("the three hosts did not become a cluster")
    }

    /// How long the root takes to multi-user.target by itself: three at once, the slowest counts.
    pub fn plain(&self) -> Duration {
        *self.plain.get_or_init(|| {
            let names = ["plain-0", "plain-1", "plain-2"];
            let machines = [1, 2, 3].map(|number: u8| {
                let site = crate::internet::Site::Cloud(100 + number);
                Machine::new(names[usize::from(number) - 1], site, "#cloud-config\n{}\n")
            });
            let start = Instant::now();
            machines.iter().for_each(Machine::power_on);
            for machine in &machines {
                machine.wait(60, "systemctl is-active multi-user.target");
            }
            let took = start.elapsed();
            machines.iter().for_each(Machine::power_cut);
            took
        })
    }

    /// Machines that fetch in all the ways there are, powered on when they are asked for first.
    pub fn fetchers(&self) -> &Fetchers {
        self.fetchers.get_or_init(|| Fetchers::boot(self))
    }

    /// A machine besides the three, whose journal is kept as theirs when something fails. It lives as long as the lab.
    pub fn guest(&self, machine: Machine) -> &'static Machine {
        let machine: &'static Machine = Box::leak(Box::new(machine));
        self.guests.lock().expect("guests").push(machine);
        machine
    }

    /// Saves every machine's journal and console below `target/lab/failed/<check>`, and points at the lines that look guilty.
    pub fn keep_journals(&self, check: &str) -> String {
        let failed = folder().join("failed").join(check);
        let _ = std::fs::create_dir_all(&failed);
        let fleet = self.fleet.get().and_then(Option::as_ref);
        let hosts = fleet.iter().flat_map(|fleet| &fleet.hosts).map(|host| &host.machine);
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
