//! Mirrors, filled from a server of the test's own on loopback.

mod fixture;

use fixture::server::Server;
use fixture::{Ran, Workplace};
use genhost::cluster::{Arch, ArtifactName, Sha256, Url, Version};
use genhost::lock::{Lock, LockedFile};
use genhost::result::sha256;
use serde_json::Value;

/// A cluster whose artifacts are these files of a server.
struct Mirrored {
    workplace: Workplace,
    server: Server,
    consul: Vec<u8>,
    image: Vec<u8>,
}

fn mirrored(consul_urls: &[&str]) -> Mirrored {
    let workplace = Workplace::new();
    let consul: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let image = b"not really an image".to_vec();
    workplace.write("www/consul.zip", &consul);
    workplace.write("www/image.tar", &image);
    let server = Server::start(&workplace.path("www"));
    let urls: Vec<String> = consul_urls.iter().map(|url| format!("'{}'", server.url(url))).collect();
    let cluster = format!(
        "{}\nartifacts:\n  consul: {{urls: [{}], sha256: {{amd64: {}}}}}\nimages:\n  web: {{urls: ['{}'], sha256: {{all: {}}}}}\n",
        include_str!("../profiles/clusters/swarm-mode.yaml"),
        urls.join(", "),
        sha256(&consul),
        server.url("image.tar"),
        sha256(&image),
    );
    workplace.write("cluster.yaml", cluster);
    Mirrored { workplace, server, consul, image }
}

impl Mirrored {
    fn fill(&self) -> Ran {
        self.workplace.genhost(["mirror", "mirror", "--set", "vpn.endpoint=203.0.113.10"])
    }

    /// The names in the mirror, and that each is the hash of what is in it.
    fn holds(&self, expected: &[&[u8]]) {
        let mut names: Vec<String> = std::fs::read_dir(self.workplace.path("mirror"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        let mut hashes: Vec<String> = expected.iter().map(|bytes| sha256(bytes)).collect();
        hashes.sort();
        assert_eq!(names, hashes);
        for name in names {
            let bytes = std::fs::read(self.workplace.path(&format!("mirror/{name}"))).expect("a file");
            assert_eq!(sha256(&bytes), name);
        }
    }
}

#[test]
fn a_mirror_is_filled_once_and_mended_when_a_file_rots() {
    let this = mirrored(&["gone/nothing.zip", "consul.zip"]);
    this.fill().stdout_of_success();
    this.holds(&[&this.consul, &this.image]);
    assert_eq!(this.server.asked().len(), 3);
    this.fill().stdout_of_success();
    assert_eq!(this.server.asked(), Vec::<String>::new());
    this.workplace.write(&format!("mirror/{}", sha256(&this.image)), "rotten");
    this.fill().stdout_of_success();
    assert_eq!(this.server.asked(), ["/image.tar -"]);
    this.holds(&[&this.consul, &this.image]);
}

#[test]
fn what_broke_off_goes_on_where_it_ended() {
    let this = mirrored(&["broken/consul.zip"]);
    let ran = this.fill();
    assert_eq!(ran.code(), Some(1));
    assert!(ran.stderr().contains("cannot be fetched: "), "{}", ran.stderr());
    this.server.asked();
    this.fill().stdout_of_success();
    let asked = this.server.asked();
    assert!(asked.contains(&format!("/broken/consul.zip bytes={}-", this.consul.len() / 2)), "{asked:?}");
    this.holds(&[&this.consul, &this.image]);
}

#[test]
fn half_of_another_file_costs_no_good_url_its_name() {
    let this = mirrored(&["consul.zip"]);
    std::fs::create_dir(this.workplace.path("mirror")).expect("a folder");
    let part = format!("mirror/.{}.part", sha256(&this.consul));
    this.workplace.write(&part, "half of something else");
    this.fill().stdout_of_success();
    this.holds(&[&this.consul, &this.image]);
}

#[test]
fn a_server_that_lies_is_told_with_both_hashes_and_leaves_nothing() {
    let this = mirrored(&["consul.zip"]);
    this.workplace.write("www/consul.zip", "something else");
    let ran = this.fill();
    let told = ran.stderr();
    assert_eq!(ran.code(), Some(1));
    assert!(told.contains(&sha256(&this.consul)) && told.contains(&sha256(b"something else")), "{told}");
    let left =
        std::fs::read_dir(this.workplace.path("mirror")).expect("a folder").map(|entry| entry.expect("an entry"));
    assert!(left.into_iter().all(|entry| entry.file_name().to_string_lossy() == sha256(&this.image)));
}

/// A lock with the size of Consul's file in it.
fn lock(this: &Mirrored) -> String {
    let file = LockedFile {
        sha256: Sha256::new(&sha256(&this.consul)).expect("a hash"),
        size: this.consul.len() as u64,
        urls: vec![Url::new("https://releases.example.com/consul.zip").expect("a url")],
    };
    let mut lock = Lock::default();
    let versions = lock.artifacts.entry(ArtifactName::new("consul").expect("a name")).or_default();
    let files = versions.entry(Version::new("1.22.7").expect("a version")).or_default();
    files.insert(Arch::new("amd64").expect("an architecture"), file);
    lock.text().expect("a lock")
}

#[test]
fn a_server_that_never_ends_is_left_for_the_next_one() {
    let this = mirrored(&["endless/consul.zip", "consul.zip"]);
    this.workplace.write("genhost.lock", lock(&this));
    this.fill().stdout_of_success();
    this.holds(&[&this.consul, &this.image]);
    let alone = mirrored(&["endless/consul.zip"]);
    alone.workplace.write("genhost.lock", lock(&alone));
    let ran = alone.fill();
    assert_eq!(ran.code(), Some(1));
    let told = format!("it is longer than {} bytes", alone.consul.len());
    assert!(ran.stderr().contains(&told), "{}", ran.stderr());
    let part = alone.workplace.path(&format!("mirror/.{}.part", sha256(&alone.consul)));
    assert_eq!(std::fs::metadata(part).expect("a file").len(), 0);
}

#[test]
fn hosts_fetch_from_the_mirror_alone() {
    let this = mirrored(&["consul.zip"]);
    let set = ["--set", "mirror=http://10.0.0.5/genhost/", "--set", "vpn.endpoint=203.0.113.10"];
    for host in ["swarm-node0", "swarm-local"] {
        let tree = this.workplace.genhost([&["--host", host, "--format", "json"], &set[..]].concat());
        let tree: Value = serde_json::from_str(&tree.stdout_of_success()).expect("JSON");
        let urls: Vec<&str> = tree["artifacts"]
            .as_object()
            .expect("artifacts")
            .values()
            .flat_map(|artifact| artifact["files"].as_object().expect("files").values())
            .flat_map(|pin| pin["urls"].as_array().expect("urls").iter().filter_map(Value::as_str))
            .collect();
        assert_eq!(urls.len(), 2, "{urls:?}");
        assert!(urls.contains(&format!("http://10.0.0.5/genhost/{}", sha256(&this.consul)).as_str()), "{urls:?}");
        assert!(urls.contains(&format!("http://10.0.0.5/genhost/{}", sha256(&this.image)).as_str()), "{urls:?}");
    }
}
