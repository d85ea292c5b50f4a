//! How long a host takes from power-on to its work, from a disk image of genhost's, beside the same user-data on a distribution
//! as it comes, which installs from a repository on this machine: guests by software emulation, one after the other in one
//! run, so that the ratio means something. About a quarter of an hour. `cargo bench --bench boot`

#[path = "../../tests/fixture/mod.rs"]
mod fixture;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fixture::disks::{Locked, run, store};
use fixture::guest::{Forward, Guest};
use fixture::need;
use genhost::result::sha256;

const HOST: &str = "swarm-node0";
/// Where a guest finds the server of this machine, on port 80.
const WEB: &str = "10.0.2.100";

fn main() {
    let (locked, server) = Locked::new("boot", "debian-12", &[&format!("http://{WEB}/consul.zip")]);
    let image = ["image", "--host", HOST, "--format", "raw", "--sealed", "-o", "own.raw"];
    run(&mut locked.genhost(&image));
    run(&mut locked.genhost(&["image", "--host", HOST, "--format", "seed", "-o", "seed.iso"]));
    make_repository(&locked.folder);
    make_stock(&locked);

    let own = seconds(&locked.folder, "own.raw", &[]);
    let stock = seconds(&locked.folder, "stock.raw", &[Forward::Out { address: WEB, port: 80, here: server.port() }]);
    for ((what, own), (_, stock)) in own.iter().zip(&stock) {
        println!("{what}: {own:.0} s from its disk image, {stock:.0} s from a stock root, ratio {:.2}", own / stock);
    }
}

/// What a host has to come to, in this order, and how it is asked.
const STEPS: [(&str, &str); 3] = [
    ("cloud-init is done", "cloud-init status | grep -q done"),
    (
        "every unit is active and the swarm answers",
        "systemctl is-active genhost.target && docker node ls && \
         for unit in $(sed -n s/^Wants=//p /etc/systemd/system/genhost.target); do systemctl is-active $unit || exit; done",
    ),
    ("its own check is content", "genhost-verify 900"),
];

/// From power-on to each step.
fn seconds(folder: &Path, disk: &str, forwards: &[Forward]) -> [(&'static str, f64); 3] {
    let begin = Instant::now();
    let seed = folder.join("seed.iso").display().to_string();
    let guest = Guest::boot(&folder.join(disk), forwards, &["-cdrom", &seed]);
    STEPS.map(|(what, command)| {
        guest.wait(command);
        (what, begin.elapsed().as_secs_f64())
    })
}

/// What the lock names, as a repository of packages in the server's folder.
fn make_repository(folder: &Path) {
    let www = folder.join("www");
    let lock = std::fs::read_to_string(folder.join("genhost.lock")).expect("a lock");
    for file in std::fs::read_dir(store().join("genhost")).expect("a store").flatten() {
        let name = file.file_name().into_string().expect("a hash");
        if lock.contains(&name) {
            std::os::unix::fs::symlink(file.path(), www.join(format!("{name}.deb"))).expect("a link");
        }
    }
    std::fs::remove_file(www.join(format!("{}.deb", hash(&www.join("consul.zip"))))).expect("Consul is locked");
    let packages = run(Command::new("dpkg-scanpackages").args(["--multiversion", "."]).current_dir(&www));
    assert!(packages.contains("Package: docker.io\n"), "no docker.io in the repository");
    let sum = sha256(packages.as_bytes());
    let mut release = "Suite: local\nSHA256:\n".to_owned();
    writeln!(release, " {sum} {} Packages", packages.len()).expect("a text");
    std::fs::write(www.join("Packages"), packages).expect("a file");
    std::fs::write(www.join("Release"), release).expect("a file");
}

fn hash(file: &Path) -> String {
    sha256(&std::fs::read(file).expect("a file")).to_string()
}

/// A disk without anything of genhost's: its packages come from the repository, and cloud-init installs them as it does elsewhere.
fn make_stock(locked: &Locked) {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/boot");
    let inputs = [
        "--file",
        &format!("{here}/stock.yaml"),
        "--profiles",
        &format!("{here}/profiles"),
        "--lock",
        "stock.lock",
        "--secrets",
        "secrets.yaml",
    ];
    run(&mut locked.genhost_alone(&[&["lock"], &inputs[..]].concat()));
    let image = ["image", "--host", "plain", "--format", "raw", "--sealed", "-o", "stock.raw"];
    run(&mut locked.genhost_alone(&[&image, &inputs[..]].concat()));
    let sources = format!("deb [trusted=yes] http://{WEB}/ ./\n");
    std::fs::write(locked.folder.join("sources.list"), &sources).expect("a file");
    let commands =
        "rm /etc/cloud/cloud.cfg.d/95_genhost.cfg\ncd /etc/apt\nrm sources.list\nwrite sources.list sources.list\n";
    std::fs::write(locked.folder.join("commands"), commands).expect("a file");
    let disk = format!("stock.raw?offset={}", genhost::emit::disk::root_offset());
    let debugfs = |words: &[&str]| {
        let mut command = Command::new(need("target/e2fsprogs/bin/debugfs"));
        run(command.args(words).arg(&disk).current_dir(&locked.folder))
    };
    debugfs(&["-w", "-f", "commands"]);
    // It ends well whatever its commands do.
    assert_eq!(debugfs(&["-R", "cat /etc/apt/sources.list"]), sources);
    assert!(
        !debugfs(&["-R", "ls -p /etc/cloud/cloud.cfg.d"]).contains("95_genhost"),
        "cloud-init would install nothing"
    );
    // Room for what is to be installed: the root file system grows into it at the first boot.
    let grown = std::fs::OpenOptions::new().write(true).open(locked.folder.join("stock.raw")).expect("a disk");
    grown.set_len(6 << 30).expect("room");
}
