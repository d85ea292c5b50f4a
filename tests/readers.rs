//! Every golden case goes to the programs that will read it on the host: cloud-init, PyYAML, systemd, Consul, dockerd,
//! nft, and a shell's critic. `.ci/setup` brings them; nothing here is skipped.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use fixture::root::in_root;
use fixture::{Workplace, golden_cases, need};
use serde_json::Value;

/// A rendered golden case.
struct Host {
    case: String,
    case_arguments: Vec<String>,
    tree: Value,
    workplace: Workplace,
}

impl Host {
    fn all() -> Vec<Self> {
        let hosts = golden_cases().into_iter().map(|case| {
            let workplace = Workplace::new();
            let json = [case.arguments.as_slice(), &["--format".into(), "json".into()]].concat();
            let tree = serde_json::from_str(&workplace.genhost(&json).stdout_of_success()).expect("a host as JSON");
            let user_data = workplace.genhost(&case.arguments).stdout_of_success();
            workplace.write("user-data", user_data);
            Self { case: case.name(), case_arguments: case.arguments, tree, workplace }
        });
        hosts.collect()
    }

    fn files(&self) -> BTreeMap<&str, &str> {
        let files = self.tree["files"].as_object().expect("files");
        files.iter().map(|(path, file)| (path.as_str(), file["content"]["text"].as_str().expect("text"))).collect()
    }

    fn file(&self, path: &str) -> &str {
        self.files().get(path).copied().unwrap_or_else(|| panic!("{} has no {path}", self.case))
    }

    /// Runs a script in a Debian 11 root that has this host's files, in namespaces of its own. The root's own packages
    /// stand where the host would have those of another system.
    fn in_root(&self, script: &str) -> Output {
        self.in_root_with("", script)
    }

    /// The same, once a script of this machine's has prepared the root.
    fn in_root_with(&self, more: &str, script: &str) -> Output {
        for (path, content) in self.files() {
            let mode = self.tree["files"][path]["mode"].as_str().expect("a mode");
            let name = format!("root{path}");
            self.workplace.write(&name, content);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(u32::from_str_radix(mode, 8).expect("octal"));
            std::fs::set_permissions(self.workplace.path(&name), mode).expect("chmod");
        }
        let is_packaged = self.tree["packages"].as_object().expect("packages").contains_key("softether-vpnclient");
        // A host that builds SoftEther has none of Debian's units, and its programs at a place of genhost's own.
        let softether = if is_packaged {
            ""
        } else {
            "rm disk/root/lib/systemd/system/softether-*\nmkdir -p disk/root/var/lib/genhost\n\
             cp -r disk/root/usr/libexec/softether/* disk/root/var/lib/genhost/\n"
        };
        let prepare = format!(
            "cp -a root/. disk/root/\nmkdir -p disk/root/opt/genhost/consul\n\
             ln -s /usr/bin/consul disk/root/opt/genhost/consul/consul\n\
             [ -e disk/root/usr/bin/dockerd ] || ln -s /usr/sbin/dockerd disk/root/usr/bin/dockerd\n{softether}{more}"
        );
        in_root("bullseye", self.workplace.as_ref(), &prepare, script)
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}: run `.ci/setup`"))
}

#[test]
fn cloud_init_schema_of_debian_12_and_the_newest_accept_every_user_data() {
    let newest = need("target/roots/cloud-init-new/cloud-init");
    for host in Host::all() {
        let programs = [
            ("cloud-init", "Valid cloud-config: user-data\n"),
            (newest.to_str().expect("UTF-8"), "Valid schema user-data\n"),
        ];
        for (program, sentence) in programs {
            let output = run(program, &["schema", "--config-file", "user-data"], host.workplace.as_ref());
            // All that it says, word for word: there is no warning, and "invalid" has "valid" in it.
            assert_eq!(text(&output), sentence, "{}: {program}", host.case);
            assert!(output.status.success(), "{}: {program}: {}", host.case, output.status);
        }
    }
}

