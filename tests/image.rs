//! Disk images: built of real packages, twice, and booted.

mod fixture;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use fixture::disks::{ENDPOINT, Locked, run, store};
use fixture::guest::{Forward, Guest};
use fixture::need;
use fixture::pace::Pace;
use fixture::server::free_port;
use tempfile::TempDir;

/// The name of the machine that builds; nothing of it may be in a disk.
const BUILDER: &str = "builder-5e1f7a";

/// A cluster with its lock, and a disk of its vpn-server that holds no secret.
struct Built {
    locked: Locked,
    said: String,
    /// Hidden files that lay beside the disk when it was done, and nobody else had written there yet.
    left: Vec<PathBuf>,
}

impl Built {
    /// What this run of the tests builds once.
    fn get() -> &'static Self {
        static BUILT: OnceLock<Built> = OnceLock::new();
        BUILT.get_or_init(Self::make)
    }

    fn make() -> Self {
        let (locked, server) = Locked::new("images", "debian-12", &[]);
        run(&mut locked.genhost(&["lock", "--check"]));
        // From here on there is no server: what is built is built of what is in the store.
        drop(server);
        let image = ["image", "--host", "swarm-node0", "--format", "raw", "--sealed", "--check", "-o", "sealed"];
        let hostname = format!("hostname {BUILDER}; exec \"$@\" 2>&1");
        let said = run(&mut locked.genhost(&image).under(&["unshare", "--uts", "sh", "-c", &hostname, "sh"]));
        let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let beside = std::fs::read_dir(&locked.folder).expect("a folder").flatten().map(|entry| entry.path());
        let left = beside.filter(hidden).collect();
        Self { locked, said, left }
    }

    fn folder(&self) -> &Path {
        &self.locked.folder
    }

    fn genhost(&self, arguments: &[&str]) -> Command {
        self.locked.genhost(arguments)
    }

    fn disk(&self) -> PathBuf {
        self.folder().join("sealed")
    }
}

/// The same command in the arms of another one.
trait Under {
    fn under(&self, words: &[&str]) -> Command;
}

