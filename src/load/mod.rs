//! From texts to what they mean: the catalogue of profiles and components, the cluster, the secrets.
//!
//! Pure: the texts were read by the caller.

mod addresses;
mod catalogue;
mod cluster;
mod networks;
mod secrets;
mod shelf;

pub use catalogue::{
    AptSource, Archive, ArtifactProfile, ArtifactVersion, Catalogue, Component, DiskProfile, FileEntry, ImageProfile,
    KeyRules, Parts, Platform, Role, SignedSums, Since, Stack, System,
};
pub use cluster::{Override, cluster};
pub use secrets::{new_secrets, secrets, with_epoch, with_key_pair};
pub use shelf::{Shelf, built_in_cluster};
