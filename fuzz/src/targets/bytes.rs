//! Small values from bytes, for targets whose input is not one text. Behind the end there are zeros.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    #[must_use]
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, behind)) = self.rest.split_first() else { return 0 };
        self.rest = behind;
        first
    }

    /// Eight bytes, little-endian.
    pub fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        i64::from_le_bytes(bytes)
    }

    /// As many bytes as the first one says, or as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.rest.len());
        let (bytes, behind) = self.rest.split_at(len);
        self.rest = behind;
        bytes
    }
}

/// The lines of a text input, empty ones behind the end.
pub fn lines(data: &[u8]) -> Option<impl Iterator<Item = &str>> {
    Some(std::str::from_utf8(data).ok()?.split('\n').chain(std::iter::repeat("")))
}
