//! The lab: hosts boot from genhost's user-data, form the article's cluster, and survive what breaks clusters.
//!
//! Hosts are systemd-nspawn containers with Debian 11, 12 or 13, on a make-believe internet in namespaces of the lab's own. Every check
//! is named, bounded in time and tells its seconds. docs/lab.md says how to run it and how to look inside.

mod artifacts;
mod check;
mod fetchers;
#[path = "../fixture/mod.rs"]
mod fixture;
mod fleet;
mod internet;
mod l2tp;
mod lab;
mod laptop;
mod machine;
mod resolver;
mod sandbox;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use lab::{Check, Lab, pace};
use libtest_mimic::{Arguments, Failed, Trial};

/// The lab as a whole ends after this many seconds of the reference machine, come what may.
const LIMIT: u64 = 60 * 60;
/// With this the hosts stay up when the checks are done, until Ctrl-C.
const HOLD: &str = "GENHOST_LAB_HOLD";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.list {
        libtest_mimic::run(&arguments, check::ALL.iter().map(|check| trial(check, None)).collect()).exit_if_failed();
        return ExitCode::SUCCESS;
    }
    if let Some(code) = sandbox::enter() {
        return code;
    }
    std::panic::set_hook(Box::new(|panic| eprintln!("lab: {panic}")));
    let hold = std::env::var_os(HOLD).is_some();
    // One after another: each leaves the hosts as well as it found them.
    arguments.test_threads = Some(1);
    let lab: &'static Lab = Box::leak(Box::new(Lab::new()));
    if !hold {
        std::thread::spawn(|| {
            let limit = pace().seconds(LIMIT);
            std::thread::sleep(limit);
            eprintln!("lab: not done within {} s", limit.as_secs());
            std::process::exit(1);
        });
    }
    let ended = libtest_mimic::run(&arguments, check::ALL.iter().map(|check| trial(check, Some(lab))).collect());
    if hold {
        eprintln!("lab: holding; `{}/enter HOST` looks inside, Ctrl-C ends it", sandbox::folder().display());
        loop {
            std::thread::park();
        }
    }
    ended.exit_code()
}

fn trial(check: &'static Check, lab: Option<&'static Lab>) -> Trial {
    let skip = lab.and_then(|lab| (check.skip)(lab));
    if let Some(why) = &skip {
        eprintln!("lab: {} is skipped: {why}", check.name);
    }
    let run = move || {
        let lab = lab.expect("a lab");
        let start = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| (check.run)(lab)));
        let seconds = start.elapsed().as_secs_f32();
        match ended {
            Ok(figures) => {
                eprintln!("lab: {:20} {seconds:5.1} s  {figures}", check.name);
                Ok(())
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                let text = text.unwrap_or_default();
                eprintln!("lab: {:20} {seconds:5.1} s  FAILED", check.name);
                Err(Failed::from(format!("{}\n{text}{}", check.says, lab.keep_journals(check.name))))
            }
        }
    };
    Trial::test(check.name, run).with_ignored_flag(skip.is_some())
}
