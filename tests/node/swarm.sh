# Real engines in namespaces of their own, with the programs of a rendered host. Consul's keys are files in /kv. Sourced.
ip link add wire type bridge
ip link set wire up
mkdir -p /kv /stand-in /root/ca
printf '#!/bin/sh\nexec /bin/sleep 0.3\n' >/stand-in/sleep
printf '#!/bin/sh\ntail -n 20 "/$NODE.log"\n' >/stand-in/journalctl
chmod 755 /stand-in/*

# node NAME ADDRESS: the address is its alone, so that every other one is refused at once.
node() {
    mkfifo "/$1.up"
    unshare --mount --net sh -euc '
        mount -t tmpfs none /run; mkdir -p /run/lock /var/lib/docker; mount -t tmpfs none /var/lib/docker
        ip link set lo up; echo >"$1"; exec sleep 1000' sh "/$1.up" &
    eval "ns_$1=$! address_$1=$2"
    cat "/$1.up" >/dev/null
    ip link add "to-$1" type veth peer name vpn netns "$!"
    ip link set "to-$1" master wire up
    on "$1" "ip addr add $2/32 dev vpn; ip link set vpn up; for a in 2 110 111; do ip route add 192.168.30.\$a dev vpn; done"
    become "$1" 'exec python3 /consul.py' &
    start "$1"
}
become() { # NAME COMMAND, for a process of its own
    eval "ns=\$ns_$1"
    eval "export NODE=$1 VPN_ADDRESS=\$address_$1 PATH=/stand-in:$PATH"
    exec nsenter -t "$ns" -m -n -r -w sh -euc "cd /; $2"
}
on() { (become "$@"); }
start() {
    become "$1" "exec dockerd --iptables=false --bridge=none --storage-driver=vfs >>/$1.log 2>&1" &
    eval "engine_$1=$!"
    within 20 "on $1 'curl -sf --unix-socket /run/docker.sock http://d/_ping'" >/dev/null
}
stop() { eval "kill \$engine_$1; wait \$engine_$1" || :; }
join() { on "$1" "KIND=$2 /usr/lib/genhost/swarm-join" 2>&1 | sed "s/^/$1: /"; }
state() { on "$1" "docker info -f '{{.Swarm.LocalNodeState}}'"; }
within() { # SECONDS COMMAND
    n=$(($1 * 5))
    until eval "$2"; do [ $((n -= 1)) -gt 0 ] || { echo "not within $1 s: $2"; on m 'docker node ls'; exit 1; }; /bin/sleep 0.2; done
}
published() { on m "grep -qF \$(docker swarm join-token -q worker) /kv/worker"; }
# begin: m begins the swarm, and leads it. Its authority is one whose key is here.
begin() {
    node m 192.168.30.2
    join m manager
    cd /root/ca
    openssl ecparam -name prime256v1 -genkey -noout -out key
    openssl req -x509 -new -key key -days 7000 -subj /CN=swarm-ca -out crt
    on m 'docker swarm ca --rotate -dq --ca-cert /root/ca/crt --ca-key /root/ca/key' >/dev/null
    within 30 "on m 'cmp -s /root/ca/crt /var/lib/docker/swarm/certificates/swarm-root-ca.crt'"
    become m 'exec /usr/lib/genhost/swarm-lead' >/lead 2>&1 &
    lead=$!
    within 20 published 2>/dev/null
}
# certify NAME FROM TO: gives a node that is off its own certificate anew, for these years.
certify() {
    on "$1" 'cp /var/lib/docker/swarm/certificates/swarm-node.crt /run/was.crt; cd /root/ca; rm -f index* serial*; : >index; echo 01 >serial
        sed "/^[a-z-]*:/d; /^$/d" /var/lib/docker/swarm/certificates/swarm-node.key >node.key
        openssl x509 -in /run/was.crt -noout -subject -nameopt multiline | sed -n "s/.* = //p" >names
        { read -r o; read -r ou; read -r cn; } <names
        openssl req -new -key node.key -subj "/O=$o/OU=$ou/CN=$cn" -out csr
        printf "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\norganizationName=optional\n
            organizationalUnitName=optional\ncommonName=optional\n[x]\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n
            subjectAltName=DNS:$ou,DNS:$cn,DNS:swarm-ca\n" >conf
        openssl ca -batch -notext -config conf -extensions x -keyfile key -cert crt -in csr -out new.crt \
            -startdate '"$2"'0101000000Z -enddate '"$3"'0101000000Z 2>said || { cat said; exit 1; }
        cat new.crt >/var/lib/docker/swarm/certificates/swarm-node.crt'
}
