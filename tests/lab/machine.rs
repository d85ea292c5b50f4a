//! One machine: a systemd-nspawn container with systemd as its first process, that is powered on, rebooted and cut off like
//! one of metal. Its disk is a Debian root under an overlay; its user-data is in a NoCloud seed, as `genhost` printed it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::internet::{RESOLVER, Site};
use crate::lab::pace;
use crate::sandbox::{cgroup_script, folder, root, run};

/// TCP ports of the cluster and of SoftEther's defaults, asked even when nobody listens.
pub const CLUSTER_PORTS: [u16; 14] =
    [992, 1194, 2375, 2377, 3375, 4789, 5555, 7946, 8300, 8301, 8302, 8500, 8501, 8600];

/// systemd-nspawn's exit code for a container that asks for a reboot.
const REBOOT: i32 = 133;

/// A machine, powered or not. Its disk lasts until the lab ends.
pub struct Machine {
    /// Its name, which its platform tells it.
    pub name: String,
    /// Where it is connected.
    pub site: Site,
    folder: PathBuf,
    power: Mutex<Option<JoinHandle<()>>>,
    /// systemd-nspawn's process; 0 while there is none.
    nspawn: Arc<AtomicU32>,
    boots: Arc<AtomicU32>,
}

/// What a command on a machine left.
pub struct Answer {
    pub ok: bool,
    pub text: String,
}

impl Machine {
    /// A machine with Debian 11 on its disk and this user-data.
    pub fn new(name: &str, site: Site, user_data: &str) -> Self {
        Self::of(&root(), name, site, user_data)
    }

    /// A machine with this root file system on its disk, and this user-data in a seed.
    pub fn of(lower: &Path, name: &str, site: Site, user_data: &str) -> Self {
        let machine = Self::unseeded(lower, name, site);
        machine.seed(user_data);
        machine
    }

    /// A machine whose network is set up, as Vagrant does with its boxes, and which has no seed.
    pub fn boxed(lower: &Path, name: &str, site: Site) -> Self {
        let machine = Self::unseeded(lower, name, site);
        let (address, router) = (site.address(), site.router());
        let interfaces = format!("auto eth0\niface eth0 inet static\n address {address}/24\n gateway {router}\n");
        std::fs::write(machine.disk().join("etc/network/interfaces"), interfaces).expect("interfaces");
        machine
    }

    fn unseeded(lower: &Path, name: &str, site: Site) -> Self {
        let folder = folder().join("run").join(name);
        for inner in ["up", "work", "root", "docker", "containerd"] {
            std::fs::create_dir_all(folder.join(inner)).expect("a machine's folder");
        }
        let machine = Self {
            name: name.to_owned(),
            site,
            folder,
            power: Mutex::new(None),
            nspawn: Arc::default(),
            boots: Arc::default(),
        };
        machine.mount(lower);
        machine
    }

    /// A machine with a copy of this one's disk, which has to be off, and with a seed of its own.
    pub fn copy(&self, lower: &Path, name: &str, site: Site, user_data: &str) -> Self {
        let folder = folder().join("run").join(name);
        std::fs::create_dir_all(&folder).expect("a machine's folder");
        for inner in ["up", "docker", "containerd"] {
            run("cp", &["-a", &self.folder.join(inner).to_string_lossy(), &folder.to_string_lossy()]);
        }
        Self::of(lower, name, site, user_data)
    }

    /// Takes everything from its disk that was not on it when it was new. It has to be off.
    pub fn wipe(&self, lower: &Path, user_data: &str) {
        let disk = self.disk();
        run("umount", &[&disk.to_string_lossy()]);
        for inner in ["up", "work", "docker", "containerd"] {
            let _ = std::fs::remove_dir_all(self.folder.join(inner));
            std::fs::create_dir_all(self.folder.join(inner)).expect("a machine's folder");
        }
        self.mount(lower);
        self.seed(user_data);
    }

