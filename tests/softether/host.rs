//! Hosts to run rendered files on: this machine's root file system under an overlay, in namespaces of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use genhost::cluster::HostName;
use genhost::diagnostic::Sources;
use genhost::secrets::Label;
use serde_json::Value;

use crate::fixture::pace::Pace;
use crate::fixture::{SECRETS, Workplace, need, softether_source};

/// Two hosts that have SoftEther from Debian.
pub const CLUSTER: &str = r"
name: swarm0
stack: classic
os: debian-11
vpn:
  endpoint: 203.0.113.10
  network: 192.168.30.0/24
  dhcp: {first: 192.168.30.10, last: 192.168.30.99}
  claims: {first: 192.168.30.100, last: 192.168.30.199}
  users: [user]
hosts:
  swarm-node0: {roles: [vpn-server, swarm-manager], vpn_address: 192.168.30.2}
  swarm-node1: {roles: [swarm-agent], vpn_address: 192.168.30.3}
";
/// Passwords that the tests know, one of them hard to write down.
pub const OWN_SECRETS: &str = "own:\n  vpn/administrator: admin pass of eleven owls\n  vpn/psk: \"it's $24 and %n for otters\"\n  vpn/user/user: nine-fish-ride-a-tractor\n";
/// Name of a unit.
pub const SERVER: &str = "softether-vpnserver";
/// Name of a unit.
pub const CLIENT: &str = "softether-vpnclient";

/// What genhost renders for a host.
pub struct Rendered {
    files: BTreeMap<String, (String, u32)>,
}

/// The password that manages a named host's VPN client.
pub fn management(name: &str) -> String {
    let mut sources = Sources::default();
    let source = sources.add_secret("secrets.yaml", SECRETS);
    let secrets = genhost::load::secrets(&sources, source).expect("secrets");
    secrets.password(&Label::HostManagement(HostName::new(name).expect("a name")))
}

impl Rendered {
    pub fn new(cluster: &str, secrets: &str, arguments: &[&str]) -> Self {
        let workplace = Workplace::new();
        workplace.write("secrets.yaml", secrets);
        workplace.write("cluster.yaml", cluster);
        let arguments = [arguments, &["--format", "json"]].concat();
        let tree: Value = serde_json::from_str(&workplace.genhost(arguments).stdout_of_success()).expect("JSON");
        let files = tree["files"].as_object().expect("files").iter().map(|(path, file)| {
            let text = file["content"]["text"].as_str().expect("text").to_owned();
            let mode = u32::from_str_radix(file["mode"].as_str().expect("a mode"), 8).expect("octal");
            (path.clone(), (text, mode))
        });
        Self { files: files.collect() }
    }

    pub fn named(name: &str) -> Self {
        Self::new(CLUSTER, &format!("{SECRETS}{OWN_SECRETS}"), &["--host", name])
    }

    /// A host that builds SoftEther 5.01 from the source that is served at its own port 8000.
    pub fn from_source(change: impl Fn(String) -> String) -> Self {
        let name = softether_source().file_name().expect("a name").to_string_lossy().replace('+', "%2B");
        let cluster = CLUSTER.replace("os: debian-11", "os: ubuntu-22.04\nversions: {softether: 5.01.9674}");
        let cluster = format!("{cluster}artifacts:\n  softether_source: {{urls: ['http://127.0.0.1:8000/{name}']}}\n");
        Self::new(&change(cluster), &format!("{SECRETS}{OWN_SECRETS}"), &["--host", "swarm-node0"])
    }

    pub fn text(&self, path: &str) -> &str {
        &self.files.get(path).unwrap_or_else(|| panic!("no {path}")).0
    }

