//! One stream of a stripe: bytes as they are encoded, and the chunks of those that were compressed already.
//!
//! Positions are counted in encoded bytes while a stripe grows. What a reader needs, where in the file a chunk begins, is
//! known when the stripe ends; chunks have a fixed size before compression, so one follows from the other.

use crate::compress::Compressor;

#[derive(Default)]
pub(crate) struct Stream {
    /// Encoded, and not in a chunk yet.
    pending: Vec<u8>,
    chunks: Vec<u8>,
    /// Where in `chunks` each chunk begins.
    starts: Vec<usize>,
    /// Encoded bytes that `chunks` holds.
    settled_bytes: usize,
}

impl Stream {
    /// Where encoded bytes are appended.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Encoded bytes so far, before compression.
    pub(crate) fn len(&self) -> usize {
        self.settled_bytes + self.pending.len()
    }

    /// Bytes of memory in use.
    pub(crate) fn held_bytes(&self) -> usize {
        self.pending.capacity() + self.chunks.capacity() + self.starts.capacity() * size_of::<usize>()
    }

    /// Compresses what makes full chunks.
    pub(crate) fn settle(&mut self, compressor: &mut Compressor) {
        let block_bytes = compressor.block_bytes();
        if compressor.is_none() || self.pending.len() < block_bytes {
            return;
        }
        let full = self.pending.len() / block_bytes * block_bytes;
        for block in self.pending[..full].chunks(block_bytes) {
            self.starts.push(self.chunks.len());
            compressor.push_chunk(block, &mut self.chunks);
        }
        self.settled_bytes += full;
        self.pending.drain(..full);
    }

    /// Compresses the rest. Afterwards the stream is only read, and then taken.
    pub(crate) fn finish(&mut self, compressor: &mut Compressor) {
        self.settle(compressor);
        if compressor.is_none() {
            return;
        }
        if !self.pending.is_empty() {
            self.starts.push(self.chunks.len());
            compressor.push_chunk(&self.pending, &mut self.chunks);
            self.settled_bytes += self.pending.len();
            self.pending = Vec::new();
        }
    }

    /// Appends to `out` how a reader finds the encoded byte `at` of a finished stream.
    pub(crate) fn push_position(&self, at: u64, compressor: &Compressor, out: &mut Vec<u64>) {
        if compressor.is_none() {
            out.push(at);
            return;
        }
        let block_bytes = compressor.block_bytes() as u64;
        let chunk = usize::try_from(at / block_bytes).expect("a stream is in memory");
        match self.starts.get(chunk) {
            Some(&start) => out.extend([start as u64, at % block_bytes]),
            // the end of a stream whose last chunk is full
            None => out.extend([self.chunks.len() as u64, 0]),
        }
    }

    /// The bytes of a finished stream; it is empty again then.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let stream = std::mem::take(self);
        if stream.starts.is_empty() { stream.pending } else { stream.chunks }
    }
}
