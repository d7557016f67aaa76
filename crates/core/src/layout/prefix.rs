//! The two prefixes of Pinterest's Secor, as folders that a template may name.
//!
//! `{md5}` is `secor.s3.prefix.md5hash`: four hexadecimal digits of the MD5 of topic and output partition, which spread
//! keys over a store that divides its work by the beginning of names. `{dt<2026-01-01?raw_logs:raw_logs_2}` is
//! `secor.s3.alter.path.date`: the first folder for dates before that day, the second from it on. The date is the one of
//! the output partition's folder `dt=…`; without a date there it is the first, where Secor gave up.
//!
//! Both are functions of the name's other parts, so they never decide which file a key is of. Persisted, never change.

use md5::{Digest as _, Md5};

use super::{Fault, check_segments};

/// Digits of the MD5, as in Secor.
const HASH_BYTES: usize = 2;
/// Of an output partition's folder.
const DATE_FOLDER: &str = "dt=";
const DATE_SHAPE: &str = "dddd-dd-dd";
const HINT: &str = "write {dt<2026-01-01?before:after}, with two different folders of as many segments";

/// Which of two folders, by the output partition's date.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dated {
    date: String,
    before: String,
    after: String,
}

/// The folder `{md5}`.
pub(super) fn hash(topic: &str, output_partition: &str) -> String {
    let mut md5 = Md5::new();
    md5.update(topic);
    if !output_partition.is_empty() {
        md5.update("/");
        md5.update(output_partition);
    }
    md5.finalize().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

// === impl Dated ===

impl Dated {
    /// Reads what stands behind `dt<`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let fail = |why: String| (why, HINT);
        let parts = text.split_once('?').and_then(|(date, folders)| Some((date, folders.split_once(':')?)));
        let Some((date, (before, after))) = parts else {
            return Err(fail(format!("`{{dt<{text}}}` is not a date and two folders")));
        };
        if !is_date(date) {
            return Err(fail(format!("`{date}` is no date such as 2026-01-01")));
        }
        for folder in [before, after] {
            check_segments(folder)?;
            if let Some(bad) = folder.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-=/".contains(*c)) {
                return Err((format!("`{bad}` can't stand in a name"), "letters, digits and . _ - = / can"));
            }
        }
        // else a key below one could be a key below the other
        if before == after || before.split('/').count() != after.split('/').count() {
            return Err(fail(format!("`{before}` and `{after}` could be taken for each other")));
        }
        Ok(Self { date: date.to_owned(), before: before.to_owned(), after: after.to_owned() })
    }

    pub(super) fn folder(&self, output_partition: &str) -> &str {
        let mut dates = output_partition.split('/').filter_map(|segment| segment.strip_prefix(DATE_FOLDER));
        let date = dates.next().filter(|date| is_date(date));
        if date.is_some_and(|date| date >= self.date.as_str()) { &self.after } else { &self.before }
    }
}

/// Dates of this shape compare as their texts do.
fn is_date(text: &str) -> bool {
    let fits = |(c, wanted): (u8, u8)| if wanted == b'd' { c.is_ascii_digit() } else { c == wanted };
    text.len() == DATE_SHAPE.len() && std::iter::zip(text.bytes(), DATE_SHAPE.bytes()).all(fits)
}
