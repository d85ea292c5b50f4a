//! Vagrantfiles as their readers see them: Ruby, Vagrant itself, and the shell that runs the provisioner.

mod fixture;

use std::process::{Command, Output, Stdio};

use fixture::Workplace;
use serde_json::{Value, json};

/// Loads a Vagrantfile as Vagrant does, and prints as JSON what it says of every machine.
const RECORD: &str = r#"
require 'json'

class Any
  def initialize(machine) = @machine = machine

  def method_missing(name, *arguments, **named, &block)
    here = @machine
    case name
    when :define
      here = { 'name' => arguments[0] }
      MACHINES << here
    when :box=
      here['box'] = arguments[0]
    when :network
      here['ip'] = named[:ip]
    when :provision
      here['inline'] = named[:inline]
    end
    block&.call(Any.new(here))
    Any.new(here)
  end

  def respond_to_missing?(*) = true
end

MACHINES = []
module Vagrant
  def self.configure(version) = yield(Any.new({ 'version' => version }))
end
load './Vagrantfile'
puts JSON.generate(MACHINES)
"#;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn program(name: &str, workplace: &Workplace) -> Command {
    let path = format!("/usr/bin/{name}");
    assert!(std::path::Path::new(&path).exists(), "{path} is missing: run `.ci/setup`");
    let mut command = Command::new(path);
    // Vagrant keeps its state at home, and would ask whether there is a newer one.
    command.current_dir(workplace).stdin(Stdio::null());
    command.env("VAGRANT_HOME", workplace.path("home")).env("VAGRANT_CHECKPOINT_DISABLE", "1");
    command
}

