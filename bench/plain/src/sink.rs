//! Where records go: a line buffer per file, a codec that all files share, plain files.
//!
//! A buffer is compressed when it holds a piece, as a gzip member or zstd frame of its own; so no file needs
//! a compressor's state while it waits. Deliberately absent: fsync, names that mean something, a limit on open files.

use std::collections::HashMap;
use std::fs::{File, create_dir_all};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use libdeflater::{CompressionLvl, Compressor};

/// Bytes of lines that are compressed and written at once.
pub const PIECE_BYTES: usize = 1 << 20;
/// The same without compression: as much as stays in the CPU's cache between the copy and the write.
const UNCOMPRESSED_PIECE_BYTES: usize = 256 << 10;

pub struct Codec {
    kind: Kind,
    /// The compressed piece; its capacity is kept.
    encoded: Vec<u8>,
}

enum Kind {
    None,
    Gzip(Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
    /// Raw blocks, as Hadoop frames them, without the frame.
    Snappy(Box<snap::raw::Encoder>),
    /// Blocks alone, as above.
    Lz4,
    Bzip2(bzip2::Compression),
}

/// All files of a run, open until [`Files::finish`].
pub struct Files {
    dir: PathBuf,
    codec: Codec,
    piece_bytes: usize,
    open: Vec<(File, Vec<u8>)>,
    by_hour: HashMap<(usize, Option<i64>), usize>,
    written_bytes: u64,
}

// === impl Codec ===

impl Codec {
    /// `none`, `gzip LEVEL` (0 to 12, libdeflate's), `zstd LEVEL`, `snappy`, `lz4` or `bzip2 LEVEL`.
    pub fn parse(args: &[&str]) -> Result<Self> {
        let kind = match args {
            ["none"] => Kind::None,
            ["gzip", level] => {
                let level = CompressionLvl::new(level.parse()?).map_err(|e| anyhow!("gzip level: {e:?}"))?;
                Kind::Gzip(Compressor::new(level))
            }
            ["zstd", level] => Kind::Zstd(zstd::bulk::Compressor::new(level.parse()?)?),
            ["snappy"] => Kind::Snappy(Box::new(snap::raw::Encoder::new())),
            ["lz4"] => Kind::Lz4,
            ["bzip2", level] => Kind::Bzip2(bzip2::Compression::new(level.parse()?)),
            _ => bail!("no such codec: {args:?}"),
        };
        Ok(Self { kind, encoded: Vec::new() })
    }

    /// One piece as one gzip member or zstd frame, or as it is.
    pub fn encode<'a>(&'a mut self, piece: &'a [u8]) -> Result<&'a [u8]> {
        let written = match &mut self.kind {
            Kind::None => return Ok(piece),
            Kind::Gzip(gzip) => {
                let bound = gzip.gzip_compress_bound(piece.len());
                self.encoded.resize(bound.max(self.encoded.len()), 0);
                gzip.gzip_compress(piece, &mut self.encoded).map_err(|e| anyhow!("gzip: {e:?}"))?
            }
            Kind::Zstd(zstd) => {
                let bound = zstd::zstd_safe::compress_bound(piece.len());
                self.encoded.resize(bound.max(self.encoded.len()), 0);
                zstd.compress_to_buffer(piece, self.encoded.as_mut_slice())?
            }
            Kind::Snappy(snappy) => {
                let bound = snap::raw::max_compress_len(piece.len());
                self.encoded.resize(bound.max(self.encoded.len()), 0);
                snappy.compress(piece, &mut self.encoded)?
            }
            Kind::Lz4 => {
                let bound = lz4_flex::block::get_maximum_output_size(piece.len());
                self.encoded.resize(bound.max(self.encoded.len()), 0);
                lz4_flex::block::compress_into(piece, &mut self.encoded)?
            }
            Kind::Bzip2(level) => {
                self.encoded.clear();
                bzip2::read::BzEncoder::new(piece, *level).read_to_end(&mut self.encoded)?
            }
        };
        Ok(&self.encoded[..written])
    }
}

// === impl Files ===

impl Files {
    pub fn new(dir: &Path, codec: Codec) -> Self {
        let piece_bytes = if matches!(codec.kind, Kind::None) { UNCOMPRESSED_PIECE_BYTES } else { PIECE_BYTES };
        let (open, by_hour) = (Vec::new(), HashMap::new());
        Self { dir: dir.to_owned(), codec, piece_bytes, open, by_hour, written_bytes: 0 }
    }

    /// The file of a topic partition and hour since 1970 (UTC), made when it is asked for first.
    pub fn open(&mut self, partition: usize, hour: Option<i64>) -> Result<usize> {
        if let Some(&file) = self.by_hour.get(&(partition, hour)) {
            return Ok(file);
        }
        let dir = match hour {
            Some(hour) => {
                self.dir.join(Timestamp::from_second(hour * 3_600)?.strftime("dt=%Y-%m-%d/hr=%H").to_string())
            }
            None => self.dir.clone(),
        };
        create_dir_all(&dir)?;
        let path = dir.join(partition.to_string());
        let file = File::create_new(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
        self.open.push((file, Vec::with_capacity(self.piece_bytes + 4_096)));
        self.by_hour.insert((partition, hour), self.open.len() - 1);
        Ok(self.open.len() - 1)
    }

    /// Adds `value` and a newline to a file that [`Files::open`] named.
    pub fn write_line(&mut self, file: usize, value: &[u8]) -> Result<()> {
        let lines = &mut self.open[file].1;
        lines.extend_from_slice(value);
        lines.push(b'\n');
        if lines.len() >= self.piece_bytes { self.flush(file) } else { Ok(()) }
    }

    /// Writes what is left, and says how many bytes were written in all.
    pub fn finish(mut self) -> Result<u64> {
        for file in 0..self.open.len() {
            self.flush(file)?;
        }
        Ok(self.written_bytes)
    }

    fn flush(&mut self, file: usize) -> Result<()> {
        let (file, lines) = &mut self.open[file];
        let encoded = self.codec.encode(lines)?;
        file.write_all(encoded)?;
        self.written_bytes += encoded.len() as u64;
        lines.clear();
        Ok(())
    }
}
