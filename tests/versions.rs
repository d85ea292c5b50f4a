//! A version that no profile knows is written as its neighbours are.

mod fixture;

use fixture::Workplace;
use serde_json::Value;

/// A host whose artifact has this version, pinned by the cluster.
fn host(stack: &str, artifact: &str, settings: &[&str]) -> Value {
    let pin = format!("artifacts.{artifact}={{sha256: {{all: '{}'}}, urls: ['http://a/b']}}", "0".repeat(64));
    let mut arguments = vec!["--stack", stack, "--host", "swarm-node0", "--format", "json", "--set", &pin];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    serde_json::from_str(&Workplace::new().genhost(arguments).stdout_of_success()).expect("a host as JSON")
}

fn text<'h>(host: &'h Value, path: &str) -> &'h str {
    host["files"][path]["content"]["text"].as_str().unwrap_or_else(|| panic!("no {path}"))
}

#[test]
fn consul_is_configured_in_the_spelling_of_its_version() {
    // `ui_config` since 1.9, `initial_management` since 1.11, `tls` since 1.12.
    for (version, new) in [
        ("1.8.7", [false, false, false]),
        ("1.9.0", [true, false, false]),
        ("1.10.12", [true, false, false]),
        ("1.11.1", [true, true, false]),
        ("1.12.0", [true, true, true]),
        ("1.22.8", [true, true, true]),
        ("1.22.8+ent", [true, true, true]),
        ("2.0.0", [true, true, true]),
    ] {
        let host = host("swarm-mode", "consul", &[&format!("versions.consul={version}")]);
        let config: Value = serde_json::from_str(text(&host, "/etc/consul.d/genhost.json")).expect("JSON");
        let tokens = &config["acl"]["tokens"];
        let found = [
            config["ui_config"]["enabled"] == true,
            !tokens["initial_management"].is_null(),
            config["tls"]["internal_rpc"]["verify_server_hostname"] == true,
        ];
        assert_eq!(found, new, "{version}");
        let old = [config["ui"] == true, !tokens["master"].is_null(), config["verify_server_hostname"] == true];
        assert_eq!(old, new.map(|new| !new), "{version}");
    }
}

#[test]
fn softether_is_built_in_the_way_of_its_version() {
    for (version, program) in
        [("4.43-9799-beta", "make -sC src"), ("4.44-9808-rtm", "make -sC src"), ("5.02.5187", "cmake -S src")]
    {
        let settings = ["install={softether: source}", &format!("versions.softether={version}")];
        let host = host("classic", "softether_source", &settings);
        let recipe = text(&host, "/usr/lib/genhost/recipe/softether_source");
        assert!(recipe.contains(program), "{version}: {recipe}");
        assert_eq!(host["packages"].get("cmake").is_some(), program.starts_with("cmake"), "{version}");
    }
    for (version, target) in [("4.36-9754-beta", "i_read_and_agree_the_license_agreement"), ("4.39-9772-beta", "main")]
    {
        let settings = [
            "install={softether: release}",
            &format!("versions.softether={version}"),
            &format!("artifacts.softether_vpnclient={{sha256: {{all: '{}'}}, urls: ['http://a/b']}}", "0".repeat(64)),
        ];
        let host = host("classic", "softether_vpnserver", &settings);
        let recipe = text(&host, "/usr/lib/genhost/recipe/softether_vpnserver");
        assert!(recipe.contains(target), "{version}: {recipe}");
    }
}
