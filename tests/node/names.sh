begin
node w1 192.168.30.110
node w2 192.168.30.111
join w1 worker
join w2 worker
on m "docker node ls --format '{{.Hostname}}' | sort | uniq -c | sed 's/ *//; s/ .*//'"
# One is installed anew, the other is off.
old=$(on m "docker node ls -q | xargs docker node inspect -f '{{.ID}} {{.Status.Addr}}' | sed -n 's/ 192.168.30.110//p'")
off=$(on m "docker node ls -q | xargs docker node inspect -f '{{.ID}} {{.Status.Addr}}' | sed -n 's/ 192.168.30.111//p'")
stop w2
on w1 'docker swarm leave' >/dev/null
join w1 worker
down() { on m "docker node inspect $1 -f '{{.Status.State}}'" 2>&1 | grep -qx down; }
within 60 "down $off"
echo "the one that is off is down"
within 60 "down $old"
/bin/sleep 3
down "$old" && echo "the old one waits"
within 60 "! down $old"
grep -c "removed $old, which was installed anew" /lead
/bin/sleep 15
down "$off" && echo "the one that is off stays"
