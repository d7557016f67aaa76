//! What of a record's value a file holds: the value, the value as one line, or a row made of its fields; and which
//! outputs there can be at all.
//!
//! Everything here is decided for ever by `docs/formats.md`. A value that can't be stored makes its record bad.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::{memchr, memmem};
use secor_core::record::Record;
use secor_core::shape::{Content, EnvelopeBytes, InputFormat, Output, OutputFormat};

use crate::bad::{BadReason, BadRecord};
use crate::columns::envelope;
use crate::encode::{NULL_LINE, line_end};
use crate::fields::Captures;
use crate::input::{Reader, Step};
use crate::resolve::{Filled, Resolver};

mod check;
mod columns;
mod csv;

pub(crate) use check::check_output;

/// Longest delimiter in bytes.
const DELIMITER_BYTES_MAX: usize = 16;

/// How a value becomes what is stored.
pub(crate) enum Stored {
    /// As it is.
    Whole,
    /// As one piece in front of this delimiter.
    Piece(Box<[u8]>),
    /// As JSON on one line. `null` is what a tombstone is written as, so a value that is `null` is stored as one.
    JsonLine,
    /// The same within an object, where space around a value can't be told from none.
    NestedJson,
    /// As a row of its fields.
    Row(csv::Columns),
    /// As it is, beside columns of the record's other parts.
    ColumnOfEnvelope,
    /// As a row of columns.
    Columns(columns::RowMaker),
    /// The datum as it is, behind what names its schema.
    Datum,
    /// The datum as one of the output's schema.
    Resolved(Box<Resolver>),
    /// As a datum of the output's schema, by a row of its columns.
    Filled(columns::RowMaker, Box<Filled>),
}

/// A record whose value was found good.
pub(crate) struct ReadBody<'a, 'r> {
    pub record: &'a Record<'r>,
    /// Its topic and partition, where they are known.
    pub source: Option<(&'a str, i32)>,
    /// The value without what frames a JSON text or an Avro datum and names its schema; captures count from there.
    pub bytes: &'r [u8],
    /// The place of the schema that it was written by.
    pub schema: Option<usize>,
    pub format: InputFormat,
    /// It has read the value, and no other since.
    pub reader: &'a Reader,
    pub captures: &'a Captures,
}

/// Who looks for the fields that are named.
pub(crate) trait Wishing {
    /// The slot of the field at the path that stands under a key; `None` when there can't be such a field.
    fn path(&mut self, key: &str, path: &str) -> Option<usize>;

    /// The same of a path whose names are known one by one.
    fn names(&mut self, key: &str, names: &[&str]) -> Option<usize>;

