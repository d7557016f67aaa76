//! Formats of columns, each by the plainest program that uses the library which Secor uses.
//!
//! Deliberately absent: headers of records, of which the topic of the benchmark has none.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow_array::RecordBatch;
use arrow_array::builder::{ArrayBuilder, BinaryBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use secor_orc::{Options, Writer};

use crate::rows::{Rows, ZSTD_LEVEL};
use crate::source::Record;

/// Rows of a batch.
const BATCH_ROWS: usize = 4_096;
/// Bytes of records in a row group.
const GROUP_BYTES: usize = 64 << 20;

/// Whole records in Parquet.
pub struct Parquet {
    batch: Batch,
    writer: Grouped,
}

/// Fields of the values in Parquet.
pub struct ParquetColumns {
    values: Values,
    writer: Grouped,
}

/// Whole records in ORC.
pub struct Orc {
    batch: Batch,
    writer: Stripes,
}

/// Fields of the values in ORC.
pub struct OrcColumns {
    values: Values,
    writer: Stripes,
}

/// Whole records as columns.
struct Batch {
    schema: SchemaRef,
    topic: String,
    topics: StringBuilder,
    partitions: Int32Builder,
    offsets: Int64Builder,
    timestamps: Int64Builder,
    keys: BinaryBuilder,
    values: BinaryBuilder,
}

/// Fields of the values as columns.
struct Values {
    schema: SchemaRef,
    decoder: arrow_json::reader::Decoder,
    rows: usize,
}

/// Row groups end by the bytes of their records.
struct Grouped {
    writer: ArrowWriter<File>,
    bytes: usize,
}

struct Stripes {
    writer: Writer,
    file: File,
}

// === impl Batch ===

impl Batch {
    fn new(topic: &str) -> Self {
        let schema = Schema::new(vec![
            Field::new("topic", DataType::Utf8, false),
            Field::new("partition", DataType::Int32, false),
            Field::new("offset", DataType::Int64, false),
            Field::new("timestamp", DataType::Int64, true),
            Field::new("key", DataType::Binary, true),
            Field::new("value", DataType::Binary, true),
        ]);
        Self {
            schema: Arc::new(schema),
            topic: topic.to_owned(),
            topics: StringBuilder::new(),
            partitions: Int32Builder::new(),
            offsets: Int64Builder::new(),
            timestamps: Int64Builder::new(),
            keys: BinaryBuilder::new(),
            values: BinaryBuilder::new(),
        }
    }

    fn push(&mut self, record: &Record<'_>) {
        self.topics.append_value(&self.topic);
        self.partitions.append_value(record.partition() as i32);
        self.offsets.append_value(record.offset());
        self.timestamps.append_value(record.timestamp());
        self.keys.append_null();
        self.values.append_value(record.value());
    }

    fn is_full(&self) -> bool {
        self.offsets.len() >= BATCH_ROWS
    }

    fn take(&mut self) -> Result<RecordBatch> {
        let columns: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(self.topics.finish()),
            Arc::new(self.partitions.finish()),
            Arc::new(self.offsets.finish()),
            Arc::new(self.timestamps.finish()),
            Arc::new(self.keys.finish()),
            Arc::new(self.values.finish()),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

// === impl Grouped ===

impl Grouped {
    /// With dictionaries for all columns, or for the topic only.
    fn new(file: File, schema: SchemaRef, dictionaries: bool) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_max_row_group_row_count(None)
            .set_dictionary_enabled(dictionaries)
            .set_column_dictionary_enabled("topic".into(), true)
            .set_column_dictionary_enabled("partition".into(), true);
        Ok(Self { writer: ArrowWriter::try_new(file, schema, Some(properties.build()))?, bytes: 0 })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch)?;
        if self.bytes >= GROUP_BYTES {
            self.bytes = 0;
            self.writer.flush()?;
        }
        Ok(())
    }
}

// === impl Parquet ===

impl Parquet {
    pub fn records(topic: &str, file: File) -> Result<Self> {
        let batch = Batch::new(topic);
        Ok(Self { writer: Grouped::new(file, Arc::clone(&batch.schema), false)?, batch })
    }
}

impl Rows for Parquet {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        self.batch.push(record);
        self.writer.bytes += record.value().len();
        if self.batch.is_full() { self.writer.write(&self.batch.take()?) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.write(&self.batch.take()?)?;
        self.writer.writer.close()?;
        Ok(())
    }
}

// === impl Values ===

impl Values {
    fn new() -> Result<Self> {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let time = Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true);
        let schema = Arc::new(Schema::new(vec![
            text("event_id"),
            text("type"),
            Field::new("user", DataType::Struct(vec![number("id"), text("country"), text("device")].into()), true),
            Field::new("meta", DataType::Struct(vec![time, text("host")].into()), true),
            text("page"),
            text("referrer"),
            number("duration_ms"),
            Field::new("price", DataType::Decimal128(10, 2), true),
            text("session"),
        ]));
        let decoder =
            arrow_json::ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(BATCH_ROWS).build_decoder()?;
        Ok(Self { schema, decoder, rows: 0 })
    }

    /// Gives a batch when it is full.
    fn push(&mut self, record: &Record<'_>) -> Result<Option<RecordBatch>> {
        self.decoder.decode(record.value())?;
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.take() } else { Ok(None) }
    }

    fn take(&mut self) -> Result<Option<RecordBatch>> {
        self.rows = 0;
        Ok(self.decoder.flush()?)
    }
}

// === impl Stripes ===

impl Stripes {
    fn new(file: File, schema: &Schema) -> Result<Self> {
        let compression = secor_orc::Compression::Zstd { level: ZSTD_LEVEL };
        let writer =
            Writer::new(schema, Options { compression, ..Options::default() }).context("ORC has these types")?;
        Ok(Self { writer, file })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut out = Vec::new();
        self.writer.write(batch, &mut out);
        Ok(self.file.write_all(&out)?)
    }

    fn finish(mut self) -> Result<()> {
        let mut out = Vec::new();
        self.writer.finish(&mut out);
        Ok(self.file.write_all(&out)?)
    }
}

// === impl ParquetColumns ===

impl ParquetColumns {
    pub fn new(file: File) -> Result<Self> {
        let values = Values::new()?;
        Ok(Self { writer: Grouped::new(file, Arc::clone(&values.schema), true)?, values })
    }
}

impl Rows for ParquetColumns {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        self.writer.bytes += record.value().len();
        self.values.push(record)?.map_or(Ok(()), |batch| self.writer.write(&batch))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.values.take()?.map_or(Ok(()), |batch| self.writer.write(&batch))?;
        self.writer.writer.close()?;
        Ok(())
    }
}

// === impl Orc ===

impl Orc {
    pub fn records(topic: &str, file: File) -> Result<Self> {
        let batch = Batch::new(topic);
        Ok(Self { writer: Stripes::new(file, &batch.schema)?, batch })
    }
}

impl Rows for Orc {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        self.batch.push(record);
        if self.batch.is_full() { self.writer.write(&self.batch.take()?) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.write(&self.batch.take()?)?;
        self.writer.finish()
    }
}

// === impl OrcColumns ===

impl OrcColumns {
    pub fn new(file: File) -> Result<Self> {
        let values = Values::new()?;
        Ok(Self { writer: Stripes::new(file, &values.schema)?, values })
    }
}

impl Rows for OrcColumns {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        self.values.push(record)?.map_or(Ok(()), |batch| self.writer.write(&batch))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.values.take()?.map_or(Ok(()), |batch| self.writer.write(&batch))?;
        self.writer.finish()
    }
}
