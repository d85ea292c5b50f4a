//! Networks that must stay apart, and the VPN addresses of hosts known by name.

mod fixture;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use fixture::Workplace;
use genhost::cluster::{AddressSource, Cluster, HostName};
use genhost::diagnostic::Sources;
use genhost::load::{self, Catalogue, Shelf};

const HEAD: &str = "\
name: shop
stack: swarm-mode
os: debian-12
vpn:
  endpoint: 203.0.113.10
  network: 192.168.30.0/24
  dhcp: {first: 192.168.30.10, last: 192.168.30.99}
  claims: {first: 192.168.30.100, last: 192.168.30.199}
hosts:
  node0: {roles: [vpn-server, swarm-manager], vpn_address: 192.168.30.2}
";

/// A host at home.
fn attic(address: &str, gateway: &str, nameserver: &str) -> String {
    format!(
        "  attic:\n    roles: [swarm-agent]\n    platform: bare\n    network: {{interface: eno1, address: {address}, \
         gateway: {gateway}, nameservers: [{nameserver}]}}\n"
    )
}

/// The cluster with its VPN in another network, a /24.
fn in_network(base: &str) -> String {
    let head = HEAD.replace("192.168.30.", base.strip_suffix('0').expect("a base"));
    assert!(head.contains(base), "{base}");
    head
}

fn check(cluster: &str, arguments: &[&str]) -> (bool, String) {
    let workplace = Workplace::new();
    workplace.write("cluster.yaml", cluster);
    let output = workplace.genhost([&["check"][..], arguments].concat());
    (output.code() == Some(0), output.stderr())
}

#[test]
fn networks_that_share_addresses_are_refused_with_both_places() {
    let lan = |address, gateway, nameserver| format!("{HEAD}{}", attic(address, gateway, nameserver));
    let one = |network: &str| format!("`vpn.network` ({network})");
    for (cluster, arguments, told) in [
        // The cases that people reported.
        (
            lan("192.168.30.20/24", "192.168.30.1", "192.168.30.1"),
            &[][..],
            "`hosts.attic.network.address` (192.168.30.20/24) and `vpn.network`",
        ),
        (
            lan("10.201.4.20/16", "10.201.0.1", "9.9.9.9"),
            &[],
            "`settings.swarm-mode-manager.address_pool` (10.201.0.0/16)",
        ),
        (
            lan("192.168.30.200/22", "192.168.28.1", "9.9.9.9"),
            &[],
            "`hosts.attic.network.address` (192.168.30.200/22) and `vpn.network`",
        ),
        (lan("172.17.3.4/24", "172.17.3.1", "9.9.9.9"), &[], "`settings.swarm-mode.bridges` (172.17.0.0/16)"),
        (lan("127.0.0.2/8", "127.0.0.1", "9.9.9.9"), &[], "(127.0.0.2/8) and loopback"),
        (
            lan("10.0.0.9/24", "10.0.0.1", "192.168.30.1"),
            &[],
            "`hosts.attic.network.nameservers` (192.168.30.1) and `vpn.network`",
        ),
        (in_network("203.0.113.0"), &[], "`vpn.endpoint` (203.0.113.10) and `vpn.network` (203.0.113.0/24)"),
        (in_network("127.0.0.0"), &[], "loopback"),
        (in_network("169.254.169.0"), &[], "link-local"),
        (in_network("224.0.0.0"), &[], "multicast"),
        (in_network("0.0.0.0"), &[], "0.0.0.0/8"),
        (in_network("240.1.2.0"), &[], "reserved"),
        (in_network("172.17.0.0"), &[], "`settings.swarm-mode.bridges` (172.17.0.0/16)"),
        (
            in_network("172.17.0.0").replace("swarm-mode", "classic").replace("debian-12", "debian-11"),
            &[],
            "`settings.docker-consul.bridges` (172.17.0.0/16)",
        ),
        (in_network("192.168.56.0"), &[], "the network of Vagrant's machines"),
        (
            HEAD.to_owned(),
            &["--set", "vpn.endpoint=172.17.0.9"],
            "`vpn.endpoint` (172.17.0.9) and `settings.swarm-mode.bridges`",
        ),
        (HEAD.to_owned(), &["--set", "vpn.endpoint=127.0.0.1"], "`vpn.endpoint` (127.0.0.1) and loopback"),
        (HEAD.to_owned(), &["--set", "settings.swarm-mode.bridges=192.168.0.0/16"], &one("192.168.30.0/24")),
        (
            HEAD.to_owned(),
            &["--set", "settings.swarm-mode.bridges=10.201.0.0/20"],
            "`settings.swarm-mode-manager.address_pool`",
        ),
    ] {
        let (good, said) = check(&cluster, arguments);
        assert!(!good, "{cluster}{arguments:?}: accepted");
        let line =
            said.lines().find(|line| line.contains(" share addresses")).unwrap_or_else(|| panic!("{cluster}{said}"));
        assert!(said.contains(told) && line.starts_with("error: "), "{told}: {said}");
        assert!(said.contains("--> "), "no place: {said}");
    }
    // Both places, where the user wrote both.
    let (_, said) = check(&lan("192.168.30.20/24", "192.168.30.1", "192.168.30.1"), &[]);
    assert!(said.contains("192.168.30.0/24\n") && said.contains("    network: {interface: eno1"), "{said}");
}

