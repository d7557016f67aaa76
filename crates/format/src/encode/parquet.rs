//! Parquet files, by the `parquet` crate.
//!
//! Rows wait in a [`Table`] until they are worth a batch; the crate's writer encodes batches into pages, and holds those of
//! the open row group. A row group is closed when it has as many rows or bytes of rows as the output says, or early when
//! memory is short: where row groups end is no content. Only then bytes leave for the file.
//!
//! Nothing drawn and nothing of this machine gets into a file: no Arrow schema, no key-value metadata, and a `created_by`
//! that changes only with what is written. Deliberately absent: sorting. A file holds its records in the order of their
//! offsets, which is what its digests are over; an envelope says so by its sorting column.

use std::sync::Arc;

use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{BrotliLevel, Compression as ParquetCodec, GzipLevel, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use secor_core::shape::{Compression, Content, Output, Statistics};

use super::{Body, Row, Sink};
use crate::columns::table::Table;
use crate::columns::types::{Field, schema};
use crate::columns::{ddl, envelope};

/// Rows wait until they have as many bytes, or are as many.
const BATCH_BYTES: usize = 256 * 1024;
const BATCH_ROWS: usize = 4_096;

/// Less memory than this is not worth a row group of its own.
const CLOSE_BYTES_MIN: usize = 64 * 1024;

/// What the footer will say of a column in a row group takes about as much memory.
const FOOTER_BYTES_PER_COLUMN: usize = 768;

/// In the form that readers of Java parse: they distrust statistics of writers they can't name. Persisted; the version
/// changes when the same records give other content.
const CREATED_BY: &str = "secor version 1.0.0 (build 1)";

/// Longest value of a column that statistics name in full, in bytes.
const STATISTICS_BYTES_MAX: usize = 64;

/// Share of absent values that a bloom filter takes for present.
const BLOOM_FILTER_MISTAKES: f64 = 0.01;

/// Columns of an envelope whose values repeat; the others hold what hardly does.
const ENVELOPE_DICTIONARIES: [&str; 3] = ["topic", "partition", "headers.list.element.name"];

/// Index of the column `offset` in an envelope.
const OFFSET_COLUMN: i32 = 2;

/// Columns and properties of an output's files, shared by all of them.
pub(super) struct Layout {
    fields: Vec<Field>,
    is_envelope: bool,
    properties: WriterProperties,
    group_rows: usize,
    group_bytes: usize,
}

pub(super) struct ParquetBody {
    layout: Arc<Layout>,
    table: Table,
    /// Made with the first batch.
    writer: Option<Box<ArrowWriter<Vec<u8>>>>,
    /// Of the open row group.
    group: Group,
    /// Memory of the writer: what a closed row group frees, and what stays until the footer.
    writer_bytes: usize,
    footer_bytes: usize,
    row: Vec<u8>,
}

#[derive(Default)]
struct Group {
    rows: usize,
    bytes: usize,
}

// === impl Layout ===

impl Layout {
    /// # Panics
    /// When the output is not possible; [`crate::Pipeline::new`] has checked it.
    pub(super) fn new(output: &Output) -> Self {
        let is_envelope = output.content == Content::Envelope;
        let fields = match &output.schema {
            Some(schema) if !is_envelope => ddl::parse(schema).expect("the columns were checked with the shape"),
            _ => envelope::FIELDS.clone(),
        };
        let statistics = match output.statistics {
            Statistics::None => EnabledStatistics::None,
            Statistics::RowGroup => EnabledStatistics::Chunk,
            Statistics::Page => EnabledStatistics::Page,
        };
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(codec(output))
            .set_max_row_group_row_count(None)
            .set_statistics_enabled(statistics)
            .set_statistics_truncate_length(Some(STATISTICS_BYTES_MAX))
            .set_offset_index_disabled(output.statistics != Statistics::Page)
            .set_dictionary_enabled(output.dictionary && !is_envelope);
        if output.dictionary && is_envelope {
            for column in ENVELOPE_DICTIONARIES {
                properties = properties.set_column_dictionary_enabled(path(column), true);
            }
        }
        for column in &output.bloom_filters {
            properties = properties
                .set_column_bloom_filter_enabled(path(column), true)
                .set_column_bloom_filter_fpp(path(column), BLOOM_FILTER_MISTAKES)
                .set_column_bloom_filter_max_ndv(path(column), output.row_group_rows);
        }
        if is_envelope {
            let offset = SortingColumn { column_idx: OFFSET_COLUMN, descending: false, nulls_first: false };
            properties = properties.set_sorting_columns(Some(vec![offset]));
        }
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            fields,
            is_envelope,
            properties: properties.build(),
            group_rows: size(output.row_group_rows),
            group_bytes: size(output.row_group_bytes),
        }
    }
}

