//! Parquet files, by the `parquet` crate, whose writer encodes batches into pages and holds those of the open row group.
//!
//! Nothing drawn and nothing of this machine gets into a file: no Arrow schema, no key-value metadata, and a `created_by`
//! that changes only with what is written. Deliberately absent: sorting. A file holds its records in the order of their
//! offsets, which is what its digests are over; an envelope says so by its sorting column.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{BrotliLevel, Compression as ParquetCodec, GzipLevel, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use secor_core::shape::{Compression, Output, Statistics};

use super::columns::{Group, GroupWriter, Layout, fields_of};

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

pub(super) struct ParquetWriter {
    writer: ArrowWriter<Vec<u8>>,
    /// Memory: what a closed row group frees, and what stays until the footer.
    group_bytes: usize,
    footer_bytes: usize,
}

/// # Panics
/// When the output is not possible; [`crate::Pipeline::new`] has checked it.
pub(super) fn layout(output: &Output) -> Layout<WriterProperties> {
    let (fields, is_envelope) = fields_of(output);
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
    let group_max = Group { rows: size(output.row_group_rows), bytes: size(output.row_group_bytes) };
    Layout { fields, options: properties.build(), is_envelope, group_max }
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

// === impl ParquetWriter ===

/// Why the crate's writer can't fail.
const SOUND: &str = "a writer to memory, with columns of its own schema";

impl GroupWriter for ParquetWriter {
    type Options = WriterProperties;

    fn new(schema: SchemaRef, options: &WriterProperties) -> Self {
        let options = ArrowWriterOptions::new()
            .with_properties(options.clone())
            .with_skip_arrow_metadata(true)
            .with_schema_root("record".to_owned());
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options).expect(SOUND);
        Self { writer, group_bytes: 0, footer_bytes: 0 }
    }

    fn write(&mut self, batch: &RecordBatch, _: &mut Vec<u8>) {
        self.writer.write(batch).expect(SOUND);
        self.group_bytes = self.writer.memory_size();
    }

    fn end_group(&mut self, out: &mut Vec<u8>) {
        self.writer.flush().expect(SOUND);
        out.append(self.writer.inner_mut());
        *self.writer.inner_mut() = Vec::new();
        self.group_bytes = 0;
        let groups = self.writer.flushed_row_groups();
        let columns = groups.last().map_or(0, |group| group.num_columns());
        self.footer_bytes = groups.len() * columns * FOOTER_BYTES_PER_COLUMN;
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        let _ = self.writer.finish().expect(SOUND);
        out.append(self.writer.inner_mut());
    }

    fn group_bytes(&self) -> usize {
        self.group_bytes
    }

    /// A few pieces of what is already written stay until the footer.
    fn kept_bytes(&self) -> usize {
        self.footer_bytes
    }
}
