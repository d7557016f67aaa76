//! The plain program: the yardstick that `secor run` is measured against.
//!
//! It does the work that an archiver cannot avoid (read, find the hour, compress, write) in the fastest way we know,
//! so that what Secor adds for its guarantees shows as a ratio. The modes `consume` and `compress` measure the two
//! halves of that work alone; `produce` fills the topic.
//!
//! Deliberately absent: offsets that are committed, names that can be predicted, retries, limits, bad records
//! (the first one ends the program). Nothing it writes should be kept.

mod produce;
mod rows;
mod sink;
mod source;
mod tables;

use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::path::Path;

use anyhow::{Context, Result, bail};

use rows::Rows;
use sink::{Codec, Files, PIECE_BYTES};

const USAGE: &str = "usage: plain produce  BROKERS TOPIC PARTITIONS RECORDS
       plain consume  BROKERS TOPIC
       plain raw      BROKERS TOPIC DIR CODEC
       plain dated    BROKERS TOPIC DIR CODEC
       plain format   BROKERS TOPIC DIR NAME
       plain compress CODEC FILE
NAME:  json | csv | envelope | sequence | avro | parquet | parquet-columns | orc | orc-columns
CODEC: none | gzip LEVEL | zstd LEVEL | snappy | lz4 | bzip2 LEVEL";

/// What a mode did; printed as one line of JSON together with what it cost.
#[derive(Default)]
struct Totals {
    records: u64,
    /// Bytes of the values, with the newline of each where a mode writes them.
    bytes_in: u64,
    /// Bytes written, or for `compress` bytes that would have been.
    bytes_out: u64,
}

fn main() -> Result<()> {
    keep_freed_memory();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let totals = match args[..] {
        ["produce", brokers, topic, partitions, records] => {
            produce::produce(brokers, topic, partitions.parse()?, records.parse()?)?
        }
        ["consume", brokers, topic] => consume(brokers, topic)?,
        ["raw", brokers, topic, dir, ref codec @ ..] => raw(brokers, topic, Path::new(dir), Codec::parse(codec)?)?,
        ["dated", brokers, topic, dir, ref codec @ ..] => dated(brokers, topic, Path::new(dir), Codec::parse(codec)?)?,
        ["format", brokers, topic, dir, name] => format(brokers, topic, Path::new(dir), name)?,
        ["compress", ref codec @ .., file] => compress(Codec::parse(codec)?, Path::new(file))?,
        _ => bail!("{USAGE}"),
    };
    report(&totals);
    Ok(())
}

/// Bare consumption: every record is read and destroyed.
fn consume(brokers: &str, topic: &str) -> Result<Totals> {
    let mut totals = Totals::default();
    source::consume(brokers, topic, |record| {
        totals.records += 1;
        totals.bytes_in += record.value().len() as u64;
        Ok(())
    })?;
    Ok(totals)
}

/// One file per topic partition: each value and a newline.
fn raw(brokers: &str, topic: &str, dir: &Path, codec: Codec) -> Result<Totals> {
    let mut files = Files::new(dir, codec);
    let mut totals = Totals::default();
    let mut of_partition: Vec<Option<usize>> = Vec::new();
    source::consume(brokers, topic, |record| {
        let (partition, value) = (record.partition(), record.value());
        if partition >= of_partition.len() {
            of_partition.resize(partition + 1, None);
        }
        let file = match of_partition[partition] {
            Some(file) => file,
            None => *of_partition[partition].insert(files.open(partition, None)?),
        };
        totals.records += 1;
        totals.bytes_in += value.len() as u64 + 1;
        files.write_line(file, value)
    })?;
    totals.bytes_out = files.finish()?;
    Ok(totals)
}

