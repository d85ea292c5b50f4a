//! gzip (RFC 1952) of which every byte follows from the input: no name, no time, no operating system.

use std::io::Write;

use flate2::{Compression, GzBuilder};

/// Compresses as well as it can.
pub(super) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    // Writing to memory does not fail; if it did, the result would be over no limit and of no use.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
