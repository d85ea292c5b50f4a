//! Graphviz's language: <https://graphviz.org/doc/info/lang.html>

use std::fmt::Write as _;

use super::{Node, Picture};

/// Writes the picture for `dot`.
pub fn dot(picture: &Picture) -> String {
    let mut out = format!(
        "digraph {} {{\n  rankdir=BT; node [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
        quoted(&picture.name)
    );
    for (key, label, nodes) in
        [("cloud", "cloud", &picture.cloud), ("nat", "behind a NAT or firewall", &picture.behind_nat)]
    {
        if nodes.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  subgraph cluster_{key} {{\n    label={};", quoted(label));
        for node in nodes {
            let bold = if node.is_server { ", penwidth=3" } else { "" };
            let _ = writeln!(out, "    {} [label={}{bold}];", quoted(&node.name), label_of(node));
        }
        out.push_str("  }\n");
    }
    let Some(server) = picture.server() else { return out + "}\n" };
    let server = quoted(&server.name);
    for node in picture.nodes().filter(|node| !node.is_server) {
        let _ = writeln!(out, "  {} -> {server} [label={}];", quoted(&node.name), quoted(&picture.endpoint));
    }
    for user in &picture.people {
        let id = quoted(&format!("person {user}"));
        let _ = writeln!(
            out,
            "  {id} [label={}, shape=ellipse];\n  {id} -> {server} [label=\"L2TP/IPsec\"];",
            quoted(user)
        );
    }
    out + "}\n"
}

fn label_of(node: &Node) -> String {
    let mut lines = vec![node.name.clone(), node.roles.clone(), node.place.clone(), node.address.clone()];
    lines.extend(
        node.ports.iter().filter(|(_, ports)| !ports.is_empty()).map(|(to, ports)| format!("{}: {ports}", to.as_str())),
    );
    quoted(&lines.join("\n"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
