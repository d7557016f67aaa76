//! ORC files, by the crate `secor-orc`.
//!
//! Rows wait in a [`Table`] until they are worth a batch; the crate's writer encodes batches into the streams of the open
//! stripe, which ends when they have grown to 64 MiB before compression, or early when memory is short: where stripes end
//! is no content.

use std::sync::LazyLock;

use secor_core::shape::{Compression, Output};
use secor_orc::{Options, Writer};

use super::{Body, Row, Sink};
use crate::columns::envelope;
use crate::columns::table::Table;
use crate::columns::types::{Field, schema};

/// Rows wait until they have as many bytes, or are as many.
const BATCH_BYTES: usize = 256 * 1024;
const BATCH_ROWS: usize = 4_096;

/// Less memory than this is not worth a stripe of its own.
const CLOSE_BYTES_MIN: usize = 64 * 1024;

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(envelope::plain_fields);

pub(super) struct OrcBody {
    options: Options,
    table: Table,
    /// Made with the first batch.
    writer: Option<Box<Writer>>,
    row: Vec<u8>,
}

/// The codec in ORC's words.
///
/// # Panics
/// When ORC has no such codec.
fn codec(output: &Output) -> secor_orc::Compression {
    let level = output.level.map(i32::from);
    match output.compression {
        Compression::None => secor_orc::Compression::None,
        Compression::Deflate => secor_orc::Compression::Zlib { level: level.unwrap_or(6) },
        Compression::Snappy => secor_orc::Compression::Snappy,
        Compression::Lz4 => secor_orc::Compression::Lz4,
        Compression::Zstd => secor_orc::Compression::Zstd { level: level.unwrap_or(3) },
        Compression::Gzip | Compression::Bzip2 | Compression::Lzo | Compression::Brotli => {
            panic!("the codec was checked with the shape")
        }
    }
}

// === impl OrcBody ===

impl OrcBody {
    /// # Panics
    /// When the output is not possible; [`crate::Pipeline::new`] has checked it.
    pub(super) fn new(output: &Output) -> Self {
        let options = Options { compression: codec(output), ..Options::default() };
        Self { options, table: Table::new(&FIELDS), writer: None, row: Vec::new() }
    }

    fn push_batch(&mut self, out: &mut Vec<u8>) {
        if self.table.rows() == 0 {
            return;
        }
        let writer = self.writer.get_or_insert_with(|| {
            let writer = Writer::new(&schema(&FIELDS), self.options.clone());
            Box::new(writer.expect("ORC has all types of an envelope"))
        });
        writer.write(&self.table.take(), out);
    }

    fn writer_bytes(&self) -> usize {
        self.writer.as_ref().map_or(0, |writer| writer.buffered_bytes())
    }
}

impl Body for OrcBody {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        self.row.clear();
        envelope::push_row(&mut self.row, &row.identity.topic, row.identity.partition, row.record, row.value);
        self.table.push(&self.row);
        let bytes = self.row.len();
        // a long record does not hold its memory for ever
        self.row.shrink_to(BATCH_BYTES);
        if self.table.row_bytes() >= BATCH_BYTES || self.table.rows() >= BATCH_ROWS {
            self.push_batch(sink.out);
        }
        bytes as u64
    }

    fn buffered_bytes(&self) -> usize {
        self.table.buffered_bytes() + self.row.capacity() + self.writer_bytes()
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.row = Vec::new();
        if self.table.buffered_bytes() + self.writer_bytes() < CLOSE_BYTES_MIN {
            return;
        }
        self.push_batch(sink.out);
        if let Some(writer) = &mut self.writer {
            writer.end_stripe(sink.out);
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.push_batch(sink.out);
        if let Some(writer) = self.writer.take() {
            writer.finish(sink.out);
        }
    }
}
