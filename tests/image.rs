//! Disk images: built of real packages, twice, and booted.

mod fixture;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use genhost::cluster::{HostName, Sha256};
use genhost::diagnostic::Sources;
use genhost::emit::disk::Seed;
use genhost::image::{Contents, Deb, Format, Recipe, build, profile};
use genhost::load::{self, Catalogue, Override, Shelf};
use genhost::render::{Engine, HostTree, render};
use genhost::resolve::{Subject, resolve};
use sha2::Digest;
use tempfile::TempDir;

/// What a build in another process is told by.
const OUTPUT: &str = "GENHOST_TEST_IMAGE";
const CONTENTS: &str = "GENHOST_TEST_CONTENTS";
/// 2026-01-01, after every file of the packages or before: nothing may depend on it.
const EPOCH: u64 = 1_767_225_600;

fn base() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn need(path: &str) -> PathBuf {
    let path = base().join(path);
    assert!(path.exists(), "{path:?} is missing: run `.ci/setup`");
    path
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run `.ci/setup`"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn sha256(path: &Path) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    std::io::copy(&mut std::fs::File::open(path).expect("a file"), &mut hasher).expect("a readable file");
    Sha256::new(&hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()).expect("a hash")
}

/// Everything that a recipe is made of.
struct Parts {
    _folder: TempDir,
    catalogue: Catalogue,
    tree: HostTree,
    debs: Vec<Deb>,
    artifacts: BTreeMap<Sha256, PathBuf>,
}

/// Where Consul would be fetched; Debian's is in its place.
const ARTIFACT: &str = "http://192.0.2.1/consul.zip";

impl Parts {
    /// The vpn-server of the built-in cluster, which is a manager.
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let zip = folder.path().join("consul.zip");
        run(Command::new("zip")
            .args(["-q", "-1", "-j", "-X"])
            .arg(&zip)
            .arg(need("target/roots/bullseye/usr/bin/consul")));
        let consul = sha256(&zip);
        let mut sources = Sources::default();
        let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()).expect("profiles");
        let settings = [
            "vpn.endpoint=10.0.2.15".to_owned(),
            "versions.consul=1.8.7".to_owned(),
            format!("artifacts.consul={{urls: ['{ARTIFACT}'], sha256: {{amd64: {consul}}}}}"),
        ];
        let overrides = settings.map(|text| Override::parse(&mut sources, &text).expect("a setting")).into();
        let (name, text) = load::built_in_cluster(None);
        let source = sources.add(name, text);
        let cluster = load::cluster(&sources, source, overrides, &catalogue).expect("a cluster");
        let source = sources.add_secret("secrets.yaml", fixture::SECRETS);
        let secrets = load::secrets(&sources, source).expect("secrets");
        let subject = Subject::Host(HostName::new("swarm-node0").expect("a name"));
        let plan = resolve(&catalogue, &cluster, &secrets, &subject).expect("a plan");
        let mut engine = Engine::new(&catalogue.templates).expect("templates");
        let tree = render(&mut engine, &mut sources, &plan).expect("a tree");
        let debs = std::fs::read_dir(need("target/debs")).expect("a folder");
        let debs = debs.map(|entry| entry.expect("an entry").path());
        let debs = debs.map(|path| Deb { sha256: sha256(&path), path }).collect();
        Self { _folder: folder, catalogue, tree, debs, artifacts: [(consul, zip)].into() }
    }

    fn recipe<'a>(&'a self, contents: Contents<'a>) -> Recipe<'a> {
        let (system, profile) = profile(&self.catalogue, &self.tree.system).expect("a system with disk images");
        Recipe {
            system,
            profile,
            contents,
            packages: &self.debs,
            artifacts: &self.artifacts,
            epoch: EPOCH,
            seed: Seed([1; 32]),
            format: Format::Raw,
        }
    }
}

/// mke2fs of `.ci/setup` first.
fn path() -> String {
    format!("{}:{}", need("target/e2fsprogs/bin").display(), std::env::var("PATH").expect("PATH"))
}

