//! The names of things: offsets, ranges, topic partitions and the identities that the ledger compares.
//!
//! Every value here is checked where it enters; interior code never sees a negative offset or an inverted range.
//! Offsets are half-open everywhere. A "last offset" exists only in text for people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A position in a Kafka partition: 0 to `i64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Offset(i64);

/// The offsets `start..end`; never inverted, possibly empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OffsetRange {
    pub start: Offset,
    pub end: Offset,
}

/// Kafka's topic partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

/// The operator's number, first part of file names: 1 to `u32::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// A topic's identity as Kafka prints it: 22 characters of base64url. A topic that is created again gets another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(pub Arc<str>);

/// A ledger's random identity: 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LedgerId(pub Arc<str>);

/// 128 bits of xxh3, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub u128);

/// The sha-256 of a configuration stored in `configs/`: 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigHash(pub String);

/// The sha-256 of a registry's schema stored in `schemas/`: 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaHash(pub String);

/// The schema that a record's framing names, where all rows of a file are by it: it stands in the file's name and in its
/// manifest. Persisted as `{"id":17}` or `{"fingerprint":"0123456789abcdef"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriterSchema {
    /// A registry's.
    Id(u32),
    /// CRC-64-AVRO, as a number whose lowest byte is written first.
    Fingerprint(#[serde(with = "hex")] u64),
}

/// Numbers as 16 lower-case hexadecimal digits.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let number = u64::from_str_radix(&text, 16).ok().filter(|number| format!("{number:016x}") == text);
        number.ok_or_else(|| de::Error::custom(format!("`{text}` is no fingerprint of 16 hexadecimal digits")))
    }
}

/// A negative number where an offset was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset `{0}` is negative")]
pub struct NegativeOffset(pub i64);

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest of 32 hexadecimal digits")]
pub struct BadDigest(pub String);

// === impl Offset ===

impl Offset {
    pub const ZERO: Self = Self(0);

    /// # Errors
    /// [`NegativeOffset`] when `value` is below zero.
    pub const fn new(value: i64) -> Result<Self, NegativeOffset> {
        if value < 0 { Err(NegativeOffset(value)) } else { Ok(Self(value)) }
    }

    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The offset behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        assert!(self.0 < i64::MAX, "an offset has a successor");
        Self(self.0 + 1)
    }
}

impl TryFrom<i64> for Offset {
    type Error = NegativeOffset;

    fn try_from(value: i64) -> Result<Self, NegativeOffset> {
        Self::new(value)
    }
}

impl From<Offset> for i64 {
    fn from(offset: Offset) -> Self {
        offset.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// === impl OffsetRange ===

impl OffsetRange {
    /// # Panics
    /// When `end` is below `start`.
    #[must_use]
    pub fn new(start: Offset, end: Offset) -> Self {
        assert!(start <= end, "range {start}..{end} is inverted");
        Self { start, end }
    }

    #[must_use]
    pub fn contains(self, offset: Offset) -> bool {
        self.start <= offset && offset < self.end
    }

    /// How many offsets lie in the range; at least the number of its records.
    #[must_use]
    pub fn len(self) -> u64 {
        self.end.0.abs_diff(self.start.0)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

// === impl TopicPartition ===

impl TopicPartition {
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.partition)
    }
}

// === impl Generation, TopicId, LedgerId ===

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl ConfigHash ===

impl ConfigHash {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

impl fmt::Display for ConfigHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl SchemaHash ===

impl SchemaHash {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }
}

impl fmt::Display for SchemaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Digest ===

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.as_str().try_into()
    }
}

impl TryFrom<&str> for Digest {
    type Error = BadDigest;

    fn try_from(text: &str) -> Result<Self, BadDigest> {
        let lower_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(text, 16) {
            Ok(bits) if lower_hex => Ok(Self(bits)),
            _ => Err(BadDigest(text.to_owned())),
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}
