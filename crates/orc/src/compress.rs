//! Compression by chunks: a chunk is compressed alone, behind a header of three bytes with its length and whether it is
//! stored as it was, which it is when compressing does not make it smaller.

use libdeflater::CompressionLvl;

/// How streams and messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Deflate without header, level 1 to 12.
    Zlib {
        level: i32,
    },
    Snappy,
    Lz4,
    /// Level 1 to 22.
    Zstd {
        level: i32,
    },
}

/// The compressor of one writer.
pub(crate) struct Compressor {
    codec: Codec,
    block_bytes: usize,
    scratch: Vec<u8>,
}

enum Codec {
    None,
    Zlib(libdeflater::Compressor),
    Snappy(Box<snap::raw::Encoder>),
    Lz4,
    Zstd(zstd::bulk::Compressor<'static>),
}

/// Length and flag of a chunk.
const HEADER_BYTES: usize = 3;

/// The header's length has 23 bits.
pub(crate) const BLOCK_BYTES_MAX: usize = (1 << 23) - 1;

// === impl Compression ===

impl Compression {
    /// `CompressionKind` of the post script.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Zlib { .. } => 1,
            Self::Snappy => 2,
            Self::Lz4 => 4,
            Self::Zstd { .. } => 5,
        }
    }
}

// === impl Compressor ===

impl Compressor {
    /// # Panics
    /// When the level is not one of the codec's, or the block does not fit a chunk's header.
    pub(crate) fn new(compression: Compression, block_bytes: usize) -> Self {
        assert!((1..=BLOCK_BYTES_MAX).contains(&block_bytes), "a block has 1 byte to 8 MiB");
        let codec = match compression {
            Compression::None => Codec::None,
            Compression::Zlib { level } => {
                let level = CompressionLvl::new(level).expect("a level of deflate is 1 to 12");
                Codec::Zlib(libdeflater::Compressor::new(level))
            }
            Compression::Snappy => Codec::Snappy(Box::new(snap::raw::Encoder::new())),
            Compression::Lz4 => Codec::Lz4,
            Compression::Zstd { level } => {
                assert!((1..=22).contains(&level), "a level of zstd is 1 to 22");
                Codec::Zstd(zstd::bulk::Compressor::new(level).expect("only memory is needed"))
            }
        };
        Self { codec, block_bytes, scratch: Vec::new() }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self.codec, Codec::None)
    }

    /// Uncompressed bytes of a full chunk.
    pub(crate) fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Appends all of `plain`, in chunks if there is a codec.
    pub(crate) fn push_all(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if self.is_none() {
            out.extend_from_slice(plain);
            return;
        }
        for block in plain.chunks(self.block_bytes) {
            self.push_chunk(block, out);
        }
    }

    /// Appends one chunk of at most a block.
    ///
    /// # Panics
    /// When there is no codec: such streams have no chunks.
    pub(crate) fn push_chunk(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let compressed = compress(&mut self.codec, plain, &mut self.scratch);
        let (is_original, bytes) = if compressed < plain.len() { (0, &self.scratch[..compressed]) } else { (1, plain) };
        let header = u32::try_from(bytes.len() << 1 | is_original).expect("a block has at most 23 bits");
        out.extend_from_slice(&header.to_le_bytes()[..HEADER_BYTES]);
        out.extend_from_slice(bytes);
    }
}

/// Compresses into the front of `scratch`; returns the length.
fn compress(codec: &mut Codec, plain: &[u8], scratch: &mut Vec<u8>) -> usize {
    const ROOM: &str = "there is room for the worst case";
    let room = match codec {
        Codec::None => panic!("streams without a codec have no chunks"),
        Codec::Zlib(codec) => codec.deflate_compress_bound(plain.len()),
        Codec::Snappy(_) => snap::raw::max_compress_len(plain.len()),
        Codec::Lz4 => lz4_flex::block::get_maximum_output_size(plain.len()),
        Codec::Zstd(_) => zstd::zstd_safe::compress_bound(plain.len()),
    };
    if scratch.len() < room {
        scratch.resize(room, 0);
    }
    match codec {
        Codec::None => 0,
        Codec::Zlib(codec) => codec.deflate_compress(plain, scratch).expect(ROOM),
        Codec::Snappy(codec) => codec.compress(plain, scratch).expect(ROOM),
        Codec::Lz4 => lz4_flex::block::compress_into(plain, scratch).expect(ROOM),
        Codec::Zstd(codec) => codec.compress_to_buffer(plain, &mut scratch[..]).expect(ROOM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: headers are those of the specification.
    /// Method: its example of five bytes that do not compress, and a long chunk that does.
    #[test]
    fn headers_hold_length_and_whether_stored() {
        let mut codec = Compressor::new(Compression::Zlib { level: 6 }, 256 * 1024);
        let mut out = Vec::new();
        codec.push_all(b"abcde", &mut out);
        assert_eq!(out, b"\x0b\0\0abcde");
        out.clear();
        codec.push_all(&vec![7; 300_000], &mut out);
        let first = usize::from(out[0]) | usize::from(out[1]) << 8 | usize::from(out[2]) << 16;
        assert_eq!(first & 1, 0);
        let second = &out[HEADER_BYTES + (first >> 1)..];
        assert_eq!(usize::from(second[0]) >> 1, second.len() - HEADER_BYTES, "{second:?}");
    }
}
