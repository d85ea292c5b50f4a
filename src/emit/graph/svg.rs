//! SVG 1.1, laid out by hand: the cloud above, the VPN in the middle, what stands behind a NAT and people below.

use std::fmt::Write as _;

use super::{Node, Picture};

/// Pixels.
const WIDTH: usize = 300;
const GAP: usize = 24;
const LINE: usize = 16;
/// Hosts side by side.
const COLUMNS: usize = 3;
/// Letters of the small type that fit into a box.
const LETTERS: usize = 42;
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #24292f } .name { font-weight: 600; font-size: 14px } \
     .small { font: 11px ui-monospace, monospace } .zone { fill: #f6f8fa; stroke: #d0d7de } \
     .host { fill: #ffffff; stroke: #57606a } .server { stroke: #0969da; stroke-width: 3 } .vpn { fill: #ddf4ff; stroke: #0969da } \
     .line { stroke: #0969da; stroke-width: 2; fill: none } .dial { stroke: #bf8700; stroke-width: 1.5; fill: none; \
     stroke-dasharray: 5 3; marker-end: url(#arrow) }";

/// A host's place.
struct Placed<'a> {
    node: &'a Node,
    x: usize,
    y: usize,
    lines: Vec<(&'static str, String)>,
    height: usize,
}

impl Placed<'_> {
    fn middle(&self) -> usize {
        self.x + WIDTH / 2
    }

    fn bottom(&self) -> usize {
        self.y + self.height
    }
}

/// A zone: its title, and the hosts in it.
struct Zone<'a> {
    title: &'static str,
    title_at: usize,
    y: usize,
    bottom: usize,
    hosts: Vec<Placed<'a>>,
}

/// Where a zone's title stands: where no line goes by.
#[derive(PartialEq)]
enum Title {
    Above,
    Below,
}

/// Draws the picture.
pub fn svg(picture: &Picture) -> String {
    let columns = picture.cloud.len().max(picture.behind_nat.len() + usize::from(!picture.people.is_empty()));
    let width = columns.clamp(2, COLUMNS) * (WIDTH + GAP) + 3 * GAP;
    let cloud = zone("cloud", Title::Above, &picture.cloud, 40);
    let vpn = cloud.bottom + 3 * GAP;
    let below = vpn + 34 + 3 * GAP;
    let behind = zone("behind a NAT or firewall: nothing needs to reach in", Title::Below, &picture.behind_nat, below);
    let people = if picture.behind_nat.is_empty() { below } else { behind.bottom + GAP };
    let legend = if picture.people.is_empty() { behind.bottom } else { people + 64 } + GAP;
    let end = legend + GAP;

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {end}\" width=\"{width}\" height=\"{end}\" \
         role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0 8 4 0 8z\" fill=\"#bf8700\"/></marker></defs>\n<rect width=\"{width}\" height=\"{end}\" fill=\"#ffffff\"/>\n",
        escaped(&picture.name)
    );
    text(&mut out, "name", GAP, 26, &format!("{}: one Docker cluster over a SoftEther VPN", picture.name));
    for zone in [&cloud, &behind] {
        if !zone.hosts.is_empty() {
            rectangle(&mut out, "zone", GAP, zone.y, width - 2 * GAP, zone.bottom - zone.y);
            text(&mut out, "", GAP + 12, zone.title_at, zone.title);
        }
    }
    // Lines first, so that they go by below what has words in it.
    for host in cloud.hosts.iter().chain(&behind.hosts) {
        let (from, to) = if host.y < vpn { (host.bottom(), vpn) } else { (vpn + 34, host.y) };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<path class=\"line\" d=\"M{0} {from}V{to}\"/>", host.x + 40);
    }
    if let Some(server) = cloud.hosts.iter().chain(&behind.hosts).find(|host| host.node.is_server) {
        let target = server.middle() + 40;
        for host in cloud.hosts.iter().chain(&behind.hosts).filter(|host| !host.node.is_server) {
            dial(&mut out, host, server, target);
        }
        let label = format!("dial {}/tcp", picture.endpoint);
        text(&mut out, "small", target + 8, server.bottom() + 2 * GAP - 4, &label);
        if !picture.people.is_empty() {
            let (x, lane) = (width - GAP, server.bottom() + 2 * GAP);
            let _ = writeln!(
                out,
                "<path class=\"dial\" d=\"M{x} {}H{}V{lane}H{target}V{}\"/>",
                people + 32,
                x + GAP / 2,
                server.bottom()
            );
        }
    }
    rectangle(&mut out, "vpn", GAP, vpn, width - 2 * GAP, 34);
    text(&mut out, "", GAP + 12, vpn + 22, &format!("VPN {}: Consul, Docker and Swarm speak here", picture.network));
    for host in cloud.hosts.iter().chain(&behind.hosts) {
        draw(&mut out, host);
    }
    if !picture.people.is_empty() {
        rectangle(&mut out, "zone", GAP, people, width - 2 * GAP, 64);
        text(&mut out, "", GAP + 12, people + 20, "people, by L2TP/IPsec or SoftEther's client");
        let names = picture.people.join(", ");
        text(&mut out, "name", GAP + 12, people + 44, &shortened(&names, (width - 4 * GAP) / 9));
    }
    text(
        &mut out,
        "",
        GAP,
        legend,
        "A host opens these ports: to the internet, to the VPN's other hosts, to people on the VPN.",
    );
    out + "</svg>\n"
}