impl Under for Command {
    fn under(&self, words: &[&str]) -> Command {
        let mut outer = Command::new(words[0]);
        outer.args(&words[1..]).arg(self.get_program()).args(self.get_args());
        outer.envs(self.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.current_dir(self.get_current_dir().expect("a folder"));
        outer
    }
}

/// One guest or build at a time: each has the machine to itself.
static ALONE: Mutex<()> = Mutex::new(());

/// QEMU's words for firmware of that kind.
const UEFI: [&str; 2] = ["-bios", "/usr/share/ovmf/OVMF.fd"];

/// A text that only the vpn-server may have: a piece of its key, as it stands in its configuration.
fn secret() -> String {
    let key = fixture::SECRETS.lines().find_map(|line| line.trim().strip_prefix("key: ")).expect("a key");
    key[100..160].to_owned()
}

/// Whether a file has this text in it.
fn has(file: &Path, text: &str) -> bool {
    let status = Command::new("grep").args(["-qaF", text]).arg(file).status().expect("grep");
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    status.success()
}

/// A sealed disk of Debian 13, built by a user who may nothing.
fn of_nobody() -> Locked {
    let (locked, _server) = Locked::new("images-of-nobody", "debian-13", &[]);
    std::fs::copy(env!("CARGO_BIN_EXE_genhost"), locked.folder.join("genhost")).expect("genhost");
    // What he fetches stays for the next run.
    let store = store().with_file_name("store-of-nobody");
    std::fs::create_dir_all(&store).expect("a folder");
    run(Command::new("chown").args(["-R", "nobody"]).args([&locked.folder, &store]));
    let image = ["image", "--host", "swarm-node0", "--format", "raw", "--sealed", "-o", "sealed"];
    // The project may stand where only root gets to: what he needs of it stands at /mnt, genhost among it. For the packages'
    // users he has numbers.
    let script = "
        target=$1/target
        shift 2
        mount -t tmpfs -o mode=755 tmpfs /mnt
        for folder in images-of-nobody store-of-nobody e2fsprogs; do
          mkdir /mnt/$folder
          mount --bind \"$target/$folder\" /mnt/$folder
        done
        echo nobody:100000:65536 >/mnt/numbers
        for file in subuid subgid; do mount --bind /mnt/numbers /etc/$file; done
        cd /mnt/images-of-nobody
        export PATH=/mnt/e2fsprogs/bin:$PATH XDG_CACHE_HOME=/mnt/store-of-nobody
        exec setpriv --reuid nobody --regid nogroup --clear-groups ./genhost \"$@\"";
    let base = env!("CARGO_MANIFEST_DIR");
    run(&mut locked.genhost(&image).under(&["unshare", "--mount", "sh", "-ec", script, "sh", base]));
    locked
}

/// Sealed, of two releases, by BIOS and by UEFI, with a seed each as a CD; neither packages nor artifacts can be fetched: there is
/// no network but the VPN. Debian's kernels have IPVS, so that the swarm has its routing mesh.
#[test]
fn sealed_disks_of_two_releases_become_one_swarm_by_their_seeds() {
    let built = Built::get();
    let boot = |locked: &Locked, host: &str, forward, firmware: &[&str]| {
        run(&mut locked.genhost(&["image", "--host", host, "--format", "seed", "-o", "seed.iso"]));
        let seed = locked.folder.join("seed.iso").display().to_string();
        Guest::boot(&locked.folder.join("sealed"), &[forward], &[firmware, &["-cdrom", &seed]].concat())
    };
    let _alone = ALONE.lock();
    let newer = of_nobody();
    let vpn = free_port();
    let begin = Instant::now();
    let guest = boot(&built.locked, "swarm-node0", Forward::In { port: 443, here: vpn }, &[]);
    guest.wait("cloud-init status | grep -q done");
    println!("cloud-init is done after {} s", begin.elapsed().as_secs());
    let units = guest.wait("sed -n s/^Wants=//p /etc/systemd/system/genhost.target");
    for unit in units.split_whitespace() {
        guest.wait(&format!("systemctl is-active {unit}"));
    }
    let failed = guest.wait("systemctl --failed --plain --no-legend");
    assert_eq!(failed, "");
    assert!(units.contains("softether-vpnserver.service") && units.contains("consul.service"), "{units}");
    let members = guest.wait("curl -sf -H@/etc/genhost/consul-token localhost:8500/v1/agent/members");
    assert!(members.contains("swarm-node0") && members.contains("192.168.30.2"), "{members}");
    let nodes = guest.wait("docker node ls | grep swarm-node0");
    assert!(nodes.contains("Ready") && nodes.contains("Leader"), "{nodes}");
    let verified = guest.wait("genhost-verify 900");
    assert!(verified.contains("ok   port (ingress)"), "{verified}");
    println!("everything answers after {} s", begin.elapsed().as_secs());
    // Nothing was installed: there is no list of packages that could be; nothing was fetched: there is nobody to ask.
    assert_eq!(guest.wait("find /var/lib/apt/lists -name *Packages* | wc -l").trim(), "0");
    // Firmware of the other kind is not there.
    guest.wait("! test -e /sys/firmware/efi");

    let begin = Instant::now();
    let other = boot(&newer, "swarm-node1", Forward::Out { address: ENDPOINT, port: 443, here: vpn }, &UEFI);
    other.wait("cloud-init status | grep -q done && test -e /sys/firmware/efi");
    guest.wait("docker node ls | grep swarm-node1 | grep Ready");
    println!("the other is a node after {} s", begin.elapsed().as_secs());
    // The only container is on the one, and answers who asks the other.
    let binds =
        ["/bin", "/lib", "/lib64", "/usr"].map(|folder| format!("--mount type=bind,src={folder},dst={folder},ro"));
    guest.wait(
        &format!(
            "docker service inspect web || docker service create -q -d --name web --no-resolve-image -p 8090:9 --constraint node.hostname==swarm-node1 \
             {} localhost/genhost-empty python3 -m http.server -d /none 9",
            binds.join(" ")
        ),
    );
    for guest in [&guest, &other] {
        guest.wait("curl -s -o /dev/null -m9 192.168.30.2:8090");
    }
    let places = guest.wait("docker service ps web -f desired-state=running");
    assert!(places.contains("swarm-node1") && !places.contains("swarm-node0"), "{places}");
    println!("the routing mesh carries after {} s", begin.elapsed().as_secs());
}

/// By UEFI, as far as its root file system: what comes then is the same.
#[test]
fn the_same_disk_boots_by_uefi() {
    let built = Built::get();
    let _alone = ALONE.lock();
    Guest::boot(&built.disk(), &[], &UEFI);
}

#[test]
fn two_builds_in_other_surroundings_are_the_same() {
    let built = Built::get();
    let hash = run(Command::new("sha256sum").arg(built.disk()));
    let hash = hash.split(' ').next().expect("a hash");
    assert!(built.said.contains(&format!("built twice, the same: sha256 {hash}")), "{}", built.said);
    assert!(!has(&built.disk(), BUILDER), "the builder's name is on the disk");
    assert!(built.left.is_empty(), "{:?}", built.left);
}

#[test]
fn a_disk_has_a_bill_of_what_is_on_it() {
    let built = Built::get();
    let bill = std::fs::read_to_string(built.folder().join("sealed.cdx.json")).expect("a bill");
    let bill: serde_json::Value = serde_json::from_str(&bill).expect("JSON");
    let parts = bill["components"].as_array().expect("components");
    let mut told: Vec<String> = parts.iter().filter_map(|part| Some(part["name"].as_str()?.to_owned())).collect();
    let status = look(&built.disk(), "cat /var/lib/dpkg/status");
    let mut there: Vec<String> =
        status.lines().filter_map(|line| Some(line.strip_prefix("Package: ")?.to_owned())).collect();
    there.push("consul".to_owned());
    // mmdebstrap's own, with nothing in it: it says that /bin and the like are links.
    there.retain(|name| name != "usr-is-merged");
    told.sort();
    there.sort();
    assert_eq!(told, there);
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
fn a_sealed_disk_holds_nothing_of_its_host_but_programs() {
    let disk = &Built::get().disk();
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
    for folder in ["/var/lib/apt/lists", "/var/cache/apt"] {
        assert!(names(folder).is_empty(), "{folder}: {:?}", names(folder));
    }
    assert!(!names("/etc").iter().any(|name| name == "hostname" || name.starts_with(".resolv")));
    assert!(!names("/var/lib/cloud").iter().any(|name| name == "seed"));
    for empty in ["/etc/machine-id", "/etc/resolv.conf"] {
        assert!(look(disk, &format!("stat {empty}")).contains("Size: 0"), "{empty}");
    }
    let wanted = names("/etc/systemd/system/multi-user.target.wants");
    assert!(wanted.contains(&"ssh.service".to_owned()) && !wanted.contains(&"docker.service".to_owned()), "{wanted:?}");
    assert!(!has(disk, &secret()), "the server's key is on the disk");
    let there = format!("{}?offset={}", disk.display(), genhost::emit::disk::root_offset());
    run(Command::new(need("target/e2fsprogs/bin/e2fsck")).args(["-fn", &there]));
}

/// Built of what is in the store, compressed, over a file that is in its place.
#[test]
fn a_disk_of_one_host_has_its_seed_and_is_for_its_owner() {
    let built = Built::get();
    let _alone = ALONE.lock();
    let disk = built.folder().join("own.qcow2");
    std::fs::write(&disk, "an older one").expect("a file");
    run(&mut built.genhost(&["image", "--host", "swarm-node0", "--format", "qcow2", "-o", "own.qcow2"]));
    let mode = std::fs::metadata(&disk).expect("an image").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let raw = built.folder().join("own.raw");
    run(Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&disk, &raw]));
    let user_data = run(&mut built.genhost(&["--host", "swarm-node0"]));
    let seed = "/var/lib/cloud/seed/nocloud";
    assert!(look(&raw, &format!("cat {seed}/user-data")) == user_data, "another user-data is in the seed");
    assert!(look(&raw, &format!("cat {seed}/meta-data")).contains("local-hostname: swarm-node0"));
    assert!(look(&raw, &format!("stat {seed}")).contains("Mode:  0700"));
    assert!(has(&raw, &secret()), "a text that no other disk may have");
    std::fs::remove_file(raw).expect("a file");
}