#[test]
fn the_newest_cloud_init_schema_finds_an_unknown_key() {
    let newest = need("target/roots/cloud-init-new/cloud-init");
    let workplace = Workplace::new();
    workplace.write("user-data", "#cloud-config\nwrite_file: []\n");
    let arguments = ["schema", "--config-file", "user-data"];
    let output = run(newest.to_str().expect("a path in UTF-8"), &arguments, workplace.as_ref());
    assert!(!output.status.success() && text(&output).contains("write_file"), "{}", text(&output));
}

#[test]
fn pyyaml_reads_back_exactly_the_tree() {
    const COMPARE: &str = r#"
import base64, json, sys, yaml
data = yaml.safe_load(open("user-data"))
tree = json.load(open("tree.json"))
files = {f["path"]: f for f in data["write_files"]}
assert len(files) == len(data["write_files"]) == len(tree["files"])
for path, want in tree["files"].items():
    got = files[path]
    assert got.get("permissions", "0644") == want["mode"], path
    content = got["content"].encode()
    if got.get("encoding") == "b64":
        content = base64.b64decode(content)
    wanted = want["content"]
    wanted = wanted["text"].encode() if "text" in wanted else base64.b64decode(wanted["base64"])
    assert content == wanted, path
packages = [p if isinstance(p, list) else [p, None] for p in data["packages"]]
assert packages == [list(p) for p in tree["packages"].items()], packages
assert data["bootcmd"] == tree["bootcmd"] and data["runcmd"] == tree["runcmd"]
assert data.get("hostname") == tree.get("hostname")
# A key that the host has as a file is none of cloud-init's.
asked = lambda source: source if "$KEY_FILE" in source["source"] else {"source": source["source"]}
sources = {"sources": {name: asked(source) for name, source in tree["apt"].items()}} if tree["apt"] else {}
assert data["apt"] == {"preserve_sources_list": True, "conf": 'Acquire::Retries "5";'} | sources
print("equal")
"#;
    for host in Host::all() {
        host.workplace.write("tree.json", host.tree.to_string());
        let output = run("/usr/bin/python3", &["-c", COMPARE], host.workplace.as_ref());
        assert_eq!(text(&output), "equal\n", "{}", host.case);
    }
}

#[test]
fn systemd_verifies_every_unit_of_every_host() {
    for host in Host::all() {
        let files = host.files();
        let is_unit = |path: &&str| path.starts_with("/etc/systemd/system/") && !path.contains(".d/");
        let mut units: Vec<String> =
            files.keys().copied().filter(is_unit).map(|path| path.replace("@.", "@x.")).collect();
        let drop_ins = files.keys().filter_map(|path| path.strip_prefix("/etc/systemd/system/")?.split_once(".d/"));
        let whole = drop_ins.map(|(unit, _)| unit).filter(|unit| !unit.ends_with("-.service"));
        units.extend(whole.map(|unit| format!("/lib/systemd/system/{unit}")));
        units.sort();
        units.dedup();
        assert!(units.len() > 5, "{}: {units:?}", host.case);
        // systemd 247 finds a program that is named without its path, but its `verify` looks for it where it stands itself.
        let programs = "mkdir /tmp/programs; cd /tmp/programs; ln -sf /usr/sbin/* /usr/bin/* .";
        let output = host.in_root(&format!("{programs}; systemd-analyze --man=no verify {}", units.join(" ")));
        // What the root's own packages say of themselves is not ours, nor is what it says of this test's cgroup.
        let ours = |line: &&str| {
            if line.contains("Couldn't move remaining userspace processes") {
                return false;
            }
            !line.contains("/lib/systemd/system/")
                || line.contains("genhost")
                || line.contains("softether")
                || line.contains("docker")
        };
        let said = text(&output);
        let said: Vec<&str> = said.lines().filter(ours).collect();
        assert!(output.status.success() && said.is_empty(), "{}: {} {said:#?}", host.case, output.status);
    }
}