/// The folder of images, on a disk that has room.
fn folder() -> PathBuf {
    let folder = base().join("target/images");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Builds an image in a process of its own, in these surroundings: words before the command.
fn build_as(contents: &str, output: &Path, surroundings: &[&str], variables: &[(&str, &str)]) {
    let this = std::env::current_exe().expect("this program");
    let mut command = Command::new(surroundings[0]);
    command.args(&surroundings[1..]).arg(this).args(["--ignored", "--exact", "a_build_of_its_own", "--nocapture"]);
    command.env("PATH", path()).env(OUTPUT, output).env(CONTENTS, contents).envs(variables.iter().copied());
    command.current_dir(base());
    let said = run(&mut command);
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "what the other tests run"]
fn a_build_of_its_own() {
    let output = std::env::var_os(OUTPUT).expect("where to");
    let parts = Parts::new();
    let contents = match std::env::var(CONTENTS).as_deref() {
        Ok("base") => Contents::Base,
        Ok("sealed") => Contents::Sealed(&parts.tree),
        _ => Contents::Host(&parts.tree),
    };
    let begin = Instant::now();
    let tell = |line: &str| eprintln!("{:>4} s: {line}", begin.elapsed().as_secs());
    build(&parts.recipe(contents), Path::new(&output), &tell).unwrap_or_else(|problem| panic!("{problem}"));
    tell("built");
}

/// The image that this run of the tests builds once; it serves every host like swarm-node0.
fn sealed() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = folder().join("sealed");
        build_as("sealed", &output, &["env"], &[]);
        output
    })
}

#[test]
fn surroundings_do_not_matter() {
    let first = sha256(sealed());
    // Another host name, umask, time zone, language, folder, home and place for temporary files, all by another shell.
    let place = TempDir::with_prefix_in("other place ", folder()).expect("a folder");
    let output = place.path().join("image");
    let elsewhere = "hostname elsewhere; umask 077; exec \"$@\"";
    let variables = [
        ("TZ", "Asia/Kathmandu"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("TMPDIR", "/var/tmp"),
        ("HOME", "/nonexistent"),
        ("SOURCE_DATE_EPOCH", "5"),
        ("MKE2FS_CONFIG", "/dev/null"),
        ("APT_CONFIG", "/nonexistent"),
    ];
    build_as("sealed", &output, &["unshare", "--uts", "sh", "-c", elsewhere, "sh"], &variables);
    assert_eq!(sha256(&output), first);
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("a folder").flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, [output], "nothing is left beside it");
}

/// A machine that boots by software emulation, in which the test is root by an SSH key that firmware hands to systemd.
struct Guest {
    qemu: Child,
    folder: TempDir,
    port: u16,
}

impl Guest {
    /// Boots from a disk that is left as it is, with more words for QEMU.
    fn boot(disk: &Path, more: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let key = folder.path().join("key");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        let public = std::fs::read(key.with_extension("pub")).expect("a key");
        let credential = BASE64_STANDARD.encode(public);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-display", "none"]);
        command.args(["-no-reboot", "-serial"]).arg(format!("file:{}", folder.path().join("console").display()));
        command.arg("-drive").arg(format!("file={},if=virtio,format=raw,snapshot=on", disk.display()));
        command.arg("-nic").arg(format!("user,restrict=on,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22"));
        let credential = format!("type=11,value=io.systemd.credential.binary:ssh.authorized_keys.root={credential}");
        let qemu = command.arg("-smbios").arg(credential).args(more).stdin(Stdio::null()).spawn();
        Self { qemu: qemu.expect("QEMU: run `.ci/setup`"), folder, port }
    }

