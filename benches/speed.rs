//! How long a run of genhost takes, beside a plain loop that only hashes and writes the same bytes: whole processes,
//! taken in turns in one run, so that the ratio means something on a noisy machine. `cargo bench --bench speed`

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixture::Workplace;
use sha2::{Digest, Sha256};

/// First argument that makes this program the plain loop.
const PLAIN_LOOP: &str = "--plain-loop";
/// The same for a loop that writes files.
const PLAIN_COPY: &str = "--plain-copy";

/// Turns of each side; the median counts.
const TURNS: usize = 41;

const HOSTS: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == PLAIN_LOOP) {
        return plain_loop(&arguments[at + 1..]);
    }
    if let Some(at) = arguments.iter().position(|argument| argument == PLAIN_COPY) {
        return plain_copy(arguments[at + 1].as_ref(), arguments[at + 2].as_ref());
    }
    let workplace = Workplace::new();
    let endpoint = ["--set", "vpn.endpoint=203.0.113.10"];

    let role = [&["--role", "manager"], &endpoint[..]].concat();
    let user_data = workplace.genhost(&role).stdout_of_success();
    workplace.write("role/0", &user_data);
    compare("one --role manager", &workplace, &role, "role", TURNS);

    workplace.write("fleet.yaml", fleet(HOSTS));
    let check = ["check", "--format", "json", "--file", "fleet.yaml"];
    for host in 0..HOSTS {
        // Every host is as long as the next one but for the digits of its name.
        let one = format!("host{host:04}");
        workplace.write(&format!("fleet/{one}"), user_data.replace("swarm-manager", &one));
    }
    compare(&format!("a cluster of {HOSTS} hosts, checked"), &workplace, &check, "fleet", 5);

    for hosts in [100, 1000, 10_000] {
        workplace.write("built.yaml", fleet(hosts));
        compare_build(hosts, &workplace);
    }
}

/// A build of a whole cluster, beside a loop that reads, hashes and writes the same files.
fn compare_build(hosts: usize, workplace: &Workplace) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for folder in ["result", "copy"] {
            let _ = std::fs::remove_dir_all(workplace.path(folder));
        }
        let mut build = workplace.command(["build", "--file", "built.yaml"]);
        build.stdout(Stdio::null()).stderr(Stdio::null());
        times[0].push(time(build));
        let mut copy = Command::new(std::env::current_exe().expect("the bench's own path"));
        copy.arg(PLAIN_COPY).arg(workplace.path("result")).arg(workplace.path("copy"));
        times[1].push(time(copy));
    }
    report(&format!("a cluster of {hosts} hosts, built"), times);
}

/// Reads every file below a folder, hashes it, and writes it below another one.
fn plain_copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.expect("a file");
        let target = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir(target).expect("a folder");
            continue;
        }
        let bytes = std::fs::read(entry.path()).expect("a file");
        std::hint::black_box(Sha256::digest(&bytes));
        std::fs::write(target, bytes).expect("a file");
    }
}

/// A cluster of many agents and one server.
fn fleet(hosts: usize) -> String {
    let mut text = String::from(
        "name: fleet\nstack: classic\nos: ubuntu-22.04\nvpn:\n  endpoint: 203.0.113.10\n  network: 10.30.0.0/16\n  \
         dhcp: {first: 10.30.1.0, last: 10.30.1.255}\n  claims: {first: 10.30.2.0, last: 10.30.2.255}\nhosts:\n  \
         server: {roles: [vpn-server], vpn_address: 10.30.0.2}\n",
    );
    for host in 0..hosts {
        let (high, low) = (16 + host / 250, host % 250);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  host{host:04}: {{roles: [swarm-manager], vpn_address: 10.30.{high}.{low}}}");
    }
    text
}

fn compare(title: &str, workplace: &Workplace, arguments: &[&str], folder: &str, turns: usize) {
    let genhost = || {
        let mut command = workplace.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let plain = || {
        let mut command = Command::new(std::env::current_exe().expect("the bench's own path"));
        command.arg(PLAIN_LOOP).arg(workplace.path(folder)).stdout(Stdio::null());
        command
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..turns {
        times[0].push(time(genhost()));
        times[1].push(time(plain()));
    }
    report(title, times);
}

fn report(title: &str, times: [Vec<Duration>; 2]) {
    let [genhost, plain] = times.map(median);
    let ratio = genhost.as_secs_f64() / plain.as_secs_f64();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{title}: genhost {:.2} ms, plain loop {:.2} ms, ratio {ratio:.2}", ms(genhost), ms(plain));
}

fn time(mut command: Command) -> Duration {
    let start = Instant::now();
    // `check` finds hosts over the limit of a platform, which is no fault of its speed.
    command.status().expect("it runs");
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Reads every file of the folders, hashes it and writes it out.
fn plain_loop(folders: &[String]) {
    let mut stdout = std::io::stdout().lock();
    for folder in folders {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        for file in files {
            let bytes = std::fs::read(file).expect("a file");
            let hash = Sha256::digest(&bytes);
            stdout.write_all(&bytes).and_then(|()| stdout.write_all(&hash)).expect("standard output");
        }
    }
}
