//! Docker's own packages, from an archive that is laid out as Docker's is: cloud-init and apt of a Debian 12 without gpg, as cloud
//! images are.

mod fixture;

use std::path::Path;
use std::process::{Command, Output};

use fixture::Workplace;
use fixture::disks::run;
use fixture::gpg::{gpg, key};
use fixture::root::in_root;

/// The version that the stack pins.
const PINNED: &str = "5:28.0.4-1~debian.12~bookworm";
/// One that Docker has published since.
const NEWER: &str = "5:28.1.0-1~debian.12~bookworm";
/// Where the host finds the archive, in its own namespace.
const ARCHIVE: &str = "http://127.0.0.1:8000/linux";

/// A folder with an archive, and the user-data of a host that takes Docker from there.
struct Fetched {
    workplace: Workplace,
}

impl Fetched {
    /// The archive is signed by the key in this home; the host believes the one in the other.
    fn new(signer: &Path, believed: &Path, fingerprint: &str) -> Self {
        let workplace = Workplace::new();
        for version in [PINNED, NEWER] {
            let conflicts = "Conflicts: docker.io\nReplaces: docker.io\n";
            build(&workplace, "docker-ce", version, &format!("Depends: containerd.io, docker-ce-cli\n{conflicts}"));
            build(&workplace, "docker-ce-cli", version, conflicts);
        }
        build(&workplace, "containerd.io", "1.7.27-1", "Conflicts: containerd, runc\nReplaces: containerd, runc\n");
        sign(&workplace, signer);

        let component = include_str!("../templates/docker/component.yaml");
        assert!(component.contains("https://download.docker.com/linux"), "{component}");
        let component = component.replace("https://download.docker.com/linux", ARCHIVE);
        let component = component.replace("9DC858229FC7DD38854AE2D88D81803C0EBFCD88", fingerprint);
        workplace.write("templates/docker/component.yaml", component);
        workplace.write("templates/docker/docker.asc", gpg(believed, &["--armor", "--export"]));
        let arguments =
            "--role agent --set vpn.endpoint=203.0.113.10 --set install.docker=upstream --templates templates";
        workplace.write("user-data", workplace.genhost(arguments.split(' ')).stdout_of_success());
        Self { workplace }
    }

    /// What the host says once cloud-init has seen to its packages.
    fn boot(&self, script: &str) -> Output {
        self.boot_with("(cd /archive && exec python3 -m http.server -b 127.0.0.1 8000) >/dev/null 2>&1 &", script)
    }

    /// The same while the archive is down.
    fn boot_without_archive(&self, script: &str) -> Output {
        self.boot_with("", script)
    }

    fn boot_with(&self, archive: &str, script: &str) -> Output {
        let script = format!(
            "{archive}
             seed=/var/lib/cloud/seed/nocloud
             mkdir -p $seed
             cp /user-data $seed/user-data
             echo 'instance-id: i-1' >$seed/meta-data
             echo 'datasource_list: [NoCloud]\nnetwork: {{config: disabled}}' >/etc/cloud/cloud.cfg.d/99-test.cfg
             (cloud-init init --local; cloud-init init; cloud-init single --name apt_configure
              cloud-init single --name package_update_upgrade_install) >/said 2>&1 || :
             {script}"
        );
        in_root("bookworm", self.workplace.as_ref(), "cp -r archive user-data disk/root/", &script)
    }
}

/// Makes a package of nothing: which one apt takes is the question.
fn build(workplace: &Workplace, name: &str, version: &str, more: &str) {
    let fields = "Architecture: amd64\nMaintainer: nobody <nobody@example.com>\nDescription: nothing\n";
    let control = format!("Package: {name}\nVersion: {version}\n{fields}{more}");
    workplace.write("package/DEBIAN/control", control);
    let pool = workplace.path("archive/linux/debian/dists/bookworm/pool");
    std::fs::create_dir_all(&pool).expect("a folder");
    run(Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(workplace.path("package")).arg(pool));
}

/// Makes the indexes, as a folder of one component and one architecture has them.
fn sign(workplace: &Workplace, home: &Path) {
    let archive = workplace.path("archive/linux/debian");
    let packages = "dists/bookworm/stable/binary-amd64/Packages";
    let scan = ["--multiversion", "dists/bookworm/pool"];
    let index = run(Command::new("dpkg-scanpackages").args(scan).current_dir(&archive));
    workplace.write(&format!("archive/linux/debian/{packages}"), &index);
    let hash = genhost::result::sha256(index.as_bytes());
    let release = format!(
        "Origin: Docker\nLabel: Docker CE\nSuite: bookworm\nCodename: bookworm\nComponents: stable\nArchitectures: amd64\n\
         Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {hash} {} {}\n",
        index.len(),
        packages.trim_start_matches("dists/bookworm/")
    );
    workplace.write("Release", release);
    let path = |name: &str| workplace.path(name).display().to_string();
    let signed = path("archive/linux/debian/dists/bookworm/InRelease");
    gpg(home, &["--output", &signed, "--clearsign", &path("Release")]);
}

#[test]
fn docker_comes_from_its_own_archive_in_the_pinned_version_and_by_its_key_alone() {
    let keys = Workplace::empty();
    let (own, fingerprint) = key(keys.path("own"), "never", &[]);
    let (other, _) = key(keys.path("other"), "never", &[]);

    let versions = "dpkg-query -W docker-ce docker-ce-cli containerd.io || { cat /said; exit 1; }";
    // What Docker publishes later is for its owner to take.
    let script = format!("{versions}\napt-get -q -y dist-upgrade >/dev/null\n{versions}\n! command -v gpg || exit 1");
    let output = Fetched::new(&own, &own, &fingerprint).boot(&script);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let once = format!("containerd.io\t1.7.27-1\ndocker-ce\t{PINNED}\ndocker-ce-cli\t{PINNED}\n");
    assert_eq!(text, once.repeat(2));
    assert!(output.status.success(), "{}", output.status);

    let output = Fetched::new(&other, &own, &fingerprint)
        .boot("cat /said; dpkg -s docker-ce | grep '^Status: .* installed' && exit 1 || :");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("NO_PUBKEY") && text.contains("is not signed"), "{text}");
    assert!(output.status.success(), "{}", output.status);
}

/// cloud-init asks apt once, and an archive that is down then, or a clock that is wrong, is no reason to stay without packages.
#[test]
fn a_first_boot_asks_an_archive_that_was_down_again() {
    let keys = Workplace::empty();
    let (own, fingerprint) = key(keys.path("own"), "never", &[]);
    let script = "
        dpkg-query -W docker-ce | grep 28 && exit 1
        # No systemd runs here: its part ends before it begins, and every unit is missing.
        sed -i /daemon-reload/d /usr/lib/genhost/first-boot
        /usr/lib/genhost/first-boot >/again 2>&1 && exit 1
        grep -F 'genhost: packages are missing' /again || { cat /again; exit 1; }
        (cd /archive && exec python3 -m http.server -b 127.0.0.1 8000) >/dev/null 2>&1 &
        until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000))' 2>/dev/null; do sleep 0.1; done
        timeout 45 /usr/lib/genhost/first-boot >/again 2>&1 || :
        dpkg-query -W docker-ce | grep 28 || { cat /again /etc/apt/sources.list.d/*; tail -n40 /var/log/apt/* /var/log/cloud-init-output.log; exit 1; }
        [ ! -e /usr/sbin/policy-rc.d ]";
    let output = Fetched::new(&own, &own, &fingerprint).boot_without_archive(script);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains(&format!("docker-ce\t{PINNED}")), "{text}");
}
