//! The checksum of an object as stored, as it stands in receipts.
//!
//! Two kinds, because a comparison must be cheap where the store is far away and possible where nobody keeps checksums:
//! - `etag:<text>`: what an object store answers to a HEAD. It changes whenever the content does (for one PUT it is
//!   usually the MD5), so `verify` compares without a download.
//! - `xxh3:<32 hexadecimal digits>`: xxh3-128 of the content, computed when it is written and again by `verify`.
//!
//! Checksums of different kinds say nothing about each other: see [`Checksum::comparable`].

use std::fmt;
use std::str::FromStr;

use secor_core::ids::Digest;
use serde::{Deserialize, Serialize};

/// Prints and parses as `etag:…` or `xxh3:…`: persisted in receipts, never change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Checksum {
    /// Without the quotes around it.
    Etag(String),
    /// xxh3-128 of the stored bytes.
    Xxh3(Digest),
}

/// A text that is no checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a checksum such as `etag:…` or `xxh3:…`")]
pub struct BadChecksum(pub String);

// === impl Checksum ===

impl Checksum {
    /// An entity tag as HTTP has it, in quotes or not.
    #[must_use]
    pub fn etag(header: &str) -> Self {
        Self::Etag(header.trim().trim_matches('"').to_owned())
    }

    /// Whether both are of one kind, so that a difference means another content. An archive that was copied to another
    /// store has checksums that can't be compared.
    #[must_use]
    pub fn comparable(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Etag(_), Self::Etag(_)) | (Self::Xxh3(_), Self::Xxh3(_)))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Etag(tag) => write!(f, "etag:{tag}"),
            Self::Xxh3(digest) => write!(f, "xxh3:{digest}"),
        }
    }
}

impl FromStr for Checksum {
    type Err = BadChecksum;

    fn from_str(text: &str) -> Result<Self, BadChecksum> {
        let bad = || BadChecksum(text.to_owned());
        match text.split_once(':').ok_or_else(bad)? {
            ("etag", tag) if !tag.is_empty() => Ok(Self::Etag(tag.to_owned())),
            ("xxh3", digest) => digest.try_into().map(Self::Xxh3).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Checksum {
    type Error = BadChecksum;

    fn try_from(text: String) -> Result<Self, BadChecksum> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_text_of_a_checksum_is_read_back(bits: u128, tag in "[!-~]{1,40}") {
            for checksum in [Checksum::Xxh3(Digest(bits)), Checksum::Etag(tag)] {
                prop_assert_eq!(checksum.to_string().parse(), Ok(checksum));
            }
        }
    }

    #[test]
    fn other_texts_are_no_checksums() {
        for text in ["", "etag", "etag:", "md5:00", "xxh3:00", "xxh3:0000000000000000000000000000000G"] {
            assert_eq!(text.parse::<Checksum>(), Err(BadChecksum(text.to_owned())));
        }
    }

    #[test]
    fn the_quotes_of_an_etag_are_no_part_of_it() {
        assert_eq!(Checksum::etag("\"0cc175\""), Checksum::Etag("0cc175".to_owned()));
        assert!(!Checksum::etag("a").comparable(&Checksum::Xxh3(Digest(1))));
    }
}
