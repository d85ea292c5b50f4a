//! What tells one disk from another, made of a seed instead of chance.

use sha2::{Digest, Sha256};

use crate::emit::uuid::Uuid;

/// What a disk's identifiers are made of: the same seed, the same identifiers. Nothing secret: they do not hide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// `UUID` of the root file system, by which the kernel finds it.
    pub fn root_file_system(&self) -> Uuid {
        self.uuid("root file system")
    }

    /// What the root file system's directories are hashed with.
    pub fn directory_hash(&self) -> Uuid {
        self.uuid("directory hash")
    }

    pub(super) fn uuid(&self, label: &str) -> Uuid {
        Uuid::of_hash(&self.hash(label))
    }

    pub(super) fn volume_id(&self, label: &str) -> u32 {
        let hash = self.hash(label);
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    fn hash(&self, label: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"genhost/disk/")
            .chain_update(label)
            .chain_update([0])
            .chain_update(self.0)
            .finalize()
            .into()
    }
}
