//! Locks: of packages from the distribution's real archive, by apt, and of artifacts from a server of the test's own.

mod fixture;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use fixture::gpg::{gpg, key};
use fixture::registry::Registry;
use fixture::server::Server;
use fixture::{Ran, Workplace};
use genhost::cluster::{Arch, ArtifactName, HostName, ImageDigest, PackageName, Sha256, SystemName, Url, Version};
use genhost::diagnostic::Sources;
use genhost::lock::{Lock, LockedFile, LockedPackage, LockedSystem};
use genhost::result::sha256;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// A cluster whose consul is a file of a server.
struct Locked {
    workplace: Workplace,
    server: Server,
    consul: Vec<u8>,
}

impl Locked {
    fn new(cluster: &str) -> Self {
        let workplace = Workplace::new();
        let consul: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        workplace.write("www/consul.zip", &consul);
        let server = Server::start(&workplace.path("www"));
        let hash = sha256(&consul);
        workplace.write("www/softether.tar.gz", "a source");
        let pin = format!(
            "\nartifacts:\n  consul: {{urls: ['{}'], sha256: {{amd64: {hash}}}}}\n  \
             softether_source: {{urls: ['{}'], sha256: {{all: {}}}}}\n",
            server.url("consul.zip"),
            server.url("softether.tar.gz"),
            sha256(b"a source")
        );
        workplace.write("cluster.yaml", format!("{cluster}{pin}"));
        Self { workplace, server, consul }
    }

    fn genhost(&self, arguments: &[&str]) -> Ran {
        let mut command = self.workplace.command(arguments.iter().chain(&["--set", "vpn.endpoint=203.0.113.10"]));
        Ran(command.env("XDG_CACHE_HOME", self.workplace.path("cache")).output().expect("genhost"))
    }

    fn lock(&self) -> String {
        std::fs::read_to_string(self.workplace.path("genhost.lock")).expect("a lock")
    }

    /// The cluster's text with something in it replaced.
    fn edit(&self, from: &str, to: &str) {
        let path = self.workplace.path("cluster.yaml");
        let text = std::fs::read_to_string(&path).expect("a cluster");
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).expect("a cluster");
    }
}

const SWARM_MODE: &str = include_str!("../profiles/clusters/swarm-mode.yaml");

/// One host that takes the vendor's release of a version of SoftEther that no profile knows, from these urls.
fn unknown_version(server: &str) -> String {
    format!(
        "name: swarm0\nstack: classic\nos: debian-11\ninstall: {{softether: release}}\nversions: {{softether: 4.44-9807-rtm}}\n\
         vpn:\n  endpoint: vpn.test\n  network: 192.168.30.0/24\n  dhcp: {{first: 192.168.30.10, last: 192.168.30.99}}\n  \
         claims: {{first: 192.168.30.100, last: 192.168.30.199}}\nhosts:\n  node0: {{roles: [vpn-server]}}\nartifacts:\n  \
         softether_vpnserver: {{urls: ['{server}/server-{{version}}-{{arch}}.tar.gz']}}\n  \
         softether_vpnclient: {{urls: ['{server}/client-{{version}}-{{arch}}.tar.gz']}}\n"
    )
}

fn unknown() -> (Workplace, Server) {
    let workplace = Workplace::new();
    workplace.write("www/server-4.44-9807-rtm-x64.tar.gz", "a server");
    workplace.write("www/client-4.44-9807-rtm-x64.tar.gz", "a client");
    let server = Server::start(&workplace.path("www"));
    let url = server.url("");
    workplace.write("cluster.yaml", unknown_version(url.trim_end_matches('/')));
    (workplace, server)
}

fn run(workplace: &Workplace, arguments: &[&str]) -> Ran {
    let mut command = workplace.command(arguments);
    Ran(command.env("XDG_CACHE_HOME", workplace.path("cache")).output().expect("genhost"))
}

