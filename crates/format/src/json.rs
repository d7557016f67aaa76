//! One pass over a JSON text: validates all of it and remembers where the wanted fields are.
//!
//! The rule for what is JSON is the grammar of RFC 8259 and nothing else: numbers of any size are good, lone surrogate
//! escapes are good, a byte order mark is not; nesting ends at [`DEPTH_MAX`]. A general parser decides some of that by
//! what its own number and string types can hold, and differently for fields that it looks at and fields that it skips;
//! here a text is good or bad whatever fields are wanted. Nothing is allocated per text, and captured values are slices
//! of it.
//!
//! Deliberately absent: values as trees, and any look at text that was not asked for. Whoever wants to walk over a whole
//! text has its [`Outline`] written down by the same pass.

mod outline;
mod walk;

use self::outline::Draw;
pub(crate) use self::outline::Outline;
pub(crate) use self::walk::JsonWalk;
use crate::fields::{Capture, NodeId, unescape};
pub use crate::fields::{Captures, Found, Wanted};

#[cfg(test)]
mod tests;

/// Deepest nesting of objects and arrays. Persisted, never change.
pub const DEPTH_MAX: u32 = 127;

/// Where a text stops being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub struct JsonError {
    /// Byte position from 0.
    pub at: usize,
    pub expected: &'static str,
}

/// Validates that `text` is one JSON object and remembers the wanted fields. Of a name that occurs twice the last counts.
///
/// # Errors
/// [`JsonError`] when it is no JSON object, or nested deeper than [`DEPTH_MAX`].
pub fn scan_object(text: &str, wanted: &Wanted, captures: &mut Captures) -> Result<(), JsonError> {
    scan_one_object(text, wanted, captures, ())
}

/// As [`scan_object`], and writes down where everything stands.
///
/// # Errors
/// As [`scan_object`]; the outline is of use for good texts only.
pub(crate) fn outline_object(
    text: &str,
    wanted: &Wanted,
    captures: &mut Captures,
    outline: &mut Outline,
) -> Result<(), JsonError> {
    outline.clear();
    scan_one_object(text, wanted, captures, outline)
}

fn scan_one_object<D: Draw>(text: &str, wanted: &Wanted, captures: &mut Captures, outline: D) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text, wanted, captures, outline);
    scanner.first_object(0)?;
    scanner.end()
}

/// Validates that `text` is one JSON value of any kind. Fields are those of an object, or of the first element of an
/// array, if that is an object; otherwise all are missing.
///
/// # Errors
/// [`JsonError`] when it is no JSON value, or nested deeper than [`DEPTH_MAX`].
pub fn scan_any(text: &str, wanted: &Wanted, captures: &mut Captures) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text, wanted, captures, ());
    match scanner.peek() {
        Some(b'{') => scanner.first_object(0)?,
        Some(b'[') => scanner.first_array()?,
        _ => scanner.skip_value(0)?,
    }
    scanner.end()
}

/// Validates that `text` is one or more JSON objects with white space between them, as a line each. Fields are those of
/// the first.
///
/// # Errors
/// [`JsonError`] when there is no object, anything else, or no white space between two, or one is nested deeper than
/// [`DEPTH_MAX`].
pub fn scan_lines(text: &str, wanted: &Wanted, captures: &mut Captures) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text, wanted, captures, ());
    scanner.first_object(0)?;
    loop {
        let end = scanner.at;
        scanner.skip_space();
        match scanner.peek() {
            None => return Ok(()),
            Some(b'{') if scanner.at > end => scanner.skip_value(0)?,
            Some(_) if scanner.at > end => return Err(scanner.error("`{`")),
            Some(_) => return Err(scanner.error("white space or the end")),
        }
    }
}

/// Whether `text` is a JSON number.
#[must_use]
pub fn is_number(text: &str) -> bool {
    matches!(number_end(text.as_bytes(), 0), Ok(end) if end == text.len())
}

struct Scanner<'t, 'w, D> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    wanted: &'w Wanted,
    captures: &'w mut Captures,
    outline: D,
}

// === impl Scanner ===

impl<'t, 'w, D: Draw> Scanner<'t, 'w, D> {
    /// At the first character that is no white space.
    fn new(text: &'t str, wanted: &'w Wanted, captures: &'w mut Captures, outline: D) -> Self {
        captures.clear(wanted);
        let mut scanner = Self { bytes: text.as_bytes(), text, at: 0, wanted, captures, outline };
        scanner.skip_space();
        scanner
    }

