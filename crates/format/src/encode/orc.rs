//! ORC files, by the crate `secor-orc`, whose writer encodes batches into the streams of the open stripe. A stripe ends
//! when it has grown to 64 MiB before compression.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use secor_core::shape::{Compression, Output};
use secor_orc::{Options, Writer};

use super::columns::{Group, GroupWriter, Layout, fields_of};
use crate::columns::orc;

pub(super) struct OrcWriter(Box<Writer>);

/// # Panics
/// When the output is not possible; [`crate::Pipeline::new`] has checked it.
pub(super) fn layout(output: &Output) -> Layout<Options> {
    let (fields, is_envelope) = fields_of(output);
    let options = Options { compression: codec(output), ..Options::default() };
    let group_max = Group { rows: usize::MAX, bytes: usize::MAX };
    Layout { fields: orc::stored(&fields), options, is_envelope, group_max }
}

/// The codec in ORC's words.
///
/// # Panics
/// When ORC has no such codec.
fn codec(output: &Output) -> secor_orc::Compression {
    let level = output.level.map(i32::from);
    match output.compression {
        Compression::None => secor_orc::Compression::None,
        Compression::Deflate => secor_orc::Compression::Zlib { level: level.unwrap_or(6) },
        Compression::Snappy => secor_orc::Compression::Snappy,
        Compression::Lz4 => secor_orc::Compression::Lz4,
        Compression::Zstd => secor_orc::Compression::Zstd { level: level.unwrap_or(3) },
        Compression::Gzip | Compression::Bzip2 | Compression::Lzo | Compression::Brotli => {
            panic!("the codec was checked with the shape")
        }
    }
}

// === impl OrcWriter ===

impl GroupWriter for OrcWriter {
    type Options = Options;

    fn new(schema: SchemaRef, options: &Options) -> Self {
        let writer = Writer::new(&schema, options.clone());
        Self(Box::new(writer.expect("ORC has all types of columns")))
    }

    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        self.0.write(batch, out);
    }

    fn end_group(&mut self, out: &mut Vec<u8>) {
        self.0.end_stripe(out);
    }

    fn finish(self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }

    fn group_bytes(&self) -> usize {
        self.0.buffered_bytes()
    }

    fn kept_bytes(&self) -> usize {
        0
    }
}
