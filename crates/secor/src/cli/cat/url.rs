//! One file by its URL, also from an archive that this configuration does not name.
//!
//! There is no manifest to say what the file is. Where a topic of the configuration appears in the path, and the file
//! has the extension of that archive's output, it is taken for such a file. Else its first bytes decide: a SequenceFile,
//! an Avro, Parquet or ORC file, or text with one of the codecs that can be told; its delimiter is that archive's, or a line feed.

use std::io::{Cursor, Read};
use std::sync::Arc;

use secor_core::layout::{DEAD_LETTERS, DEAD_LETTERS_EXTENSION, extension};
use secor_core::shape::{Compression, Content, Output, OutputFormat};
use secor_format::{avro_content, kept};

use super::records::{FileFacts, Printer, decode};
use crate::cli::errors::{Class, CliError};
use crate::config::Config;
use crate::service::settings;
use crate::store::object::{self, ObjectReader};
use crate::store::{self, Store, StoreSettings};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";
const LZ4: &[u8] = &[0x04, 0x22, 0x4d, 0x18];
const LZOP: &[u8] = b"\x89LZO";
const SEQUENCE: &[u8] = b"SEQ";
const AVRO: &[u8] = b"Obj\x01";
const PARQUET: &[u8] = b"PAR1";
const ORC: &[u8] = b"ORC";
/// Enough for the header of an Avro file of envelopes.
const BEGINNING_BYTES: u64 = 4 << 10;

pub(super) async fn print(url: &str, config: &Config, printer: &mut Printer<'_>) -> Result<(), CliError> {
    let (store, key) = open(url, config)?;
    let Some(reader) = object::open(&*store, &key).await? else {
        let text = format!("there is no file `{url}`");
        return Err(CliError::new(Class::Configuration, text).with_hint("`secor locate` names the file of a record"));
    };
    let failure = reader.failure();
    let sniffed = tokio::task::spawn_blocking(move || sniff(reader)).await;
    let sniffed = sniffed.map_err(|error| CliError::caused_by(Class::Bug, &error))?;
    let (magic, input) = match (failure.take(), sniffed) {
        (Some(error), _) => return Err(error.into()),
        (None, Err(error)) => return Err(CliError::caused_by(Class::Unavailable, &error)),
        (None, Ok(sniffed)) => sniffed,
    };
    let dead_letters = url.ends_with(DEAD_LETTERS_EXTENSION) && url.split('/').any(|segment| segment == DEAD_LETTERS);
    let output = configured(url, config).unwrap_or_else(|| output_of(&magic, delimiter(url, config)));
    let facts = FileFacts { key: url, place: None, dense_from: None, kept: kept(&output, dead_letters) };
    facts.check(printer.mode(), None)?;
    let work = move |sender| decode(&output, dead_letters, input, &sender);
    let done = printer.print(&facts, None, work).await;
    failure.take().map_or(done, |error| Err(error.into()))
}

/// The store that holds the file: the configured one, or one whose root is the file's folder.
fn open(url: &str, config: &Config) -> Result<(Arc<dyn Store>, String), CliError> {
    let configured = settings::store(config);
    let below = url.strip_prefix(&configured.url).and_then(|rest| rest.strip_prefix('/'));
    if let Some(key) = below {
        return Ok((store::open(&configured)?, key.to_owned()));
    }
    let Some((folder, name)) = url.rsplit_once('/').filter(|(_, name)| !name.is_empty()) else {
        let text = format!("`{url}` names no file");
        return Err(CliError::new(Class::Configuration, text).with_hint("write the URL of one file"));
    };
    let settings = StoreSettings { url: folder.to_owned(), ..configured };
    Ok((store::open(&settings)?, name.to_owned()))
}

/// The first bytes, and the whole file all the same.
fn sniff(mut reader: ObjectReader) -> std::io::Result<(Vec<u8>, impl Read)> {
    let mut magic = Vec::new();
    reader.by_ref().take(BEGINNING_BYTES).read_to_end(&mut magic)?;
    let input = Cursor::new(magic.clone()).chain(reader);
    Ok((magic, input))
}

/// The output that the configuration has for such a file.
fn configured(url: &str, config: &Config) -> Option<Output> {
    let index = url.split('/').rev().find_map(|segment| config.archive_for(segment))?;
    let output = &config.archives[index].shape.output;
    let extension = extension(output);
    (!extension.is_empty() && url.ends_with(&*extension)).then(|| output.clone())
}

fn output_of(magic: &[u8], delimiter: String) -> Output {
    let (format, compression) = match magic {
        magic if magic.starts_with(SEQUENCE) => (OutputFormat::Sequence, Compression::None),
        magic if magic.starts_with(GZIP) => (OutputFormat::Text, Compression::Gzip),
        magic if magic.starts_with(ZSTD) => (OutputFormat::Text, Compression::Zstd),
        magic if magic.starts_with(BZIP2) => (OutputFormat::Text, Compression::Bzip2),
        magic if magic.starts_with(LZ4) => (OutputFormat::Text, Compression::Lz4),
        magic if magic.starts_with(LZOP) => (OutputFormat::Text, Compression::Lzo),
        magic if magic.starts_with(AVRO) => (OutputFormat::Avro, Compression::None),
        magic if magic.starts_with(PARQUET) => (OutputFormat::Parquet, Compression::None),
        magic if magic.starts_with(ORC) => (OutputFormat::Orc, Compression::None),
        _ => (OutputFormat::Text, Compression::None),
    };
    let content = match format {
        OutputFormat::Avro => avro_content(magic),
        OutputFormat::Parquet | OutputFormat::Orc => Content::Envelope,
        _ => Content::Value,
    };
    Output { format, compression, delimiter, content, ..Output::default() }
}

fn delimiter(url: &str, config: &Config) -> String {
    let archive = url.split('/').rev().find_map(|segment| config.archive_for(segment));
    archive.map_or_else(|| Output::default().delimiter, |index| config.archives[index].shape.output.delimiter.clone())
}
