//! Where a reader of a binary value stands, and the numbers that the formats have in common.

/// Where a value stops being what its format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub(crate) struct ReadError {
    /// Byte position from 0.
    pub at: usize,
    pub what: &'static str,
}

pub(crate) struct Cursor<'v> {
    bytes: &'v [u8],
    at: usize,
}

/// Where bytes of the value start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
}

// === impl Cursor ===

impl<'v> Cursor<'v> {
    pub(crate) fn new(bytes: &'v [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), ReadError> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("more bytes than the value has")) }
    }

    pub(crate) fn error(&self, what: &'static str) -> ReadError {
        ReadError { at: self.at, what }
    }

    pub(crate) fn bytes_of(&self, span: Span) -> &'v [u8] {
        &self.bytes[span.start..span.end]
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ReadError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.error("an early end"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let array = *self.bytes[self.at..].first_chunk::<N>().ok_or_else(|| self.error("an early end"))?;
        self.at += N;
        Ok(array)
    }

    /// The next `len` bytes.
    pub(crate) fn span(&mut self, len: u64) -> Result<Span, ReadError> {
        let rest = self.bytes.len() - self.at;
        let len = usize::try_from(len).ok().filter(|&len| len <= rest).ok_or_else(|| self.error("an early end"))?;
        let start = self.at;
        self.at += len;
        Ok(Span { start, end: self.at })
    }
}
