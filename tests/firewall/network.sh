# A host between the public side, people and hosts on the VPN, and a container; RULES are the host's. Prints what PROBES find.
set -eu
mount -t tmpfs tmpfs /run
mkdir /run/netns
for name in host public vpn container; do
  ip netns add "$name"
  ip -n "$name" link set lo up
done
# wire INTERFACE-OF-HOST ADDRESS NAMESPACE ADDRESS…
wire() {
  ip link add "$1" netns host type veth peer name eth0 netns "$3"
  ip -n host addr add "$2" dev "$1"
  ip -n host link set "$1" up
  ip -n "$3" link set eth0 up
  name=$3
  shift 3
  for address; do ip -n "$name" addr add "$address" dev eth0; done
}
wire eth0 203.0.113.1/24 public 203.0.113.9/24 169.254.169.254/32
wire vpn_vlan0 192.168.30.2/24 vpn 192.168.30.3/24 192.168.30.20/24
wire br-one 172.18.0.1/16 container 172.18.0.2/16
ip -n host route add 169.254.169.254 via 203.0.113.9
ip -n container route add default via 172.18.0.1
ip -n vpn route add 172.18.0.0/16 via 192.168.30.2
ip -n public route add 172.18.0.0/16 via 203.0.113.1
ip -n public route add 192.168.30.0/24 via 203.0.113.1
ip netns exec host sysctl -qw net.ipv4.ip_forward=1
# as Docker would: what is sent to these ports is a container's
ip netns exec host nft -f - <<EOF
table ip nat {
  chain prerouting {
    type nat hook prerouting priority -100
    iifname != "br-one" tcp dport { 8080, 8088 } dnat to 172.18.0.2:80
  }
}
EOF
ip netns exec host nft -f "$RULES"
ip netns exec host nft -f "$RULES"
ip netns exec host nft list tables
for name in host public vpn container; do ip netns exec "$name" /usr/bin/python3 "$TOOLS/serve.py" & done
sleep 1
for name in public vpn container; do ip netns exec "$name" /usr/bin/python3 "$TOOLS/probe.py" "$name" <"$PROBES"; done
