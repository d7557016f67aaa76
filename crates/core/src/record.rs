//! A Kafka record as the data path sees it, and the two digests that a manifest keeps of a file's records.
//!
//! # Digest definition 1 (persisted, never change)
//! All integers are little-endian; `h(x)` is xxh3-128 with seed 0 over the bytes `x`, written as its 16 canonical
//! (big-endian) bytes.
//!
//! * **values**: xxh3-128 over the concatenation of `h(value)` of every record, the value being the one that is stored;
//!   a null value counts as empty.
//! * **records**: xxh3-128 over the concatenation of every record's frame: one byte of flags (1: has a timestamp,
//!   2: has a key, 4: has a value, 8: has headers), the offset (8 bytes), the timestamp in milliseconds (8 bytes, 0
//!   without), then, each only when its flag is set, `h(key)`, `h(value)`, `h(headers)`. The bytes of `headers` are,
//!   in order, for each header: length of the name (4 bytes), name, length of the value (4 bytes; `0xffff_ffff` for a
//!   null value), value.
//!
//! A value is hashed once for both; a frame is at most 65 bytes, so the cost per record is one hash of its bytes.
//! Nothing here allocates per record.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::ids::{Digest, Offset};

/// One record, borrowed from wherever its bytes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: Offset,
    /// Milliseconds since 1970; `None` when the broker stored none.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The header block in the framing of digest definition 1 (see [`push_header`]); empty without headers.
    pub headers: &'a [u8],
}

/// The digests of the records of one file, in the order in which they were routed to it.
#[derive(Clone)]
pub struct RecordDigests {
    frames: Buffered,
    values: ValuesDigest,
}

/// The digest of the values alone, for formats that keep nothing else.
#[derive(Clone)]
pub struct ValuesDigest(Buffered);

/// Appends one header in the framing of digest definition 1.
///
/// # Panics
/// When name or value are 4 GiB or longer, which no broker accepts.
pub fn push_header(block: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a header is smaller than a Kafka message");
    block.extend_from_slice(&len(name).to_le_bytes());
    block.extend_from_slice(name);
    match value {
        Some(value) => {
            block.extend_from_slice(&len(value).to_le_bytes());
            block.extend_from_slice(value);
        }
        None => block.extend_from_slice(&NULL_LENGTH.to_le_bytes()),
    }
}

/// Walks a header block: name and value of each header, in order. Stops at the first malformed byte.
pub fn headers(block: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let name_len = take_length(&mut rest)?;
        let name = take(&mut rest, name_len)?;
        let value = match take_length(&mut rest)? {
            NULL_LENGTH => None,
            value_len => Some(take(&mut rest, value_len)?),
        };
        Some((name, value))
    })
}

const NULL_LENGTH: u32 = u32::MAX;

fn take_length(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take<'a>(rest: &mut &'a [u8], len: u32) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = tail;
    Some(head)
}

// === impl RecordDigests ===

// persisted, never change
const HAS_TIMESTAMP: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_VALUE: u8 = 4;
const HAS_HEADERS: u8 = 8;

impl RecordDigests {
    #[must_use]
    pub fn new() -> Self {
        Self { frames: Buffered::new(), values: ValuesDigest::new() }
    }

    /// Counts `record` in, whose value is stored as it is.
    pub fn push(&mut self, record: &Record<'_>) {
        self.push_stored(record, record.value);
    }

    /// Counts `record` in, whose value is stored as `stored` (see `docs/formats.md` for when they differ). A value that
    /// is stored as it is gets hashed once.
    pub fn push_stored(&mut self, record: &Record<'_>, stored: Option<&[u8]>) {
        let mut frame = [0u8; FRAME_BYTES_MAX];
        let mut flags = 0;
        frame[1..9].copy_from_slice(&record.offset.get().to_le_bytes());
        if let Some(timestamp) = record.timestamp {
            flags |= HAS_TIMESTAMP;
            frame[9..17].copy_from_slice(&timestamp.to_le_bytes());
        }
        let mut len = 17;
        let mut add = |hash: [u8; 16]| {
            frame[len..len + 16].copy_from_slice(&hash);
            len += 16;
        };
        if let Some(key) = record.key {
            flags |= HAS_KEY;
            add(hash(key));
        }
        let value_hash = hash(record.value.unwrap_or_default());
        if record.value.is_some() {
            flags |= HAS_VALUE;
            add(value_hash);
        }
        if !record.headers.is_empty() {
            flags |= HAS_HEADERS;
            add(hash(record.headers));
        }
        frame[0] = flags;
        self.frames.push(&frame[..len]);
        let stored_hash = if same_bytes(record.value, stored) { value_hash } else { hash(stored.unwrap_or_default()) };
        self.values.0.push(&stored_hash);
    }

