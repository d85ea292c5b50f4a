//! The README's commands, run exactly as they are printed.

mod fixture;

use std::path::Path;
use std::process::{Command, Stdio};

use fixture::Workplace;

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("README.md is readable")
}

/// Every `sh` block and what stands in a comment on the line before it.
fn blocks(markdown: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line == "```sh" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let mark = before.trim_start_matches("<!--").trim_end_matches("-->").trim();
            blocks.push((mark.to_owned(), block.join("\n")));
        }
        before = line;
    }
    blocks
}

fn sh(script: &str, folder: &Path, path: &Path) -> String {
    let inherited = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{inherited}", path.display()))
        .stdin(Stdio::null())
        .output()
        .expect("sh");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    String::from_utf8(output.stdout).expect("output in UTF-8")
}

#[test]
fn every_block_is_run_by_someone() {
    let blocks = blocks(&readme());
    let marks: Vec<&str> = blocks.iter().map(|(mark, _)| mark.as_str()).collect();
    // The first is the main job, whose installing is the next test's; `.ci/run` runs the one with the mark `test`.
    assert_eq!(marks, ["", "test", "walk", "walk", "walk", "walk"]);
}

#[test]
fn the_first_command_installs_genhost_and_prints_a_manager() {
    let (_, command) = blocks(&readme()).remove(0);
    let install = "cargo install --quiet --locked --path .";
    let (before, after) = command.split_once(" && ").expect("installing, then running");
    assert_eq!(before, install);
    // Installed for real, but not over what this machine has, and built as the tests are, which takes no second build.
    let root = Workplace::empty();
    let install = format!("{install} --debug --root '{}' --target-dir target", root.as_ref().display());
    sh(&install, Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("/usr/bin"));
    let workplace = Workplace::empty();
    for _ in 0..2 {
        sh(after, workplace.as_ref(), &root.path("bin"));
        let user_data = std::fs::read_to_string(workplace.path("user-data")).expect("user-data");
        let before = std::fs::read_to_string(workplace.path("before")).unwrap_or_else(|_| user_data.clone());
        assert_eq!(user_data, before, "two runs differ");
        assert!(user_data.starts_with("#cloud-config\n"), "{user_data}");
        workplace.write("before", user_data);
    }
}

#[test]
fn the_walk_ends_with_every_hosts_user_data() {
    let workplace = Workplace::empty();
    let genhost = Path::new(env!("CARGO_BIN_EXE_genhost")).parent().expect("a folder");
    let walk = blocks(&readme()).into_iter().filter(|(mark, _)| mark == "walk");
    let said: Vec<String> = walk.map(|(_, script)| sh(&script, workplace.as_ref(), genhost)).collect();
    assert!(said[0].contains("host swarm-node0"), "{}", said[0]);
    assert!(said[2].contains("vpn/user/user: ") && said[2].contains("vpn/psk: "), "{}", said[2]);
    // The same as the vpn-server has.
    let token = said[2].lines().find_map(|line| line.strip_prefix("consul/management: ")).expect("a token");
    let server = std::fs::read_to_string(workplace.path("swarm-node0.yaml")).expect("user-data");
    assert!(server.contains(&format!("X-Consul-Token: {token}\n")), "{token}");
    let vagrantfile = std::fs::read_to_string(workplace.path("Vagrantfile")).expect("Vagrantfile");
    assert!(vagrantfile.contains("config.vm.define 'swarm-local'"), "{vagrantfile}");
    for name in ["swarm-node0", "swarm-node1", "agent", "node0", "manager"] {
        let text = std::fs::read_to_string(workplace.path(&format!("{name}.yaml"))).expect(name);
        assert!(text.starts_with("#cloud-config\n"), "{name}: {text}");
    }
    for name in ["cluster.yaml", "cluster.schema.json", "secrets.yaml", ".gitignore"] {
        assert!(workplace.path(name).exists(), "init has not written {name}");
    }
}