    /// Can there be a column at `path`? Nobody looks for it before a row is made.
    fn column(&mut self, key: &str, path: &[Step<'_>]) -> bool;
}

// === impl Stored ===

impl Stored {
    pub(crate) fn new(output: &Output, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        match (output.format, output.content, output.envelope_value) {
            (OutputFormat::Csv, ..) => {
                let named = output.columns.iter().enumerate();
                let slots = named.filter_map(|(i, path)| wishing.path(&format!("output.columns[{i}]"), path)).collect();
                Self::Row(csv::Columns::new(output, slots))
            }
            (OutputFormat::Text, ..) => Self::Piece(line_end(output).into()),
            (OutputFormat::Json, Content::Value, _) => Self::JsonLine,
            (OutputFormat::Json, Content::Envelope, EnvelopeBytes::Json) => Self::NestedJson,
            (OutputFormat::Avro, Content::Value, _) => Self::datum(output, input, wishing),
            (OutputFormat::Parquet, Content::Envelope, _) => Self::ColumnOfEnvelope,
            (OutputFormat::Parquet | OutputFormat::Orc, Content::Value, _) => {
                Self::Columns(columns::RowMaker::new(output, input, wishing))
            }
            (OutputFormat::Json | OutputFormat::Sequence | OutputFormat::Avro | OutputFormat::Orc, ..) => Self::Whole,
        }
    }

    /// The output's schema has been checked; of one that is wrong nothing is stored.
    fn datum(output: &Output, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        let Some(schema) = output.schema.as_deref() else { return Self::Datum };
        if input == InputFormat::Avro {
            return Resolver::new(schema).map_or(Self::Datum, |resolver| Self::Resolved(Box::new(resolver)));
        }
        let Ok(filled) = Filled::new(schema) else { return Self::Datum };
        Self::Filled(columns::RowMaker::of(filled.columns().to_vec(), input, wishing), Box::new(filled))
    }

    /// Are values walked over, to fill columns?
    pub(crate) fn are_columns(&self) -> bool {
        matches!(self, Self::Columns(_) | Self::Filled(..))
    }

    /// Whether a file is by one writer's schema, so that records of one output partition may go to several.
    pub(crate) fn is_by_writer(&self) -> bool {
        matches!(self, Self::Datum)
    }

    /// Whether values become rows that a reader can't skip when it can't read them.
    pub(crate) fn are_data(&self) -> bool {
        matches!(self, Self::Datum | Self::Resolved(_))
    }

    /// The output's own schema.
    pub(crate) fn schema(&self) -> Option<&Arc<str>> {
        match self {
            Self::Resolved(resolver) => Some(resolver.text()),
            Self::Filled(_, filled) => Some(filled.text()),
            _ => None,
        }
    }

    /// Values may come that were written by the schema at `place`.
    pub(crate) fn learn(&mut self, place: usize, schema: &str) {
        if let Self::Resolved(resolver) = self {
            resolver.learn(place, schema);
        }
    }

    /// Why no value of the schema at `place` can be stored; `None`: some can.
    pub(crate) fn objection(&self, place: usize) -> Option<String> {
        match self {
            Self::Resolved(resolver) => resolver.objection(place),
            _ => None,
        }
    }

    /// The value as the file will hold it.
    ///
    /// # Errors
    /// [`BadRecord`] when it can't be stored.
    pub(crate) fn value<'r>(&mut self, read: &ReadBody<'_, 'r>) -> Result<Option<Cow<'r, [u8]>>, BadRecord> {
        let (record, body, input) = (read.record, read.bytes, read.format);
        match (self, record.value) {
            (Self::Row(columns), _) => {
                columns.row(|slot| read.captures.get(slot, body)).map(|row| Some(Cow::Owned(row)))
            }
            (Self::Columns(columns), _) => columns.row(read).map(|row| Some(Cow::Owned(row))),
            (Self::Piece(delimiter), Some(_)) => piece(body, delimiter, input).map(Some),
            (Self::JsonLine | Self::NestedJson, Some(_)) if trimmed(body) == NULL_LINE => Ok(None),
            (Self::JsonLine, Some(_)) => piece(body, b"\n", input).map(Some),
            (Self::NestedJson, Some(_)) => piece(trimmed(body), b"\n", input).map(Some),
            (Self::Whole, Some(value)) => Ok(Some(Cow::Borrowed(value))),
            (Self::ColumnOfEnvelope, value) => check_timestamp(record).map(|()| value.map(Cow::Borrowed)),
            (Self::Datum, Some(_)) => Ok(Some(Cow::Borrowed(body))),
            (Self::Resolved(resolver), Some(_)) => {
                let place = read.schema.expect("an Avro datum was read by a schema");
                resolver.datum(place, body).map(|datum| Some(Cow::Owned(datum)))
            }
            (Self::Resolved(resolver), None) => resolver.null().map(|null| Some(Cow::Owned(null))),
            (Self::Filled(columns, filled), Some(_)) => {
                let row = columns.row(read).map_err(|bad| BadReason::SchemaMismatch.with(bad.detail))?;
                filled.datum(&row).map(|datum| Some(Cow::Owned(datum)))
            }
            (Self::Filled(_, filled), None) => filled.null().map(|null| Some(Cow::Owned(null))),
            (Self::Datum, None) => Err(BadReason::NullValue.with("a null value has no schema")),
            (_, None) => Ok(None),
        }
    }
}

fn check_timestamp(record: &Record<'_>) -> Result<(), BadRecord> {
    match record.timestamp {
        Some(timestamp) if !envelope::holds_timestamp(timestamp) => {
            let detail =
                format!("column `{}` can't hold {timestamp}: outside the years 1 to 9999", envelope::TIMESTAMP);
            Err(BadReason::ColumnMismatch.with(detail))
        }
        _ => Ok(()),
    }
}

/// Without the space that JSON allows around a text.
fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// The value as one piece, or why it can't be one.
fn piece<'r>(value: &'r [u8], delimiter: &[u8], input: InputFormat) -> Result<Cow<'r, [u8]>, BadRecord> {
    let at = match delimiter {
        [byte] => memchr(*byte, value),
        _ => find_in_stream(value, delimiter),
    };
    let Some(at) = at else { return Ok(Cow::Borrowed(value)) };
    // JSON has raw line breaks between tokens only, where a space means the same
    if input == InputFormat::Json && matches!(delimiter, b"\n" | b"\r" | b"\r\n") {
        let spaced = value.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
        return Ok(Cow::Owned(spaced.collect()));
    }
    Err(BadReason::DelimiterInValue.with(format!("the value holds the delimiter at byte {at}")))
}

/// Where the delimiter first occurs in `value` followed by the delimiter, if not behind the value: a delimiter that
/// begins as it ends can also begin inside the value and end outside.
fn find_in_stream(value: &[u8], delimiter: &[u8]) -> Option<usize> {
    if let Some(at) = memmem::find(value, delimiter) {
        return Some(at);
    }
    let mut seam = [0; 2 * DELIMITER_BYTES_MAX];
    let tail = &value[value.len().saturating_sub(delimiter.len() - 1)..];
    let seam = &mut seam[..tail.len() + delimiter.len()];
    seam[..tail.len()].copy_from_slice(tail);
    seam[tail.len()..].copy_from_slice(delimiter);
    let at = memmem::find(seam, delimiter).expect("it ends with the delimiter");
    (at < tail.len()).then(|| value.len() - tail.len() + at)
}
