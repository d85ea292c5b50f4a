# What own-disk makes of a copied disk, and of what befalls one machine.
exec 2>&1
mkdir -p /var/lib/cloud/data /var/lib/cloud/instance /stand-in
echo droplet >/etc/hostname
mount -t tmpfs none /sys/class
mkdir -p /sys/class/dmi/id
printf '#!/bin/sh\nexit 1\n' >/stand-in/networkctl
printf '#!/bin/sh\necho none\nexit 1\n' >/stand-in/systemd-detect-virt
chmod 755 /stand-in/*
PATH=/stand-in:$PATH
seen() { echo "DataSource$1: DataSource$1" >/var/lib/cloud/instance/datasource; echo "$2" >/var/lib/cloud/data/instance-id; }
boot() { echo "- $1"; rm -f /run/genhost/own-disk; /usr/lib/genhost/own-disk || echo "ends with $?"; }
hardware() { echo "$1" >/sys/class/dmi/id/product_uuid; }
mac() { cat /etc/hostname /etc/machine-id /var/lib/genhost/machine | sha256sum; }
live() {
    mkdir -p /var/lib/genhost/consul/serf /var/lib/docker/swarm/raft /etc/systemd/network/10-genhost-vpn.network.d
    for it in genhost/vpn-address genhost/consul/node-id genhost/consul/serf/local.snapshot docker/swarm/state.json docker/engine-id docker/image; do
        echo "$it" >"/var/lib/$it"
    done
    echo claim >/etc/systemd/network/10-genhost-vpn.network.d/claim.conf
}
state() { (cd /var/lib; find genhost docker /etc/systemd/network/10* -type f ! -name machine) | sed 's/\(swarm.old\)-[0-9]*/\1-T/' | sort | tr '\n' ' '; echo; }
kept() { [ "$(state)" = "$all" ] && [ "$(mac)" = "$was" ] || { echo "not kept:"; state; }; }
boot 'nothing known yet'
seen Ec2 i-0a1
boot 'first boot'
live
all=$(state) was=$(mac)
echo "$all"
boot reboot; kept
seen None iid-datasource-none
boot 'no metadata'; kept
rm -r /var/lib/cloud/instance /var/lib/cloud/data
boot 'no cloud-init'; kept
mkdir -p /var/lib/cloud/data /var/lib/cloud/instance
seen Ec2 i-0a1
boot 'metadata again'; kept
seen Ec2 i-0b2
boot 'a copy'
state
[ "$(mac)" != "$was" ] || echo 'the same MAC'
live
was=$(mac) all=$(state)
boot 'the copy again'; kept
# Back to the first machine: what was put aside before stays.
seen Ec2 i-0a1
sleep 1
boot 'the first again'
state
live
was=$(mac) all=$(state)
seen Ec2 i-0c3
echo '- a restart of the client'
/usr/lib/genhost/own-disk; kept
# Where a person makes the instance id, or it is a hash of the user-data, the hardware counts.
rm -r /var/lib/genhost/machine /var/lib/docker/swarm.old-*
seen NoCloud i-1
hardware 564d1234-5678-9abc-def0-123456789abc
boot 'a seed'
live
was=$(mac) all=$(state)
seen NoCloud i-2
boot 'another seed'; kept
seen ConfigDrive 0123abcd
boot 'a drive of user-data'; kept
seen OVF web-v2
boot 'a name'; kept
hardware 34124d56-7856-bc9a-def0-123456789abc
boot 'the bytes of the UUID swapped'; kept
rm -r /sys/class/dmi
boot 'no DMI'; kept
mkdir -p /sys/class/dmi/id
hardware 564d1234-5678-9abc-def0-00000000face
boot 'other hardware'
state
# A container moves between machines.
printf '#!/bin/sh\necho lxc\n' >/stand-in/systemd-detect-virt
live
was=$(mac) all=$(state)
hardware 564d1234-5678-9abc-def0-00000000cafe
boot 'a container elsewhere'; kept
