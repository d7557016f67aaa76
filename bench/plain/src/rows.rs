//! Formats of rows, each by the plainest program that uses the library which Secor uses, or the one that everybody
//! would take.
//!
//! Deliberately absent: escapes of what the topic of the benchmark does not hold (null values, headers, line feeds).

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Result;
use apache_avro::Schema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::source::Record;

/// zstd's level, here and in the tables.
pub const ZSTD_LEVEL: i32 = 3;
/// Bytes handed to a compressor at once.
const PIECE_BYTES: usize = 256 << 10;

/// A file of one topic partition.
pub trait Rows {
    fn append(&mut self, record: &Record<'_>) -> Result<()>;
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Small writes are gathered, compressed, and written.
struct Compressed(BufWriter<zstd::Encoder<'static, File>>);

/// Values that are checked to be JSON, on one line each.
pub struct Json(Compressed);

/// Five fields of each value.
pub struct Csv(csv::Writer<zstd::Encoder<'static, File>>);

/// All that Kafka knows of a record, as a line of JSON.
pub struct Envelope(Compressed);

/// Hadoop's SequenceFile, block compression, offset and value.
pub struct Sequence {
    file: BufWriter<File>,
    records: usize,
    /// Lengths of keys, keys, lengths of values, values.
    buffers: [Vec<u8>; 4],
}

/// All that Kafka knows of a record, by the library's serde; uncompressed.
pub struct Avro(apache_avro::Writer<'static, BufWriter<File>>);

// === impl Compressed ===

impl Compressed {
    fn new(file: File) -> Result<Self> {
        Ok(Self(BufWriter::with_capacity(PIECE_BYTES, zstd::Encoder::new(file, ZSTD_LEVEL)?)))
    }

    fn finish(self) -> Result<()> {
        self.0.into_inner().map_err(|e| e.into_error())?.finish()?;
        Ok(())
    }
}

// === impl Json ===

impl Json {
    pub fn new(file: File) -> Result<Self> {
        Ok(Self(Compressed::new(file)?))
    }
}

impl Rows for Json {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        let value: &RawValue = serde_json::from_slice(record.value())?;
        self.0.0.write_all(value.get().as_bytes())?;
        self.0.0.write_all(b"\n")?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish()
    }
}

// === impl Csv ===

/// The fields that are written.
#[derive(Deserialize)]
struct Event<'a> {
    event_id: &'a str,
    r#type: &'a str,
    #[serde(borrow)]
    user: User<'a>,
    meta: Meta,
    price: f64,
}

#[derive(Deserialize)]
struct User<'a> {
    country: &'a str,
}

#[derive(Deserialize)]
struct Meta {
    ts: i64,
}

impl Csv {
    pub fn new(file: File) -> Result<Self> {
        let mut options = csv::WriterBuilder::new();
        options.has_headers(false).buffer_capacity(PIECE_BYTES);
        Ok(Self(options.from_writer(zstd::Encoder::new(file, ZSTD_LEVEL)?)))
    }
}

impl Rows for Csv {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        let event: Event<'_> = sonic_rs::from_slice(record.value())?;
        self.0.serialize((event.event_id, event.r#type, event.user.country, event.meta.ts, event.price))?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.into_inner().map_err(|e| e.into_error())?.finish()?;
        Ok(())
    }
}

// === impl Envelope ===

#[derive(Serialize)]
struct Line<'a> {
    offset: i64,
    partition: usize,
    timestamp: i64,
    key: Option<&'a str>,
    headers: [(); 0],
    value: &'a str,
}

impl Envelope {
    pub fn new(file: File) -> Result<Self> {
        Ok(Self(Compressed::new(file)?))
    }
}

impl Rows for Envelope {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        let value = std::str::from_utf8(record.value())?;
        let (offset, partition, timestamp) = (record.offset(), record.partition(), record.timestamp());
        let line = Line { offset, partition, timestamp, key: None, headers: [], value };
        serde_json::to_writer(&mut self.0.0, &line)?;
        self.0.0.write_all(b"\n")?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish()
    }
}

// === impl Sequence ===

const SEQUENCE_BLOCK_BYTES: usize = 1_000_000;
/// Random in Hadoop; here anything.
const SYNC: [u8; 16] = *b"the plain marker";

impl Sequence {
    pub fn new(file: File) -> Result<Self> {
        let mut file = BufWriter::new(file);
        file.write_all(b"SEQ\x06")?;
        for class in ["LongWritable", "BytesWritable"] {
            push_text(&mut file, &format!("org.apache.hadoop.io.{class}"))?;
        }
        file.write_all(&[1, 1])?;
        push_text(&mut file, "org.apache.hadoop.io.compress.ZStandardCodec")?;
        file.write_all(&[0; 4])?;
        file.write_all(&SYNC)?;
        Ok(Self { file, records: 0, buffers: Default::default() })
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all(&[0xff; 4])?;
        self.file.write_all(&SYNC)?;
        push_vint(&mut self.file, self.records)?;
        for buffer in &mut self.buffers {
            let compressed = zstd::bulk::compress(buffer, ZSTD_LEVEL)?;
            push_vint(&mut self.file, compressed.len())?;
            self.file.write_all(&compressed)?;
            buffer.clear();
        }
        self.records = 0;
        Ok(())
    }
}

impl Rows for Sequence {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        let value = record.value();
        let [key_lengths, keys, value_lengths, values] = &mut self.buffers;
        push_vint(key_lengths, 8)?;
        keys.extend_from_slice(&record.offset().to_be_bytes());
        push_vint(value_lengths, value.len() + 4)?;
        values.extend_from_slice(&u32::try_from(value.len())?.to_be_bytes());
        values.extend_from_slice(value);
        self.records += 1;
        if keys.len() + values.len() >= SEQUENCE_BLOCK_BYTES { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        self.file.flush()?;
        Ok(())
    }
}

/// Hadoop's `Text`: length and bytes.
fn push_text(to: &mut impl Write, text: &str) -> Result<()> {
    push_vint(to, text.len())?;
    to.write_all(text.as_bytes())?;
    Ok(())
}

/// Hadoop's `WritableUtils.writeVLong` for numbers from zero.
fn push_vint(to: &mut impl Write, number: usize) -> Result<()> {
    if number <= 127 {
        to.write_all(&[number as u8])?;
        return Ok(());
    }
    let bytes = (number as u64).to_be_bytes();
    let first = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len() - 1);
    to.write_all(&[(-112 - (bytes.len() - first) as i8) as u8])?;
    to.write_all(&bytes[first..])?;
    Ok(())
}

