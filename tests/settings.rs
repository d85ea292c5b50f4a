//! Settings of components: what `genhost check` lets through, each system's real daemon takes; what one of them refuses, `check`
//! refuses at its place.

mod fixture;

use std::collections::BTreeMap;

use fixture::Workplace;
use fixture::root::in_root;
use genhost::cluster::{ComponentName, Kind};
use genhost::diagnostic::Sources;
use genhost::load::{Catalogue, Shelf};

const CLUSTER: &str = include_str!("../profiles/clusters/swarm-mode.yaml");

/// Roots of systems that the stack swarm-mode runs on.
const ROOTS: [&str; 2] = ["bookworm", "trixie"];

/// What an option is given here; `x` where any text will do.
const SAMPLES: [(&str, &str); 17] = [
    ("compress", "true"),
    ("fluentd-address", "192.0.2.1:24224"),
    ("fluentd-async", "true"),
    ("fluentd-buffer-limit", "1m"),
    ("fluentd-max-retries", "3"),
    ("fluentd-request-ack", "true"),
    ("fluentd-retry-wait", "1s"),
    ("fluentd-sub-second-precision", "true"),
    ("gelf-address", "udp://192.0.2.1:12201"),
    ("gelf-compression-level", "1"),
    ("gelf-compression-type", "gzip"),
    ("max-buffer-size", "4m"),
    ("max-file", "3"),
    ("max-size", "10m"),
    ("mode", "non-blocking"),
    ("syslog-address", "udp://192.0.2.1:514"),
    ("syslog-format", "rfc5424micro"),
];

/// Every driver with every option that component.yaml has for it, and settings by hand.
fn good() -> Vec<String> {
    let mut sources = Sources::default();
    let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()).expect("the built-in data");
    let component = &catalogue.components[&ComponentName::new("swarm-mode").expect("a name")];
    let options = component.kinds.0.iter().find_map(|(name, kind)| match &kind.value {
        Kind::Options(options) if name.as_str() == "log_opts" => Some(&options.options),
        _ => None,
    });
    let of_drivers = options.expect("options of log_driver").iter().map(|(driver, options)| {
        let sample = |option: &String| {
            let sample = SAMPLES.iter().find(|(name, _)| name == option).map_or("x", |(_, sample)| sample);
            match option.as_str() {
                "syslog-facility" => "syslog-facility=daemon".to_owned(),
                // A driver reads them when a container starts.
                name if name.starts_with("syslog-tls-") => format!("{name}=/etc/hostname"),
                name => format!("{name}={sample}"),
            }
        };
        format!("log_driver: {driver}, log_opts: [{}]", options.iter().map(sample).collect::<Vec<_>>().join(", "))
    });
    let by_hand = [
        "bridges: 172.30.0.0/20",
        "bridges: 172.16.0.0/12",
        "registry_mirrors: ['https://mirror.example.com']",
        "registry_mirrors: ['https://mirror.example.com/', 'http://192.0.2.9:8081', 'http://[2001:db8::1]:5000']",
        "metrics_address: '127.0.0.1:9323'",
        "metrics_address: '0.0.0.0:65535'",
        "metrics_address: '[::1]:1'",
        "metrics_address: ''",
    ];
    of_drivers.chain(by_hand.map(str::to_owned)).collect()
}

/// Settings that the dockerd of some system refuses.
const BAD: [&str; 15] = [
    "registry_mirrors: ['http://192.0.2.9:8081/repository/docker-public/']",
    "registry_mirrors: [mirror.example.com]",
    "registry_mirrors: ['https://user@mirror.example.com']",
    "registry_mirrors: ['https://mirror.example.com?a=b']",
    "log_opts: [tag=web]",
    "log_driver: json-file, log_opts: [max-sise=10m]",
    "log_opts: [mode=fast]",
    "log_driver: gelf, log_opts: ['gelf-address=udp://192.0.2.1:1', gelf-compression-type=xz]",
    "registry_mirrors: ['']",
    "bridges: ''",
    "log_opts: [max-buffer-size=4m]",
    "log_driver: syslog, log_opts: [syslog-facility=mine]",
    "metrics_address: '9323'",
    "metrics_address: ':9323'",
    "bridges: 172.17.0.0/25",
];