fn zone<'a>(title: &'static str, place: Title, nodes: &'a [Node], y: usize) -> Zone<'a> {
    let mut nodes: Vec<&Node> = nodes.iter().collect();
    // The server begins the last row, beside the lane on which the others dial it.
    if let Some(at) = nodes.iter().position(|node| node.is_server) {
        let server = nodes.remove(at);
        nodes.insert(nodes.len() / COLUMNS * COLUMNS, server);
    }
    let mut hosts = Vec::new();
    let mut top = y + if place == Title::Above { 34 } else { GAP / 2 };
    for row in nodes.chunks(COLUMNS) {
        let boxes: Vec<_> = row.iter().map(|node| lines(node)).collect();
        let height = boxes.iter().map(Vec::len).max().unwrap_or_default() * LINE + 20;
        for (column, (node, lines)) in row.iter().zip(boxes).enumerate() {
            hosts.push(Placed { node, x: 2 * GAP + column * (WIDTH + GAP), y: top, lines, height });
        }
        top += height + GAP;
    }
    let end = if place == Title::Above { top - GAP / 2 } else { top + GAP / 2 };
    let title_at = if place == Title::Above { y + 20 } else { end - 14 };
    Zone { title, title_at, y, bottom: if nodes.is_empty() { y } else { end }, hosts }
}

/// What a box says, line by line, each with its type.
fn lines(node: &Node) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("name", shortened(&node.name, 34)), ("", shortened(&node.roles, 46)), ("", shortened(&node.place, 46))];
    lines.push(("small", format!("address  {}", node.address)));
    for (to, ports) in node.ports.iter().filter(|(_, ports)| !ports.is_empty()) {
        let mut line = format!("{:9}", to.as_str());
        for word in ports.split_inclusive([',', ' ']) {
            if line.len() + word.trim_end().len() > LETTERS {
                lines.push(("small", std::mem::replace(&mut line, " ".repeat(9))));
            }
            line.push_str(word);
        }
        lines.push(("small", line));
    }
    lines
}

fn draw(out: &mut String, host: &Placed) {
    let class = if host.node.is_server { "host server" } else { "host" };
    rectangle(out, class, host.x, host.y, WIDTH, host.height);
    for (number, (class, line)) in host.lines.iter().enumerate() {
        text(out, class, host.x + 12, host.y + 22 + number * LINE, line);
    }
}

/// From a host that dials the VPN's server to the server: along the lane below the server's row.
fn dial(out: &mut String, host: &Placed, server: &Placed, target: usize) {
    let lane = server.bottom() + 2 * GAP;
    let x = host.middle() + 40;
    let start = if host.y <= server.y { host.bottom() } else { host.y };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<path class=\"dial\" d=\"M{x} {start}V{lane}H{target}V{}\"/>", server.bottom());
}

fn rectangle(out: &mut String, class: &str, x: usize, y: usize, width: usize, height: usize) {
    let _ =
        writeln!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>");
}

fn text(out: &mut String, class: &str, x: usize, y: usize, text: &str) {
    let _ =
        writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" xml:space=\"preserve\">{}</text>", escaped(text));
}

fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
