//! One real `vagrant up`: Debian's Vagrant, vagrant-libvirt and libvirt make a machine of the Vagrantfile that genhost prints,
//! and it becomes the first host of its cluster. Only the box is this test's own, and QEMU's machine one by software emulation.

mod fixture;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixture::pace::Pace;
use fixture::{Workplace, need};
use genhost::result::sha256;

/// What this test starts, and where Debian puts it.
const PROGRAMS: [&str; 16] = [
    "/bin/busybox",
    "/bin/ip",
    "/sbin/mke2fs",
    "/usr/bin/cpio",
    "/usr/bin/nsenter",
    "/usr/bin/python3",
    "/usr/bin/qemu-img",
    "/usr/bin/qemu-system-x86_64",
    "/usr/bin/setpriv",
    "/usr/bin/unshare",
    "/usr/bin/vagrant",
    "/usr/bin/zip",
    "/usr/sbin/dnsmasq",
    "/usr/sbin/iptables",
    "/usr/sbin/libvirtd",
    "/usr/share/rubygems-integration/all/gems/vagrant-libvirt-0.11.2",
];

/// `vagrant up` takes this long on the reference machine, the one of docs/reproducibility.md.
const UP: Duration = Duration::from_secs(100);

/// The host that is made: alone, it is the whole cluster.
const HOST: &str = "swarm-node0";

/// A laptop with Vagrant and libvirt, in namespaces of its own. Whatever runs on it ends with it, also when this process is
/// killed.
struct Laptop<'a> {
    unshare: Child,
    workplace: &'a Workplace,
}

impl<'a> Laptop<'a> {
    fn power_on(workplace: &'a Workplace) -> Self {
        let mut unshare = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--ipc", "--pid"])
            .args(["--fork", "--kill-child", "--mount-proc", "sh"])
            .arg(need("tests/vagrant_up/laptop"))
            .current_dir(workplace)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv");
        let mut said = String::new();
        BufReader::new(unshare.stdout.take().expect("a pipe")).read_line(&mut said).expect("a line");
        let laptop = Self { unshare, workplace };
        assert_eq!(said, "ready\n", "{}", laptop.traces());
        laptop
    }

