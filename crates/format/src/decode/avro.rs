//! Avro container files of envelopes, as `encode::avro` writes them. What the file's own header says of the codec
//! counts; another schema is refused.

use std::io::{BufRead, Read};

use secor_core::record::push_header;
use secor_core::shape::Compression;

use super::compressed::Inflate;
use super::{Archived, Fault, RECORD_BYTES_MAX, decompress_whole, fault, length, malformed, offset, read_bytes};
use crate::encode::{
    AVRO_CODEC_KEY, AVRO_MAGIC, AVRO_NULL_BRANCH, AVRO_SCHEMA, AVRO_SCHEMA_KEY, AVRO_SECOND_BRANCH, SYNC_BYTES,
    avro_codec_name,
};

/// Entries of a file's metadata that are looked at.
const METADATA_MAX: u64 = 1_000;

pub(super) struct AvroReader<'r> {
    input: Box<dyn BufRead + 'r>,
    header: Option<Header>,
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
    pub(super) fn new(input: Box<dyn BufRead + 'r>) -> Self {
        Self { input, header: None, stored: Vec::new(), block: Vec::new(), at: 0, records_left: 0 }
    }

    pub(super) fn next(&mut self, archived: &mut Archived) -> Result<bool, Fault> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let header = read_header(&mut self.input)?;
                *self.header.insert(header)
            }
        };
        while self.records_left == 0 {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            self.read_block(header)?;
        }
        let mut rest = &self.block[self.at..];
        read_record(&mut rest, archived)?;
        self.at = self.block.len() - rest.len();
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
        // a record has five bytes at least
        if records > self.block.len() as u64 {
            return Err(malformed("the block holds less than its records"));
        }
        (self.records_left, self.at) = (records, 0);
        Ok(())
    }
}

fn read_header(input: &mut dyn BufRead) -> Result<Header, Fault> {
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
    let schema: serde_json::Value = serde_json::from_slice(&schema).map_err(fault)?;
    if schema != serde_json::from_str::<serde_json::Value>(AVRO_SCHEMA).map_err(fault)? {
        return Err(malformed("the schema is not that of an envelope"));
    }
    let mut sync = [0; SYNC_BYTES];
    input.read_exact(&mut sync)?;
    Ok(Header { compression: compression_of(codec.as_deref())?, sync })
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

fn read_record(rest: &mut &[u8], archived: &mut Archived) -> Result<(), Fault> {
    archived.offset = Some(offset(read_long(rest)?)?);
    archived.timestamp = if read_branch(rest)? { Some(read_long(rest)?) } else { None };
    archived.key = read_optional(rest)?.map(<[u8]>::to_vec);
    match read_optional(rest)? {
        Some(value) => archived.value.get_or_insert_default().extend_from_slice(value),
        None => archived.value = None,
    }
    loop {
        match read_long(rest)? {
            0 => return Ok(()),
            count if count > 0 => {
                for _ in 0..count {
                    let name = take_sized(rest)?;
                    let value = read_optional(rest)?;
                    let name = read_optional(rest)?.unwrap_or(name);
                    push_header(&mut archived.headers, name, value);
                }
            }
            _ => return Err(malformed("a negative count of headers")),
        }
    }
}

fn read_optional<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    if read_branch(rest)? { take_sized(rest).map(Some) } else { Ok(None) }
}

fn read_branch(rest: &mut &[u8]) -> Result<bool, Fault> {
    match read_long(rest)? {
        AVRO_NULL_BRANCH => Ok(false),
        AVRO_SECOND_BRANCH => Ok(true),
        other => Err(Fault::Malformed(format!("a union has no branch {other}"))),
    }
}

fn take_sized<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let len = length(read_long(rest)?)?;
    let (bytes, behind) = rest.split_at_checked(len).ok_or_else(|| malformed("the record ends too early"))?;
    *rest = behind;
    Ok(bytes)
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