#[test]
fn networks_that_are_apart_are_accepted() {
    for (cluster, arguments) in [
        (HEAD.to_owned(), &[][..]),
        (format!("{HEAD}{}", attic("192.168.1.20/24", "192.168.1.1", "192.168.1.1")), &[]),
        // A name server at a link-local address, as some platforms have it; the lab's own of Vagrant at home.
        (format!("{HEAD}{}", attic("10.0.0.9/24", "10.0.0.1", "169.254.169.254")), &[]),
        (format!("{HEAD}{}", attic("192.168.56.20/24", "192.168.56.1", "192.168.56.1")), &[]),
        (in_network("192.168.31.0"), &["--set", "settings.swarm-mode.bridges=192.168.32.0/20"]),
        // Docker's bridges moved out of the way of a network that is there.
        (
            format!("{HEAD}{}", attic("172.17.3.4/24", "172.17.3.1", "172.17.3.1")),
            &["--set", "settings.swarm-mode.bridges=172.30.0.0/16"],
        ),
    ] {
        let (good, said) = check(&cluster, arguments);
        assert!(good, "{cluster}{arguments:?}: {said}");
    }
}

#[test]
fn a_private_endpoint_is_noted() {
    for (endpoint, noted) in
        [("10.3.4.5", true), ("192.168.1.5", true), ("100.64.0.9", true), ("203.0.113.7", false), ("vpn.test", false)]
    {
        let (good, said) = check(HEAD, &["--set", &format!("vpn.endpoint={endpoint}")]);
        assert!(good, "{said}");
        assert_eq!(said.contains("is a private address"), noted, "{endpoint}: {said}");
    }
}

/// The cluster of these agents, in this order.
fn load(names: &[String], locked: &BTreeMap<HostName, Ipv4Addr>) -> Cluster {
    let mut sources = Sources::default();
    let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()).expect("the built-in data");
    let hosts: String = names.iter().map(|name| format!("  {name}: {{roles: [swarm-agent]}}\n")).collect();
    let source = sources.add("cluster.yaml", format!("{HEAD}{hosts}"));
    load::cluster(&sources, source, Vec::new(), &catalogue, locked).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn addresses(cluster: &Cluster) -> BTreeMap<HostName, Ipv4Addr> {
    cluster.hosts.iter().map(|host| (host.name.value.clone(), host.address)).collect()
}

/// 62 addresses are free for them.
fn names() -> Vec<String> {
    (1..=62).map(|number| format!("web-{number:02}")).collect()
}

