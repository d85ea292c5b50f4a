//! Terraform configurations. Its providers, which alone know their resources' arguments, cannot be had here: what is tested is
//! that every name a configuration uses is one that it declares, that the ports are the host's own firewall's, and what
//! Terraform itself makes of it without them.

mod fixture;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use fixture::Workplace;
use genhost::result::sha256;
use serde_json::{Value, json};

fn configuration(workplace: &Workplace, arguments: &[&str]) -> Value {
    workplace.genhost([&["terraform", "-o", "tf"], arguments].concat()).stdout_of_success();
    let text = std::fs::read_to_string(workplace.path("tf/genhost.tf.json")).expect("a configuration");
    serde_json::from_str(&text).expect("JSON")
}

/// Every text in a configuration.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// Every `var.x`, `local.x` and `type.name.attribute` that it asks for.
fn references(configuration: &Value) -> BTreeSet<Vec<String>> {
    let mut found = Vec::new();
    texts(configuration, &mut found);
    let mut references = BTreeSet::new();
    for text in found.iter().filter_map(|text| text.strip_prefix("${")?.strip_suffix('}')) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let outside: String = text.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        for word in outside.split(|c| !is_word(c)).filter(|word| word.contains('.')) {
            references.insert(word.split('.').map(str::to_owned).collect());
        }
    }
    references
}

const MIXED: [&str; 2] = ["--set", "hosts.swarm-node1.platform=hetzner"];

#[test]
fn every_name_is_declared_and_every_file_is_there() {
    for (arguments, placeholder) in [
        (&[][..], true),
        (&MIXED[..], true),
        (&["--set", "hosts.swarm-node0.platform=hetzner"], true),
        (&["--set", "vpn.endpoint=vpn.genhost.test"], false),
        (&["--stack", "classic"], true),
    ] {
        let workplace = Workplace::new();
        let configuration = configuration(&workplace, arguments);
        let references = references(&configuration);
        assert!(references.len() > 5, "{references:?}");
        for reference in &references {
            let words: Vec<&str> = reference.iter().map(String::as_str).collect();
            let declared = match words[..] {
                ["path", "module"] => true,
                ["var", name] => !configuration["variable"][name].is_null(),
                ["local", name] => !configuration["locals"][name].is_null(),
                [kind, name, _] => !configuration["resource"][kind][name].is_null(),
                _ => false,
            };
            assert!(declared, "{arguments:?}: {reference:?}");
        }
        for kind in configuration["resource"].as_object().expect("resources").keys() {
            let provider = kind.split('_').next().expect("a word");
            assert!(!configuration["terraform"]["required_providers"][provider].is_null(), "{kind}");
        }
        for (host, expression) in configuration["locals"]["user_data"].as_object().expect("user-data") {
            let expression = expression.as_str().expect("text");
            assert!(expression.starts_with("${sensitive("), "{expression}");
            assert!(expression.contains(&format!("/user-data-{host}.yaml")), "{expression}");
            assert_eq!(expression.contains("replace("), placeholder, "{expression}");
            let user_data = std::fs::read_to_string(workplace.path(&format!("tf/user-data-{host}.yaml")));
            let mut printed = [&["--host", host][..], arguments].concat();
            if placeholder {
                printed.extend(["--set", "vpn.endpoint=genhost-vpn-endpoint.example.com"]);
            }
            assert_eq!(user_data.expect("user-data"), workplace.genhost(printed).stdout_of_success());
        }
        // The placeholder is what the hosts dial, so that it can be replaced.
        let node1 = std::fs::read_to_string(workplace.path("tf/user-data-swarm-node1.yaml")).expect("user-data");
        assert_eq!(node1.contains("string Hostname genhost-vpn-endpoint.example.com/tcp"), placeholder);
    }
}

