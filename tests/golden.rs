//! Every folder below `golden/` with a `case.yaml` is a case: its arguments, and what genhost prints for them, as
//! `user-data` and file by file as a `tree`. One with an `output.yaml` is what a run prints or writes, as it is. `cargo insta
//! review` shows a change of product as a diff.

mod fixture;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fixture::{Workplace, golden_cases, golden_outputs};
use insta::Settings;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Tree {
    files: std::collections::BTreeMap<String, File>,
}

#[derive(Deserialize)]
struct File {
    mode: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Text(String),
    Base64(String),
}

fn snapshot(folder: &Path, name: &str, text: &str, seen: &mut BTreeSet<PathBuf>) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
    seen.insert(folder.join(format!("{name}.snap")));
}

#[test]
fn what_is_no_user_data_is_the_golden_one_too() {
    for case in golden_outputs() {
        let run = || {
            let workplace = Workplace::new();
            let printed = workplace.genhost(&case.arguments).stdout_of_success();
            match &case.file {
                Some(file) => std::fs::read(workplace.path(file)).expect("the file that was written"),
                None => printed.into_bytes(),
            }
        };
        let bytes = run();
        assert_eq!(bytes, run(), "two runs of {:?} differ", case.arguments);
        let text = match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text,
            Ok(text) => digest(text.as_bytes()),
            Err(error) => digest(error.as_bytes()),
        };
        snapshot(&case.folder, "output", &text, &mut BTreeSet::new());
    }
}

/// Of bytes that are no text.
fn digest(bytes: &[u8]) -> String {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes, sha256 {hash}", bytes.len())
}

#[test]
fn outputs_are_the_golden_ones() {
    for case in golden_cases() {
        let folder = &case.folder;
        let workplace = Workplace::new();
        let mut seen = BTreeSet::new();

        let user_data = workplace.genhost(&case.arguments).stdout_of_success();
        assert_eq!(user_data, workplace.genhost(&case.arguments).stdout_of_success(), "two runs differ");
        snapshot(folder, "user-data", &user_data, &mut seen);

        let json = [case.arguments.as_slice(), &["--format".into(), "json".into()]].concat();
        let tree: Tree = serde_json::from_str(&workplace.genhost(&json).stdout_of_success()).expect("a host as JSON");
        for (path, file) in &tree.files {
            let (Content::Text(content) | Content::Base64(content)) = &file.content;
            let text = format!("# {path}, mode {}\n{content}", file.mode);
            let name = path.trim_start_matches('/').replace(['/', '@'], "_");
            snapshot(&folder.join("tree"), &name, &text, &mut seen);
        }

        let kept =
            walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("golden/ is readable").into_path());
        let kept = kept.filter(|path| path.extension().is_some_and(|extension| extension == "snap"));
        let stale: Vec<PathBuf> = kept.filter(|path| !seen.contains(path)).collect();
        assert!(stale.is_empty(), "these goldens belong to no output any more, remove them: {stale:#?}");
    }
}
