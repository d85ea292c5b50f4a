//! The GUID Partition Table, at both ends of a disk: UEFI 2.10, chapter 5.

use super::SECTOR;
use crate::emit::uuid::Uuid;

/// Entries of a table; fewer than 128 are not allowed (5.3.1).
const ENTRIES: usize = 128;
/// Bytes of an entry.
const ENTRY: usize = 128;
/// Sectors of all entries.
pub(super) const TABLE: u64 = (ENTRIES * ENTRY) as u64 / SECTOR;
/// Bytes of a header.
const HEADER: usize = 92;

/// A partition.
pub(super) struct Partition {
    /// What it is for.
    pub kind: Uuid,
    /// Which it is.
    pub id: Uuid,
    /// Its first sector.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// Its name, of 36 characters at most.
    pub name: &'static str,
}

/// A disk's table.
pub(super) struct Table {
    /// Which disk it is.
    pub id: Uuid,
    /// Sectors of the disk.
    pub sectors: u64,
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
}

impl Table {
    /// Sectors 1 to 33: the header and the entries.
    pub fn primary(&self) -> Vec<u8> {
        let mut out = self.header(1, self.sectors - 1, 2);
        out.extend(self.entries());
        out
    }

    /// The last 33 sectors: the entries and the header.
    pub fn backup(&self) -> Vec<u8> {
        let mut out = self.entries();
        out.extend(self.header(self.sectors - 1, 1, self.sectors - 1 - TABLE));
        out
    }

    fn entries(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRIES * ENTRY);
        for partition in &self.partitions {
            let end = out.len() + ENTRY;
            out.extend(partition.kind.to_gpt());
            out.extend(partition.id.to_gpt());
            out.extend([partition.first, partition.last, 0].map(u64::to_le_bytes).concat());
            out.extend(partition.name.encode_utf16().flat_map(u16::to_le_bytes));
            out.resize(end, 0);
        }
        out.resize(ENTRIES * ENTRY, 0);
        out
    }

    /// A header (5.3.2) at `own`, whose twin is at `other` and whose entries start at `entries`.
    fn header(&self, own: u64, other: u64, entries: u64) -> Vec<u8> {
        let (first, last) = (2 + TABLE, self.sectors - 2 - TABLE);
        let mut out = b"EFI PART\0\0\x01\0".to_vec();
        out.extend((HEADER as u32).to_le_bytes());
        out.extend([0; 8]);
        out.extend([own, other, first, last].map(u64::to_le_bytes).concat());
        out.extend(self.id.to_gpt());
        out.extend(entries.to_le_bytes());
        out.extend([ENTRIES as u32, ENTRY as u32, crc32fast::hash(&self.entries())].map(u32::to_le_bytes).concat());
        // The header's own sum is taken with zeros in its place.
        let sum = crc32fast::hash(&out);
        out[16..20].copy_from_slice(&sum.to_le_bytes());
        out.resize(SECTOR as usize, 0);
        out
    }
}

/// The partition entry of the protective MBR (5.2.3): all of the disk, or all that it can say.
pub(super) fn protection(sectors: u64) -> [u8; 16] {
    let count = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    let mut entry = [0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0];
    entry[12..].copy_from_slice(&count.to_le_bytes());
    entry
}
