//! One piece of text per record: `text`, the values of `json`, `csv`. What the piece is was decided by
//! `stored`; here it gets its end.

use secor_core::shape::{Content, Output, OutputFormat};

use super::{Body, Row, Sink, csv};
use crate::compress::Pending;

/// What stands in a file of JSON values for a record without one.
pub(crate) const NULL_LINE: &[u8] = b"null";

pub(super) struct LinesBody {
    /// Of `csv`, until the first record comes.
    header_line: Option<Vec<u8>>,
    delimiter: Box<[u8]>,
    null: &'static [u8],
    /// `None`: nothing is compressed.
    pending: Option<Pending>,
}

// === impl LinesBody ===

impl LinesBody {
    pub(super) fn new(output: &Output, is_compressed: bool) -> Self {
        debug_assert!(output.content == Content::Value, "an envelope has an encoder of its own");
        Self {
            header_line: output.header_line.then(|| csv::header_line(output)),
            delimiter: line_end(output).into(),
            null: if output.format == OutputFormat::Json { NULL_LINE } else { b"" },
            pending: is_compressed.then(Pending::default),
        }
    }
}

impl Body for LinesBody {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        let mut bytes = 0;
        if let Some(line) = self.header_line.take() {
            sink.push(&mut self.pending, &line);
            bytes += line.len() as u64;
        }
        let value = row.value.unwrap_or(self.null);
        sink.push(&mut self.pending, value);
        sink.push(&mut self.pending, &self.delimiter);
        bytes + (value.len() + self.delimiter.len()) as u64
    }

    fn buffered_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, Pending::buffered_bytes)
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        if let Some(pending) = &mut self.pending {
            pending.close(sink.codec.output(), sink.out);
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        if let Some(pending) = &mut self.pending {
            pending.finish(sink.codec.output(), sink.out);
        }
    }
}

/// What stands behind each line of an output; of `text` the configured delimiter.
pub(crate) fn line_end(output: &Output) -> &[u8] {
    if output.format == OutputFormat::Text { output.delimiter.as_bytes() } else { b"\n" }
}