    /// The unit as systemd puts it together: Debian's, where it is not rendered whole, and its drop-ins by their names.
    fn unit(&self, name: &str) -> Unit {
        let whole = self.files.get(&format!("/etc/systemd/system/{name}.service"));
        let packaged = || {
            let path = format!("/lib/systemd/system/{name}.service");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}: run `.ci/setup`"))
        };
        let mut text = whole.map_or_else(packaged, |(text, _)| text.clone());
        let (prefix, instance) = name.rsplit_once('-').expect("a prefix");
        let folders = [format!("{prefix}-.service.d"), format!("{name}.service.d")];
        let mut drop_ins: Vec<_> = folders
            .iter()
            .flat_map(|folder| self.files.iter().map(move |file| (folder, file)))
            .filter_map(|(folder, (path, file))| {
                Some((path.strip_prefix(&format!("/etc/systemd/system/{folder}/"))?, &file.0))
            })
            .collect();
        drop_ins.sort();
        for (_, drop_in) in drop_ins {
            text.push('\n');
            text.push_str(drop_in);
        }
        let mut unit = Unit { program: instance.to_owned(), ..Unit::default() };
        let (mut stop, mut is_foreground) = (String::new(), false);
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = value.replace("%j", instance).replace("$$", "$");
            let command = value.trim_start_matches(['+', '-']).to_owned();
            match key {
                "ExecStartPre" | "ExecStart" | "ExecStartPost" if value.starts_with('-') => {
                    unit.start.push((key.to_owned(), format!("{command} || :")));
                }
                "ExecStartPre" | "ExecStart" | "ExecStartPost" => unit.start.push((key.to_owned(), command)),
                "Type" => is_foreground = value == "exec",
                "ExecStop" => stop = value,
                "TimeoutStopSec" => unit.stop_seconds = value,
                "StateDirectory" => unit.folders.push(format!("/var/lib/{value}")),
                "RuntimeDirectory" => unit.folders.push(format!("/run/{value}")),
                "LogsDirectory" => unit.folders.push(format!("/var/log/{value}")),
                _ => {}
            }
        }
        assert_eq!(stop, "", "{name}: systemd's SIGTERM is what stops it");
        for (_, command) in unit.start.iter_mut().filter(|(key, _)| is_foreground && key == "ExecStart") {
            *command += " </dev/null >/dev/null 2>&1 &";
        }
        let order = ["ExecStartPre", "ExecStart", "ExecStartPost"];
        unit.start.sort_by_key(|(key, _)| order.iter().position(|o| o == key));
        unit
    }
}

/// What systemd would do for a unit.
#[derive(Default)]
struct Unit {
    /// Name of its processes.
    program: String,
    folders: Vec<String>,
    start: Vec<(String, String)>,
    stop_seconds: String,
}