/// What real engines say of each: empty when they run.
fn engines(root: &str, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let workplace = Workplace::empty();
    for (name, file) in files {
        workplace.write(&format!("settings/{name}"), file);
    }
    let script = "d=/usr/sbin/dockerd; [ -x $d ] || d=/usr/bin/dockerd
        for file in /settings/*; do
          $d --config-file $file --data-root /run/data --storage-driver vfs --iptables=false --bridge none -p /run/pid >/log 2>&1 & pid=$!
          until grep -q 'API listen on' /log || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
          if kill $pid 2>/dev/null; then said=; else said=$(grep -E '^(failed|unable)' /log || tail -n1 /log); fi
          wait $pid 2>/dev/null || :
          echo \"${file#/settings/}|$said\"
        done";
    let output =
        in_root(root, workplace.as_ref(), "mkdir disk/root/settings; cp settings/* disk/root/settings", script);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = said.lines().filter_map(|line| line.split_once('|'));
    let all: BTreeMap<_, _> = lines.map(|(name, said)| (name.to_owned(), said.to_owned())).collect();
    assert_eq!(all.len(), files.len(), "{root}: {said}{}", String::from_utf8_lossy(&output.stderr));
    all
}

fn cluster(settings: &str) -> String {
    format!("{CLUSTER}settings:\n  swarm-mode: {{{settings}}}\n")
}

#[test]
fn every_engine_takes_what_check_lets_through_and_check_refuses_what_one_refuses() {
    let mut files = BTreeMap::new();
    let arguments = ["--host", "swarm-node0", "--format", "json"];
    for (number, settings) in good().iter().enumerate() {
        let workplace = Workplace::new();
        workplace.write("cluster.yaml", cluster(settings));
        let tree: serde_json::Value =
            serde_json::from_str(&workplace.genhost(arguments).stdout_of_success()).expect("a host as JSON");
        let file = tree["files"]["/etc/docker/daemon.json"]["content"]["text"].as_str().expect("a daemon.json");
        files.insert(format!("good-{number:02}"), file.to_owned());
    }
    for (number, settings) in BAD.into_iter().enumerate() {
        let workplace = Workplace::new();
        workplace.write("cluster.yaml", cluster(settings));
        let said = workplace.genhost(["check"]);
        assert_eq!(said.code(), Some(1), "{settings}");
        assert!(said.stderr().contains("--> cluster.yaml:"), "{settings}: {}", said.stderr());
        // The same by the template, past the check.
        files.insert(format!("bad-{number:02}"), daemon_json(settings));
    }
    let said = std::thread::scope(|scope| {
        let threads = ROOTS.map(|root| scope.spawn(|| engines(root, &files)));
        threads.map(|thread| thread.join().expect("engines"))
    });
    for (name, file) in &files {
        let said: Vec<&String> = said.iter().map(|said| &said[name]).collect();
        if name.starts_with("good") {
            assert!(said.iter().all(|said| said.is_empty()), "{file}: {said:?}");
        } else {
            // Newer engines take some of them: one cluster may have both.
            assert!(said.iter().any(|said| !said.is_empty()), "every engine takes {file}");
        }
    }
}

/// What the component's template would make of settings that `check` refuses.
fn daemon_json(settings: &str) -> String {
    let settings: serde_json::Value = serde_saphyr::from_str(&format!("{{{settings}}}")).expect("settings");
    let text = |key: &str| settings[key].as_str();
    let options =
        settings["log_opts"].as_array().into_iter().flatten().filter_map(|option| option.as_str()?.split_once('='));
    let pool = text("bridges").unwrap_or("172.17.0.0/16");
    let mut file = serde_json::json!({
        "log-driver": text("log_driver").unwrap_or("local"),
        "default-address-pools": [{"base": pool, "size": 22}],
    });
    let options: serde_json::Map<_, _> = options.map(|(key, value)| (key.to_owned(), value.into())).collect();
    if !options.is_empty() {
        file["log-opts"] = options.into();
    }
    for (key, name) in [("registry_mirrors", "registry-mirrors"), ("metrics_address", "metrics-addr")] {
        if !settings[key].is_null() {
            file[name] = settings[key].clone();
        }
    }
    file.to_string()
}