    fn mount(&self, lower: &Path) {
        let options = format!("lowerdir={},upperdir=up,workdir=work", lower.display());
        let mount = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options, "root"])
            .current_dir(&self.folder)
            .status()
            .expect("mount");
        assert!(mount.success(), "no overlay at {}", self.folder.display());
        // What a provider's image has there; nothing in the lab writes it.
        let resolver = self.disk().join("etc/resolv.conf");
        let _ = std::fs::remove_file(&resolver);
        std::fs::write(resolver, format!("nameserver {RESOLVER}\n")).expect("resolv.conf");
    }

    /// The disk, seen from outside.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Gives it this user-data, which cloud-init reads at a boot that is its first.
    pub fn seed(&self, user_data: &str) {
        let seed = self.disk().join("var/lib/cloud/seed/nocloud");
        std::fs::create_dir_all(&seed).expect("a seed");
        let put = |name: &str, text: &str| std::fs::write(seed.join(name), text).expect("a seed");
        let (address, router) = (self.site.address(), self.site.router());
        put("user-data", user_data);
        put("meta-data", &format!("instance-id: i-{0}\nlocal-hostname: {0}\n", self.name));
        put(
            "network-config",
            &format!(
                "version: 2\nethernets:\n  eth0:\n    addresses: [{address}/24]\n    gateway4: {router}\n    \
                 nameservers: {{addresses: [{RESOLVER}]}}\n"
            ),
        );
    }

    /// Powers it on. It reboots by itself when it wants to, each time with a network interface that never was before.
    pub fn power_on(&self) {
        let mut power = self.power.lock().expect("power");
        assert!(power.is_none(), "{} is on", self.name);
        let id = run("sh", &["-c", &format!("printf %s lab-{} | md5sum | cut -c-32", self.name)]);
        let (name, site, folder) = (self.name.clone(), self.site, self.folder.clone());
        let (nspawn, boots) = (Arc::clone(&self.nspawn), Arc::clone(&self.boots));
        *power = Some(std::thread::spawn(move || {
            loop {
                site.connect(&name);
                let mut child = container(&name, id.trim(), &folder).spawn().expect("systemd-nspawn");
                let _ = std::fs::write(folder.join("nspawn"), child.id().to_string());
                nspawn.store(child.id(), Ordering::SeqCst);
                boots.fetch_add(1, Ordering::SeqCst);
                let status = child.wait().expect("systemd-nspawn");
                nspawn.store(0, Ordering::SeqCst);
                if status.code() != Some(REBOOT) {
                    break;
                }
            }
        }));
    }

    /// How often it was started, reboots included.
    pub fn boots(&self) -> u32 {
        self.boots.load(Ordering::SeqCst)
    }

    /// Cuts its power: nothing on it gets to do anything more.
    pub fn power_cut(&self) {
        if let Some(leader) = self.leader() {
            let _ = Command::new("kill").args(["-9", &leader.to_string()]).status();
        }
        self.wait_off();
    }

    fn wait_off(&self) {
        let thread = self.power.lock().expect("power").take();
        if let Some(thread) = thread {
            thread.join().expect("a machine's thread");
        }
    }

    /// Its first process, seen from here.
    fn leader(&self) -> Option<u32> {
        let nspawn = self.nspawn.load(Ordering::SeqCst);
        let children = std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Runs a shell script on it as root, for 60 seconds at most. All bounds are seconds of the reference machine.
    pub fn run(&self, script: &str) -> Answer {
        self.run_for(60, script)
    }

    /// The same with a limit in seconds of its own.
    pub fn run_for(&self, seconds: u64, script: &str) -> Answer {
        let Some(leader) = self.leader() else {
            return Answer { ok: false, text: format!("{} is off", self.name) };
        };
        let limit = pace().seconds(seconds).as_secs_f32();
        let output = Command::new("nsenter")
            .args(["-t", &leader.to_string(), "-m", "-u", "-i", "-n", "-p", "--root"])
            .args(["env", "-C", "/", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
            .args(["HOME=/root", "LC_ALL=C.UTF-8", "timeout", "-k1", &limit.to_string(), "sh", "-euc", script])
            .stdin(Stdio::null())
            .output()
            .expect("nsenter");
        answer(&output)
    }

    /// What a script that has to succeed prints.
    #[track_caller]
    pub fn ok(&self, script: &str) -> String {
        let answer = self.run(script);
        assert!(answer.ok, "{}: {script}\n{}", self.name, answer.text);
        answer.text
    }

    /// The status of an HTTP answer, asked for with curl's arguments: 403, say. A server of Consul's that cannot be reached at the
    /// moment is a 5xx, which says nothing about rights: it is asked again.
    #[track_caller]
    pub fn http_status(&self, arguments: &str) -> String {
        let script = format!(
            "status=$(curl -sm9 -o /tmp/answer -w '%{{http_code}}' {arguments}); echo $status
             case $status in 5*) cat /tmp/answer; exit 1 ;; esac"
        );
        let (start, limit) = (Instant::now(), pace().seconds(60));
        loop {
            let answer = self.run(&script);
            if answer.ok {
                return answer.text;
            }
            assert!(start.elapsed() < limit, "{}: curl {arguments}: {}", self.name, answer.text);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Runs a script again and again until it succeeds, and tells how long that took.
    #[track_caller]
    pub fn wait(&self, seconds: u64, script: &str) -> Duration {
        let (start, limit) = (Instant::now(), pace().seconds(seconds));
        loop {
            let answer = self.run_for(30, script);
            if answer.ok {
                return start.elapsed();
            }
            assert!(
                start.elapsed() < limit,
                "{}: not within {} s: {script}\n{}",
                self.name,
                limit.as_secs(),
                answer.text
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Which TCP ports of an address let this machine through, of the cluster's and of some that anybody may have, whether somebody
    /// listens there or not.
    #[track_caller]
    pub fn passes(&self, address: &str) -> Vec<u16> {
        std::fs::write(self.disk().join("root/probe.py"), include_str!("probe.py")).expect("a probe");
        let ports = CLUSTER_PORTS.iter().chain(&[22, 80, 443, 8080]).map(u16::to_string).collect::<Vec<_>>();
        let limit = pace().of(Duration::from_millis(1500)).as_secs_f32();
        let passed = self.ok(&format!("python3 /root/probe.py {limit} {address} {}", ports.join(" ")));
        passed.split_whitespace().map(|port| port.parse().expect("a port")).collect()
    }

    /// Asks it to reboot and waits until it is started anew.
    #[track_caller]
    pub fn reboot(&self) {
        let boots = self.boots();
        self.ask_to_reboot();
        self.wait_boot(boots + 1);
    }

    /// Asks it to reboot.
    pub fn ask_to_reboot(&self) {
        // The answer may be cut off with everything else.
        self.run("systemctl --no-block reboot");
    }

    /// Waits until it was started that often.
    #[track_caller]
    pub fn wait_boot(&self, boots: u32) {
        let (start, limit) = (Instant::now(), pace().seconds(120));
        while self.boots() < boots {
            assert!(start.elapsed() < limit, "{} does not reboot within {} s", self.name, limit.as_secs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its whole journal, of all boots, from the disk.
    pub fn journal(&self) -> String {
        let folder = self.disk().join("var/log/journal");
        let output = Command::new("journalctl")
            .args(["-q", "--no-pager", "-o", "short-precise", "-D"])
            .arg(folder)
            .output()
            .expect("journalctl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What its console showed.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("console")).unwrap_or_default()).into_owned()
    }
}

fn answer(output: &Output) -> Answer {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Answer { ok: output.status.success(), text: text.trim_end().to_owned() }
}

/// The container. Docker inside wants its data on a plain file system, the kernel's keyrings and bpf; SoftEther the tun device.
fn container(name: &str, id: &str, folder: &Path) -> Command {
    let console =
        std::fs::OpenOptions::new().create(true).append(true).open(folder.join("console")).expect("a console");
    let script = cgroup_script(name) + "exec systemd-nspawn \"$@\"";
    let bind = |inner: &str, to: &str| format!("--bind={}:{to}", folder.join(inner).display());
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "sh", "-euc", &script, "sh"])
        .arg(format!("--directory={}", folder.join("root").display()))
        .arg(format!("--machine={name}"))
        .arg(format!("--uuid={id}"))
        .arg(format!("--network-namespace-path=/run/netns/lab-{name}"))
        .args(["--boot", "--register=no", "--keep-unit", "--capability=all", "--bind=/dev/net/tun"])
        .args(["--system-call-filter=bpf add_key keyctl", "--resolv-conf=off", "--timezone=off"])
        .args(["--link-journal=no", "--console=read-only"])
        .arg(bind("docker", "/var/lib/docker"))
        .arg(bind("containerd", "/var/lib/containerd"))
        .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .stdin(Stdio::null())
        .stdout(console.try_clone().expect("a console"))
        .stderr(console);
    command
}