#[test]
fn as_many_hosts_as_there_are_addresses_get_one_each_whatever_their_order() {
    let names = names();
    let cluster = load(&names, &BTreeMap::new());
    let all = addresses(&cluster);
    let distinct: std::collections::BTreeSet<_> = all.values().collect();
    assert_eq!((all.len(), distinct.len()), (63, 63));
    let mut other = names.clone();
    other.reverse();
    assert_eq!(addresses(&load(&other, &BTreeMap::new())), all);
    other.rotate_left(17);
    assert_eq!(addresses(&load(&other, &BTreeMap::new())), all);
    assert!(cluster.hosts.iter().any(|host| matches!(host.address_source, AddressSource::Displaced(_))));
}

#[test]
fn a_host_that_joins_or_leaves_moves_none_that_the_lock_keeps() {
    let names = names();
    let mut locked = BTreeMap::new();
    for count in 1..=names.len() {
        let now = addresses(&load(&names[..count], &locked));
        for (name, address) in &locked {
            assert_eq!(now.get(name), Some(address), "{name} moved when {} joined", names[count - 1]);
        }
        locked = now;
        locked.retain(|name, _| name.as_str() != "node0");
    }
    // Every other one leaves.
    let left: Vec<String> = names.iter().step_by(2).cloned().collect();
    for (name, address) in addresses(&load(&left, &locked)) {
        assert!(name.as_str() == "node0" || locked.get(&name) == Some(&address), "{name} moved");
    }
}

#[test]
fn a_locked_address_that_no_host_may_have_any_more_is_given_up() {
    let name = |text: &str| HostName::new(text).expect("a name");
    for taken in ["192.168.30.1", "192.168.30.50", "192.168.30.150", "10.0.0.1"] {
        let taken: Ipv4Addr = taken.parse().expect("an address");
        let cluster = load(&["web-01".to_owned()], &BTreeMap::from([(name("web-01"), taken)]));
        let host = cluster.host(&name("web-01")).expect("web-01");
        assert_ne!(host.address, taken);
        assert_eq!(host.address_source, AddressSource::Moved(taken));
    }
}

#[test]
fn no_host_is_given_an_address_that_the_lock_keeps_for_another() {
    let locked =
        BTreeMap::from([(HostName::new("web-01").expect("a name"), "192.168.30.2".parse().expect("an address"))]);
    let mut sources = Sources::default();
    let catalogue = Catalogue::load(&mut sources, &Shelf::profiles(), Shelf::templates()).expect("the built-in data");
    let source = sources.add("cluster.yaml", format!("{HEAD}  web-01: {{roles: [swarm-agent]}}\n"));
    let faults = load::cluster(&sources, source, Vec::new(), &catalogue, &locked).expect_err("a fault");
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!(fault.to_string(), "the lock keeps 192.168.30.2 for `web-01`");
    assert_eq!(sources.position(fault.place.expect("a place")).line, 10);
}

/// A newcomer whose name falls on a locked host's address moves nobody, and there is nothing to tell.
#[test]
fn a_newcomer_beside_the_lock_is_not_noted() {
    let names = names();
    let all = load(&names, &BTreeMap::new());
    let displaced = all.hosts.iter().find_map(|host| match &host.address_source {
        AddressSource::Displaced(other) if other.as_str() != "node0" => Some((host.name.value.clone(), other.clone())),
        _ => None,
    });
    let (newcomer, older) = displaced.expect("one that is displaced");
    let one = |name: &HostName| vec![name.as_str().to_owned()];
    let locked = addresses(&load(&one(&older), &BTreeMap::new()));
    let cluster = load(&[one(&older), one(&newcomer)].concat(), &locked);
    assert!(cluster.hosts.iter().all(|host| !matches!(host.address_source, AddressSource::Displaced(_))));
}

#[test]
fn a_host_that_another_one_displaces_is_noted() {
    let hosts: String = names().iter().take(12).map(|name| format!("  {name}: {{roles: [swarm-agent]}}\n")).collect();
    let (good, said) = check(&format!("{HEAD}{hosts}"), &[]);
    assert!(good && said.contains("has the address that its name falls on"), "{said}");
    let (good, said) = check(HEAD, &[]);
    assert!(good && !said.contains("falls on"), "{said}");
}
