//! Rows as bytes, definition 1: what the digest of values is over where a file holds columns. Persisted by digests,
//! never change; `docs/formats.md` has the table.
//!
//! A row is its cells in the order of the columns. A cell is a zero byte for null, else a one and its content: numbers
//! little-endian in the width of their type, a boolean one byte, texts and bytes their length (4 bytes) and themselves, a
//! list its count (4 bytes) and the cells of its elements, a struct the cells of its fields.

pub(crate) const NULL: u8 = 0;
const PRESENT: u8 = 1;

pub(crate) fn push_null(row: &mut Vec<u8>) {
    row.push(NULL);
}

pub(crate) fn push_boolean(row: &mut Vec<u8>, value: bool) {
    row.extend_from_slice(&[PRESENT, u8::from(value)]);
}

/// A number, in the bytes of its type.
pub(crate) fn push_fixed<const N: usize>(row: &mut Vec<u8>, bytes: [u8; N]) {
    row.push(PRESENT);
    row.extend_from_slice(&bytes);
}

pub(crate) fn push_bytes(row: &mut Vec<u8>, bytes: &[u8]) {
    push_list(row, bytes.len());
    row.extend_from_slice(bytes);
}

pub(crate) fn push_optional(row: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => push_bytes(row, bytes),
        None => push_null(row),
    }
}

/// The cells of `count` elements follow.
pub(crate) fn push_list(row: &mut Vec<u8>, count: usize) {
    row.push(PRESENT);
    let count = u32::try_from(count).expect("no record has 4 GiB");
    row.extend_from_slice(&count.to_le_bytes());
}

/// The cells of the fields follow.
pub(crate) fn push_struct(row: &mut Vec<u8>) {
    row.push(PRESENT);
}

/// Walks a row that was made here, by the same columns.
///
/// # Panics
/// When the row is of other columns.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a>(&'a [u8]);

// === impl Cells ===

impl<'a> Cells<'a> {
    pub(crate) fn new(row: &'a [u8]) -> Self {
        Self(row)
    }

    /// Is the next cell there? If it is, its content follows.
    pub(crate) fn is_present(&mut self) -> bool {
        self.fixed::<1>() != [NULL]
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> [u8; N] {
        let (bytes, rest) = self.0.split_first_chunk().expect("a row holds the cells of its columns");
        self.0 = rest;
        *bytes
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = self.count();
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    /// Of the elements that follow.
    pub(crate) fn count(&mut self) -> usize {
        u32::from_le_bytes(self.fixed()) as usize
    }

    pub(crate) fn skip(&mut self, len: usize) {
        self.0 = &self.0[len..];
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}
