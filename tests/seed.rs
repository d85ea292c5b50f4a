//! Seed images as their readers see them: blkid, xorriso and libarchive, by each of the three ways to name files.

mod fixture;

use std::process::{Command, Output};

use fixture::Workplace;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn read(workplace: &Workplace, program: &str, arguments: &[&str]) -> String {
    let paths = ["/usr/bin", "/usr/sbin"].map(|folder| std::path::Path::new(folder).join(program));
    assert!(paths.iter().any(|path| path.exists()), "{program} is missing: run `.ci/setup`");
    let output = Command::new(program).args(arguments).current_dir(workplace).output().expect("a program");
    assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
    said(&output)
}

const SEED: [&str; 7] = ["image", "--host", "swarm-local", "--format", "seed", "-o", "seed.iso"];

#[test]
fn every_reader_finds_the_files_under_their_names() {
    let workplace = Workplace::new();
    workplace.genhost(SEED).stdout_of_success();
    let user_data = workplace.genhost(["--host", "swarm-local"]).stdout_of_success();
    let found = read(&workplace, "blkid", &["-p", "-o", "export", "seed.iso"]);
    assert!(found.contains("LABEL=CIDATA\n") && found.contains("TYPE=iso9660\n"), "{found}");

    // By Rock Ridge, every byte and mode; -find lists nothing else.
    let listed = read(&workplace, "xorriso", &["-indev", "seed.iso", "-find", "/", "-exec", "lsdl"]);
    let listed: Vec<&str> = listed.lines().filter(|line| line.contains("Jan  1  1980")).collect();
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed[0].starts_with("dr-xr-xr-x") && listed[0].ends_with("'/'"), "{listed:?}");
    assert!(listed[1].starts_with("-r--------") && listed[1].ends_with("'/meta-data'"), "{listed:?}");
    read(&workplace, "xorriso", &["-osirrox", "on", "-indev", "seed.iso", "-extract", "/", "rock-ridge"]);
    // By Joliet, which is what libarchive takes where it is told to forget Rock Ridge; by neither, the short names.
    for (ways, folder) in [("!rockridge", "joliet"), ("!rockridge,!joliet", "plain")] {
        std::fs::create_dir(workplace.path(folder)).expect("a folder");
        let ways = format!("iso9660:{}", ways.replace(',', ",iso9660:"));
        read(&workplace, "bsdtar", &["-x", "-f", "seed.iso", "-C", folder, "--options", &ways]);
    }
    let text = |path: &str| std::fs::read_to_string(workplace.path(path)).expect(path);
    for path in ["rock-ridge/user-data", "joliet/user-data", "plain/USER_DAT"] {
        assert_eq!(text(path), user_data, "{path}");
    }
    let meta_data = text("rock-ridge/meta-data");
    assert!(meta_data.starts_with("instance-id: genhost-") && meta_data.ends_with("\nlocal-hostname: swarm-local\n"));
    for path in ["joliet/meta-data", "plain/META_DAT"] {
        assert_eq!(text(path), meta_data, "{path}");
    }
}

#[test]
fn a_seed_is_an_instance_of_its_own_when_its_host_is_made_otherwise() {
    let workplace = Workplace::new();
    let instance = |set: &str| {
        workplace
            .genhost(["image", "--host", "swarm-local", "--format", "dir", "-o", "seed", "--set", set])
            .stdout_of_success();
        let meta_data = std::fs::read_to_string(workplace.path("seed/meta-data")).expect("meta-data");
        meta_data.lines().next().expect("a line").to_owned()
    };
    let first = instance("vpn.endpoint=203.0.113.10");
    assert_ne!(first, instance("vpn.endpoint=203.0.113.11"));
    assert_eq!(first, instance("vpn.endpoint=203.0.113.10"));
    let files = std::fs::read_dir(workplace.path("seed")).expect("a folder");
    assert_eq!(files.count(), 2);
    // Nothing is left over of the three runs.
    let names = std::fs::read_dir(&workplace).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".genhost")));
}
