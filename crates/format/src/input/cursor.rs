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

    /// Not at the first byte.
    pub(crate) fn starting_at(bytes: &'v [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Over the same value, at another byte.
    pub(crate) fn moved_to(&self, at: usize) -> Self {
        Self { at, ..*self }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// A cursor over `span` alone; positions stay those of the whole value.
    pub(crate) fn within(&self, span: Span) -> Self {
        Self { bytes: &self.bytes[..span.end], at: span.start }
    }

    /// Goes to a place where it was before, or would have come.
    pub(crate) fn move_to(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    pub(crate) fn end_at(&self) -> usize {
        self.bytes.len()
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

    /// A variable-length number, low bits first, of at most 10 bytes.
    pub(crate) fn varint(&mut self) -> Result<u64, ReadError> {
        let start = self.at;
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            // the tenth byte has one bit left
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ReadError { at: start, what: "a number beyond 64 bits" })
    }

    /// A variable-length number with its sign in the lowest bit.
    pub(crate) fn zigzag(&mut self) -> Result<i64, ReadError> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
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