    /// What a program on it prints that has to succeed, and that hangs when it takes longer than this.
    #[track_caller]
    fn run(&self, hangs: Duration, arguments: &[&str]) -> String {
        let start = Instant::now();
        let unshare = self.unshare.id();
        let first = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).expect("its processes");
        let output = Command::new("nsenter")
            .args(["-t", first.trim(), "-a"])
            .arg(format!("--wdns={}", self.workplace.path("").display()))
            .args(["timeout", "-k1", &hangs.as_secs().to_string()])
            .args(arguments)
            .env("HOME", self.workplace.path(""))
            .env("VAGRANT_HOME", self.workplace.path("home"))
            // It would ask whether there is a newer one.
            .env("VAGRANT_CHECKPOINT_DISABLE", "1")
            .env("VAGRANT_DEFAULT_PROVIDER", "libvirt")
            .env("BOX_KERNEL", need("target/kernel/vmlinuz"))
            .env("BOX_INITRD", self.workplace.path("initrd"))
            .env("CONSOLE", self.workplace.path("console"))
            .env("BOOT_TIMEOUT", hangs.as_secs().to_string())
            .stdin(Stdio::null())
            .output()
            .expect("nsenter");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        eprintln!("{:6.1} {:?}", start.elapsed().as_secs_f32(), &arguments[..2]);
        assert!(output.status.success(), "{arguments:?}: {}\n{text}\n{}", output.status, self.traces());
        text
    }

    /// What is left to look at when something fails.
    fn traces(&self) -> String {
        let last = |name: &str| {
            let text = std::fs::read(self.workplace.path(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            format!("{name}:\n{}\n", lines[lines.len().saturating_sub(30)..].join("\n"))
        };
        ["libvirtd.log", "http.log", "console"].map(last).concat()
    }
}

impl Drop for Laptop<'_> {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

#[test]
fn vagrant_up_makes_a_host_of_the_vagrantfile_as_it_is_printed() {
    assert!(rustix::process::geteuid().is_root(), "namespaces and networks need root");
    PROGRAMS.iter().for_each(|path| drop(need(path)));
    let workplace = Workplace::new();
    // Consul comes from no package: Debian 11's is in its place, and the laptop serves it.
    std::fs::create_dir(workplace.path("www")).expect("a folder");
    let zip = workplace.path("www/consul.zip");
    let consul = need("target/roots/bullseye/usr/bin/consul");
    let zipped = Command::new("zip").args(["-q", "-1", "-j", "-X"]).args([&zip, &consul]).status().expect("zip");
    assert!(zipped.success());
    let sum = sha256(&std::fs::read(&zip).expect("a file"));
    let cluster = include_str!("../profiles/clusters/swarm-mode.yaml");
    let pins = format!(
        "install: {{consul: zip}}\nversions: {{consul: 1.8.7}}\nartifacts:\n  consul: \
         {{urls: ['http://192.168.121.1:8000/consul.zip'], sha256: {{all: {sum}}}}}\n"
    );
    workplace.write("cluster.yaml", cluster.to_owned() + &pins);
    workplace.genhost(["vagrant", "--all", "-o", "Vagrantfile"]).stdout_of_success();
    let printed = std::fs::read_to_string(workplace.path("Vagrantfile")).expect("a Vagrantfile");
    workplace.write("home/Vagrantfile", include_str!("vagrant_up/Vagrantfile"));

    let laptop = Laptop::power_on(&workplace);
    let [make, init, target] = ["tests/vagrant_up/box", "tests/vagrant_up/init", "target"].map(|path| {
        let path = need(path);
        path.to_string_lossy().into_owned()
    });
    let hangs = Pace::UNKNOWN.seconds(60);
    laptop.run(hangs, &["sh", &make, &target, &init]);
    laptop.run(hangs, &["vagrant", "box", "add", "--name", "debian/bookworm64", "debian.box"]);
    std::fs::remove_file(workplace.path("debian.box")).expect("a box");
    let start = Instant::now();
    let up = laptop.run(hangs, &["vagrant", "up", HOST]);
    let pace = Pace::measured(start.elapsed(), UP);
    println!("up after {} s; bounds are {pace}", start.elapsed().as_secs());
    assert!(up.contains("Datasource DataSourceNoCloud [seed=/var/lib/cloud/seed/nocloud]"), "{up}");
    // The host is the same, so its provisioner has nothing to do.
    let again = laptop.run(pace.seconds(300), &["vagrant", "provision", HOST]);
    assert!(again.contains("Running provisioner: cloud-init") && !again.contains("Cloud-init v."), "{again}");

    let script = include_str!("vagrant_up/report").replace('\'', r"'\''");
    let report = laptop.run(pace.seconds(900), &["vagrant", "ssh", HOST, "-c", &format!("sudo sh -c '{script}'")]);
    println!("{report}");
    let user_data = ["--host", HOST, "--set", "vpn.endpoint=192.168.56.10"];
    let user_data = sha256(workplace.genhost(user_data).stdout_of_success().as_bytes());
    for line in [
        "from seed-dir (/var/lib/cloud/seed/nocloud)",
        "hostname swarm-node0",
        &format!("{user_data}  /var/lib/cloud/instance/user-data.txt"),
        "errors []",
        "system running, failed: ",
        "target active",
        "firewall policy drop",
        "addresses eth1 192.168.56.10/24 vpn_vlan0 192.168.30.2/24",
        "nodes swarm-node0 Ready Leader",
        "left behind 0",
    ] {
        assert!(
            report.lines().any(|said| said.trim_end_matches('\r') == format!("report: {line}")),
            "{line}:\n{report}"
        );
    }
    assert!(report.contains("status: done") && report.contains("ok   port (ingress)"), "{report}");
    assert_eq!(std::fs::read_to_string(workplace.path("Vagrantfile")).expect("a Vagrantfile"), printed);
}