    fn end(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("the end")) }
    }

    /// The object whose fields are wanted; `depth` containers are open around it.
    fn first_object(&mut self, depth: u32) -> Result<(), JsonError> {
        self.expect(b'{', "`{`")?;
        self.outline.open(self.at - 1, true);
        self.object(Wanted::ROOT, depth + 1)
    }

    /// An array whose first element may have the wanted fields.
    fn first_array(&mut self) -> Result<(), JsonError> {
        self.expect(b'[', "`[`")?;
        self.outline.open(self.at - 1, false);
        self.skip_space();
        if self.close(b']') {
            return Ok(());
        }
        if self.peek() == Some(b'{') {
            self.first_object(1)?;
        } else {
            self.skip_value(1)?;
        }
        loop {
            self.skip_space();
            if self.close(b']') {
                return Ok(());
            }
            self.expect(b',', "`,` or `]`")?;
            self.skip_space();
            self.skip_value(1)?;
        }
    }

    /// Behind the `{` of an object on the path to a wanted field.
    fn object(&mut self, node: NodeId, depth: u32) -> Result<(), JsonError> {
        self.skip_space();
        if self.close(b'}') {
            return Ok(());
        }
        loop {
            let (start, end, escaped) = self.string("a field name or `}`")?;
            self.colon()?;
            match self.match_name(node, start, end, escaped) {
                None => self.skip_value(depth)?,
                Some(child) => self.wanted_value(child, depth)?,
            }
            self.skip_space();
            if self.close(b'}') {
                return Ok(());
            }
            self.expect(b',', "`,` or `}`")?;
            self.skip_space();
        }
    }

    fn match_name(&self, node: NodeId, start: usize, end: usize, escaped: bool) -> Option<NodeId> {
        let raw = &self.text[start..end];
        if escaped {
            return self.wanted.child(node, &unescape(raw)?);
        }
        self.wanted.child(node, raw)
    }

    fn wanted_value(&mut self, node: NodeId, depth: u32) -> Result<(), JsonError> {
        self.captures.forget(self.wanted, node);
        let start = self.at;
        let capture = match self.peek() {
            Some(b'"') => match self.string("a string")? {
                (start, end, true) => Capture::Escaped(start, end),
                (start, end, false) => Capture::Plain(start, end),
            },
            Some(b'{') if self.wanted.has_children(node) => {
                self.at += 1;
                self.outline.open(start, true);
                self.check_depth(depth + 1)?;
                self.object(node, depth + 1)?;
                Capture::Container
            }
            first => {
                self.skip_value(depth)?;
                match first {
                    Some(b'n') => Capture::Null,
                    Some(b't') => Capture::Bool(true),
                    Some(b'f') => Capture::Bool(false),
                    Some(b'{' | b'[') => Capture::Container,
                    _ => Capture::Number(start, self.at),
                }
            }
        };
        self.captures.set(self.wanted, node, capture);
        Ok(())
    }

    /// Any value, of which nothing is wanted; `depth` containers are open around it.
    fn skip_value(&mut self, depth: u32) -> Result<(), JsonError> {
        // one bit per container opened here: 1 for an object
        let mut objects: u128 = 0;
        let mut opened = 0;
        loop {
            if self.value_or_opening()? {
                opened += 1;
                self.check_depth(depth + opened)?;
                let is_object = self.bytes[self.at - 1] == b'{';
                objects = objects << 1 | u128::from(is_object);
                self.skip_space();
                if !self.close(if is_object { b'}' } else { b']' }) {
                    if is_object {
                        self.name("a field name or `}`")?;
                    }
                    continue;
                }
                opened -= 1;
                objects >>= 1;
            }
            loop {
                if opened == 0 {
                    return Ok(());
                }
                self.skip_space();
                let is_object = objects & 1 == 1;
                if self.take(b',') {
                    self.skip_space();
                    if is_object {
                        self.name("a field name")?;
                    }
                    break;
                }
                let (end, expected) = if is_object { (b'}', "`,` or `}`") } else { (b']', "`,` or `]`") };
                if !self.close(end) {
                    return Err(self.error(expected));
                }
                opened -= 1;
                objects >>= 1;
            }
        }
    }

    /// Takes a scalar, or the opening of a container: then true.
    fn value_or_opening(&mut self) -> Result<bool, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string("a string").map(|_| false),
            Some(first @ (b'{' | b'[')) => {
                self.at += 1;
                self.outline.open(start, first == b'{');
                return Ok(true);
            }
            Some(b'-' | b'0'..=b'9') => self.at = number_end(self.bytes, start)?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return Err(self.error("a value")),
        }
        self.outline.word(start, self.at);
        Ok(false)
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error("`true`, `false` or `null`"));
        }
        self.at += word.len();
        Ok(())
    }

    fn name(&mut self, expected: &'static str) -> Result<(), JsonError> {
        self.string(expected)?;
        self.colon()
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        self.expect(b':', "`:`")?;
        self.skip_space();
        Ok(())
    }

    /// Where the characters between the quotes start and end, and whether there are escapes among them.
    fn string(&mut self, expected: &'static str) -> Result<(usize, usize, bool), JsonError> {
        self.expect(b'"', expected)?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    self.outline.string(start, end, escaped);
                    return Ok((start, end, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.error("no raw control character in a string")),
                None => return Err(self.error("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let len = match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u') => match self.bytes.get(self.at + 1..self.at + 5) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 5,
                _ => return Err(self.error("four hexadecimal digits behind `u`")),
            },
            _ => return Err(self.error("an escape")),
        };
        self.at += len;
        Ok(())
    }

    fn check_depth(&self, depth: u32) -> Result<(), JsonError> {
        if depth > DEPTH_MAX { Err(self.error("no deeper nesting")) } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn close(&mut self, byte: u8) -> bool {
        let is_there = self.take(byte);
        if is_there {
            self.outline.close(self.at);
        }
        is_there
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, expected: &'static str) -> JsonError {
        JsonError { at: self.at, expected }
    }
}

fn number_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start;
    let byte = |at: usize| bytes.get(at).copied();
    let digits = |mut at: usize| {
        let first = at;
        while matches!(byte(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        if at == first { Err(JsonError { at, expected: "a digit" }) } else { Ok(at) }
    };
    at += usize::from(byte(at) == Some(b'-'));
    at = if byte(at) == Some(b'0') { at + 1 } else { digits(at)? };
    if byte(at) == Some(b'.') {
        at = digits(at + 1)?;
    }
    if matches!(byte(at), Some(b'e' | b'E')) {
        let signed = matches!(byte(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(signed))?;
    }
    Ok(at)
}

/// How many of the first bytes are neither a quote, nor a backslash, nor a control character: eight at a time.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // the lowest byte that a subtraction marks is right; higher marks may be its borrow
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let marked = quote | backslash | below(word, b' ');
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|&&byte| byte >= b' ' && byte != b'"' && byte != b'\\').count()
}
