//! Avro container files, as `encode::avro` writes them. What the file's own header says of the codec counts. Of envelopes
//! there is one schema, and another is refused; of values the header says it.

mod envelope;
mod values;

use std::io::{BufRead, Read};

use secor_core::shape::{Compression, Content};

use self::values::Values;
use super::compressed::Inflate;
use super::{Archived, Fault, RECORD_BYTES_MAX, decompress_whole, fault, length, malformed, read_bytes};
use crate::encode::{
    AVRO_BLOCK_RECORDS, AVRO_CODEC_KEY, AVRO_MAGIC, AVRO_SCHEMA, AVRO_SCHEMA_KEY, SYNC_BYTES, avro_codec_name,
};

/// Entries of a file's metadata that are looked at.
const METADATA_MAX: u64 = 1_000;

pub(super) struct AvroReader<'r> {
    input: Box<dyn BufRead + 'r>,
    content: Content,
    header: Option<Header>,
    /// `None`: they are envelopes.
    values: Option<Values>,
    stored: Vec<u8>,
    block: Vec<u8>,
    at: usize,
    records_left: u64,
}

#[derive(Clone, Copy)]
struct Header {
    compression: Compression,
    sync: [u8; SYNC_BYTES],
}

// === impl AvroReader ===

impl<'r> AvroReader<'r> {
    pub(super) fn new(input: Box<dyn BufRead + 'r>, content: Content) -> Self {
        let (header, values) = (None, None);
        Self { input, content, header, values, stored: Vec::new(), block: Vec::new(), at: 0, records_left: 0 }
    }

    pub(super) fn next(&mut self, archived: &mut Archived) -> Result<bool, Fault> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let (header, schema) = read_header(&mut self.input)?;
                match self.content {
                    Content::Envelope if is_envelope(&schema) => {}
                    Content::Envelope => return Err(malformed("the schema is not that of an envelope")),
                    Content::Value => self.values = Some(Values::new(&schema)?),
                }
                *self.header.insert(header)
            }
        };
        while self.records_left == 0 {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            self.read_block(header)?;
        }
        match &self.values {
            Some(values) => self.at += values.read(&self.block[self.at..], archived)?,
            None => {
                let mut rest = &self.block[self.at..];
                envelope::read_record(&mut rest, archived)?;
                self.at = self.block.len() - rest.len();
            }
        }
        self.records_left -= 1;
        if self.records_left == 0 && self.at < self.block.len() {
            return Err(malformed("the block holds more than its records"));
        }
        Ok(true)
    }

    fn read_block(&mut self, header: Header) -> Result<(), Fault> {
        let records = u64::try_from(read_long(&mut self.input)?).map_err(|_| malformed("a negative count"))?;
        let bytes = length(read_long(&mut self.input)?)?;
        read_bytes(&mut self.input, bytes, &mut self.stored)?;
        let mut sync = [0; SYNC_BYTES];
        self.input.read_exact(&mut sync)?;
        if sync != header.sync {
            return Err(malformed("the sync marker is not that of the header"));
        }
        decompress(header.compression, &self.stored, &mut self.block)?;
        // an envelope has five bytes at least, a datum one, unless its type has none
        let are_nothing = self.values.as_ref().is_some_and(Values::are_nothing);
        let most = if are_nothing { AVRO_BLOCK_RECORDS } else { self.block.len() as u64 };
        if records > most {
            return Err(malformed("the block holds less than its records"));
        }
        (self.records_left, self.at) = (records, 0);
        Ok(())
    }
}

/// What the header says, and the schema's text.
fn read_header(input: &mut dyn BufRead) -> Result<(Header, Vec<u8>), Fault> {
    let mut magic = [0; AVRO_MAGIC.len()];
    input.read_exact(&mut magic)?;
    if magic != AVRO_MAGIC {
        return Err(malformed("no Avro container file"));
    }
    let (mut codec, mut schema) = (None, None);
    loop {
        let mut entries = read_long(input)?;
        if entries < 0 {
            // then the bytes of the block are said, for those who skip it
            read_long(input)?;
            entries = entries.saturating_neg();
        }
        if entries == 0 {
            break;
        }
        if entries.unsigned_abs() > METADATA_MAX {
            return Err(malformed("too much metadata"));
        }
        for _ in 0..entries {
            let (name, value) = (read_sized(input)?, read_sized(input)?);
            match name {
                name if name == AVRO_CODEC_KEY.as_bytes() => codec = Some(value),
                name if name == AVRO_SCHEMA_KEY.as_bytes() => schema = Some(value),
                _ => {}
            }
        }
    }
    let schema = schema.ok_or_else(|| malformed("the schema is missing"))?;
    let mut sync = [0; SYNC_BYTES];
    input.read_exact(&mut sync)?;
    Ok((Header { compression: compression_of(codec.as_deref())?, sync }, schema))
}

fn is_envelope(schema: &[u8]) -> bool {
    let schema: Option<serde_json::Value> = serde_json::from_slice(schema).ok();
    schema.is_some() && schema == serde_json::from_str(AVRO_SCHEMA).ok()
}

/// What the records of a container file are, by its first bytes: values, unless its header is there and says envelopes.
#[must_use]
pub fn avro_content(mut beginning: &[u8]) -> Content {
    match read_header(&mut beginning) {
        Ok((_, schema)) if is_envelope(&schema) => Content::Envelope,
        Ok(_) | Err(_) => Content::Value,
    }
}

fn compression_of(codec: Option<&[u8]>) -> Result<Compression, Fault> {
    use Compression::{Bzip2, Deflate, None as Plain, Snappy, Zstd};
    let Some(codec) = codec else { return Ok(Plain) };
    let known = [Plain, Deflate, Snappy, Zstd, Bzip2].into_iter();
    let mut named = known.filter(|&known| avro_codec_name(known).map(str::as_bytes) == Some(codec));
    named.next().ok_or_else(|| Fault::Malformed(format!("codec `{}` is not known", String::from_utf8_lossy(codec))))
}

fn decompress(compression: Compression, stored: &[u8], to: &mut Vec<u8>) -> Result<(), Fault> {
    to.clear();
    match compression {
        Compression::None => to.extend_from_slice(stored),
        Compression::Deflate => {
            Inflate::raw(stored).take(RECORD_BYTES_MAX + 1).read_to_end(to)?;
        }
        Compression::Snappy => {
            let (compressed, checksum) =
                stored.split_last_chunk::<4>().ok_or_else(|| malformed("a block without checksum"))?;
            let len = snap::raw::decompress_len(compressed).map_err(fault)?;
            if len as u64 > RECORD_BYTES_MAX || len > compressed.len().saturating_mul(255) {
                return Err(malformed("a block is too long"));
            }
            to.resize(len, 0);
            snap::raw::Decoder::new().decompress(compressed, to).map_err(fault)?;
            if libdeflater::crc32(to) != u32::from_be_bytes(*checksum) {
                return Err(malformed("the checksum of a block is wrong"));
            }
        }
        other => return decompress_whole(other, stored, to),
    }
    if to.len() as u64 > RECORD_BYTES_MAX { Err(malformed("longer than a block can be")) } else { Ok(()) }
}

fn read_sized(input: &mut dyn BufRead) -> Result<Vec<u8>, Fault> {
    let len = length(read_long(input)?)?;
    let mut bytes = Vec::new();
    read_bytes(input, len, &mut bytes)?;
    Ok(bytes)
}

fn read_long(input: &mut dyn BufRead) -> Result<i64, Fault> {
    let mut bits = 0u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        bits |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
        }
    }
    Err(malformed("a number of more than ten bytes"))
}