/// The codec in Parquet's words.
///
/// # Panics
/// When Parquet has no such codec or level.
fn codec(output: &Output) -> ParquetCodec {
    const CHECKED: &str = "codec and level were checked with the shape";
    let level = output.level.map(u32::from);
    match output.compression {
        Compression::None => ParquetCodec::UNCOMPRESSED,
        Compression::Snappy => ParquetCodec::SNAPPY,
        Compression::Lz4 => ParquetCodec::LZ4_RAW,
        Compression::Gzip => ParquetCodec::GZIP(GzipLevel::try_new(level.unwrap_or(6)).expect(CHECKED)),
        Compression::Brotli => ParquetCodec::BROTLI(BrotliLevel::try_new(level.unwrap_or(4)).expect(CHECKED)),
        Compression::Zstd => {
            let level = i32::from(output.level.unwrap_or(3));
            ParquetCodec::ZSTD(ZstdLevel::try_new(level).expect(CHECKED))
        }
        Compression::Bzip2 | Compression::Deflate | Compression::Lzo => panic!("{CHECKED}"),
    }
}

fn path(column: &str) -> ColumnPath {
    ColumnPath::new(column.split('.').map(str::to_owned).collect())
}

// === impl ParquetBody ===

/// Why the crate's writer can't fail.
const SOUND: &str = "a writer to memory, with columns of its own schema";

impl ParquetBody {
    pub(super) fn new(layout: &Arc<Layout>) -> Self {
        Self {
            table: Table::new(&layout.fields),
            layout: Arc::clone(layout),
            writer: None,
            group: Group::default(),
            writer_bytes: 0,
            footer_bytes: 0,
            row: Vec::new(),
        }
    }

    fn push_batch(&mut self) {
        if self.table.rows() == 0 {
            return;
        }
        let layout = &self.layout;
        let writer = self.writer.get_or_insert_with(|| {
            let options = ArrowWriterOptions::new()
                .with_properties(layout.properties.clone())
                .with_skip_arrow_metadata(true)
                .with_schema_root("record".to_owned());
            let writer = ArrowWriter::try_new_with_options(Vec::new(), schema(&layout.fields), options);
            Box::new(writer.expect(SOUND))
        });
        writer.write(&self.table.take()).expect(SOUND);
        self.writer_bytes = writer.memory_size();
    }

    fn close_group(&mut self, sink: &mut Sink<'_>) {
        self.push_batch();
        self.group = Group::default();
        let Some(writer) = &mut self.writer else { return };
        writer.flush().expect(SOUND);
        sink.out.append(writer.inner_mut());
        *writer.inner_mut() = Vec::new();
        self.writer_bytes = 0;
        let columns = writer.flushed_row_groups().last().map_or(0, |group| group.num_columns());
        self.footer_bytes = writer.flushed_row_groups().len() * columns * FOOTER_BYTES_PER_COLUMN;
    }
}

impl Body for ParquetBody {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        let bytes = if self.layout.is_envelope {
            self.row.clear();
            envelope::push_row(&mut self.row, &row.identity.topic, row.identity.partition, row.record, row.value);
            self.table.push(&self.row);
            let bytes = self.row.len();
            // a long record does not hold its memory for ever
            self.row.shrink_to(BATCH_BYTES);
            bytes
        } else {
            let cells = row.value.expect("a value of columns is stored as a row");
            self.table.push(cells);
            cells.len()
        };
        self.group.rows += 1;
        self.group.bytes += bytes;
        if self.group.rows >= self.layout.group_rows || self.group.bytes >= self.layout.group_bytes {
            self.close_group(sink);
        } else if self.table.row_bytes() >= BATCH_BYTES || self.table.rows() >= BATCH_ROWS {
            self.push_batch();
        }
        bytes as u64
    }

    /// A few pieces of what is already written stay until the footer: they are counted, though closing frees none.
    fn buffered_bytes(&self) -> usize {
        self.table.buffered_bytes() + self.row.capacity() + self.writer_bytes + self.footer_bytes
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.row = Vec::new();
        if self.table.buffered_bytes() + self.writer_bytes >= CLOSE_BYTES_MIN {
            self.close_group(sink);
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.close_group(sink);
        let Some(mut writer) = self.writer.take() else { return };
        let _ = writer.finish().expect(SOUND);
        sink.out.append(writer.inner_mut());
        (self.writer_bytes, self.footer_bytes) = (0, 0);
    }
}
