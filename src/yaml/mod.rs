//! YAML in, as a tree of values that know their place, decoded strictly into types; and YAML out.
//!
//! The one door to serde-saphyr. A file is first read into a [`Node`] tree, so that several inputs (`cluster.yaml`,
//! `--set`) can be laid over each other, and only then decoded: that way every fault of a value, found however late,
//! can be shown where the user wrote it.

mod decode;
mod located;
mod node;
mod write;

pub use decode::decode;
pub use located::{Entries, Located};
pub use node::{Key, LARGEST_FILE, Node, Value, parse};
pub use write::{WriteError, is_printable, write_block, write_flow, write_text};
