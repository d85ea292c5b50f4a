//! Machines whose artifacts come in all the ways that downloads do.

use std::process::Command;
use std::thread::JoinHandle;

use crate::artifacts::www;
use crate::fleet::{Fleet, Recipe};
use crate::internet::{ROUTER, Site};
use crate::lab::Lab;
use crate::machine::Machine;
use crate::sandbox::Daemon;

/// A host was told that nobody listens where its artifact should be.
pub const REFUSED: &str = "journalctl -q | grep -F 'curl: (7)'";

/// They boot side by side.
pub struct Fetchers {
    /// The first url is dead, the second is not.
    pub mirror: &'static Machine,
    /// The server comes up half a minute after it was asked first.
    pub late: &'static Machine,
    /// Every answer ends half way.
    pub broken: &'static Machine,
    /// The server has something else under that name.
    pub wrong: &'static Machine,
    /// Everything comes by its hash from a folder that `genhost mirror` has filled, and from nowhere else.
    pub air_gap: &'static Machine,
    /// SoftEther is built from source.
    pub source: &'static Machine,
    _servers: (Daemon, JoinHandle<Daemon>),
}

impl Fetchers {
    /// Powers them on.
    pub fn boot(lab: &Lab, fleet: &Fleet) -> Self {
        let consul = |urls: &str| {
            fleet.recipe.change(|text| {
                text.replace(&format!("urls: ['http://{ROUTER}/consul.zip']"), &format!("urls: [{urls}]"))
            })
        };
        let machine = |name: &str, number: u8, recipe: &Recipe| {
            let machine = Machine::new(name, Site::Cloud(number), &recipe.print(&["--role", "agent"]));
            let machine = lab.guest(machine);
            machine.power_on();
            machine
        };
        let serve = |script: String| Daemon::start(Command::new("sh").args(["-euc", &script]).current_dir(www()));
        let breaks_off = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/breaks_off.py");
        let breaks_off = serve(format!("exec python3 {breaks_off} {ROUTER} 8002 consul.zip"));
        // The first urls are gone before the host asks.
        let by_hash = www().join("by-hash");
        fleet.recipe.print(&["mirror", &by_hash.to_string_lossy()]);
        let air_gap = fleet.recipe.change(|text| {
            let text = text.replace("/consul.zip", "/nothing.zip").replace("/busybox.tar", "/nothing.tar");
            format!("{text}mirror: http://{ROUTER}/by-hash\n")
        });
        let source = fleet.recipe.change(|text| {
            text.replace("install: {consul: zip}", "install: {consul: zip, softether: source}")
                .replace("versions: {consul: 1.8.7}", "versions: {consul: 1.8.7, softether: 5.01.9674}")
                .replace(
                    "artifacts:\n",
                    &format!("artifacts:\n  softether_source: {}\n", lab.artifacts.pin("softether.tar.xz")),
                )
        });
        let late = machine("late", 72, &consul(&format!("'http://{ROUTER}:8001/consul.zip'")));
        let comes_late = std::thread::spawn(move || {
            late.wait(120, REFUSED);
            serve(format!("sleep 30; exec python3 -m http.server 8001 --bind {ROUTER}"))
        });
        Self {
            _servers: (breaks_off, comes_late),
            mirror: machine(
                "mirror",
                71,
                &consul(&format!("'http://{ROUTER}:81/consul.zip', 'http://{ROUTER}/consul.zip'")),
            ),
            late,
            broken: machine("broken", 73, &consul(&format!("'http://{ROUTER}:8002/consul.zip'"))),
            wrong: machine("wrong", 74, &consul(&format!("'http://{ROUTER}/busybox.tar'"))),
            air_gap: machine("air-gap", 76, &air_gap),
            source: machine("source", 75, &source),
        }
    }
}
