//! Parquet files, as `encode::parquet` writes them. What the file's own footer says of codecs and columns counts; types
//! that no column of ours has are refused.

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use secor_core::shape::Content;

use super::columns::{Opened, batch_rows};
use super::{Fault, fault};
use crate::columns::envelope;
use crate::columns::types::fields_of;

/// Bytes of rows, uncompressed, that a batch is made of.
const BATCH_BYTES: u64 = 4 << 20;

/// A file with an envelope, unless its columns are others.
pub(super) fn open(file: Bytes, content: Content) -> Result<Opened, Fault> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(fault)?;
    let fields = fields_of(builder.schema().fields()).map_err(Fault::Malformed)?;
    let groups = builder.metadata().row_groups();
    let sum = |of: fn(&parquet::file::metadata::RowGroupMetaData) -> i64| {
        let numbers = groups.iter().map(|group| u64::try_from(of(group)).unwrap_or(0));
        numbers.fold(0, u64::saturating_add)
    };
    let batch_rows = batch_rows(sum(|group| group.num_rows()), sum(|group| group.total_byte_size()), BATCH_BYTES);
    let is_envelope = content == Content::Envelope && fields == *envelope::FIELDS;
    let batches = builder.with_batch_size(batch_rows).build().map_err(fault)?;
    Ok(Opened { batches: Box::new(batches), shown: fields.clone(), fields, is_envelope })
}
