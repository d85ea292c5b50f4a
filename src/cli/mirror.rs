//! `genhost mirror`: everything that hosts fetch and genhost pins, in one folder, by hash. Any web server may show it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Outcome;
use super::arguments::Mirror;
use super::build::items;
use super::fleet::Fleet;
use super::session::Session;
use crate::diagnostic::{Diagnostic, Problem};
use crate::resolve::{Pin, resolve};

/// Fetches what is missing.
pub fn run(session: &mut Session, arguments: &Mirror) -> Outcome {
    let one = |problem: Problem| vec![Diagnostic::nowhere(problem)];
    let mut fleet = Fleet::load(session, &arguments.input)?;
    // From where everything is for those who have the internet.
    fleet.cluster.mirror = None;
    let mut wanted: BTreeMap<String, (String, Pin)> = BTreeMap::new();
    for item in items(&fleet) {
        let plan = resolve(&fleet.catalogue, &fleet.cluster, &fleet.secrets, &item.subject);
        let plan = plan.map_err(|fault| vec![fault.or_at(item.place)])?;
        for (name, artifact) in plan.artifacts {
            let files = artifact.files.into_iter();
            let here = files.filter(|(arch, _)| arch == "all" || arguments.takes(arch));
            wanted.extend(
                here.map(|(arch, pin)| (pin.sha256.to_string(), (format!("{name} {} {arch}", artifact.version), pin))),
            );
        }
    }
    let folder = &arguments.output;
    let unwritable = |path: &Path, error: std::io::Error| {
        one(Problem::Unwritable { path: path.display().to_string(), reason: error.to_string() })
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    for (hash, (title, pin)) in &wanted {
        let target = folder.join(hash);
        if target.is_file() && hash_of(&target).map_err(|error| unwritable(&target, error))? == *hash {
            eprintln!("{title}: there");
            continue;
        }
        let part = folder.join(format!(".{hash}.part"));
        let bytes = fetch(title, pin, &part).map_err(one)?;
        std::fs::rename(&part, &target).map_err(|error| unwritable(&target, error))?;
        eprintln!("{title}: fetched, {bytes} bytes");
    }
    Ok(())
}

fn hash_of(path: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Fetches a file from the first of its urls that has it, and gives its length. What an earlier run has of it is kept.
fn fetch(title: &str, pin: &Pin, part: &Path) -> Result<u64, Problem> {
    let mut reasons = Vec::new();
    for url in &pin.urls {
        let url = url.as_str();
        match download(url, part) {
            Ok(()) => {}
            Err(reason) => {
                reasons.push(format!("{url}: {reason}"));
                continue;
            }
        }
        let unreadable =
            |error: std::io::Error| Problem::Unreadable { path: part.display().to_string(), reason: error.to_string() };
        let found = hash_of(part).map_err(unreadable)?;
        if found == pin.sha256.as_str() {
            return std::fs::metadata(part).map(|file| file.len()).map_err(unreadable);
        }
        // Half of another file is no beginning of this one.
        let _ = std::fs::remove_file(part);
        let expected = pin.sha256.to_string();
        return Err(Problem::WrongHash { what: title.to_owned(), url: url.to_owned(), expected, found });
    }
    Err(Problem::CannotFetch { what: title.to_owned(), reasons: reasons.join("; ") })
}

/// Fetches a url into a file, from where the file ends.
fn download(url: &str, part: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(part).map_err(text)?;
    let there = file.seek(SeekFrom::End(0)).map_err(text)?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(url);
    if there > 0 {
        request = request.header("Range", format!("bytes={there}-"));
    }
    let mut response = request.call().map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        206 if there > 0 => {}
        // There is nothing after what is there: the hash will tell whether it is all.
        416 if there > 0 => return Ok(()),
        200 => {
            file.set_len(0).map_err(text)?;
            file.seek(SeekFrom::Start(0)).map_err(text)?;
        }
        status => return Err(format!("the server says {status}")),
    }
    let expected: Option<u64> =
        response.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
    let mut buffer = vec![0; 1 << 16];
    let mut got = 0;
    loop {
        let count = reader.read(&mut buffer).map_err(text)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(text)?;
        got += count as u64;
    }
    file.sync_all().map_err(text)?;
    match expected {
        Some(expected) if expected > got => Err(format!("broken off after {got} of {expected} bytes")),
        _ => Ok(()),
    }
}
