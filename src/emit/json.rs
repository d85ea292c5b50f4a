//! The host's canonical JSON, whose SHA-256 is its id.

use super::Format;

pub(super) const FORMAT: Format = Format {
    name: "json",
    summary: "the whole host as data, in canonical JSON",
    is_user_data: false,
    platform: None,
    emit: |machine| Ok(machine.tree.canonical_json().into_bytes()),
};
