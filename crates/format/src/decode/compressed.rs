//! Streams of compressed bytes, back to what was compressed: whatever a codec writes as a row of blocks is read to its
//! end.
//!
//! Deliberately absent: reading a codec that the configuration does not name.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use ::bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use secor_core::shape::{Compression, Framing};

use super::{BUFFER_BYTES, Fault, RECORD_BYTES_MAX, malformed};

mod blocks;
mod inflate;
mod lz4;
mod lzo1x;
mod lzop;

pub(super) use inflate::Inflate;
pub(super) use lzop::index as index_lzop;

/// The uncompressed bytes of `input`.
pub(super) fn decompress<'r>(
    compression: Compression,
    framing: Framing,
    input: impl BufRead + 'r,
) -> Box<dyn BufRead + 'r> {
    match (compression, framing) {
        (Compression::None, _) => Box::new(input),
        (Compression::Gzip, _) => buffered(MultiGzDecoder::new(input)),
        (Compression::Deflate, _) => buffered(Inflate::zlib(input)),
        (Compression::Bzip2, _) => buffered(MultiBzDecoder::new(input)),
        (Compression::Zstd, _) => {
            let zstd = zstd::stream::read::Decoder::with_buffer(input);
            buffered(zstd.expect("zstd has a context unless memory is out"))
        }
        (Compression::Snappy, Framing::Stream) => buffered(snap::read::FrameDecoder::new(input)),
        (Compression::Snappy, Framing::Hadoop) => buffered(blocks::Reader::new(input, blocks::Hadoop(blocks::snappy))),
        (Compression::Lz4, Framing::Stream) => buffered(blocks::Reader::new(input, lz4::Frames::default())),
        (Compression::Lz4, Framing::Hadoop) => buffered(blocks::Reader::new(input, blocks::Hadoop(blocks::lz4))),
        (Compression::Lzo, _) => buffered(blocks::Reader::new(input, lzop::Lzop::default())),
        (Compression::Brotli, _) => buffered(NoStream),
    }
}

/// The uncompressed bytes of `stored`, which is complete.
pub(super) fn decompress_whole(compression: Compression, stored: &[u8], to: &mut Vec<u8>) -> Result<(), Fault> {
    to.clear();
    decompress(compression, Framing::Hadoop, stored).take(RECORD_BYTES_MAX + 1).read_to_end(to)?;
    if to.len() as u64 > RECORD_BYTES_MAX { Err(malformed("longer than a record can be")) } else { Ok(()) }
}

/// Where a configuration of the ledger names a codec that has no streams.
struct NoStream;

// === impl NoStream ===

impl Read for NoStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(damaged("only Parquet has brotli"))
    }
}

fn buffered<'r>(input: impl Read + 'r) -> Box<dyn BufRead + 'r> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, input))
}

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