impl Unit {
    /// Stopping is SIGTERM for all, once more for what is left when the main process is gone, and SIGKILL after the timeout.
    fn script(&self) -> String {
        let start: Vec<&str> = self.start.iter().map(|(_, command)| command.as_str()).collect();
        format!(
            "#!/bin/sh\nset -eu\nmkdir -p -m 0700 {}\n\
             gone() {{ ! pidof {program} >/dev/null; }}\n\
             stop() {{\n  pkill -TERM -x {program} || :\n  sleep 0.1\n  pkill -TERM -x {program} || :\n  \
             for _ in $(seq {}0); do if gone; then return 0; fi; sleep 0.1; done\n  pkill -KILL -x {program}\n}}\n\
             start() {{\n{}\n}}\n\
             if [ $1 != start ]; then stop; fi\nif [ $1 != stop ]; then start; fi\n",
            self.folders.join(" "),
            self.stop_seconds,
            start.join("\n"),
            program = self.program,
        )
    }
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A host that runs, for as long as this is kept.
pub struct Host {
    anchor: Child,
    /// Its first process.
    pub pid: u32,
    _workplace: Workplace,
}

impl Host {
    pub fn start(rendered: &Rendered) -> Self {
        for program in ["/usr/libexec/softether/vpnserver/vpnserver", "/usr/libexec/softether/vpnclient/vpnclient"] {
            assert!(Path::new(program).exists(), "{program} is missing: run `.ci/setup`");
        }
        let workplace = Workplace::empty();
        let put = |path: &str, text: &str, mode: u32| {
            let name = format!("files{path}");
            workplace.write(&name, text);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(workplace.path(&name), mode).expect("chmod");
        };
        for (path, (text, mode)) in &rendered.files {
            put(path, text, *mode);
        }
        put(
            "/test/bin/systemctl",
            "#!/bin/sh\n# no Consul here\n[ \"$1\" != --no-block ] || shift\n[ \"$2\" = consul ] || exec /test/unit/${2%.service} $1 >/dev/null 2>&1\n",
            0o755,
        );
        for name in [SERVER, CLIENT] {
            if rendered.files.keys().any(|path| path.contains(name)) {
                put(&format!("/test/unit/{name}"), &rendered.unit(name).script(), 0o755);
            }
        }
        // The machine's own root is read-only from here on, so that a mistake of these tests stops and changes nothing.
        let script =
            "mount --make-rprivate /; mount -t tmpfs tmpfs .; cd \"$PWD\"; cp -a \"$1\" files; mkdir up work root
            mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
            cp -a files/. root/; chown -R root:root root/etc/genhost root/etc/systemd/network
            rm -rf root/opt/genhost root/var/lib/softether root/var/log/softether
            mount -t proc proc root/proc; mount --rbind /dev root/dev; mount -t tmpfs tmpfs root/run
            mount -t sysfs -o ro sysfs root/sys; mount --bind \"$2\" root/test; mount --bind \"$3\" root/mnt
            ip link set lo up
            # the daemons start on a host that has its firewall; what that lets through is tests/firewall.rs's business
            for n in 1 2; do nft \"table inet genhost { chain c$n { type filter hook forward priority $n; policy drop; }; }\"; done
            cd root/run; install -d -o systemd-network systemd/netif systemd/netif/links systemd/netif/leases; cd ../..
            mount -o remount,bind,ro /
            exec chroot root sh -c 'echo here; exec sleep infinity'";
        std::fs::create_dir(workplace.path("run")).expect("a folder");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/softether");
        for file in std::fs::read_dir(tests).expect("tests/softether") {
            let file = file.expect("a file");
            std::fs::copy(file.path(), workplace.path("files/test").join(file.file_name())).expect("a copy");
        }
        let mut anchor = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child"])
            .args(["sh", "-euc", script, "sh"])
            .arg(workplace.path("files"))
            .arg(workplace.path("files/test"))
            .arg(need("target/sources"))
            .current_dir(workplace.path("run"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv and unshare: run `.ci/setup`, as root");
        let mut line = String::new();
        let stdout = anchor.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "here\n", "namespaces and overlays need root");
        let children = format!("/proc/{0}/task/{0}/children", anchor.id());
        let pid = std::fs::read_to_string(children).expect("children").trim().parse().expect("one child");
        let host = Self { anchor, pid, _workplace: workplace };
        host.ok("test -e /test/lease.py");
        host
    }

    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.pid.to_string();
        command
            .args(["--target", &pid, "--mount", "--net", "--pid", "--uts", "--root"])
            .args([
                "env",
                "-C",
                "/",
                "-i",
                "PATH=/test/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8",
                "HOME=/root",
            ])
            .args(["timeout", "-k1", &Pace::UNKNOWN.seconds(60).as_secs().to_string(), "sh", "-euc", script])
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, script: &str) -> Output {
        self.command(script).output().expect("nsenter")
    }

    /// What a script that has to succeed prints.
    #[track_caller]
    pub fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(output.status.success(), "{script}: {}\n{}", output.status, said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a script again and again until it succeeds, which takes some seconds at most on the reference machine.
    #[track_caller]
    pub fn wait(&self, seconds: u64, script: &str) -> Duration {
        let (start, limit) = (Instant::now(), Pace::UNKNOWN.seconds(seconds));
        loop {
            let output = self.run(script);
            if output.status.success() {
                return start.elapsed();
            }
            assert!(start.elapsed() < limit, "not within {} s: {script}\n{}", limit.as_secs(), said(&output));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts or stops a unit: its commands in order.
    #[track_caller]
    pub fn unit(&self, verb: &str, unit: &str) {
        self.ok(&format!("/test/unit/{unit} {verb} >/run/unit.log 2>&1 || {{ cat /run/unit.log; exit 1; }}"));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Ends `unshare`, whose child, the first process of its PID namespace, takes all the others along.
        let _ = self.anchor.kill();
        let _ = self.anchor.wait();
    }
}
