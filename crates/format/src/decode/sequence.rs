//! Hadoop SequenceFiles, version 6, as `encode::sequence` writes them. What the file's own header says counts, not the
//! configuration.

use std::io::{BufRead, Read};

use secor_core::shape::Compression;

use super::{Archived, Fault, decompress_whole, length, malformed, offset, read_bytes};
use crate::encode::{SYNC_BYTES, class, codec_class};

pub(super) struct SequenceReader<'r> {
    input: Box<dyn BufRead + 'r>,
    header: Option<Header>,
    /// Of a record: key and value as stored.
    stored: Vec<u8>,
    value: Vec<u8>,
    block: Block,
}

#[derive(Clone, Copy)]
struct Header {
    has_long_keys: bool,
    compression: Compression,
    is_block_compressed: bool,
    sync: [u8; SYNC_BYTES],
}

/// A block, decompressed, and how much of it has been given out.
#[derive(Default)]
struct Block {
    records_left: i64,
    /// Key lengths, keys, value lengths, values.
    parts: [Vec<u8>; 4],
    at: [usize; 4],
}

// === impl SequenceReader ===

impl<'r> SequenceReader<'r> {
    pub(super) fn new(input: Box<dyn BufRead + 'r>) -> Self {
        Self { input, header: None, stored: Vec::new(), value: Vec::new(), block: Block::default() }
    }

    pub(super) fn next(&mut self, archived: &mut Archived) -> Result<bool, Fault> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let header = read_header(&mut self.input)?;
                *self.header.insert(header)
            }
        };
        if header.is_block_compressed {
            self.next_in_block(header, archived)
        } else {
            self.next_alone(header, archived)
        }
    }

    fn next_alone(&mut self, header: Header, archived: &mut Archived) -> Result<bool, Fault> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let mut record_bytes = read_int(&mut self.input)?;
        if record_bytes == -1 {
            self.read_sync(header)?;
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            record_bytes = read_int(&mut self.input)?;
        }
        let key_bytes = length(read_int(&mut self.input)?.into())?;
        read_bytes(&mut self.input, length(record_bytes.into())?, &mut self.stored)?;
        let (key, value) = self.stored.split_at_checked(key_bytes).ok_or_else(|| malformed("the key is too long"))?;
        read_key(key, header, archived)?;
        if header.compression == Compression::None {
            return read_value(value, archived).map(|()| true);
        }
        decompress_whole(header.compression, value, &mut self.value)?;
        read_value(&self.value, archived).map(|()| true)
    }

    fn next_in_block(&mut self, header: Header, archived: &mut Archived) -> Result<bool, Fault> {
        if self.block.records_left == 0 {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            if read_int(&mut self.input)? != -1 {
                return Err(malformed("no sync marker before a block"));
            }
            self.read_sync(header)?;
            self.read_block(header)?;
        }
        self.block.records_left -= 1;
        let key = self.block.take_sized(0)?;
        read_key(&self.block.parts[1][key], header, archived)?;
        let value = self.block.take_sized(2)?;
        read_value(&self.block.parts[3][value], archived)?;
        let all_taken = self.block.parts.iter().zip(self.block.at).all(|(part, at)| part.len() == at);
        if self.block.records_left == 0 && !all_taken {
            return Err(malformed("the block holds more than its records"));
        }
        Ok(true)
    }

    fn read_block(&mut self, header: Header) -> Result<(), Fault> {
        let records = read_vint(&mut self.input)?;
        if records < 1 {
            return Err(malformed("a block without records"));
        }
        for part in &mut self.block.parts {
            let bytes = length(read_vint(&mut self.input)?)?;
            read_bytes(&mut self.input, bytes, &mut self.stored)?;
            decompress_whole(header.compression, &self.stored, part)?;
        }
        self.block.records_left = records;
        self.block.at = [0; 4];
        Ok(())
    }

    fn read_sync(&mut self, header: Header) -> Result<(), Fault> {
        let mut sync = [0; SYNC_BYTES];
        self.input.read_exact(&mut sync)?;
        if sync == header.sync { Ok(()) } else { Err(malformed("the sync marker is not that of the header")) }
    }
}

// === impl Block ===

impl Block {
    /// Takes a length from part `lengths` and says where as many bytes of the part behind it lie.
    fn take_sized(&mut self, lengths: usize) -> Result<std::ops::Range<usize>, Fault> {
        let mut rest = &self.parts[lengths][self.at[lengths]..];
        let bytes = length(read_vint(&mut rest)?)?;
        self.at[lengths] = self.parts[lengths].len() - rest.len();
        let start = self.at[lengths + 1];
        let end = start + bytes;
        if end > self.parts[lengths + 1].len() {
            return Err(malformed("a length goes beyond its block"));
        }
        self.at[lengths + 1] = end;
        Ok(start..end)
    }
}

