//! Seed images as their readers see them: blkid, xorriso and libarchive, by each of the three ways to name files.

mod fixture;

use std::process::{Command, Output};

use fixture::Workplace;
use fixture::pace::Pace;
use sha2::Digest;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn read(workplace: &Workplace, program: &str, arguments: &[&str]) -> String {
    let paths = ["/usr/bin", "/usr/sbin"].map(|folder| std::path::Path::new(folder).join(program));
    assert!(paths.iter().any(|path| path.exists()), "{program} is missing: run `.ci/setup`");
    let output = Command::new(program).args(arguments).current_dir(workplace).output().expect("a program");
    assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
    said(&output)
}

const SEED: [&str; 7] = ["image", "--host", "swarm-local", "--format", "seed", "-o", "seed.iso"];

#[test]
fn every_reader_finds_the_files_under_their_names() {
    let workplace = Workplace::new();
    workplace.genhost(SEED).stdout_of_success();
    let user_data = workplace.genhost(["--host", "swarm-local"]).stdout_of_success();
    let found = read(&workplace, "blkid", &["-p", "-o", "export", "seed.iso"]);
    assert!(found.contains("LABEL=CIDATA\n") && found.contains("TYPE=iso9660\n"), "{found}");

    // By Rock Ridge, every byte and mode; -find lists nothing else.
    let listed = read(&workplace, "xorriso", &["-indev", "seed.iso", "-find", "/", "-exec", "lsdl"]);
    let listed: Vec<&str> = listed.lines().filter(|line| line.contains("Jan  1  1980")).collect();
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed[0].starts_with("dr-xr-xr-x") && listed[0].ends_with("'/'"), "{listed:?}");
    assert!(listed[1].starts_with("-r--------") && listed[1].ends_with("'/meta-data'"), "{listed:?}");
    read(&workplace, "xorriso", &["-osirrox", "on", "-indev", "seed.iso", "-extract", "/", "rock-ridge"]);
    // By Joliet, which is what libarchive takes where it is told to forget Rock Ridge; by neither, the short names.
    for (ways, folder) in [("!rockridge", "joliet"), ("!rockridge,!joliet", "plain")] {
        std::fs::create_dir(workplace.path(folder)).expect("a folder");
        let ways = format!("iso9660:{}", ways.replace(',', ",iso9660:"));
        read(&workplace, "bsdtar", &["-x", "-f", "seed.iso", "-C", folder, "--options", &ways]);
    }
    let text = |path: &str| std::fs::read_to_string(workplace.path(path)).expect(path);
    for path in ["rock-ridge/user-data", "joliet/user-data", "plain/USER_DAT"] {
        assert_eq!(text(path), user_data, "{path}");
    }
    let meta_data = text("rock-ridge/meta-data");
    assert!(meta_data.starts_with("instance-id: genhost-") && meta_data.ends_with("\nlocal-hostname: swarm-local\n"));
    for path in ["joliet/meta-data", "plain/META_DAT"] {
        assert_eq!(text(path), meta_data, "{path}");
    }
}

#[test]
fn a_seed_is_an_instance_of_its_own_when_its_host_is_made_otherwise() {
    let workplace = Workplace::new();
    let instance = |set: &str| {
        workplace
            .genhost(["image", "--host", "swarm-local", "--format", "dir", "-o", "seed", "--set", set])
            .stdout_of_success();
        let meta_data = std::fs::read_to_string(workplace.path("seed/meta-data")).expect("meta-data");
        meta_data.lines().next().expect("a line").to_owned()
    };
    let first = instance("vpn.endpoint=203.0.113.10");
    assert_ne!(first, instance("vpn.endpoint=203.0.113.11"));
    assert_eq!(first, instance("vpn.endpoint=203.0.113.10"));
    let files = std::fs::read_dir(workplace.path("seed")).expect("a folder");
    assert_eq!(files.count(), 2);
    // Nothing is left over of the three runs.
    let names = std::fs::read_dir(&workplace).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".genhost")));
}

