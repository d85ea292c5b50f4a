//! `genhost mirror`: everything that hosts fetch and genhost pins, in one folder, by hash. Any web server may show it.

use std::collections::BTreeMap;

use super::Outcome;
use super::arguments::Mirror;
use super::build::items;
use super::report;
use super::session::Session;
use super::store::{Fetched, Store, bar};
use crate::diagnostic::{Diagnostic, Problem};
use crate::resolve::{Pin, needs};

/// Fetches what is missing.
pub fn run(session: &mut Session, arguments: &Mirror) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let catalogue = session.catalogue(&arguments.input).map_err(|fault| vec![fault])?;
    let lock = session.lock(&arguments.input).map_err(|fault| vec![fault])?;
    let mut cluster = session.cluster(&arguments.input, &catalogue, &lock)?;
    // From where everything is for those who have the internet.
    cluster.mirror = None;
    let mut wanted: BTreeMap<String, (String, Pin)> = BTreeMap::new();
    for item in items(&catalogue, &cluster) {
        let needs = needs(&catalogue, &cluster, &item.subject).map_err(|fault| vec![fault.or_at(item.place)])?;
        for (name, artifact) in needs.artifacts {
            let files = artifact.files.into_iter();
            let here = files.filter(|(arch, _)| arch == "all" || arguments.takes(arch));
            wanted.extend(
                here.map(|(arch, pin)| (pin.sha256.to_string(), (format!("{name} {} {arch}", artifact.version), pin))),
            );
        }
    }
    let lock = session.lock(&arguments.input).map_err(|fault| vec![fault])?;
    let store = Store::open(&arguments.output).map_err(one)?;
    for (title, pin) in wanted.values() {
        match store.fetch(title, &pin.sha256, lock.size(&pin.sha256), &pin.urls, &bar(None)).map_err(one)? {
            Fetched::Before => report::line(&format!("{title}: already there")),
            Fetched::Now => report::line(&format!("{title}: fetched, {} bytes", store.size(&pin.sha256).map_err(one)?)),
        }
    }
    Ok(())
}