#[test]
fn managers_upgrade_their_docker_at_different_times() {
    let workplace = Workplace::new();
    let managers: String = (2..10)
        .map(|n| {
            format!(
                "  m{n}: {{roles: [{}swarm-manager], vpn_address: 192.168.30.{n}}}\n",
                if n == 2 { "vpn-server, " } else { "" }
            )
        })
        .collect();
    let cluster = include_str!("../profiles/clusters/swarm-mode.yaml");
    let (head, _) = cluster.split_once("\nhosts:").expect("hosts");
    workplace.write("cluster.yaml", format!("{head}\nhosts:\n{managers}"));
    let mut minutes = BTreeSet::new();
    for n in 2..10 {
        let host = ["--host", &format!("m{n}"), "--format", "json"];
        let tree: Value = serde_json::from_str(&workplace.genhost(host).stdout_of_success()).expect("a host as JSON");
        let timer =
            tree["files"]["/etc/systemd/system/apt-daily-upgrade.timer.d/genhost.conf"]["content"]["text"].as_str();
        let timer = timer.expect("a drop-in");
        let time = timer.lines().filter_map(|line| line.strip_prefix("OnCalendar=")).next_back().expect("a time");
        let output = run("systemd-analyze", &["calendar", time], workplace.as_ref());
        let said = text(&output);
        let normal = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("Normalized form: *-*-* "))
            .unwrap_or_else(|| panic!("{said}"));
        let parts: Vec<u32> = normal.split(':').map(|part| part.parse().expect("a number")).collect();
        assert!(timer.contains("OnCalendar=\n") && timer.contains("RandomizedDelaySec=0\n"), "{timer}");
        minutes.insert(parts[0] * 60 + parts[1]);
    }
    let apart = minutes.iter().zip(minutes.iter().skip(1)).map(|(one, next)| next - one).min();
    assert!(minutes.len() == 8 && apart >= Some(10), "{minutes:?}");
}

