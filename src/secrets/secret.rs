//! The text of one secret.

use std::fmt;

use serde::{Serialize, Serializer};

/// A text that only its owner may read. Never shown by `Debug`, and without a `Display`: only serialization gives the text.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Its type's name in serde's data model, by which the template engine's serializer recognises it. For every other
    /// serializer it is a text.
    pub const TYPE: &'static str = "genhost::Secret";
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
