//! Somebody with an account on a host, and a container that shares a host's network.

use crate::artifacts::BUSYBOX;
use crate::fleet::Host;
use crate::lab::{Check, Lab, never};

pub const CHECK: Check = Check {
    name: "local-user",
    says: "neither a local user nor a container with the host's network gets at a secret of the host or changes its VPN client",
    skip: never,
    run,
};

fn run(lab: &Lab) -> String {
    lab.each(|fleet| {
        let said: usize = fleet.on_each(robbed).into_iter().sum();
        fleet.assert_well();
        format!("{said} secrets of each kind looked for in files, journals, command lines and the client's own port")
    })
}

/// Takes the place of `nobody`, who brings a vpncmd along.
const AS_NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

fn robbed(host: &Host) -> usize {
    // What only root may know.
    let secrets = host.ok(
        "sed -n 's/^byte HashedPassword //p; s/^byte ServerKey \\(.\\{60\\}\\).*/\\1/p; s/^byte AuthPassword //p; s/^string IPsec_Secret //p; \
           s/^byte EncryptedPassword //p' /etc/genhost/vpn_*.config
         sed -n 's/.*\"encrypt\": \"\\(.*\\)\".*/\\1/p' /etc/consul.d/genhost.json
         sed -n '/EC PRIVATE/,$p' /etc/consul.d/genhost.pem | sed -n 2p
         for f in consul-token consul-management; do [ ! -e /etc/genhost/$f ] || cut -d' ' -f2 /etc/genhost/$f; done",
    );
    let count = secrets.lines().count();
    assert!(count >= 4, "{}: {secrets}", host.machine.name);
    std::fs::write(host.disk().join("root/secrets"), &secrets).expect("a file");
    let looked = host.run(&format!(
        "exec 3</root/secrets
         {AS_NOBODY} grep -rsaFlf /dev/fd/3 /etc /opt/genhost /usr/lib/genhost /usr/local /run /var/lib /var/log /var/cache /tmp /var/tmp && exit 9
         exec 3</root/secrets
         {AS_NOBODY} sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null' | tr '\\0' '\\n' | grep -aFf /dev/fd/3 && exit 9
         exec 3</root/secrets
         journalctl -q --no-pager | grep -aFf /dev/fd/3 && exit 9; :"
    ));
    host.ok("rm /root/secrets");
    assert!(looked.ok, "{}: a local user reads\n{}", host.machine.name, looked.text);

    // vpncmd writes beside itself, and wants its messages there.
    host.ok(
        "rm -rf /tmp/v; mkdir -m 777 /tmp/v
         for d in /usr/libexec/softether/vpncmd /opt/genhost/softether_source; do [ ! -e $d/vpncmd ] || cp -rL $d/. /tmp/v; done
         chmod -R a+rwX /tmp/v; [ -x /tmp/v/vpncmd ]",
    );
    let account = host.ok("sed -n 's/^string AccountName //p' /etc/genhost/vpn_client.config");
    // Root of a container has programs of its own; here they are the host's.
    let container = format!(
        "docker run --rm --net=host -v /tmp/v:/tmp/v -v /bin:/bin:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v /usr:/usr:ro -w /tmp/v {BUSYBOX}"
    );
    for who in [AS_NOBODY, &container] {
        for password in ["", "/PASSWORD:genhost"] {
            let ask = |command: &str| {
                let vpncmd = format!("./vpncmd 127.0.0.1 /CLIENT {password} /CMD {command}");
                host.run(&format!("cd /tmp/v; {who} timeout 3 {vpncmd} </dev/null 2>&1 | head -c 9999")).text
            };
            let said = ask(&format!("AccountExport {account} /SAVEPATH:/tmp/v/out"));
            let taken = host.run("cat /tmp/v/out; rm -f /tmp/v/out").text;
            assert!(!taken.contains("HashedPassword"), "{}: {who} {password}: {said}", host.machine.name);
            let said = ask(&format!("AccountServerCertDisable {account}"));
            assert!(
                !said.contains("The command completed successfully"),
                "{}: {who} {password}: {said}",
                host.machine.name
            );
        }
    }
    // It listens, or all of this was for nothing.
    host.ok("ss -Hltn sport = :9931 | grep . && rm -rf /tmp/v");
    count
}