// === impl Avro ===

const AVRO_SCHEMA: &str = r#"{"type":"record","name":"message","fields":[
    {"name":"offset","type":"long"},
    {"name":"timestamp","type":["null","long"]},
    {"name":"key","type":["null","bytes"]},
    {"name":"value","type":["null","bytes"]}]}"#;

#[derive(Serialize)]
struct Message<'a> {
    offset: i64,
    timestamp: Option<i64>,
    #[serde(serialize_with = "apache_avro::serde::bytes_opt::serialize")]
    key: Option<&'a [u8]>,
    #[serde(serialize_with = "apache_avro::serde::bytes_opt::serialize")]
    value: Option<&'a [u8]>,
}

impl Avro {
    pub fn new(file: File) -> Result<Self> {
        // one per file, and as long as the program
        let schema = Box::leak(Box::new(Schema::parse_str(AVRO_SCHEMA)?));
        Ok(Self(apache_avro::Writer::new(schema, BufWriter::new(file))?))
    }
}

impl Rows for Avro {
    fn append(&mut self, record: &Record<'_>) -> Result<()> {
        let (offset, timestamp) = (record.offset(), Some(record.timestamp()));
        self.0.append_ser(Message { offset, timestamp, key: None, value: Some(record.value()) })?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.into_inner()?.flush()?;
        Ok(())
    }
}
