//! Patterns of Java's `SimpleDateFormat`, as configurations of the Java Secor have them, in the words of strptime.
//!
//! For the import of such a configuration; Secor's own configuration knows strptime alone, so that a pattern means one
//! thing. What has no counterpart is an error that names the letter, never a guess.

/// Why a pattern has no counterpart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JavaPatternError {
    #[error("`{letters}` at position {at} is nothing that SimpleDateFormat knows")]
    Unknown { letters: String, at: usize },
    #[error("`{letters}` at position {at}, {what}, has no counterpart")]
    NoCounterpart { letters: String, at: usize, what: &'static str },
    #[error("the quote at position {at} is not closed")]
    Unclosed { at: usize },
}

/// The strptime pattern that reads what `pattern` reads. Positions in errors count characters from 0.
///
/// Java's lenient reading is not copied: February 30 is no date here, and Java's was March 1. Two-digit years are 1969
/// to 2068; Java's are those within 80 years before and 20 after the start of the process.
///
/// # Errors
/// When a letter has no counterpart, or a quote is not closed.
pub fn strptime_of_simple_date_format(pattern: &str) -> Result<String, JavaPatternError> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut strptime = String::new();
    let mut at = 0;
    while at < chars.len() {
        let first = chars[at];
        if first == '\'' {
            at = quoted(&chars, at, &mut strptime)?;
        } else if first.is_ascii_alphabetic() {
            let count = chars[at..].iter().take_while(|&&c| c == first).count();
            if first == 'S' && strptime.ends_with('.') {
                // a fraction with its dot, which may be left out there
                strptime.pop();
                strptime.push_str("%.f");
            } else {
                strptime.push_str(directive(first, count, at)?);
            }
            at += count;
        } else {
            push_literal(&mut strptime, first);
            at += 1;
        }
    }
    Ok(strptime)
}

/// Text in quotes; two quotes are one, inside and outside. Returns the position behind it.
fn quoted(chars: &[char], start: usize, strptime: &mut String) -> Result<usize, JavaPatternError> {
    if chars.get(start + 1) == Some(&'\'') {
        strptime.push('\'');
        return Ok(start + 2);
    }
    let mut at = start + 1;
    while let Some(&c) = chars.get(at) {
        match (c, chars.get(at + 1)) {
            ('\'', Some('\'')) => {
                strptime.push('\'');
                at += 2;
            }
            ('\'', _) => return Ok(at + 1),
            _ => {
                push_literal(strptime, c);
                at += 1;
            }
        }
    }
    Err(JavaPatternError::Unclosed { at: start })
}

fn push_literal(strptime: &mut String, c: char) {
    strptime.push(c);
    if c == '%' {
        strptime.push('%');
    }
}

fn directive(letter: char, count: usize, at: usize) -> Result<&'static str, JavaPatternError> {
    let none = |what| {
        let letters = letter.to_string().repeat(count);
        Err(JavaPatternError::NoCounterpart { letters, at, what })
    };
    Ok(match (letter, count) {
        ('y', 2) => "%y",
        ('y', _) => "%Y",
        ('M' | 'L', 1 | 2) => "%m",
        ('M' | 'L', 3) => "%b",
        ('M' | 'L', _) => "%B",
        ('d', _) => "%d",
        ('D', _) => "%j",
        ('H', _) => "%H",
        ('h', _) => "%I",
        ('m', _) => "%M",
        ('s', _) => "%S",
        ('a', _) => "%p",
        ('E', 1..=3) => "%a",
        ('E', _) => "%A",
        ('Z', _) => "%z",
        ('S', _) => return none("milliseconds without a dot before them"),
        ('X', _) => return none("an offset that may be `Z`: use source iso8601"),
        ('z', _) => return none("a zone by its name"),
        ('k', _) => return none("hours from 1 to 24"),
        ('K', _) => return none("hours from 0 to 11"),
        ('G', _) => return none("an era"),
        ('Y' | 'w' | 'W' | 'F' | 'u', _) => return none("a week or a day of it"),
        _ => return Err(JavaPatternError::Unknown { letters: letter.to_string().repeat(count), at }),
    })
}

#[cfg(test)]
mod tests {
    use secor_core::layout::Zone;

    use super::*;
    use crate::event_time::{check_pattern, from_pattern};

    #[test]
    fn patterns_read_what_java_reads() {
        let utc = Zone::named("UTC").unwrap();
        for (java, strptime, text, ms) in [
            ("yyyy-MM-dd HH:mm:ss", "%Y-%m-%d %H:%M:%S", "2024-02-29 12:34:56", 1_709_210_096_000),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "%Y-%m-%dT%H:%M:%S%.f%z", "2024-02-29T12:34:56.789+0100", 1_709_206_496_789),
            ("dd/MMM/yyyy:HH:mm:ss Z", "%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", 971_211_336_000),
            (
                "EEE, d MMM yyyy HH:mm:ss Z",
                "%a, %d %b %Y %H:%M:%S %z",
                "Thu, 29 Feb 2024 12:34:56 +0000",
                1_709_210_096_000,
            ),
            ("EEEE MMMM d y h:mm a", "%A %B %d %Y %I:%M %p", "Thursday February 29 2024 1:05 PM", 1_709_211_900_000),
            ("yyyyMMdd", "%Y%m%d", "20240229", 1_709_164_800_000),
            ("yy.DDD", "%y.%j", "24.060", 1_709_164_800_000),
            (
                "d.M.y 'um' H 'o''clock' ''100%''",
                "%d.%m.%Y um %H o'clock '100%%'",
                "29.2.2024 um 7 o'clock '100%'",
                1_709_190_000_000,
            ),
        ] {
            assert_eq!(strptime_of_simple_date_format(java).as_deref(), Ok(strptime));
            assert_eq!(check_pattern(strptime, &utc), Ok(()), "{java}");
            assert_eq!(from_pattern(text, strptime, &utc), Ok(ms), "{java}");
        }
    }

    #[test]
    fn what_has_no_counterpart_is_named() {
        for (java, expected) in [
            (
                "yyyy-MM-ddXXX",
                "`XXX` at position 10, an offset that may be `Z`: use source iso8601, has no counterpart",
            ),
            ("HHmmssSSS", "`SSS` at position 6, milliseconds without a dot before them, has no counterpart"),
            ("yyyy z", "`z` at position 5, a zone by its name, has no counterpart"),
            ("kk:mm", "`kk` at position 0, hours from 1 to 24, has no counterpart"),
            ("YYYY-'W'ww", "`YYYY` at position 0, a week or a day of it, has no counterpart"),
            ("yyyyQ", "`Q` at position 4 is nothing that SimpleDateFormat knows"),
            ("yyyy 'um", "the quote at position 5 is not closed"),
        ] {
            assert_eq!(strptime_of_simple_date_format(java).unwrap_err().to_string(), expected);
        }
    }
}
