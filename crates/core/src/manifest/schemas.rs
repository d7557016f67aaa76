//! Schemas of a registry: what a manifest says that its records named, and what is stored of each (R4).
//!
//! A replay asks no registry. Whether a record is good, and where it goes, can depend on its schema, so the manifest
//! lists every id that a record of the batch named and what was known of it when the batch was open: a schema, by the
//! hash under which it is stored, or that the registry had none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::SchemaHash;
use crate::json::{FORMAT_VERSION, canonical_json};

/// A schema as a registry gave it, with the texts of all that it refers to: enough to read its messages without the
/// registry. Persisted as `_secor/schemas/<sha256>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredSchema {
    pub version: u32,
    /// In the registry's own words: `AVRO`, `PROTOBUF`, `JSON`.
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    /// By the names under which the texts refer to each other: a type's full name, a path to import, a URI.
    pub references: BTreeMap<String, String>,
}

/// An id that records of a batch name, and what was known of it. Persisted as `{"id":17,"sha256":"..."}` or
/// `{"id":18,"missing":true}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct NamedSchema {
    pub id: u32,
    /// `None`: the registry had no such schema, and the records are bad.
    pub schema: Option<SchemaHash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<SchemaHash>,
}

// === impl RegisteredSchema ===

impl RegisteredSchema {
    #[must_use]
    pub fn new(kind: String, text: String, references: BTreeMap<String, String>) -> Self {
        Self { version: FORMAT_VERSION, kind, text, references }
    }

    /// The canonical bytes that are stored, and their name.
    #[must_use]
    pub fn stored(&self) -> (SchemaHash, Vec<u8>) {
        let bytes = canonical_json(self);
        (SchemaHash::of(&bytes), bytes)
    }
}

// === impl NamedSchema ===

impl TryFrom<Written> for NamedSchema {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match (written.missing, written.sha256) {
            (missing, schema) if missing == schema.is_none() => Ok(Self { id: written.id, schema }),
            _ => Err("a schema is either found or missing"),
        }
    }
}

impl From<NamedSchema> for Written {
    fn from(named: NamedSchema) -> Self {
        Self { id: named.id, missing: named.schema.is_none(), sha256: named.schema }
    }
}