/// A kill comes while the root file system is set up, when the most is mounted and left.
#[test]
fn a_build_that_is_killed_leaves_what_was_there_and_the_next_clears_up() {
    let built = Built::get();
    let _alone = ALONE.lock();
    let place = TempDir::new_in(built.folder()).expect("a folder");
    let output = place.path().join("disk");
    std::fs::write(&output, "an older one").expect("a file");
    let begin = || {
        let output = output.to_str().expect("UTF-8");
        let mut command = built.genhost(&["image", "--host", "swarm-node0", "--format", "raw", "-o", output]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a build")
    };
    let folders = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(place.path()).expect("a folder").flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let kill = |mut build: Child, until: &dyn Fn() -> bool| {
        let end = Instant::now() + Pace::UNKNOWN.seconds(30);
        while !until() {
            assert!(Instant::now() < end && build.try_wait().expect("a process").is_none(), "{:?}", folders());
            std::thread::sleep(Duration::from_millis(100));
        }
        let mounts = std::fs::read_to_string("/proc/mounts").expect("mounts");
        assert!(!mounts.contains(".genhost-disk-"), "what is mounted there is nobody else's: {mounts}");
        build.kill().expect("a process");
        build.wait().expect("a process");
    };
    kill(begin(), &|| {
        let below = folders().into_iter().flat_map(|folder| walkdir::WalkDir::new(folder).max_depth(4)).flatten();
        below.into_iter().any(|entry| entry.path().ends_with("usr/bin/dpkg"))
    });
    let left = folders();
    assert_eq!(left.len(), 1, "{left:?}");
    kill(begin(), &|| !left[0].exists() && folders().len() == 1);
    assert_eq!(std::fs::read(&output).expect("a file"), b"an older one");
}

#[test]
fn shellcheck_has_nothing_to_say_about_the_script() {
    run(Command::new("shellcheck").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/image/customize")));
}

/// What every bound here rests on.
#[test]
fn a_bound_grows_with_the_boot_and_never_shrinks() {
    let [quick, slow] = [30, 150].map(|boot| Pace::measured(Duration::from_secs(boot), Duration::from_secs(60)));
    assert_eq!([quick, slow].map(|pace| pace.seconds(600).as_secs()), [600, 1500]);
    assert_eq!(slow.of(Duration::from_millis(100)), Duration::from_millis(250));
}
