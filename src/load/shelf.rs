//! Where data files come from: those built into the program, and the user's laid over them.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use crate::cluster::ProfileName;

static PROFILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/profiles");
static TEMPLATES: Dir = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The stack of the built-in cluster, where nobody says another.
const DEFAULT_STACK: &str = "swarm-mode";

/// A cluster to start from, `profiles/clusters/<stack>.yaml`: what `genhost` takes where there is no cluster file, and what
/// `genhost init` writes. A stack that has none starts from the default one's.
pub fn built_in_cluster(stack: Option<&ProfileName>) -> (String, &'static str) {
    let of_stack = |stack: &str| {
        let path = format!("clusters/{stack}.yaml");
        let text = PROFILES.get_file(&path)?.contents_utf8()?;
        Some((format!("<genhost>/profiles/{path}"), text))
    };
    stack.and_then(|stack| of_stack(stack.as_str())).or_else(|| of_stack(DEFAULT_STACK)).unwrap_or_default()
}

/// A tree of small data files by their path below its root.
#[derive(Debug)]
pub struct Shelf {
    files: BTreeMap<String, Volume>,
}

/// One data file.
#[derive(Debug)]
pub struct Volume {
    /// Its name in messages.
    pub name: String,
    /// Its bytes.
    pub bytes: std::borrow::Cow<'static, [u8]>,
}

impl Shelf {
    /// The profiles that are built in.
    pub fn profiles() -> Self {
        Self::embedded("profiles", &PROFILES)
    }

    /// The templates that are built in.
    pub fn templates() -> Self {
        Self::embedded("templates", &TEMPLATES)
    }

    fn embedded(root: &str, dir: &'static Dir) -> Self {
        fn walk(root: &str, dir: &'static Dir, files: &mut BTreeMap<String, Volume>) {
            for file in dir.files() {
                // include_dir keeps the separators of the machine that built the program.
                let path = file.path().to_string_lossy().replace('\\', "/");
                let name = format!("<genhost>/{root}/{path}");
                files.insert(path, Volume { name, bytes: file.contents().into() });
            }
            for dir in dir.dirs() {
                walk(root, dir, files);
            }
        }
        let mut files = BTreeMap::new();
        walk(root, dir, &mut files);
        Self { files }
    }

    /// Lays a file over what is there under the same path.
    pub fn put(&mut self, path: String, name: String, bytes: Vec<u8>) {
        self.files.insert(path, Volume { name, bytes: bytes.into() });
    }

    /// The file at a path.
    pub fn get(&self, path: &str) -> Option<&Volume> {
        self.files.get(path)
    }

    /// The user's files: path and name.
    pub fn laid_over(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.files.iter().filter(|(_, volume)| matches!(volume.bytes, std::borrow::Cow::Owned(_)));
        own.map(|(path, volume)| (path.as_str(), volume.name.as_str()))
    }

    /// Every path, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}