    /// What a command says, or nothing while it fails.
    fn try_run(&self, command: &str) -> Option<String> {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-n",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]);
        ssh.args(["-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=5"])
            .arg("-i")
            .arg(self.folder.path().join("key"));
        ssh.arg("-p")
            .arg(self.port.to_string())
            .args(["root@127.0.0.1", "timeout 20 sh -c"])
            .arg(format!("'{command}'"));
        let output = ssh.stderr(Stdio::null()).output().expect("ssh: run `.ci/setup`");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What a command says once it succeeds.
    fn wait(&self, until: Instant, command: &str) -> String {
        loop {
            if let Some(said) = self.try_run(command) {
                return said;
            }
            if Instant::now() > until {
                let console = std::fs::read(self.folder.path().join("console")).unwrap_or_default();
                panic!("{command} does not succeed in time:\n{}", String::from_utf8_lossy(&console));
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// By BIOS and sealed, with the seed as a CD; neither packages nor artifacts can be fetched: there is no network.
#[test]
fn a_sealed_image_becomes_a_host_by_its_seed() {
    let disk = sealed();
    let parts = Parts::new();
    let folder = TempDir::new().expect("a temporary directory");
    let seed = folder.path().join("seed.iso");
    std::fs::write(&seed, genhost::emit::seed::image(&parts.tree).expect("a seed")).expect("a file");
    let until = Instant::now() + Duration::from_secs(210);
    let guest = Guest::boot(disk, &["-cdrom", &seed.display().to_string()]);
    guest.wait(until, "cloud-init status | grep -q done");
    guest.wait(until, "systemctl is-active consul docker softether-vpnserver softether-vpnclient genhost-firewall");
    let said = guest.wait(until, "hostname; ls /opt/genhost; ls -d /sys/firmware/efi; docker version --format {{.Server.Os}}; consul members | tail -n1; ip -br address show vpn_vlan0; true");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..4], ["swarm-node0", "consul", "store", "linux"], "{said}");
    assert!(lines[4].contains("alive") && lines[5].contains("192.168.30.2/24"), "{said}");
    // Nothing was installed: there is no list of packages that could be.
    assert_eq!(guest.wait(until, "find /var/lib/apt/lists -type f | wc -l").trim(), "0");
    assert_eq!(guest.wait(until, "systemctl --failed --no-legend | wc -l").trim(), "0");
}

/// By UEFI, as far as its root file system: what comes then is the same.
#[test]
fn the_same_image_boots_by_uefi() {
    let disk = sealed();
    let until = Instant::now() + Duration::from_secs(210);
    let guest = Guest::boot(disk, &["-bios", "/usr/share/ovmf/OVMF.fd"]);
    let console = guest.folder.path().join("console");
    loop {
        let said = String::from_utf8_lossy(&std::fs::read(&console).unwrap_or_default()).into_owned();
        if said.contains("login:") {
            break;
        }
        assert!(Instant::now() < until, "no login in time:\n{said}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// What a folder of the image has, by debugfs, which mounts nothing.
fn look(disk: &Path, request: &str) -> String {
    let offset = genhost::emit::disk::root_offset();
    run(Command::new(need("target/e2fsprogs/bin/debugfs"))
        .arg("-R")
        .arg(request)
        .arg(format!("{}?offset={offset}", disk.display())))
}

#[test]
fn a_sealed_image_holds_nothing_of_its_host_but_programs() {
    let disk = sealed();
    let names = |folder: &str| -> Vec<String> {
        let listed = look(disk, &format!("ls -p {folder}"));
        let names = listed.lines().filter_map(|line| line.split('/').nth(5)).map(str::to_owned);
        names.filter(|name| !name.is_empty() && name != "." && name != "..").collect()
    };
    assert_eq!(names("/opt/genhost"), ["store"]);
    assert_eq!(names("/opt/genhost/store").len(), 1);
    for folder in ["/etc/ssh", "/etc", "/var/tmp", "/usr/lib", "/usr/local/bin", "/var/log", "/var/lib/cloud/seed"] {
        let names = names(folder);
        assert!(
            !names.iter().any(|name| name.starts_with("ssh_host") || name.contains("genhost")),
            "{folder}: {names:?}"
        );
    }
    assert!(names("/var/lib/apt/lists").is_empty() && !names("/etc").iter().any(|name| name == "hostname"));
    assert_eq!(look(disk, "cat /etc/machine-id"), "");
    assert_eq!(look(disk, "cat /etc/resolv.conf"), "");
    assert!(!look(disk, "ls /etc/systemd/system/multi-user.target.wants").contains("docker.service"));
    let mode = std::fs::metadata(disk).expect("an image").permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "everybody may have it");
    // Days since 1970 of the last change of a password: the epoch's, not today.
    let shadow = look(disk, "cat /etc/shadow");
    let day = (EPOCH / 86_400).to_string();
    assert!(shadow.lines().all(|line| line.split(':').nth(2) == Some(day.as_str())), "{shadow}");
    run(Command::new(need("target/e2fsprogs/bin/e2fsck")).args(["-fn"]).arg(format!(
        "{}?offset={}",
        disk.display(),
        genhost::emit::disk::root_offset()
    )));
}