/// One file per topic partition and hour of `meta.ts` (milliseconds since 1970, UTC), under `dt=/hr=`.
fn dated(brokers: &str, topic: &str, dir: &Path, codec: Codec) -> Result<Totals> {
    let mut files = Files::new(dir, codec);
    let mut totals = Totals::default();
    // The hour of the record before, per topic partition: nearly always the hour of this one too.
    let mut latest: Vec<(i64, usize)> = Vec::new();
    source::consume(brokers, topic, |record| {
        let (partition, value) = (record.partition(), record.value());
        let field = sonic_rs::get_from_slice(value, ["meta", "ts"]).context("no `meta.ts`")?;
        let hour = field.as_raw_str().parse::<i64>().context("`meta.ts` is not a number")?.div_euclid(3_600_000);
        if partition >= latest.len() {
            latest.resize(partition + 1, (i64::MIN, 0));
        }
        if latest[partition].0 != hour {
            latest[partition] = (hour, files.open(partition, Some(hour))?);
        }
        totals.records += 1;
        totals.bytes_in += value.len() as u64 + 1;
        files.write_line(latest[partition].1, value)
    })?;
    totals.bytes_out = files.finish()?;
    Ok(totals)
}

/// One file per topic partition in another format than text: zstd 3 where the format's library has it.
fn format(brokers: &str, topic: &str, dir: &Path, name: &str) -> Result<Totals> {
    let mut totals = Totals::default();
    let mut of_partition: Vec<Option<Box<dyn Rows>>> = Vec::new();
    source::consume(brokers, topic, |record| {
        let partition = record.partition();
        if partition >= of_partition.len() {
            of_partition.resize_with(partition + 1, || None);
        }
        let rows = match &mut of_partition[partition] {
            Some(rows) => rows,
            None => of_partition[partition].insert(open(topic, &dir.join(partition.to_string()), name)?),
        };
        totals.records += 1;
        totals.bytes_in += record.value().len() as u64;
        rows.append(&record)
    })?;
    for (partition, rows) in of_partition.into_iter().enumerate() {
        if let Some(rows) = rows {
            rows.finish()?;
            totals.bytes_out += dir.join(partition.to_string()).metadata()?.len();
        }
    }
    Ok(totals)
}

fn open(topic: &str, path: &Path, name: &str) -> Result<Box<dyn Rows>> {
    let file = File::create_new(path).with_context(|| format!("cannot create `{}`", path.display()))?;
    Ok(match name {
        "json" => Box::new(rows::Json::new(file)?),
        "csv" => Box::new(rows::Csv::new(file)?),
        "envelope" => Box::new(rows::Envelope::new(file)?),
        "sequence" => Box::new(rows::Sequence::new(file)?),
        "avro" => Box::new(rows::Avro::new(file)?),
        "parquet" => Box::new(tables::Parquet::records(topic, file)?),
        "parquet-columns" => Box::new(tables::ParquetColumns::new(file)?),
        "orc" => Box::new(tables::Orc::records(topic, file)?),
        "orc-columns" => Box::new(tables::OrcColumns::new(file)?),
        _ => bail!("{USAGE}"),
    })
}

/// The bare compressor: the same bytes, in the same pieces, through the same calls; nothing is written.
fn compress(mut codec: Codec, path: &Path) -> Result<Totals> {
    let mut file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let mut totals = Totals::default();
    loop {
        piece.clear();
        let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        if read == 0 {
            return Ok(totals);
        }
        totals.bytes_in += read as u64;
        totals.bytes_out += codec.encode(&piece)?.len() as u64;
    }
}

/// Lets the C library keep what librdkafka frees: its fetch buffers are around 1 MiB, and by default each is mapped,
/// faulted in page by page, and unmapped again.
fn keep_freed_memory() {
    const KEEP_BYTES: libc::c_int = 64 << 20;
    // SAFETY: mallopt only sets parameters of the allocator; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEEP_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP_BYTES);
    }
}

/// One line of JSON: what was done, CPU seconds of the process (user and system), peak resident KiB.
fn report(totals: &Totals) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a valid place for one `rusage`; all-zero is a valid value of it, whatever the call does.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    println!(
        r#"{{"records":{},"bytes_in":{},"bytes_out":{},"cpu_user_seconds":{:.3},"cpu_system_seconds":{:.3},"peak_rss_kib":{}}}"#,
        totals.records,
        totals.bytes_in,
        totals.bytes_out,
        seconds(usage.ru_utime),
        seconds(usage.ru_stime),
        usage.ru_maxrss
    );
}
