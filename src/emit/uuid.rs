//! Universally unique identifiers, RFC 9562.

use std::fmt;

/// A UUID; its text is that of RFC 9562.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// One of version 8 (5.8), made of a hash.
    pub(super) fn of_hash(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// One that a standard gives, as its text has it.
    pub(super) const fn known(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// The bytes as GPT has them: the first three fields little-endian (UEFI 2.10, appendix A).
    pub(super) fn to_gpt(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
