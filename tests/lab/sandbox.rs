//! The namespaces that the whole lab lives in. Whatever it starts is below their first process, and what it mounts or
//! connects is in them alone: when that process ends, of itself, by a failed test or by Ctrl-C, the kernel ends the rest.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FlockOperation, flock};

/// Tells the program that it is the first process inside.
const INSIDE: &str = "GENHOST_LAB_INSIDE";
/// Hierarchies of control groups that a host's systemd needs a place in: the second where version 1 is mounted too.
const CGROUPS: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
/// How every control group of the lab begins.
const CGROUP_PREFIX: &str = "genhost-lab-";

/// Where the lab keeps its things: roots of hosts, what it serves, journals of what failed.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab")
}

/// The Debian 11 root file system that hosts start from.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/roots/bullseye")
}

/// The Debian 12 one.
pub fn debian_12() -> PathBuf {
    root().with_file_name("bookworm")
}

/// The Debian 13 one.
pub fn debian_13() -> PathBuf {
    root().with_file_name("trixie")
}

/// Runs this program again in namespaces of its own and gives its exit code; `None`: this is already that run.
pub fn enter() -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        settle();
        return None;
    }
    if let Some(wrong) = missing() {
        eprintln!("lab: {wrong}");
        return Some(ExitCode::FAILURE);
    }
    std::fs::create_dir_all(folder()).expect("target/lab");
    let lock = File::create(folder().join("lock")).expect("target/lab/lock");
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        eprintln!("lab: another one runs in {}: wait for it, or end it", folder().display());
        return Some(ExitCode::FAILURE);
    }
    // Ctrl-C reaches `unshare` as well; this process stays to clear away what namespaces do not hold.
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped)).expect("a signal's handler");
    }
    clear();
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--ipc", "--pid"])
        .args(["--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "yes")
        .spawn()
        .expect("setpriv");
    write_enter(child.id());
    let status = loop {
        if stopped.load(Ordering::Relaxed) {
            let _ = child.kill();
        }
        if let Some(status) = child.try_wait().expect("unshare") {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    clear();
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `target/lab/enter HOST [COMMAND…]`, for people who want to look inside a host while the lab runs.
fn write_enter(unshare: u32) {
    let enter = folder().join("enter");
    let run = folder().join("run");
    let script = format!(
        "#!/bin/sh\n# enter HOST [COMMAND...]: a shell, or a command, on a host of the lab that runs now\nset -eu\n\
         host=$1; shift; [ $# -gt 0 ] || set -- bash -l\n\
         nsenter -t \"$(pgrep -P {unshare})\" -a sh -euc 'cd /; host=$1; shift\n\
         leader=$(pgrep -P \"$(cat \"{}/$host/nspawn\")\" | head -n1)\n\
         exec nsenter -t \"$leader\" -m -u -i -n -p --root env -C / PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin \"$@\"' sh \"$host\" \"$@\"\n",
        run.display()
    );
    std::fs::write(&enter, script).expect("target/lab/enter");
    std::fs::set_permissions(&enter, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
}

/// Why the lab cannot run here, and the command that mends it.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("namespaces and containers need root: run `sudo -E cargo test --test lab`".to_owned());
    }
    let programs = "systemd-nspawn setpriv unshare nsenter ip nft tcpdump python3 zip qemu-system-x86_64 cpio";
    let path = std::env::var("PATH").unwrap_or_default();
    let is_there = |program: &&str| path.split(':').any(|folder| Path::new(folder).join(program).exists());
    if let Some(program) = programs.split(' ').find(|program| !is_there(program)) {
        return Some(format!("{program} is missing: run `.ci/setup`"));
    }
    for path in [
        root(),
        root().with_extension("stamp"),
        debian_12().with_extension("stamp"),
        debian_13().with_extension("stamp"),
        "/dev/net/tun".into(),
    ] {
        if !path.exists() {
            return Some(format!("{} is missing: run `.ci/setup`", path.display()));
        }
    }
    None
}

/// Removes what an earlier run left: hosts' roots and control groups. Nothing of it can be in use.
fn clear() {
    let _ = std::fs::remove_dir_all(folder().join("run"));
    for hierarchy in CGROUPS {
        let groups = std::fs::read_dir(hierarchy).into_iter().flatten().flatten();
        for group in groups.filter(|group| group.file_name().to_string_lossy().starts_with(CGROUP_PREFIX)) {
            remove_group(&group.path());
        }
    }
}

fn remove_group(path: &Path) {
    let inner = std::fs::read_dir(path).into_iter().flatten().flatten();
    for group in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_group(&group.path());
    }
    // A process that was killed this moment may still count for a while.
    for _ in 0..100 {
        if std::fs::remove_dir(path).is_ok() || !path.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The first things to do inside: what namespaces and containers keep in /run is not this machine's.
fn settle() {
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    run("ip", &["link", "set", "lo", "up"]);
}

/// A control group for a host, into which the shell that reads this puts itself.
pub fn cgroup_script(host: &str) -> String {
    let groups = CGROUPS.map(|hierarchy| {
        format!(
            "if [ -e {hierarchy}/cgroup.procs ]; then mkdir -p {hierarchy}/{CGROUP_PREFIX}{host}; \
             echo $$ >{hierarchy}/{CGROUP_PREFIX}{host}/cgroup.procs; fi\n"
        )
    });
    groups.concat()
}

/// Runs a program of this machine that has to succeed, and gives what it prints.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {}\n{stderr}", arguments.join(" "), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program that runs beside the lab, for as long as this is kept.
pub struct Daemon(std::process::Child);

impl Daemon {
    /// Starts it; what it prints is nobody's business.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