/// What Ruby makes of the Vagrantfile in a workplace.
fn machines(workplace: &Workplace) -> Vec<Value> {
    workplace.write("record.rb", RECORD);
    let output = program("ruby", workplace).args(["-w", "record.rb"]).output().expect("ruby");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn write(workplace: &Workplace, arguments: &[&str]) {
    workplace.genhost([arguments, &["-o", "Vagrantfile"]].concat()).stdout_of_success();
}

#[test]
fn vagrant_itself_finds_every_vagrantfile_valid() {
    for arguments in [
        &["vagrant"][..],
        &["vagrant", "--all"],
        &["vagrant", "--all", "--stack", "classic"],
        &["--host", "swarm-local", "--format", "vagrant", "--set", "os=debian-13"],
    ] {
        // a version whose hash is known by nobody is no matter of Vagrant's
        let pinned = ["--set", "versions.softether=4.44-9807-rtm"];
        let workplace = Workplace::new();
        write(&workplace, &[arguments, &pinned].concat());
        let libvirt = program("vagrant", &workplace)
            .arg("validate")
            .env("VAGRANT_DEFAULT_PROVIDER", "libvirt")
            .output()
            .expect("vagrant");
        let any = program("vagrant", &workplace).args(["validate", "--ignore-provider"]).output().expect("vagrant");
        for output in [libvirt, any] {
            assert!(output.status.success(), "{arguments:?}: {}", said(&output));
            assert!(said(&output).contains("Vagrantfile validated successfully."), "{}", said(&output));
        }
    }
}

#[test]
fn ruby_reads_the_user_data_as_it_was_printed() {
    let workplace = Workplace::new();
    write(&workplace, &["vagrant", "--all"]);
    let machines = machines(&workplace);
    let names: Vec<&str> = machines.iter().filter_map(|machine| machine["name"].as_str()).collect();
    assert_eq!(names, ["swarm-node0", "swarm-node1", "swarm-local"]);
    for (number, machine) in machines.iter().enumerate() {
        assert_eq!(machine["ip"], format!("192.168.56.{}", 10 + number));
        assert_eq!(machine["box"], "debian/bookworm64");
        let name = machine["name"].as_str().expect("a name");
        let user_data = ["--host", name, "--set", "vpn.endpoint=192.168.56.10"];
        let user_data = workplace.genhost(user_data).stdout_of_success();
        let inline = machine["inline"].as_str().expect("a provisioner");
        // The shell takes it apart again: what it would write is what genhost prints.
        let script = inline.replace("seed=/var/lib/cloud/seed/nocloud", "seed=seed/nocloud");
        let script = script.replace(">/etc/cloud/cloud.cfg.d/99-genhost.cfg", ">99-genhost.cfg");
        assert!(script.contains("done-") && script.ends_with('\n'), "{script}");
        let (writes, _) = script.split_once("cloud-init clean\n").expect("the part that writes");
        workplace.write("writes.sh", writes.replace("command -v cloud-init", "true"));
        let output = program("dash", &workplace).args(["-eu", "writes.sh"]).output().expect("dash");
        assert!(output.status.success(), "{}", said(&output));
        let read = |file: &str| std::fs::read_to_string(workplace.path(file)).expect(file);
        assert!(read("seed/nocloud/user-data") == user_data, "{}", read("seed/nocloud/user-data"));
        assert!(read("seed/nocloud/meta-data").contains(&format!("local-hostname: {name}\n")));

        workplace.write("provisioner.sh", inline);
        let shellcheck = program("shellcheck", &workplace).arg("provisioner.sh").output().expect("shellcheck");
        assert!(shellcheck.status.success(), "{}", said(&shellcheck));
    }
}

#[test]
fn no_value_of_the_users_is_ruby() {
    let box_name = r##"a'b"\#{File.write('pwned', '')}#$0 `touch pwned` \"##;
    let message = "#{File.write('pwned','')} ' \" \\ \\' $(touch pwned) `touch pwned`\n__END__\nEND\n=begin\n";
    let workplace = Workplace::new();
    let profile = json!({"summary": "boxes of somebody's own", "images": {"debian-12": box_name}});
    workplace.write("profiles/platforms/vagrant.yaml", profile.to_string());
    let component = json!({
        "summary": "a hostile text",
        "values": {"text": message},
        "files": [{"path": "/etc/hostile", "template": "hostile"}],
    });
    workplace.write("templates/hostile/component.yaml", component.to_string());
    workplace.write("templates/hostile/hostile", "{# values: this.text #}\n{{ this.text }}");
    let overlay = ["--profiles", "profiles", "--templates", "templates", "--set", "components=[hostile]"];
    write(&workplace, &[&["--host", "swarm-local", "--format", "vagrant"], &overlay[..]].concat());
    let machines = machines(&workplace);
    assert_eq!(machines[0]["box"], box_name);
    let user_data = workplace.genhost([&["--host", "swarm-local"], &overlay[..]].concat()).stdout_of_success();
    assert!(user_data.contains("__END__"), "{user_data}");
    assert!(machines[0]["inline"].as_str().expect("a provisioner").contains(&user_data));
    assert!(!workplace.path("pwned").exists());
}

/// apt-daily holds the lock of apt's lists at boot, for which apt itself does not wait.
#[test]
fn the_provisioner_waits_for_apts_lock() {
    let workplace = Workplace::new();
    write(&workplace, &["vagrant", "--all"]);
    let machines = machines(&workplace);
    let inline = machines[0]["inline"].as_str().expect("a provisioner");
    let (begin, _) = inline.split_once("install -d -m 0700").expect("what comes after cloud-init");
    workplace.write("begin", begin);
    workplace.write(
        "package/DEBIAN/control",
        "Package: cloud-init\nVersion: 99\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: nothing\n",
    );
    workplace.write("archive/README", "packages");
    let build = ["--build", "--root-owner-group", "package", "archive"];
    assert!(program("dpkg-deb", &workplace).args(build).output().expect("dpkg-deb").status.success());
    let index = program("dpkg-scanpackages", &workplace).arg("archive").output().expect("dpkg-scanpackages");
    let index = String::from_utf8_lossy(&index.stdout).replace("archive/", "./");
    workplace.write("archive/Packages", index);
    let script = "rm -f /usr/bin/cloud-init /etc/apt/sources.list.d/*
        echo 'deb [trusted=yes] file:/archive ./' >/etc/apt/sources.list
        python3 -c 'import fcntl, time
lock = open(\"/var/lib/apt/lists/lock\", \"w\")
fcntl.lockf(lock, fcntl.LOCK_EX)
print(flush=True)
time.sleep(12)' >/locked & until [ -s /locked ]; do sleep 0.1; done
        start=$(date +%s); sh /begin; end=$(date +%s)
        dpkg-query -W cloud-init; echo waited $((end - start))";
    let prepare = "cp -r archive begin disk/root/";
    let output = fixture::root::in_root("bookworm", workplace.as_ref(), prepare, script);
    let said = said(&output);
    assert!(output.status.success() && said.contains("cloud-init\t99"), "{said}");
    let waited = said.rsplit_once("waited ").and_then(|(_, seconds)| seconds.lines().next()?.parse::<u64>().ok());
    assert!(waited >= Some(10), "{said}");
}
