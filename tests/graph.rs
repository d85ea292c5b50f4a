//! Pictures of the cluster as their readers see them: a browser's drawing library, and Graphviz.

mod fixture;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fixture::Workplace;

/// What a program makes of a text.
fn through(program: &str, arguments: &[&str], text: &str) -> Vec<u8> {
    let path = format!("/usr/bin/{program}");
    assert!(Path::new(&path).exists(), "{path} is missing: run `.ci/setup`");
    let mut child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a program");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("a program");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{program}: {stderr}");
    output.stdout
}

/// A cluster with many hosts on either side.
fn large() -> Workplace {
    let workplace = Workplace::new();
    let cluster = include_str!("../profiles/clusters/swarm-mode.yaml");
    let hosts = (0..7).map(|n| format!("  cloud-{n}: {{roles: [swarm-agent], vpn_address: 192.168.30.{}}}\n", 3 + n));
    let at_home = (0..5).map(|n| {
        format!("  home-{n}: {{roles: [swarm-agent], platform: bare, vpn_address: 192.168.30.{}}}\n", 240 + n)
    });
    // The built-in hosts get out of the way of these.
    let cluster = cluster.replace("swarm-node1: {", "swarm-node1: {vpn_address: 192.168.30.200, ");
    workplace.write("cluster.yaml", cluster + &hosts.chain(at_home).collect::<String>());
    workplace
}

#[test]
fn a_browsers_library_draws_every_host() {
    for workplace in [Workplace::new(), large()] {
        let svg = workplace.genhost(["graph"]).stdout_of_success();
        let png = through("rsvg-convert", &[], &svg);
        assert!(png.starts_with(b"\x89PNG"), "no picture");
        // Boxes do not lie over each other, and none sticks out.
        let number = |text: &str, key: &str| -> f64 {
            let value = text.split_once(&format!(" {key}=\"")).expect(key).1;
            value.split('"').next().expect("a value").parse().expect("a number")
        };
        let (width, height) = (number(&svg, "width"), number(&svg, "height"));
        let boxes = svg.lines().filter(|line| line.starts_with("<rect class=\"host"));
        let boxes: Vec<[f64; 4]> =
            boxes.map(|line| ["x", "y", "width", "height"].map(|key| number(line, key))).collect();
        for (index, [x, y, w, h]) in boxes.iter().enumerate() {
            assert!(x + w < width && y + h < height, "box {index} sticks out");
            for [ox, oy, ow, oh] in &boxes[index + 1..] {
                let apart = x + w < *ox || ox + ow < *x || y + h < *oy || oy + oh < *y;
                assert!(apart, "box {index} lies over another");
            }
        }
        let names = workplace.genhost(["check", "--format", "json"]).stdout_of_success();
        let names: serde_json::Value = serde_json::from_str(&names).expect("JSON");
        let hosts = names["hosts"].as_array().expect("hosts").iter().filter_map(|host| host["host"].as_str());
        let hosts: Vec<&str> = hosts.collect();
        assert_eq!(boxes.len(), hosts.len());
        assert!(hosts.iter().all(|host| svg.contains(&format!(">{host}</text>"))), "{hosts:?}");
    }
}

#[test]
fn graphviz_reads_its_language() {
    for workplace in [Workplace::new(), large()] {
        let dot = workplace.genhost(["graph", "--format", "dot"]).stdout_of_success();
        let drawn = String::from_utf8(through("dot", &["-Tplain"], &dot)).expect("text");
        let dials = drawn.lines().filter(|line| line.starts_with("edge") && line.contains("vpn.example.com:443"));
        let nodes = drawn.lines().filter(|line| line.starts_with("node"));
        // Every host but the vpn-server dials, and there is one person.
        assert_eq!(dials.count() + 2, nodes.count(), "{drawn}");
    }
}

#[test]
fn the_readme_shows_the_built_in_cluster() {
    let picture = Workplace::new().genhost(["graph", "--set", "vpn.endpoint=203.0.113.10"]).stdout_of_success();
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cluster.svg");
    let why = "write it anew: `cargo run -- graph --set vpn.endpoint=203.0.113.10 -o docs/cluster.svg`";
    assert!(std::fs::read_to_string(shown).expect("docs/cluster.svg") == picture, "{why}");
}