fn read_header(input: &mut dyn BufRead) -> Result<Header, Fault> {
    let mut magic = [0; 4];
    input.read_exact(&mut magic)?;
    if magic != *b"SEQ\x06" {
        return Err(malformed("no SequenceFile of version 6"));
    }
    let has_long_keys = match read_text(input)?.as_str() {
        class::LONG_WRITABLE => true,
        class::BYTES_WRITABLE => false,
        other => return Err(Fault::Malformed(format!("keys of class `{other}` are not known"))),
    };
    let values = read_text(input)?;
    if values != class::BYTES_WRITABLE {
        return Err(Fault::Malformed(format!("values of class `{values}` are not known")));
    }
    let mut flags = [0; 2];
    input.read_exact(&mut flags)?;
    let compression = if flags[0] == 0 { Compression::None } else { compression_of(&read_text(input)?)? };
    for _ in 0..read_int(input)? {
        // metadata, which other writers may have left
        read_text(input)?;
        read_text(input)?;
    }
    let mut sync = [0; SYNC_BYTES];
    input.read_exact(&mut sync)?;
    Ok(Header { has_long_keys, compression, is_block_compressed: flags[1] != 0, sync })
}

/// Those that Hadoop has.
const ALL_CODECS: [Compression; 6] = [
    Compression::Gzip,
    Compression::Zstd,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Bzip2,
    Compression::Deflate,
];

fn compression_of(class: &str) -> Result<Compression, Fault> {
    ALL_CODECS
        .into_iter()
        .find(|&compression| codec_class(compression) == Some(class))
        .ok_or_else(|| Fault::Malformed(format!("codec `{class}` is not known")))
}

fn read_key(key: &[u8], header: Header, archived: &mut Archived) -> Result<(), Fault> {
    if header.has_long_keys {
        let bytes: [u8; 8] = key.try_into().map_err(|_| malformed("a LongWritable has eight bytes"))?;
        archived.offset = Some(offset(i64::from_be_bytes(bytes))?);
        return Ok(());
    }
    let mut rest = bytes_writable(key)?;
    let entries = match take_byte(&mut rest)? {
        tag @ 0x80..=0x8f => tag & 0x0f,
        _ => return Err(malformed("the key is no MessagePack map")),
    };
    for _ in 0..entries {
        match take_byte(&mut rest)? {
            1 => archived.offset = Some(offset(take_messagepack_int(&mut rest)?)?),
            2 => archived.key = Some(take_messagepack_bytes(&mut rest)?.to_vec()),
            3 => archived.timestamp = Some(take_messagepack_int(&mut rest)?),
            other => return Err(Fault::Malformed(format!("the key has an unknown field {other}"))),
        }
    }
    if rest.is_empty() && archived.offset.is_some() { Ok(()) } else { Err(malformed("the key is no offset")) }
}

fn read_value(value: &[u8], archived: &mut Archived) -> Result<(), Fault> {
    archived.value.get_or_insert_default().extend_from_slice(bytes_writable(value)?);
    Ok(())
}

fn bytes_writable(serialized: &[u8]) -> Result<&[u8], Fault> {
    match serialized.split_first_chunk::<4>() {
        Some((len, bytes)) if usize::try_from(i32::from_be_bytes(*len)) == Ok(bytes.len()) => Ok(bytes),
        _ => Err(malformed("the length of a BytesWritable is not that of its bytes")),
    }
}

fn take_messagepack_int(rest: &mut &[u8]) -> Result<i64, Fault> {
    Ok(match take_byte(rest)? {
        tag @ 0..=0x7f => i64::from(tag),
        tag @ 0xe0..=0xff => i64::from(i8::from_be_bytes([tag])),
        0xcc => i64::from(take_byte(rest)?),
        0xcd => i64::from(u16::from_be_bytes(take(rest)?)),
        0xce => i64::from(u32::from_be_bytes(take(rest)?)),
        0xcf => i64::try_from(u64::from_be_bytes(take(rest)?)).map_err(|_| malformed("a number beyond 63 bits"))?,
        0xd0 => i64::from(i8::from_be_bytes(take(rest)?)),
        0xd1 => i64::from(i16::from_be_bytes(take(rest)?)),
        0xd2 => i64::from(i32::from_be_bytes(take(rest)?)),
        0xd3 => i64::from_be_bytes(take(rest)?),
        _ => return Err(malformed("no MessagePack number")),
    })
}

fn take_messagepack_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let len = match take_byte(rest)? {
        0xc4 => u32::from(take_byte(rest)?),
        0xc5 => u32::from(u16::from_be_bytes(take(rest)?)),
        0xc6 => u32::from_be_bytes(take(rest)?),
        _ => return Err(malformed("no MessagePack bytes")),
    };
    let (bytes, behind) = rest.split_at_checked(len as usize).ok_or_else(|| malformed("the key ends too early"))?;
    *rest = behind;
    Ok(bytes)
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, Fault> {
    take::<1>(rest).map(|[byte]| byte)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (bytes, behind) = rest.split_first_chunk::<N>().ok_or_else(|| malformed("the key ends too early"))?;
    *rest = behind;
    Ok(*bytes)
}

fn read_text(input: &mut dyn BufRead) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    let len = length(read_vint(input)?)?;
    read_bytes(input, len, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| malformed("a class name is no text"))
}

fn read_int(input: &mut dyn BufRead) -> Result<i32, Fault> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(i32::from_be_bytes(bytes))
}

/// Hadoop's `WritableUtils.readVLong`; of negative numbers only those of one byte.
fn read_vint(input: &mut dyn BufRead) -> Result<i64, Fault> {
    let mut first = [0];
    input.read_exact(&mut first)?;
    let used = match i8::from_be_bytes(first) {
        first @ -112.. => return Ok(i64::from(first)),
        first @ -120.. => usize::from(first.abs_diff(-112)),
        _ => return Err(malformed("a negative length")),
    };
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes[8 - used..])?;
    Ok(i64::from_be_bytes(bytes))
}