/// What Terraform says in a folder of a workplace.
fn terraform(workplace: &Workplace, folder: &str, words: &[&str], input: &str) -> String {
    let mut command = Command::new("terraform");
    command
        .args(words)
        .current_dir(workplace.path(folder))
        .env("CHECKPOINT_DISABLE", "1")
        .env_remove("TF_CLI_CONFIG_FILE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("terraform");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("input");
    let output = child.wait_with_output().expect("terraform");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// It reads every block, and evaluates the user-data beside an address that is known; resources it leaves to the providers.
/// Nothing that `.ci/setup` may ask has Terraform: this is for machines that do.
#[test]
fn terraform_reads_it_and_puts_the_address_in() {
    if Command::new("terraform").arg("-version").output().is_err() {
        eprintln!("NOT TESTED: there is no `terraform` here to read the configuration");
        return;
    }
    for arguments in [&[][..], &MIXED, &["--stack", "classic"]] {
        let workplace = Workplace::new();
        let configuration = configuration(&workplace, arguments);
        let providers = terraform(&workplace, "tf", &["providers"], "");
        assert!(providers.contains("digitalocean/digitalocean] ~> 2."), "{providers}");
        let user_data = &configuration["locals"]["user_data"];
        let known = json!({"locals": {"user_data": user_data, "vpn_endpoint": "203.0.113.10"}});
        workplace.write("known/genhost.tf.json", known.to_string());
        let hosts: Vec<&String> = user_data.as_object().expect("user-data").keys().collect();
        let text = |host: &str| {
            std::fs::read_to_string(workplace.path(&format!("tf/user-data-{host}.yaml"))).expect("user-data")
        };
        for host in &hosts {
            workplace.write(&format!("known/user-data-{host}.yaml"), text(host));
        }
        for host in hosts {
            let wanted = sha256(text(host).replace("genhost-vpn-endpoint.example.com", "203.0.113.10").as_bytes());
            let question = format!("nonsensitive(sha256(local.user_data[\"{host}\"]))\n");
            assert_eq!(terraform(&workplace, "known", &["console"], &question), format!("\"{wanted}\"\n"), "{host}");
        }
    }
}

#[test]
fn the_providers_firewalls_open_what_the_hosts_own_opens() {
    let workplace = Workplace::new();
    let set = ["--set", "firewall.open=[80/tcp, 53/udp]"];
    let configuration = configuration(&workplace, &[&MIXED[..], &set].concat());
    let resource = &configuration["resource"];
    for (rules, port, host) in [
        (&resource["digitalocean_firewall"]["swarm-node0"]["inbound_rule"], "port_range", "swarm-node0"),
        (&resource["hcloud_firewall"]["swarm-node1"]["rule"], "port", "swarm-node1"),
    ] {
        let rules = rules.as_array().expect("rules");
        let word = |rule: &Value, key: &str| rule[key].as_str().map(str::to_owned);
        let opened: BTreeSet<(String, String)> =
            rules.iter().filter_map(|rule| Some((word(rule, "protocol")?, word(rule, port)?))).collect();
        let tree = workplace.genhost([&["--host", host, "--format", "json"], &MIXED[..], &set].concat());
        let tree: Value = serde_json::from_str(&tree.stdout_of_success()).expect("JSON");
        let rules = tree["files"]["/etc/genhost/firewall.nft"]["content"]["text"].as_str().expect("a firewall");
        let input = rules.split("chain input {").nth(1).and_then(|rest| rest.split("jump vpn").next()).expect("input");
        let own = input.lines().filter_map(|line| {
            let (protocol, ports) = line.trim().split_once(" dport {")?;
            Some(ports.split('}').next()?.split(',').map(move |port| (protocol.to_owned(), port.to_owned())))
        });
        assert_eq!(opened, own.flatten().collect::<BTreeSet<_>>(), "{host}");
    }
}

#[test]
fn what_terraform_and_the_user_keep_there_stays_and_hosts_that_are_gone_go() {
    let workplace = Workplace::new();
    configuration(&workplace, &[]);
    for file in ["tf/terraform.tfstate", "tf/more.tf", "tf/user-data-bastion.yaml", "tf/.terraform/providers"] {
        workplace.write(file, "theirs");
    }
    let without = "hosts: {swarm-node0: {roles: [vpn-server, swarm-manager], platform: digitalocean}}";
    let cluster = include_str!("../profiles/clusters/swarm-mode.yaml").split("\nhosts:").next().expect("a cluster");
    workplace.write("cluster.yaml", format!("{cluster}\n{without}\n"));
    configuration(&workplace, &[]);
    let names = std::fs::read_dir(workplace.path("tf")).expect("a folder");
    let names: BTreeSet<_> =
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    let theirs = [".terraform", "more.tf", "terraform.tfstate", "user-data-bastion.yaml"];
    let expected = [&theirs[..], &["genhost.tf.json", "user-data-swarm-node0.yaml"]].concat();
    assert_eq!(names, expected.into_iter().map(str::to_owned).collect());
}