/// Of SoftEther, in every way of install.
#[test]
fn logs_that_are_older_than_two_weeks_are_deleted() {
    let mut seen = BTreeSet::new();
    for host in Host::all() {
        let rule = host.file("/etc/tmpfiles.d/genhost-softether.conf");
        if !seen.insert(rule.to_owned()) {
            continue;
        }
        let folder = rule.split(' ').nth(1).expect("a path").trim_end_matches("_log").replace("vpn*", "vpnserver");
        let folder = folder.trim_end_matches('*').trim_matches('/').to_owned();
        let workplace = &host.workplace;
        let logs = ["server_log/vpn_20260101.log", "security_log/cluster/sec_20260101.log"];
        let kept = format!("{}/vpn_server.config", folder);
        workplace.write("logs.conf", rule);
        for log in logs {
            workplace.write(&format!("disk/{folder}/{log}"), "a stranger came");
        }
        workplace.write(&format!("disk/{kept}"), "a configuration");
        let clean = |days: &str| {
            let root = format!("--root={}", workplace.path("disk").display());
            let conf = workplace.path("logs.conf");
            let conf = conf.to_str().expect("UTF-8");
            let arguments = ["-f", days, "systemd-tmpfiles", "--clean", &root, conf];
            let output = run("faketime", &arguments, workplace.as_ref());
            assert!(output.status.success(), "{}", text(&output));
            logs.map(|log| workplace.path(&format!("disk/{folder}/{log}")).exists())
        };
        assert_eq!(clean("+13d"), [true, true], "{rule}");
        assert_eq!(clean("+15d"), [false, false], "{rule}");
        assert!(workplace.path(&format!("disk/{kept}")).exists());
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn cloud_init_unpacks_user_data_that_is_compressed() {
    let workplace = Workplace::new();
    let host = ["--host", "swarm-node0", "--set", "hosts.swarm-node0.platform=ec2", "-o"];
    let note = workplace.genhost([&host[..], &["small"]].concat());
    assert!(note.stderr().contains("compressed to"), "{}", note.stderr());
    // EC2 is a label of the engine's too, so it is the same host that a larger limit leaves as it is.
    let profile = "summary: EC2 with room\nuser_data_limit: 65536\ngzip: true\nmetadata: {addresses: [169.254.169.254, 'fd00:ec2::254']}\n";
    workplace.write("profiles/platforms/ec2.yaml", profile);
    workplace.genhost([&host[..], &["large", "--profiles", "profiles"]].concat()).stdout_of_success();
    let unpack = "import sys; from cloudinit.util import decomp_gzip; \
        sys.stdout.write(decomp_gzip(open('small', 'rb').read(), quiet=False))";
    let output = Command::new("/usr/bin/python3").args(["-c", unpack]).current_dir(&workplace).output();
    let output = output.expect("python3: run `.ci/setup`");
    let large = std::fs::read(workplace.path("large")).expect("user-data");
    assert!(output.status.success() && output.stdout == large, "{}", text(&output));
}

#[test]
fn every_cloud_init_unpacks_user_data_that_is_compressed_as_text() {
    let workplace = Workplace::new();
    let host = ["--host", "swarm-node0", "--set", "hosts.swarm-node0.platform=hetzner", "--profiles", "profiles", "-o"];
    for (name, limit) in [("large", 65_536), ("small", 24_000)] {
        let profile =
            format!("summary: Hetzner\nuser_data_limit: {limit}\nmetadata: {{addresses: [169.254.169.254]}}\n");
        workplace.write("profiles/platforms/hetzner.yaml", profile);
        let said = workplace.genhost([&host[..], &[name]].concat());
        assert_eq!(said.stderr().contains("compressed and encoded as"), name == "small", "{}", said.stderr());
    }
    let bytes = |name: &str| std::fs::read(workplace.path(name)).expect("user-data");
    assert!(bytes("small").len() < 24_000 && bytes("small").is_ascii());
    let unpack = "import sys
from cloudinit import helpers, user_data
paths = helpers.Paths({'cloud_dir': '/tmp/none', 'run_dir': '/tmp/none'})
message = user_data.UserDataProcessor(paths).process(open('small', 'rb').read())
parts = [part for part in message.walk() if part.get_content_maintype() != 'multipart']
assert [part.get_content_type() for part in parts] == ['text/cloud-config'], message
sys.stdout.buffer.write(parts[0].get_payload(decode=True))
";
    workplace.write("unpack.py", unpack);
    let newest = need("target/roots/cloud-init-new/usr/lib/python3/dist-packages");
    let here = |path: &str| {
        let mut command = Command::new("/usr/bin/python3");
        command.arg("unpack.py").env("PYTHONPATH", path).current_dir(&workplace).output().expect("python3")
    };
    let oldest =
        in_root("bullseye", workplace.as_ref(), "cp small unpack.py disk/root/", "cd /; exec python3 unpack.py");
    for output in [here(""), here(newest.to_str().expect("UTF-8")), oldest] {
        assert!(output.status.success() && output.stdout == bytes("large"), "{}", text(&output));
    }
}

/// Debian 11's 1.8.7 is the newest Consul that can be had as a package. It knows all of it, but four spellings of later versions:
/// `ui` is `ui_config` since 1.9, `master` is `initial_management` since 1.11, and TLS is below `tls` since 1.12.
fn as_1_8_spells_it(config: &Value) -> Value {
    let mut old = config.clone();
    let map = old.as_object_mut().expect("a configuration");
    if map.remove("ui_config").is_some() {
        map.insert("ui".to_owned(), true.into());
    }
    if let Some(tls) = map.remove("tls") {
        for section in ["defaults", "internal_rpc"] {
            map.extend(tls[section].as_object().expect("a section of tls").clone());
        }
    }
    if let Some(tokens) = map.get_mut("acl").and_then(|acl| acl["tokens"].as_object_mut())
        && let Some(token) = tokens.remove("initial_management")
    {
        tokens.insert("master".to_owned(), token);
    }
    old
}

#[test]
fn consul_validates_every_configuration() {
    for host in Host::all() {
        let path = "/etc/consul.d/genhost.json";
        let config: Value = serde_json::from_str(host.file(path)).expect("JSON");
        assert_eq!(config["datacenter"], "swarm0", "{}", host.case);
        host.workplace.write("old.json", as_1_8_spells_it(&config).to_string());
        let script = "ip link add vpn_vlan0 type veth peer name far
             ip addr add 192.168.30.7/24 dev vpn_vlan0\nip link set vpn_vlan0 up
             install -D /etc/consul.d/genhost.pem /run/credentials/consul.service/genhost.pem\nconsul validate /old.json\n";
        let output = host.in_root_with("cp old.json disk/root/", script);
        assert!(output.status.success(), "{}: {}", host.case, text(&output));
        assert!(text(&output).contains("Configuration is valid"), "{}: {}", host.case, text(&output));
    }
}

/// What OpenSSL says of a host's certificate: whose it is, and the names in it. It has to be signed by the authority beside it and go
/// with the key beside it.
fn certificate(host: &Host) -> (String, String) {
    let pem = host.file("/etc/consul.d/genhost.pem");
    let parts: Vec<&str> = pem.split_inclusive("-----END CERTIFICATE-----\n").collect();
    let [own, authority, key] = parts[..] else { panic!("{}: {pem}", host.case) };
    for (name, text) in [("own.pem", own), ("authority.pem", authority), ("key.pem", key)] {
        host.workplace.write(name, text);
    }
    let openssl = |arguments: &str| {
        let output = run("openssl", &arguments.split(' ').collect::<Vec<_>>(), host.workplace.as_ref());
        assert!(output.status.success(), "{}: openssl {arguments}: {}", host.case, text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    openssl("verify -CAfile authority.pem own.pem");
    assert_eq!(openssl("pkey -in key.pem -pubout"), openssl("x509 -in own.pem -noout -pubkey"), "{}", host.case);
    let names = openssl("x509 -in own.pem -noout -ext subjectAltName");
    (authority.to_owned(), names.lines().nth(1).unwrap_or_default().trim().to_owned())
}

#[test]
fn openssl_finds_the_name_of_a_consul_server_in_servers_certificates_alone() {
    let mut authorities = BTreeSet::new();
    let mut servers = 0;
    for host in Host::all() {
        let (authority, names) = certificate(&host);
        authorities.insert(authority);
        let config: Value = serde_json::from_str(host.file("/etc/consul.d/genhost.json")).expect("JSON");
        if config["server"] == true {
            servers += 1;
            assert!(names.starts_with("DNS:server.swarm0.consul, IP Address:192.168.30."), "{}: {names}", host.case);
        } else {
            assert_eq!(names, "", "{}", host.case);
        }
    }
    assert_eq!(authorities.len(), 1, "one root, one authority");
    assert!(servers >= 3, "{servers} Consul servers among the golden cases");
}

#[test]
fn dockerd_20_10_takes_every_flag_of_the_drop_in() {
    let mut seen = BTreeSet::new();
    for host in Host::all() {
        let Some(drop_in) = host.files().get("/etc/systemd/system/docker.service.d/genhost.conf").copied() else {
            continue;
        };
        // The stack swarm-mode sets no flags.
        if !drop_in.contains("ExecStart=") {
            continue;
        }
        if !seen.insert(drop_in.to_owned()) {
            continue;
        }
        let joined = drop_in.replace("\\\n", " ");
        let start =
            joined.lines().filter_map(|line| line.strip_prefix("ExecStart=")).next_back().expect("an ExecStart");
        let start = start.replace("${VPN_ADDRESS}", "192.168.30.7").replace("-H fd://", "-H unix:///run/docker.sock");
        let script = format!(
            "ip link add vpn_vlan0 type veth peer name far\nip addr add 192.168.30.7/24 dev vpn_vlan0\nip link set vpn_vlan0 up\n\
             {start} --data-root=/run/data >/log 2>&1 &\n\
             until grep -qs 'level=.*host=.tcp:' /log || ! kill -0 $!; do sleep 0.1; done\n\
             kill -9 $! || :\ncat /log\n"
        );
        let said = text(&host.in_root(&script));
        // It has gone past its flags and acts on them, up to what a chroot does not have.
        for sentence in [
            r#"The \"cluster-store\" option is deprecated"#,
            r#"The \"cluster-advertise\" option is deprecated"#,
            r#"level=info msg="Starting up""#,
            r#"host="tcp://192.168.30.7:2375""#,
        ] {
            assert!(said.contains(sentence), "{}: no {sentence} in {said}", host.case);
        }
        assert!(!said.contains("discovery service not supported"), "{}: {said}", host.case);
    }
    assert!(!seen.is_empty(), "no host has Docker");
}

#[test]
fn dockerd_26_1_takes_every_daemon_json() {
    let root = "target/roots/trixie";
    let dockerd = format!("{root}/usr/sbin/dockerd");
    assert!(Path::new(&dockerd).exists(), "{dockerd} is missing: run `.ci/setup`");
    let hosts = Host::all();
    let files: BTreeSet<&str> =
        hosts.iter().filter_map(|host| host.files().get("/etc/docker/daemon.json").copied()).collect();
    assert!(files.iter().any(|file| file.contains("log-opts")), "no case has settings");
    let workplace = Workplace::empty();
    let validate = |file: &str| {
        workplace.write("daemon.json", file);
        // by its own loader, since it is linked to Debian 13's libraries
        let libraries = format!("{root}/usr/lib/x86_64-linux-gnu");
        Command::new(format!("{libraries}/ld-linux-x86-64.so.2"))
            .args(["--library-path", &libraries, &dockerd, "--validate", "--userland-proxy=false", "--config-file"])
            .arg(workplace.path("daemon.json"))
            .output()
            .expect("dockerd")
    };
    for file in files {
        let output = validate(file);
        assert!(output.status.success(), "{file}: {}", text(&output));
    }
    assert!(!validate("{\"live-restore\": 7}").status.success(), "it refuses nothing");
}

/// The rendered host of a golden case, by the case's name.
fn one(case: &str) -> Host {
    let host = Host::all().into_iter().find(|host| host.case == format!("classic/{case}"));
    host.unwrap_or_else(|| panic!("no golden case {case}"))
}

#[test]
fn the_first_boot_refuses_another_system_in_one_line() {
    let host = one("swarm-node0");
    let output = host.in_root(
        "touch /usr/sbin/policy-rc.d\nfind /etc/systemd/system | sort >/before\ncode=0\n\
         /usr/lib/genhost/first-boot >/said 2>&1 || code=$?\nfind /etc/systemd/system | sort >/after\n\
         cmp /before /after\n[ ! -e /usr/sbin/policy-rc.d ]\n[ ! -e /var/lib/genhost/up ]\n[ $code != 0 ]\ncat /said\n",
    );
    assert!(output.status.success(), "{}: {}", output.status, text(&output));
    let expected = "genhost: made for ubuntu 22.04, this is Debian GNU/Linux 11 (bullseye)\n";
    assert_eq!(text(&output), expected);
}

#[test]
fn a_boot_that_was_cut_short_starts_over() {
    let host = one("debian-11-swarm-node1");
    let boot = host.tree["bootcmd"].as_array().expect("bootcmd").iter().map(|command| {
        let words = command.as_array().expect("a list of words").iter();
        let quoted = words.map(|word| format!("'{}'", word.as_str().expect("a word").replace('\'', r"'\''")));
        quoted.collect::<Vec<_>>().join(" ")
    });
    let boot = boot.collect::<Vec<_>>().join("\n");
    // The names are those of cloud-init 20.4.1's own semaphores.
    let script = format!(
        "boot() {{ (cd /; {boot}\n) >/said 2>&1 </dev/null || {{ cat /said; exit 1; }}; }}\n\
         sem=/var/lib/cloud/instances/i-1/sem\nmkdir -p $sem\nln -sfn instances/i-1 /var/lib/cloud/instance\n\
         rm -f /usr/sbin/policy-rc.d\ntouch /usr/sbin/overwrite /usr/sbin/apt-x\nls /usr/sbin >/before\ncd $sem\n\
         names='config_write_files config_apt_configure config_apt_pipelining config_package_update_upgrade_install\n\
         config_runcmd config_scripts_user update_sources config_ssh config_users_groups config_set_passwords\n\
         config_seed_random config_locale consume_data'\ntouch $names\n\
         boot\necho kept $(ls)\n/usr/sbin/policy-rc.d && exit 1 || echo policy $?\n\
         touch $names\nrm /usr/sbin/policy-rc.d\ninstall -D /dev/null /var/lib/genhost/up\nboot\n\
         echo up $(ls | wc -l)\n[ ! -e /usr/sbin/policy-rc.d ]\n\
         rm -r /var/lib/genhost/up $sem\ncd /\nboot\nrm /usr/sbin/policy-rc.d\nls /usr/sbin | cmp /before -\n"
    );
    let output = host.in_root(&script);
    let kept = "consume_data config_locale config_seed_random config_set_passwords config_ssh config_users_groups";
    let mut kept: Vec<&str> = kept.split(' ').collect();
    kept.sort_unstable();
    assert_eq!(text(&output), format!("kept {}\npolicy 101\nup 13\n", kept.join(" ")));
    assert!(output.status.success(), "{}", output.status);
}

#[test]
fn nft_takes_every_firewall() {
    for host in Host::all() {
        let output = host.in_root("nft -c -f /etc/genhost/firewall.nft && nft -f /etc/genhost/firewall.nft && nft -f /etc/genhost/firewall.nft && nft list tables");
        assert_eq!(text(&output), "table inet genhost\n", "{}", host.case);
    }
}

/// The kernels of Debian 11 and Ubuntu 22.04 refuse a whole table for one rule that this machine's takes: before 5.19, the interface of a
/// route is looked up in prerouting alone (nft_fib_validate in net/netfilter/nft_fib.c).
#[test]
fn old_kernels_take_every_firewall() {
    let mut looked_up = 0;
    for host in Host::all() {
        let mut hook = "";
        for line in host.file("/etc/genhost/firewall.nft").lines() {
            if line.starts_with("chain ") {
                hook = "";
            }
            hook = line.split_once(" hook ").map_or(hook, |(_, rest)| rest.split(' ').next().unwrap_or_default());
            let words: Vec<&str> = line.split_whitespace().collect();
            let fib = words.iter().position(|word| *word == "fib").map_or(&[][..], |start| &words[start..]);
            if fib.iter().any(|word| ["oif", "oifname"].contains(word)) {
                assert_eq!(hook, "prerouting", "{}: {line}", host.case);
                looked_up += 1;
            }
        }
    }
    assert!(looked_up > 0, "no firewall looks up an interface");
}

#[test]
fn shellcheck_has_nothing_to_say_about_any_script() {
    for host in Host::all() {
        let scripts = host.files().into_iter().filter(|(_, text)| text.starts_with("#!"));
        for (path, text) in scripts {
            assert!(text.starts_with("#!/bin/sh\n"), "{}: {path} is not POSIX sh", host.case);
            host.workplace.write("script.sh", text);
            // SC2317: it does not see that a function is called by a name in a variable.
            let arguments = ["--shell=sh", "--external-sources", "--exclude=SC2317", "script.sh"];
            let output = run("shellcheck", &arguments, host.workplace.as_ref());
            assert!(output.status.success(), "{}: {path}: {}", host.case, self::text(&output));
        }
    }
}

/// EC2 and Linode, whose limit is the smallest, take it so. As plain text it is over that limit; docs/security.md says what for.
#[test]
fn user_data_of_a_role_of_the_articles_stack_fits_everywhere_when_it_is_compressed() {
    let roles = |host: &Host| host.case_arguments.iter().filter(|argument| *argument == "--role").count();
    let one_role = |host: &Host| host.case.starts_with("classic/") && roles(host) == 1;
    let sizes: Vec<(String, usize)> = Host::all()
        .into_iter()
        .filter(one_role)
        .map(|host| {
            let output = run("gzip", &["-9nk", "user-data"], host.workplace.as_ref());
            assert!(output.status.success(), "{}", text(&output));
            (host.case, std::fs::metadata(host.workplace.path("user-data.gz")).expect("gzip's").len() as usize)
        })
        .collect();
    assert!(sizes.len() >= 4, "{sizes:?}");
    let over: Vec<_> = sizes.iter().filter(|(_, bytes)| *bytes > 16 << 10).collect();
    assert!(over.is_empty(), "{over:?}");
}

/// A key in user-data is the one whose fingerprint stands beside it, and nothing else.
#[test]
fn gpg_finds_the_key_of_every_source_to_be_what_it_is_called() {
    let mut keys = 0;
    for host in Host::all() {
        for source in host.tree["apt"].as_object().expect("sources").values() {
            let line = source["source"].as_str().expect("a line");
            let (_, path) = line.split_once("signed-by=").expect("a key");
            let path = path.split(']').next().expect("a path");
            // Asked of a key server.
            if path == "$KEY_FILE" {
                continue;
            }
            host.workplace.write("key.asc", host.file(path));
            let home = host.workplace.path("gnupg");
            std::fs::create_dir_all(&home).expect("a folder");
            let home = home.display().to_string();
            let arguments = ["--homedir", &home, "--with-colons", "--show-keys", "key.asc"];
            let listed = text(&run("gpg", &arguments, host.workplace.as_ref()));
            let primary = listed.lines().skip_while(|line| !line.starts_with("pub:")).nth(1).expect("a key");
            assert_eq!(primary, format!("fpr:::::::::{}:", source["keyid"].as_str().expect("a fingerprint")));
            assert_eq!(listed.matches("pub:").count(), 1, "{listed}");
            keys += 1;
        }
    }
    assert!(keys > 0, "no golden host has a key in its user-data");
}

/// As an editor does: it offers the names of built-in profiles, and takes those of the user's own.
#[test]
fn the_schema_offers_known_names_and_takes_others() {
    let workplace = Workplace::new();
    workplace.write("schema.json", workplace.genhost(["schema"]).stdout_of_success());
    workplace.write("cluster.yaml", include_str!("../profiles/clusters/swarm-mode.yaml"));
    let script = "import json, yaml, jsonschema
schema = json.load(open('schema.json'))
validator = jsonschema.Draft202012Validator if hasattr(jsonschema, 'Draft202012Validator') else jsonschema.Draft7Validator
valid = lambda cluster: validator(schema).is_valid(cluster)
cluster = yaml.safe_load(open('cluster.yaml'))
assert valid(cluster)
host = cluster['hosts']['swarm-node1']
for key, own, wrong in [('platform', 'mars', 'Mars!'), ('os', 'nixos-26', 'NixOS 26'), ('roles', ['taster'], ['a taster'])]:
    kept = host.get(key)
    host[key] = own
    assert valid(cluster), key
    host[key] = wrong
    assert not valid(cluster), key
    host[key] = kept
    if kept is None:
        del host[key]
fields = schema['$defs']['HostSection']['properties']
for words, known in [(fields['platform'], 'hetzner'), (fields['os'], 'debian-12'), (fields['roles']['items'], 'swarm-agent'),
                     (schema['properties']['stack'], 'classic'), (schema['properties']['os'], 'ubuntu-24.04')]:
    assert known in words['anyOf'][0]['enum'], known
";
    let output = run("/usr/bin/python3", &["-c", script], workplace.as_ref());
    assert!(output.status.success(), "{}", text(&output));
}

/// A key logs in as the image's default user; the time zone is set; commands run after genhost's own.
#[test]
fn cloud_init_sets_what_a_user_wants_besides_the_cluster() {
    let host = Host::all().into_iter().find(|host| host.case == "swarm-mode/options-swarm-local").expect("the case");
    let script = "seed=/var/lib/cloud/seed/nocloud; mkdir -p $seed; cp /user-data $seed/; echo 'instance-id: i-1' >$seed/meta-data
        echo 'datasource_list: [NoCloud]\nnetwork: {config: disabled}' >/etc/cloud/cloud.cfg.d/99-test.cfg
        rm -rf /var/lib/cloud/instance*; mkdir -p /usr/share/zoneinfo/Asia; : >/usr/share/zoneinfo/Asia/Tokyo
        (cloud-init init --local; cloud-init init) >/said 2>&1 || { cat /said; exit 1; }
        for module in users_groups ssh timezone runcmd; do cloud-init single --name $module >/said 2>&1 || { cat /said; exit 1; }; done
        cut -d' ' -f1,3 /home/debian/.ssh/authorized_keys; readlink /etc/localtime; cat /etc/timezone
        tail -n3 /var/lib/cloud/instance/scripts/runcmd";
    let output = in_root("bookworm", host.workplace.as_ref(), "cp user-data disk/root/", script);
    assert_eq!(
        text(&output),
        "ssh-ed25519 me@home\n/usr/share/zoneinfo/Asia/Tokyo\nAsia/Tokyo\n'/usr/lib/genhost/first-boot'\n\
         'sh' '-c' 'echo '\\''one: two'\\'' >/etc/one'\n'touch' '/etc/a b'\n"
    );
}
