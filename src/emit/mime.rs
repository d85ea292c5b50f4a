//! Compressed user-data as text: a MIME message (RFC 2045) of one part, which cloud-init decodes and unpacks
//! (<https://docs.cloud-init.io/en/latest/explanation/format.html>).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The lines before the blank one.
pub(super) const HEAD: [&str; 3] =
    ["MIME-Version: 1.0", "Content-Type: application/gzip", "Content-Transfer-Encoding: base64"];

/// Of RFC 2045, in characters.
const LINE: usize = 76;

/// Wraps what is compressed.
pub(super) fn message(gzip: &[u8]) -> Vec<u8> {
    let mut text = format!("{}\n\n", HEAD.join("\n")).into_bytes();
    for line in BASE64_STANDARD.encode(gzip).as_bytes().chunks(LINE) {
        text.extend(line);
        text.push(b'\n');
    }
    text
}
