begin
on m "docker info | grep -o 'Expiry Duration: .*'"
node w 192.168.30.110
join w worker
stop w; certify w 2020 2021; start w
echo "w is $(state w)"
join w worker
echo "w is $(state w)"
# A clock that was wrong is no reason to leave.
stop w; certify w 2090 2091; start w
join w worker
echo "w is $(state w)"
on w 'cat /run/was.crt >/var/lib/docker/swarm/certificates/swarm-node.crt'
# One that somebody has removed.
stop w; start w
within 20 '[ "$(state w)" = active ]'
stop w
id=$(on m "docker node ls -qf role=worker")
for id in $id; do within 20 "on m 'docker node rm --force $id' >/dev/null 2>&1"; done
start w
echo "w is $(state w)"
within 20 'grep -q "was removed from swarm" /w.log'
join w worker
echo "w is $(state w)"
# The last manager.
kill "$lead"
stop m; certify m 2020 2021; start m
join m manager
echo "m is $(state m), with $(on m 'ls -d /var/lib/docker/swarm/raft')"
