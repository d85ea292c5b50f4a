//! Mermaid's flowcharts, which GitHub draws: <https://mermaid.js.org/syntax/flowchart.html>

use std::fmt::Write as _;

use super::{Node, Picture};

/// Writes the picture for Mermaid.
pub fn mermaid(picture: &Picture) -> String {
    let mut out = "flowchart BT\n".to_owned();
    let mut ids = Vec::new();
    for (label, nodes) in [("cloud", &picture.cloud), ("behind a NAT or firewall", &picture.behind_nat)] {
        if nodes.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  subgraph {}[\"{label}\"]", label.split(' ').next().unwrap_or_default());
        for node in nodes {
            let id = format!("h{}", ids.len());
            let _ = writeln!(out, "    {id}[\"{}\"]", label_of(node));
            ids.push((id, node.is_server));
        }
        out.push_str("  end\n");
    }
    let Some((server, _)) = ids.iter().find(|(_, is_server)| *is_server) else { return out };
    for (id, _) in ids.iter().filter(|(_, is_server)| !is_server) {
        let _ = writeln!(out, "  {id} -->|\"{}\"| {server}", picture.endpoint);
    }
    for (number, user) in picture.people.iter().enumerate() {
        let _ = writeln!(out, "  p{number}([\"{user}\"]) -->|\"L2TP/IPsec\"| {server}");
    }
    out
}

fn label_of(node: &Node) -> String {
    let mut lines = vec![format!("<b>{}</b>", node.name), node.roles.clone(), node.place.clone(), node.address.clone()];
    lines.extend(
        node.ports.iter().filter(|(_, ports)| !ports.is_empty()).map(|(to, ports)| format!("{}: {ports}", to.as_str())),
    );
    lines.join("<br/>")
}
