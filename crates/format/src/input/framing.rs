//! What stands before a message and says by which schema it was written.
//!
//! Confluent's wire format: a zero byte and the schema's id, 4 bytes, big-endian. Avro's single-object encoding: `C3 01`
//! and the schema's CRC-64-AVRO fingerprint, 8 bytes, little-endian.

use secor_core::shape::MessageFraming;

use super::cursor::{Cursor, ReadError};
use crate::bad::{BadReason, BadRecord};

/// Which schema a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemaName {
    /// The only one there is.
    Given,
    Id(u32),
    Fingerprint(u64),
}

/// Takes the frame off.
pub(crate) fn read_frame(framing: MessageFraming, cursor: &mut Cursor<'_>) -> Result<SchemaName, ReadError> {
    match framing {
        MessageFraming::None => Ok(SchemaName::Given),
        MessageFraming::Confluent => match cursor.byte()? {
            0 => Ok(SchemaName::Id(u32::from_be_bytes(cursor.array()?))),
            _ => Err(ReadError { at: 0, what: "no zero byte before the schema's id" }),
        },
        MessageFraming::SingleObject => match cursor.array()? {
            [0xc3, 0x01] => Ok(SchemaName::Fingerprint(u64::from_le_bytes(cursor.array()?))),
            _ => Err(ReadError { at: 0, what: "no `C3 01` before the schema's fingerprint" }),
        },
    }
}

// === impl SchemaName ===

impl SchemaName {
    /// The record names a schema that the configuration does not give.
    pub(crate) fn unknown(self) -> BadRecord {
        BadReason::UnknownSchema.with(match self {
            Self::Given => "no schema is given".to_owned(),
            Self::Id(id) => format!("schema id {id} is not given"),
            Self::Fingerprint(fingerprint) => format!("no given schema has the fingerprint {fingerprint:016x}"),
        })
    }
}
