//! What a key may look like.
//!
//! The rules are those of the narrowest store, for all stores: an archive that fits on one can be moved to another.
//! Keys are compared as bytes; escaping (`%3D`) is part of the key.

/// Bytes of a key, with the prefix of the store: S3's limit.
pub const KEY_BYTES_MAX: usize = 1024;
/// Bytes of one segment: the limit of every common file system.
pub const SEGMENT_BYTES_MAX: usize = 255;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes with the store's prefix, not {0}")]
    Length(usize),
    #[error("a segment of a key has 1 to {SEGMENT_BYTES_MAX} bytes, not {0}")]
    SegmentLength(usize),
    #[error("`.` and `..` are no segments of a key")]
    Dots,
    #[error("a key has no control characters")]
    Control,
}

/// Checks a key or, which follows the same rules, a folder.
///
/// # Errors
/// [`BadKey`] with the first rule that is broken.
pub fn check(key: &str) -> Result<(), BadKey> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(BadKey::Length(key.len()));
    }
    for segment in key.split('/') {
        if segment.is_empty() || segment.len() > SEGMENT_BYTES_MAX {
            return Err(BadKey::SegmentLength(segment.len()));
        }
        if matches!(segment, "." | "..") {
            return Err(BadKey::Dots);
        }
    }
    if key.bytes().any(|byte| byte.is_ascii_control()) { Err(BadKey::Control) } else { Ok(()) }
}

/// `prefix` and `key` with a slash between them, unless one is empty.
pub(super) fn join(prefix: &str, key: &str) -> String {
    match (prefix, key) {
        ("", _) => key.to_owned(),
        (_, "") => prefix.to_owned(),
        _ => format!("{prefix}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_and_foreign_names_are_keys() {
        for key in ["a", "clicks/dt=2014-05-01/hr=04/1_0_00000000000000000100.gz", "a%3Db/ü/日本", "…", "a b/~", "x.y"]
        {
            assert_eq!(check(key), Ok(()), "{key}");
        }
        assert_eq!(check(&"a".repeat(255)), Ok(()));
    }

    #[test]
    fn each_rule_refuses() {
        let long = vec!["a".repeat(255); 5].join("/");
        assert_eq!(check(""), Err(BadKey::Length(0)));
        assert_eq!(check(&long), Err(BadKey::Length(1279)));
        assert_eq!(check("a//b"), Err(BadKey::SegmentLength(0)));
        assert_eq!(check("/a"), Err(BadKey::SegmentLength(0)));
        assert_eq!(check("a/"), Err(BadKey::SegmentLength(0)));
        assert_eq!(check(&"a".repeat(256)), Err(BadKey::SegmentLength(256)));
        assert_eq!(check("a/../b"), Err(BadKey::Dots));
        assert_eq!(check("."), Err(BadKey::Dots));
        assert_eq!(check("a\nb"), Err(BadKey::Control));
    }

    #[test]
    fn joining_skips_what_is_empty() {
        assert_eq!(join("", "k"), "k");
        assert_eq!(join("p", ""), "p");
        assert_eq!(join("p/q", "k"), "p/q/k");
    }
}
