//! A laptop with a kernel of its own, in QEMU: this machine's has neither PPP nor IPsec. It is nothing but an initramfs of this
//! machine's strongSwan, xl2tpd and pppd, whose first process is `l2tp/init`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::pace;
use crate::sandbox::{folder, run};

/// What `.ci/setup` takes out of Debian's kernel package: the kernel and these modules, in the order in which they load.
const KERNEL: &str = "target/kernel";
const MODULES: [&str; 26] = [
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    // IPsec's initialization vectors are random
    "crypto/jitterentropy_rng",
    "crypto/ansi_cprng",
    "crypto/drbg",
    "crypto/authenc",
    "crypto/echainiv",
    "net/xfrm/xfrm_algo",
    "net/xfrm/xfrm_user",
    "net/key/af_key",
    "net/ipv4/esp4",
    "net/ipv4/udp_tunnel",
    "net/ipv6/ip6_udp_tunnel",
    "drivers/net/slip/slhc",
    "drivers/net/ppp/ppp_generic",
    "drivers/net/ppp/ppp_async",
    "drivers/net/ppp/pppox",
    "net/l2tp/l2tp_core",
    "net/l2tp/l2tp_netlink",
    "net/l2tp/l2tp_ppp",
];
/// Programs of this machine's; the libraries that they need come along.
const PROGRAMS: [&str; 6] = [
    "/usr/sbin/xl2tpd",
    "/usr/sbin/pppd",
    "/usr/lib/ipsec/charon",
    "/usr/lib/ipsec/starter",
    "/usr/lib/ipsec/stroke",
    "/usr/bin/ip",
];
const FILES: [(&str, &str); 5] = [
    ("init", include_str!("l2tp/init")),
    ("etc/ipsec.conf", include_str!("l2tp/ipsec.conf")),
    ("etc/ipsec.secrets", include_str!("l2tp/ipsec.secrets")),
    ("etc/xl2tpd/xl2tpd.conf", include_str!("l2tp/xl2tpd.conf")),
    ("etc/ppp/options", include_str!("l2tp/options")),
];

/// Boots it on the internet, and gives what its console showed until it switched itself off. When it hangs it is ended.
pub fn boot() -> String {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join(KERNEL);
    let initramfs = initramfs(&base);
    run("ip", &["tuntap", "add", "dev", "l2tp", "mode", "tap"]);
    run("ip", &["link", "set", "l2tp", "master", "br0", "up"]);
    let output = Command::new("timeout")
        .args([
            "-k1",
            &pace().seconds(120).as_secs().to_string(),
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "512",
            "-nographic",
            "-no-reboot",
        ])
        .args(["-append", "console=ttyS0 quiet panic=-1", "-device", "virtio-net-pci,netdev=n"])
        .args(["-netdev", "tap,id=n,ifname=l2tp,script=no,downscript=no"])
        .arg("-kernel")
        .arg(base.join("vmlinuz"))
        .arg("-initrd")
        .arg(initramfs)
        .output()
        .expect("timeout");
    run("ip", &["link", "del", "l2tp"]);
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

fn initramfs(base: &Path) -> PathBuf {
    let root = folder().join("run/l2tp");
    let inside = |path: &str| {
        let path = root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    };
    for empty in ["proc/x", "sys/x", "dev/x", "tmp/x", "run/x", "var/run/xl2tpd/x", "etc/ipsec.d/x"] {
        inside(empty);
    }
    let copy = |path: &str| {
        std::fs::copy(path, inside(path)).unwrap_or_else(|error| panic!("{path}: {error}: run `.ci/setup`"));
    };
    let folder_of = |folder: &str, ends: &str| {
        let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}: run `.ci/setup`"));
        let files = files.flatten().map(|file| file.path().to_string_lossy().into_owned());
        files.filter(|file| file.ends_with(ends)).collect::<Vec<_>>()
    };
    let mut programs: Vec<String> = PROGRAMS.map(str::to_owned).to_vec();
    programs.extend(folder_of("/usr/lib/ipsec/plugins", ".so"));
    for version in folder_of("/usr/lib/pppd", "") {
        programs.push(format!("{version}/pppol2tp.so"));
    }
    for program in &programs {
        copy(program);
        let libraries = Command::new("ldd").arg(program).output().expect("ldd");
        let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
        libraries.split_whitespace().filter(|word| word.starts_with('/')).for_each(copy);
    }
    for conf in folder_of("/etc/strongswan.d/charon", ".conf").iter().chain(&folder_of("/etc/strongswan.d", ".conf")) {
        copy(conf);
    }
    copy("/etc/strongswan.conf");
    copy("/bin/busybox");
    for applet in ["sh", "mount", "insmod", "sleep", "grep", "ping", "timeout", "wget", "poweroff"] {
        std::os::unix::fs::symlink("/bin/busybox", inside(&format!("bin/{applet}"))).expect("a link");
    }
    let mut order = String::new();
    for module in MODULES {
        let name = Path::new(module).file_name().expect("a name").to_string_lossy();
        let from = base.join(format!("modules/{name}.ko"));
        std::fs::copy(&from, inside(&format!("lib/{name}.ko"))).unwrap_or_else(|error| panic!("{from:?}: {error}"));
        order += &format!("{name}\n");
    }
    std::fs::write(inside("modules"), order).expect("a list");
    std::fs::write(inside("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("passwd");
    for (path, text) in FILES {
        std::fs::write(inside(path), text).expect("a file");
    }
    std::fs::set_permissions(inside("init"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let archive = folder().join("run/l2tp.cpio");
    run(
        "sh",
        &[
            "-euc",
            "cd \"$1\"; find . | cpio --quiet -o -H newc >\"$2\"",
            "sh",
            &root.to_string_lossy(),
            &archive.to_string_lossy(),
        ],
    );
    archive
}