    /// The digest of the whole records.
    #[must_use]
    pub fn records(&self) -> Digest {
        self.frames.digest()
    }

    /// The digest of the values alone.
    #[must_use]
    pub fn values(&self) -> Digest {
        self.values.digest()
    }
}

impl Default for RecordDigests {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for RecordDigests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordDigests {{ records: {}, values: {} }}", self.records(), self.values())
    }
}

// === impl ValuesDigest ===

impl ValuesDigest {
    #[must_use]
    pub fn new() -> Self {
        Self(Buffered::new())
    }

    /// Counts a value in, as it is stored.
    pub fn push(&mut self, stored: &[u8]) {
        self.0.push(&hash(stored));
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest()
    }
}

impl Default for ValuesDigest {
    fn default() -> Self {
        Self::new()
    }
}

/// The very same bytes in memory, so that one hash serves for both.
fn same_bytes(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    one.len() == other.len() && (one.is_empty() || std::ptr::eq(one.as_ptr(), other.as_ptr()))
}

const FRAME_BYTES_MAX: usize = 17 + 3 * 16;
const BUFFER_BYTES: usize = 1024;

/// xxh3 is fast on long runs and slow on short updates: frames are gathered first.
#[derive(Clone)]
struct Buffered {
    state: Xxh3,
    buffer: [u8; BUFFER_BYTES],
    used: usize,
}

impl Buffered {
    fn new() -> Self {
        Self { state: Xxh3::new(), buffer: [0; BUFFER_BYTES], used: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.used + bytes.len() > BUFFER_BYTES {
            self.state.update(&self.buffer[..self.used]);
            self.used = 0;
        }
        self.buffer[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
    }

    fn digest(&self) -> Digest {
        let mut state = self.state.clone();
        state.update(&self.buffer[..self.used]);
        Digest(state.digest128())
    }
}

fn hash(bytes: &[u8]) -> [u8; 16] {
    xxh3_128(bytes).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: Option<&'static [u8]>) -> Record<'static> {
        Record { offset: Offset::ZERO, timestamp: Some(1_700_000_000_000), key: Some(b"k"), value, headers: &[] }
    }

    fn digests(records: &[Record<'_>]) -> (String, String) {
        let mut digests = RecordDigests::new();
        records.iter().for_each(|record| digests.push(record));
        (digests.records().to_string(), digests.values().to_string())
    }

    // computed by Python's xxhash from the definition's text
    #[test]
    fn definition_1_is_golden() {
        let mut block = Vec::new();
        push_header(&mut block, b"trace", Some(b"abc"));
        push_header(&mut block, b"empty", None);
        let with_headers = Record { headers: &block, offset: Offset::ZERO.next(), ..record(Some(b"hello")) };
        let (records, values) = digests(&[record(Some(b"hello")), with_headers, record(None)]);
        assert_eq!(records, "1a846bc1e5396acb7f5b349504950e10");
        assert_eq!(values, "02441307201eb3af3c04468bebbc6008");
    }

    #[test]
    fn null_and_empty_values_differ_in_records_and_agree_in_values() {
        let (null_records, null_values) = digests(&[record(None)]);
        let (empty_records, empty_values) = digests(&[record(Some(b""))]);
        assert_ne!(null_records, empty_records);
        assert_eq!(null_values, empty_values);
    }

    #[test]
    fn the_value_as_stored_counts_for_values_only() {
        let mut digests = RecordDigests::new();
        digests.push_stored(&record(Some(b"a\nb")), Some(b"a b"));
        let (records, _) = self::digests(&[record(Some(b"a\nb"))]);
        let (_, values) = self::digests(&[record(Some(b"a b"))]);
        assert_eq!((digests.records().to_string(), digests.values().to_string()), (records, values.clone()));
        let mut alone = ValuesDigest::new();
        alone.push(b"a b");
        assert_eq!(alone.digest().to_string(), values);
    }

    #[test]
    fn header_blocks_read_back() {
        let mut block = Vec::new();
        push_header(&mut block, b"a", Some(b""));
        push_header(&mut block, b"", None);
        let read: Vec<_> = headers(&block).collect();
        assert_eq!(read, [(&b"a"[..], Some(&b""[..])), (&b""[..], None)]);
        assert_eq!(headers(&block[..block.len() - 1]).count(), 1);
    }
}