#[test]
fn a_lock_pins_everything_and_is_the_same_wherever_it_is_made() {
    let (one, other) = (Locked::new(SWARM_MODE), Locked::new(SWARM_MODE));
    one.genhost(&["lock"]).stdout_of_success();
    let mut command = other.workplace.command(["lock", "--set", "vpn.endpoint=198.51.100.1"]);
    command.envs([("TZ", "Pacific/Chatham"), ("LC_ALL", "tr_TR.UTF-8")]);
    Ran(command.env("XDG_CACHE_HOME", other.workplace.path("cache")).output().expect("genhost")).stdout_of_success();
    let lock = one.lock();
    // Beside the servers' ports, of which the hash is of course another one, every line is the same.
    let lines = |lock: &str| -> Vec<String> {
        lock.lines()
            .filter(|line| !line.contains("127.0.0.1") && !line.starts_with("sha256:"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(lines(&lock), lines(&other.lock()));

    let consul = format!("amd64: {{sha256: {}, size: {}, ", sha256(&one.consul), one.consul.len());
    assert!(lock.contains(&consul), "{lock}");
    for package in ["docker.io", "containerd", "libc6", "softether-vpnserver", "unzip"] {
        assert_eq!(lock.matches(&format!("- {{name: {package}, version: ")).count(), 1, "{package}: {lock}");
    }
    // Nothing but what is in the store under its hash.
    let stored = one.workplace.path(&format!("cache/genhost/{}", sha256(&one.consul)));
    assert!(std::fs::read(stored).expect("a file of the store") == one.consul);
    one.genhost(&["lock", "--check"]).stdout_of_success();
    let before = std::fs::metadata(one.workplace.path("genhost.lock")).expect("a lock").modified().expect("a time");
    one.server.asked();
    assert!(one.genhost(&["lock"]).stderr().contains("already pins everything"));
    assert_eq!(one.server.asked(), Vec::<String>::new());
    let after = std::fs::metadata(one.workplace.path("genhost.lock")).expect("a lock").modified().expect("a time");
    assert_eq!(before, after);
}

#[test]
fn a_lock_keeps_the_addresses_of_hosts_that_cluster_yaml_gives_none() {
    let this = Locked::new(SWARM_MODE);
    let addresses = |this: &Locked| {
        let lock = this.lock();
        let from = lock.find("addresses:\n").map_or(lock.len(), |start| start + 11);
        lock[from..].lines().take_while(|line| line.starts_with("  ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let missing = this.genhost(&["lock", "--check"]);
    assert_eq!(missing.code(), Some(1));
    assert!(missing.stderr().contains("there is no lock `genhost.lock`"), "{}", missing.stderr());
    let join = |name: &str| {
        this.edit("\n  swarm-local: {", &format!("\n  {name}: {{roles: [swarm-agent]}}\n  swarm-local: {{"));
    };
    join("web-01");
    this.genhost(&["lock"]).stdout_of_success();
    let first = addresses(&this);
    assert!(first.iter().any(|line| line.starts_with("  web-01: 192.168.30.")), "{}", this.lock());
    // Names that fall on one address join before it in the file, until one has displaced another.
    for number in 2..40 {
        join(&format!("web-{number:02}"));
    }
    let check = this.genhost(&["check"]).stderr();
    assert!(check.contains("it does not keep the address of web-"), "{check}");
    this.genhost(&["lock"]).stdout_of_success();
    let all = addresses(&this);
    assert_eq!(all.len(), first.len() + 38);
    assert!(first.iter().all(|line| all.contains(line)), "{first:?} {all:?}");
    assert!(!this.genhost(&["check"]).stderr().contains("falls on"));
    this.genhost(&["lock", "--check"]).stdout_of_success();
}

#[test]
fn a_lock_that_is_stale_says_in_what_and_is_brought_up_to_date() {
    let this = Locked::new(SWARM_MODE);
    this.genhost(&["lock"]).stdout_of_success();
    this.edit("os: debian-12", "os: debian-13");
    this.edit(&sha256(&this.consul), &sha256(b"another one"));
    let check = this.genhost(&["lock", "--check"]);
    assert_eq!(check.code(), Some(1));
    let told = check.stderr();
    for what in [
        "it does not pin the packages of debian-13 amd64",
        "nobody fetches the packages of debian-12",
        "it does not pin consul 1.22.7 amd64",
        "run `genhost lock`",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    let check = this.genhost(&["check"]);
    assert!(check.stderr().contains("note: `genhost.lock` is stale: it does not pin "), "{}", check.stderr());
    assert_eq!(check.code(), Some(0));
    // What the server has is not what is pinned now: both are told, and the lock stays.
    let before = this.lock();
    let lying = this.genhost(&["lock"]);
    assert_eq!(lying.code(), Some(1));
    let told = lying.stderr();
    assert!(told.contains(&sha256(&this.consul)) && told.contains(&sha256(b"another one")), "{told}");
    assert_eq!(this.lock(), before);
    this.workplace.write("www/consul.zip", "another one");
    this.genhost(&["lock"]).stdout_of_success();
    this.genhost(&["lock", "--check"]).stdout_of_success();
    assert!(!this.genhost(&["check"]).stderr().contains("stale"));
    let lock = this.lock();
    assert!(lock.contains("\n  debian-13:\n") && !lock.contains("\n  debian-12:\n"), "{lock}");
}

#[test]
fn a_check_tells_the_same_faults_with_a_lock_and_without() {
    let this = Locked::new(SWARM_MODE);
    this.genhost(&["lock"]).stdout_of_success();
    let check = || {
        let faulty = ["--set", "versions.softether=3.04-9656-beta", "--set", "hosts.swarm-local.os=debian-13"];
        let ran = this.genhost(&[&["check"], &faulty[..]].concat());
        assert_eq!(ran.code(), Some(1));
        (String::from_utf8_lossy(&ran.0.stdout).into_owned(), ran.stderr())
    };
    let with = check();
    std::fs::remove_file(this.workplace.path("genhost.lock")).expect("a lock");
    assert_eq!(with, check());
    assert!(with.0.contains("swarm-node0") && with.1.contains("error: "), "{with:?}");
}

#[test]
fn a_place_that_is_said_counts_more_than_the_locks() {
    let this = Locked::new(SWARM_MODE);
    this.genhost(&["lock"]).stdout_of_success();
    let before = this.lock();
    for archive in ["Debian=http://127.0.0.1:9/debian", "Debian:amd64=http://127.0.0.1:9/debian"] {
        let ran = this.genhost(&["lock", "--archive", archive]);
        assert_eq!(ran.code(), Some(1));
        assert!(ran.stderr().contains("apt-get failed: "), "{}", ran.stderr());
        assert_eq!(this.lock(), before);
    }
    // Of an architecture that is not locked nothing is asked.
    this.genhost(&["lock", "--archive", "Debian:arm64=http://127.0.0.1:9/debian"]).stdout_of_success();
    assert_eq!(this.lock(), before);
}

#[test]
fn what_nobody_knows_a_hash_of_is_pinned_once_and_anew_when_it_is_asked_for() {
    let (workplace, server) = unknown();
    let host = ["--host", "node0"];
    let without = run(&workplace, &host);
    assert_eq!(without.code(), Some(1));
    assert!(without.stderr().contains("has no pinned sha256"), "{}", without.stderr());
    run(&workplace, &["lock"]).stdout_of_success();
    let user_data = run(&workplace, &host).stdout_of_success();
    assert!(user_data.contains(&format!(
        "amd64 {} {}",
        sha256(b"a server"),
        server.url("server-4.44-9807-rtm-x64.tar.gz")
    )));
    // Another file under the same name is none of ours until somebody says so.
    workplace.write("www/server-4.44-9807-rtm-x64.tar.gz", "another server");
    run(&workplace, &["lock"]).stdout_of_success();
    assert_eq!(run(&workplace, &host).stdout_of_success(), user_data);
    run(&workplace, &["lock", "--update", "softether_vpnserver"]).stdout_of_success();
    let updated = run(&workplace, &host).stdout_of_success();
    assert!(updated.contains(&sha256(b"another server")) && updated.contains(&sha256(b"a client")));
    let unknown = run(&workplace, &["lock", "--update", "softether_vpnserve"]);
    assert_eq!(unknown.code(), Some(1));
    assert!(unknown.stderr().contains("did you mean `softether_vpnserver`?"), "{}", unknown.stderr());
    // A build says of which lock it is.
    run(&workplace, &["build"]).stdout_of_success();
    let manifest = std::fs::read_to_string(workplace.path("result/manifest.json")).expect("a manifest");
    let lock = std::fs::read(workplace.path("genhost.lock")).expect("a lock");
    assert!(manifest.contains(&format!("\"lock\": \"{}\"", sha256(&lock))), "{manifest}");
    run(&workplace, &["build", "--check"]).stdout_of_success();
    run(&workplace, &["verify"]).stdout_of_success();
}

#[test]
fn a_digest_that_nobody_knows_comes_from_the_images_registry() {
    let (workplace, server) = unknown();
    let cluster = std::fs::read_to_string(workplace.path("cluster.yaml")).expect("a cluster");
    let cluster = cluster.replace("versions: {", "versions: {swarm: 1.2.8, ");
    workplace.write("cluster.yaml", cluster.replace("[vpn-server]", "[vpn-server, swarm-manager]"));
    let stack = |repository: &str| {
        let stack = include_str!("../profiles/stacks/classic.yaml");
        workplace
            .write("profiles/stacks/classic.yaml", stack.replace("name: swarm\n", &format!("name: {repository}\n")));
    };
    workplace.write("registry/.keep", "");
    let folder = workplace.path("registry");
    let closed = format!("{{htpasswd: {{realm: people, path: '{}'}}}}", folder.join("passwords").display());
    let closed = Registry::start(&folder, &closed);
    // It takes any token, and says where there are some.
    let open = format!("{{silly: {{realm: '{}', service: everybody}}}}", server.url("token"));
    let registry = Registry::start(&folder, &open);
    let image = registry.repository("swarm");
    let genhost = |arguments: &[&str]| run(&workplace, &[arguments, &["--profiles", "profiles"]].concat());
    let refused = |what: &str| {
        let told = genhost(&["lock"]);
        assert_eq!(told.code(), Some(1));
        assert!(told.stderr().contains(what), "{}", told.stderr());
        assert!(!workplace.path("genhost.lock").exists());
    };

    stack(&image);
    let without = genhost(&["--host", "node0"]);
    assert!(without.stderr().contains("error: the image `swarm` 1.2.8 has no pinned digest"), "{}", without.stderr());
    refused("/token: the server says 404");
    let question = "token?service=everybody&scope=repository%3Aswarm%3Apull";
    workplace.write(&format!("www/{question}"), "a page");
    refused("/token: expected value at line 1");
    workplace.write(&format!("www/{question}"), "{\"token\": \"a token\", \"access_token\": \"a token\"}");
    let manifest = image.replace("/swarm", "/v2/swarm/manifests/1.2.8");
    refused(&format!("no digest of the image {image}:1.2.8: http://{manifest}: the server says 404"));
    // A server of something else has that name.
    workplace.write("www/1.2.8", "a page");
    stack(&server.url("swarm").replace("http://", ""));
    refused("which is no manifest that genhost knows");
    stack(&closed.repository("swarm"));
    refused("it wants a password (Basic realm=\"people\")");
    stack("127.0.0.1:9/a b");
    refused("`127.0.0.1:9/a b` is not a valid name of a Docker image");

    stack(&image);
    let first = registry.push("swarm", "1.2.8", "{}");
    genhost(&["lock"]).stdout_of_success();
    let user_data = genhost(&["--host", "node0"]).stdout_of_success();
    assert!(user_data.contains(&format!("{image}@{first}")), "{user_data}");
    // What the tag is moved to is none of ours until somebody says so.
    let second = registry.push("swarm", "1.2.8", "{\"os\": \"linux\"}");
    genhost(&["lock"]).stdout_of_success();
    genhost(&["lock", "--check"]).stdout_of_success();
    assert_eq!(genhost(&["--host", "node0"]).stdout_of_success(), user_data);
    genhost(&["lock", "--update", "swarm"]).stdout_of_success();
    let updated = genhost(&["--host", "node0"]).stdout_of_success();
    assert!(updated.contains(&format!("{image}@{second}")) && !updated.contains(&first), "{updated}");
}

#[test]
fn a_hash_that_upstream_has_signed_counts_and_no_other() {
    let workplace = Workplace::new();
    let (home, fingerprint) = key(workplace.path("gnupg"), "never", &[]);
    let file = "consul_1.99.0_linux_amd64.zip";
    workplace.write(&format!("www/{file}"), "a consul");
    let server = Server::start(&workplace.path("www"));
    let path = |name: &str| workplace.path(name).display().to_string();
    let publish = |hash: &str| {
        workplace.write("www/sums", format!("{}  consul_1.99.0_darwin_amd64.zip\n{hash}  {file}\n", sha256(b"a mac")));
        gpg(&home, &["--output", &path("www/sums.sig"), "--detach-sign", &path("www/sums")]);
    };
    let profile = |fingerprint: &str| {
        workplace.write(
            "profiles/artifacts/consul.yaml",
            format!(
                "summary: Consul\nurls: ['{}']\nversions: {{}}\nsigned:\n  sums: {}\n  signature: {}\n  key: {}\n  \
                 fingerprint: {fingerprint}\n",
                server.url("consul_{version}_linux_{arch}.zip"),
                server.url("sums"),
                server.url("sums.sig"),
                server.url("key"),
            ),
        );
    };
    gpg(&home, &["--armor", "--output", &path("www/key"), "--export"]);
    let set = ["--set", "versions.consul=1.99.0", "--set", "vpn.endpoint=203.0.113.10", "--profiles", "profiles"];
    let lock = || run(&workplace, &[&["lock"], &set[..]].concat());
    let refused = |ran: Ran| {
        assert_eq!(ran.code(), Some(1), "{}", ran.stderr());
        assert!(!workplace.path("genhost.lock").exists());
        ran.stderr()
    };

    publish(&sha256(b"a consul"));
    profile(&"A".repeat(40));
    let told = refused(lock());
    assert!(told.contains(&format!("is signed by {fingerprint}, not by {}", "A".repeat(40))), "{told}");
    profile(&fingerprint);
    // One byte of the list is another one than was signed.
    let sums = std::fs::read_to_string(workplace.path("www/sums")).expect("sums");
    workplace.write("www/sums", sums.replace("darwin", "Darwin"));
    let told = refused(lock());
    assert!(told.contains("gpg failed: ") && told.contains("BAD signature"), "{told}");
    publish(&sha256(b"another consul"));
    let told = refused(lock());
    assert!(told.contains(&sha256(b"a consul")) && told.contains(&sha256(b"another consul")), "{told}");

    // A key of long ago, and what it signed in its day.
    let then = ["--faked-system-time", "20200101T000000"];
    let (old, expired) = key(workplace.path("old"), "1y", &then);
    let sign = ["--output", &path("www/sums.sig"), "--detach-sign", &path("www/sums")];
    gpg(&old, &[&then[..], &sign].concat());
    gpg(&old, &["--armor", "--output", &path("www/key"), "--export"]);
    profile(&expired);
    let told = refused(lock());
    assert!(told.contains("EXPKEYSIG"), "{told}");

    gpg(&home, &["--armor", "--output", &path("www/key"), "--export"]);
    profile(&fingerprint);
    publish(&sha256(b"a consul"));
    lock().stdout_of_success();
    let host = run(&workplace, &[&["--host", "swarm-local"], &set[..]].concat()).stdout_of_success();
    assert!(host.contains(&format!("amd64 {} {}", sha256(b"a consul"), server.url(file))), "{host}");
}

#[test]
fn an_archive_whose_signature_is_wrong_or_that_is_away_is_told_and_leaves_the_lock() {
    let this = Locked::new(SWARM_MODE);
    let lock = |archive: &[&str], keyring: &str| {
        this.workplace.write(
            "profiles/systems/debian-12.yaml",
            format!(
                "distribution: debian\nrelease: '12'\ncodename: bookworm\narchive:\n  sources: {{Debian: [bookworm main], \
                 Other: [bookworm main]}}\n  keyring: {keyring}\n  keyring_package: debian-archive-keyring\n"
            ),
        );
        let archives = archive.iter().flat_map(|archive| ["--archive", archive]);
        let ran = this.genhost(&["lock", "--profiles", "profiles"].into_iter().chain(archives).collect::<Vec<_>>());
        assert_eq!(ran.code(), Some(1), "{}", ran.stderr());
        assert!(!this.workplace.path("genhost.lock").exists());
        ran.stderr()
    };
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let unknown = lock(&[], keyring);
    assert!(unknown.contains("the URL of the archive `Other` is unknown"), "{unknown}");
    let nothing = this.server.url("nothing");
    let away = lock(&[&format!("Debian={nothing}"), &format!("Other={nothing}")], keyring);
    assert!(away.contains("apt-get failed: ") && away.contains("does not have a Release file"), "{away}");
    // One source of two is not enough: what the other has would be missing from the lock without a word.
    let half = lock(&["Other=http://127.0.0.1:9/debian"], keyring);
    assert!(half.contains("apt-get failed: "), "{half}");
    // The real archive, and nobody whose signature would count.
    this.workplace.write("empty.gpg", "");
    let apt = Command::new("apt-get").args(["indextargets", "--format", "$(LABEL) $(SITE)"]).output().expect("apt-get");
    let apt = String::from_utf8_lossy(&apt.stdout).into_owned();
    let real = apt.lines().find_map(|line| line.strip_prefix("Debian ")).expect("an archive of Debian");
    let unsigned = lock(&[&format!("Other={real}")], &this.workplace.path("empty.gpg").display().to_string());
    assert!(unsigned.contains("apt-get failed: ") && unsigned.contains("NO_PUBKEY"), "{unsigned}");
    let missing = lock(&[&format!("Other={nothing}")], "/nowhere/keyring.gpg");
    assert!(missing.contains("`/nowhere/keyring.gpg` is missing"), "{missing}");
    assert!(missing.contains("install the package `debian-archive-keyring`"), "{missing}");
}

#[test]
fn a_full_disk_is_told_and_the_next_run_goes_on() {
    let this = Locked::new(SWARM_MODE);
    std::fs::create_dir(this.workplace.path("cache")).expect("a folder");
    let genhost = env!("CARGO_BIN_EXE_genhost");
    let script =
        format!("mount -t tmpfs -o size=256k none cache && exec {genhost} lock --set vpn.endpoint=203.0.113.10");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-euc", &script])
        .current_dir(&this.workplace)
        .env("XDG_CACHE_HOME", this.workplace.path("cache"))
        .output()
        .expect("unshare");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(!this.workplace.path("genhost.lock").exists());
    this.genhost(&["lock"]).stdout_of_success();
}

#[test]
fn a_lock_that_is_killed_at_any_moment_leaves_the_old_one_whole() {
    let (workplace, _server) = unknown();
    let start = Instant::now();
    run(&workplace, &["lock"]).stdout_of_success();
    let whole = start.elapsed();
    let old = std::fs::read(workplace.path("genhost.lock")).expect("a lock");
    workplace.write("www/client-4.44-9807-rtm-x64.tar.gz", "another client");
    let update = ["lock", "--update", "softether_vpnclient", "--update", "debian-11"];
    let mut new = None;
    for moment in 0..14u32 {
        std::fs::write(workplace.path("genhost.lock"), &old).expect("a lock");
        let mut command = workplace.command(update);
        command.env("XDG_CACHE_HOME", workplace.path("cache")).stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("genhost");
        std::thread::sleep(whole.mul_f64(f64::from(moment) / 12.0).min(Duration::from_secs(10)));
        child.kill().expect("kill");
        let ended = child.wait().expect("an end").success();
        let there = std::fs::read(workplace.path("genhost.lock")).expect("a lock");
        if ended {
            new = Some(there);
        } else {
            assert!(there == old || Some(&there) == new.as_ref(), "killed at moment {moment}");
        }
        run(&workplace, &["lock", "--check"]).stdout_of_success();
    }
    run(&workplace, &update).stdout_of_success();
    let lock = std::fs::read_to_string(workplace.path("genhost.lock")).expect("a lock");
    assert!(lock.contains(&sha256(b"another client")), "{lock}");
}

/// Words that look like something else in YAML, and others.
fn locks() -> impl Strategy<Value = Lock> {
    let version = || {
        let plain = "[A-Za-z0-9.+~_:-]{1,64}";
        let odd = prop_oneof![
            Just("1.22"),
            Just("1e3"),
            Just("0x1f"),
            Just("~"),
            Just("null"),
            Just("yes"),
            Just("-"),
            Just("1:30"),
            Just(":"),
            Just("2026-11-25"),
            Just(".inf"),
            Just("0777"),
            Just("1_000"),
        ];
        prop_oneof![plain, odd.prop_map(str::to_owned)].prop_map(|text| Version::new(&text).expect("a version"))
    };
    let artifact = || "[a-z][a-z0-9_]{0,20}".prop_map(|text| ArtifactName::new(&text).expect("a name"));
    let hash = || "([0-9]{64}|[0-9a-f]{64}|[0-9]e[0-9]{62})".prop_map(|text| Sha256::new(&text).expect("a hash"));
    let url = || r"https?://[a-z0-9][!#-&(-\[\]-~]{0,40}".prop_map(|text| Url::new(&text).expect("a url"));
    let arch =
        || prop_oneof![Just("all"), Just("amd64"), Just("arm64")].prop_map(|text| Arch::new(text).expect("an arch"));
    let text = || "[ -~]{0,40}";
    let file = (hash(), any::<u32>(), vec(url(), 0..3)).prop_map(|(sha256, size, urls)| LockedFile {
        sha256,
        size: size.into(),
        urls,
    });
    let name = prop_oneof!["[a-z0-9][a-z0-9+.-]{1,20}", Just("no".to_owned()), Just("1e3".to_owned())]
        .prop_map(|text| PackageName::new(&text).expect("a package"));
    let package =
        (name, version(), arch(), any::<u32>(), hash(), url()).prop_map(|(name, version, arch, size, sha256, url)| {
            LockedPackage { name, version, arch, size: size.into(), sha256, url }
        });
    let system = (any::<u32>(), vec(text(), 0..3), vec(text(), 0..3), vec(package, 0..4)).prop_map(
        |(date, sources, asked, packages)| {
            let packages: BTreeMap<_, _> =
                packages.into_iter().map(|package| (package.name.clone(), package)).collect();
            LockedSystem { date: date.into(), sources, asked, packages: packages.into_values().collect() }
        },
    );
    let host = prop_oneof!["[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?", Just("no".to_owned()), Just("1e3".to_owned())]
        .prop_map(|text| HostName::new(&text).expect("a host"));
    let system_name = "[a-z0-9][a-z0-9.-]{0,10}".prop_map(|text| SystemName::new(&text).expect("a system"));
    let digest = hash().prop_map(|hash| ImageDigest::new(&format!("sha256:{hash}")).expect("a digest"));
    (
        btree_map(artifact(), btree_map(version(), btree_map(arch(), file, 1..3), 1..3), 0..3),
        btree_map(artifact(), btree_map(version(), digest, 1..3), 0..2),
        btree_map(host, any::<std::net::Ipv4Addr>(), 0..3),
        btree_map(system_name, btree_map(arch(), system, 1..3), 0..3),
    )
        .prop_map(|(artifacts, images, addresses, systems)| Lock { artifacts, images, addresses, systems })
}

proptest! {
    #[test]
    fn a_lock_is_read_as_it_was_written_and_no_byte_of_it_can_change(lock in locks(), at in any::<prop::sample::Index>()) {
        let text = lock.text().expect("a text");
        let parse = |text: &str| {
            let mut sources = Sources::default();
            let source = sources.add("genhost.lock", text);
            Lock::parse(&sources, source)
        };
        prop_assert_eq!(parse(&text), Ok(lock.clone()));
        let body = text.split_once("\nsha256: ").expect("a hash").1;
        let mut bytes = text.clone().into_bytes();
        let at = bytes.len() - 1 - at.index(body.len());
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        prop_assert!(parse(&String::from_utf8(bytes).expect("text")).is_err());
    }
}