#[test]
fn every_cloud_init_makes_the_network_that_is_asked_for() {
    let workplace = Workplace::new();
    let network = "hosts.swarm-local={roles: [swarm-agent], platform: bare, network: {interface: eno1, \
        address: 192.168.1.20/24, gateway: 192.168.1.1, nameservers: [192.168.1.1, 9.9.9.9]}}";
    let seed = ["image", "--host", "swarm-local", "--format", "dir", "-o", "seed", "--set", network];
    let new = concat!(env!("CARGO_MANIFEST_DIR"), "/target/roots/cloud-init-new/cloud-init");
    assert!(std::path::Path::new(new).exists(), "{new} is missing: run `.ci/setup`");
    for (interface, name) in [("eno1", "eno1"), ("52:54:00:12:34:56", "lan")] {
        let set = format!("hosts.swarm-local.network.interface={interface}");
        workplace.genhost([&seed[..], &["--set", &set]].concat()).stdout_of_success();
        for program in ["cloud-init", new] {
            for (kind, file) in [("eni", "etc/network/interfaces"), ("netplan", "etc/netplan/50-cloud-init.yaml")] {
                let convert = format!(
                    "rm -rf out; {program} devel net-convert -p seed/network-config -k yaml -d out -D debian -O {kind} >&2"
                );
                read(&workplace, "sh", &["-euc", &convert]);
                let found =
                    walkdir::WalkDir::new(workplace.path("out")).into_iter().map(|entry| entry.expect("a file"));
                let files = found.filter(|entry| entry.file_type().is_file());
                let text: String = files.map(|entry| std::fs::read_to_string(entry.path()).expect("text")).collect();
                for word in [name, "192.168.1.20", "192.168.1.1", "9.9.9.9"] {
                    assert!(text.contains(word), "{program} {kind} {file}: no {word} in {text}");
                }
                assert!(text.contains("default") || text.contains("0.0.0.0"), "{program} {kind}: no route in {text}");
            }
        }
    }
    // A seed that had a network loses it with the host.
    workplace.genhost(&seed[..7]).stdout_of_success();
    assert!(!workplace.path("seed/network-config").exists());
}

/// Modules of the kernel of `.ci/setup`, in the order in which they load.
const MODULES: [&str; 8] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "cdrom",
    "isofs",
];

/// A root file system as an initramfs: Debian 12 with cloud-init, without the large programs that nobody runs here.
const PACK: &str = "cp -a \"$1\"/. root; cp -r guest/. root
    cd root; rm -rf usr/bin/docker* usr/bin/containerd* usr/bin/ctr usr/sbin/dockerd usr/libexec/softether usr/share/locale var/cache
    cp /bin/busybox busybox; mv init.sh init; chmod 755 init; systemctl -q --root=. enable report.service; systemctl -q --root=. mask serial-getty@ttyS0.service
    find . | cpio --quiet -o -H newc >../initramfs";

#[test]
fn a_guest_that_boots_with_the_image_is_what_it_says() {
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let need = |path: &str| {
        assert!(base.join(path).exists(), "{path} is missing: run `.ci/setup`");
        base.join(path).display().to_string()
    };
    let (kernel, root) = (need("target/kernel/vmlinuz"), need("target/roots/bookworm"));
    let workplace = Workplace::new();
    workplace.genhost(SEED).stdout_of_success();
    workplace.write("guest/init.sh", include_str!("seed/init"));
    workplace.write("guest/report", include_str!("seed/report"));
    workplace.write("guest/etc/systemd/system/report.service", include_str!("seed/report.service"));
    workplace.write("guest/modules/order", MODULES.join("\n") + "\n");
    for module in MODULES {
        let bytes = std::fs::read(need(&format!("target/kernel/modules/{module}.ko"))).expect("a module");
        workplace.write(&format!("guest/modules/{module}.ko"), bytes);
    }
    std::fs::create_dir(workplace.path("root")).expect("a folder");
    read(&workplace, "sh", &["-euc", PACK, "sh", &root]);
    // By software emulation: this has to run where no machine can be virtualized.
    let hangs = Pace::UNKNOWN.seconds(60).as_secs().to_string();
    let guest =
        ["-k1", &hangs, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"];
    let disks =
        ["-drive", "file=seed.iso,if=virtio,format=raw,readonly=on", "-nic", "none", "-nographic", "-no-reboot"];
    let boot = ["-kernel", &kernel, "-initrd", "initramfs", "-append", "console=ttyS0 quiet panic=-1"];
    let console = read(&workplace, "timeout", &[&guest[..], &disks, &boot].concat()).replace('\r', "");
    let report: Vec<&str> =
        console.lines().filter_map(|line| line.split_once("report: ")).map(|(_, text)| text).collect();

    let id = workplace.genhost(["--host", "swarm-local", "--format", "json"]).stdout_of_success();
    let tree: serde_json::Value = serde_json::from_str(&id).expect("JSON");
    let sum = |bytes: &str| sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let file = |path: &str| format!("{}  {path}", sum(tree["files"][path]["content"]["text"].as_str().expect("text")));
    let user_data = workplace.genhost(["--host", "swarm-local"]).stdout_of_success();
    let expected = [
        "from config-disk (/dev/vda)".to_owned(),
        format!("instance genhost-{}", &sum(&id)[..12]),
        "hostname swarm-local".to_owned(),
        format!("{}  /var/lib/cloud/instance/user-data.txt", sum(&user_data)),
        file("/etc/genhost/firewall.nft"),
        file("/usr/lib/genhost/vpn-ready"),
        "end".to_owned(),
    ];
    assert_eq!(report, expected, "{console}");
}
