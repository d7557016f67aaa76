//! ORC files, as `encode::orc` writes them. What the file's own tail says of codecs and columns counts; types that no
//! column of ours has are refused. What ORC does not say of columns, such as that a time is an instant, the output's
//! schema does, if the file is of that output.

use bytes::Bytes;
use orc_rust::ArrowReaderBuilder;
use orc_rust::schema::TimestampPrecision;
use secor_core::shape::{Content, Output};

use super::columns::{Opened, batch_rows};
use super::{Fault, fault};
use crate::columns::types::fields_of;
use crate::columns::{ddl, envelope, orc};

/// Stored bytes that a batch is made of.
const BATCH_BYTES: u64 = 256 * 1024;

/// A file with an envelope, unless its columns are others.
pub(super) fn open(file: Bytes, output: &Output) -> Result<Opened, Fault> {
    let file_bytes = file.len() as u64;
    let builder = ArrowReaderBuilder::try_new(file).map_err(fault)?;
    // nanoseconds of 64 bits don't reach far enough
    let builder = builder.with_timestamp_precision(TimestampPrecision::Microsecond);
    let fields = fields_of(builder.schema().fields()).map_err(Fault::Malformed)?;
    let has = |wanted: &[_]| orc::loose(&fields) == orc::loose(&orc::stored(wanted));
    let declared = output.schema.as_deref().and_then(|schema| ddl::parse(schema).ok());
    let shown = declared.filter(|declared| has(declared)).unwrap_or_else(|| fields.clone());
    let is_envelope = output.content == Content::Envelope && has(&envelope::FIELDS);
    let rows = builder.file_metadata().number_of_rows();
    let batches = builder.with_batch_size(batch_rows(rows, file_bytes, BATCH_BYTES)).build();
    Ok(Opened { batches: Box::new(batches), fields, shown, is_envelope })
}
