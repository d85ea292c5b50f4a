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

/// A host's user-data as plain text.
fn unpacked(workplace: &Workplace, user_data: String) -> String {
    if !user_data.starts_with("MIME-Version: 1.0\n") {
        return user_data;
    }
    workplace.write("message", user_data);
    let unpack = "import email, gzip, sys
message = email.message_from_string(open('message').read())
sys.stdout.buffer.write(gzip.decompress(message.get_payload(decode=True)))";
    let output = Command::new("python3").args(["-c", unpack]).current_dir(workplace).output().expect("python3");
    String::from_utf8(output.stdout).expect("user-data")
}

/// Adding a host or a person changes the vpn-server's user-data, which is no reason to re-create the VPN of all.
#[test]
fn no_change_of_the_cluster_re_creates_a_server() {
    let workplace = Workplace::new();
    let hosts = |more: &str| {
        format!(
            "name: shop\nstack: swarm-mode\nos: debian-12\nvpn:\n  endpoint: 203.0.113.10\n  network: 192.168.30.0/24\n  \
             dhcp: {{first: 192.168.30.10, last: 192.168.30.99}}\n  claims: {{first: 192.168.30.100, last: 192.168.30.199}}\n\
             hosts:\n  m0: {{roles: [vpn-server, swarm-manager], platform: hetzner, vpn_address: 192.168.30.2}}\n  \
             m1: {{roles: [swarm-manager], platform: hetzner, vpn_address: 192.168.30.3}}\n  \
             m2: {{roles: [swarm-manager], platform: digitalocean, vpn_address: 192.168.30.4}}\n{more}"
        )
    };
    let mut sides = Vec::new();
    for more in ["", "  w0: {roles: [swarm-agent], platform: hetzner, vpn_address: 192.168.30.5}\n"] {
        workplace.write("cluster.yaml", hosts(more));
        let configuration = configuration(&workplace, &[]);
        let user_data = std::fs::read_to_string(workplace.path("tf/user-data-m0.yaml")).expect("user-data");
        sides.push((configuration["resource"].clone(), user_data));
    }
    let [(before, old), (after, new)] = &sides[..] else { panic!("two configurations") };
    assert_ne!(old, new, "the vpn-server knows the new host");
    for (kind, name) in [("hcloud_server", "m0"), ("hcloud_server", "m1"), ("digitalocean_droplet", "m2")] {
        let server = &after[kind][name];
        assert_eq!(&before[kind][name], server);
        // These, and nothing else of what genhost writes there, make the providers re-create a server that stays where it is.
        assert_eq!(server["lifecycle"]["ignore_changes"], json!(["image", "ssh_keys", "user_data"]));
    }
    assert!(!after["hcloud_server"]["w0"].is_null());
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
            let printed = workplace.genhost(printed).stdout_of_success();
            // What is too large as text, Terraform compresses itself, the address in it.
            assert_eq!(expression.contains("base64gzip("), printed.starts_with("MIME-Version: 1.0\n"), "{expression}");
            assert_eq!(user_data.expect("user-data"), unpacked(&workplace, printed));
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
