//! The text of one secret.

use std::fmt;

use serde::{Serialize, Serializer};

/// A text that nobody but its owner may read. Never shown by `Debug`, and without a `Display`: whoever wants the text asks
/// for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Its name as a type in serde's data model. A serializer that treats secrets in its own way knows them by it; to all
    /// others they are texts.
    pub const TYPE: &'static str = "genhost::Secret";

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::TYPE, &self.0)
    }
}
