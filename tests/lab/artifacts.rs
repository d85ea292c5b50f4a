//! What the lab serves by HTTP: Consul as a zip of Debian's binary, SoftEther's source, images of containers. Hosts fetch and
//! check it as they would the real thing.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::softether_source;
use crate::internet::ROUTER;
use crate::sandbox::{Daemon, folder, root, run};

/// The archive of a classic Swarm image (`docker save`), which no registry of packages has.
pub const SWARM_IMAGE: &str = "GENHOST_LAB_SWARM_IMAGE";
/// The image that containers of the checks run, as its archive calls it. An engine of a swarm asks for it where it is said to be
/// from, even when it has it.
pub const BUSYBOX: &str = "localhost/busybox:lab";

/// Files below `target/lab/www` by name, with their SHA-256.
pub struct Artifacts {
    sums: BTreeMap<&'static str, String>,
    /// Whether there is an image of classic Swarm.
    pub has_swarm: bool,
    _server: Daemon,
}

/// The folder that the lab's server shows.
pub fn www() -> PathBuf {
    folder().join("www")
}

impl Artifacts {
    /// Makes them and serves them at port 80 of the router.
    pub fn serve() -> Self {
        let _ = std::fs::remove_dir_all(www());
        std::fs::create_dir_all(www()).expect("target/lab/www");
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        run("zip", &["-q", "-1", "-j", "-X", &path(www().join("consul.zip")), &path(root().join("usr/bin/consul"))]);
        std::fs::copy(softether_source(), www().join("softether.tar.xz")).expect("copy");
        busybox(&www().join("busybox.tar"));
        let swarm = std::env::var_os(SWARM_IMAGE);
        if let Some(archive) = &swarm {
            std::fs::copy(archive, www().join("swarm.tar")).unwrap_or_else(|error| panic!("{SWARM_IMAGE}: {error}"));
        }
        let names = ["consul.zip", "softether.tar.xz", "busybox.tar", "swarm.tar"];
        let there = names.into_iter().filter(|name| www().join(name).exists());
        let sums = there.map(|name| (name, sha256(&www().join(name)))).collect();
        let mut server = Command::new("python3");
        server.args(["-m", "http.server", "80", "--bind", ROUTER, "--directory"]).arg(www());
        Self { sums, has_swarm: swarm.is_some(), _server: Daemon::start(&mut server) }
    }

    /// `{urls: […], sha256: {…}}` of one, as cluster.yaml has it, for the platform that the lab runs on.
    pub fn pin(&self, name: &str) -> String {
        format!("{{urls: ['http://{ROUTER}/{name}'], sha256: {{all: {}}}}}", self.sums[name])
    }

    /// What a cluster.yaml has to say of the version of Consul, and of where the lab has it and the image of the checks.
    pub fn pins(&self) -> String {
        let (consul, busybox) = (self.pin("consul.zip"), self.pin("busybox.tar"));
        format!("versions: {{consul: 1.8.7}}\nartifacts:\n  consul: {consul}\nimages:\n  busybox: {busybox}\n")
    }
}

fn sha256(path: &Path) -> String {
    run("sha256sum", &[&path.to_string_lossy()])[..64].to_owned()
}

/// An image of busybox in the format of `docker save`: one layer, made of Debian's static binary.
fn busybox(archive: &Path) {
    let folder = folder().join("run/busybox");
    let layer = folder.join("layer");
    std::fs::create_dir_all(layer.join("bin")).expect("a folder");
    let program = root().join("bin/busybox");
    std::fs::copy(&program, layer.join("bin/busybox")).expect("busybox in the root: run `.ci/setup`");
    let applets = run(&program.to_string_lossy(), &["--list"]);
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", layer.join("bin").join(applet)).expect("a link");
    }
    // The program is static, but glibc looks names up with libraries of its own version.
    for library in ["libc.so.6", "libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2", "ld-linux-x86-64.so.2"] {
        let library = Path::new("lib/x86_64-linux-gnu").join(library);
        std::fs::create_dir_all(layer.join("lib/x86_64-linux-gnu")).expect("a folder");
        std::fs::copy(root().join(&library), layer.join(&library)).expect("glibc in the root");
    }
    symlink("lib/x86_64-linux-gnu", layer.join("lib64")).expect("a link");
    let tar = |from: &Path, to: &Path, what: &[&str]| {
        let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
        let flags = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-C", &from, "-cf", &to];
        run("tar", &[&flags, what].concat());
    };
    tar(&layer, &folder.join("layer.tar"), &["bin", "lib", "lib64"]);
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&folder.join("layer.tar")))]},
    });
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": [BUSYBOX], "Layers": ["layer.tar"]}]);
    std::fs::write(folder.join("config.json"), config.to_string()).expect("config.json");
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("manifest.json");
    tar(&folder, archive, &["config.json", "layer.tar", "manifest.json"]);
}
