//! What the text of a single key must look like. Each check says why a text is refused and how to write it; none of
//! them touches the world: whether a broker answers is for `secor check`.

use std::net::SocketAddr;
use std::path::Path;

use secor_core::layout::{Layout, OutputPartitionTemplate, Zone};

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Objection {
    pub why: String,
    pub hint: String,
}

pub(super) type Check = fn(&str) -> Result<(), Objection>;

/// Kafka's own limit, in characters.
const TOPIC_NAME_MAX: usize = 249;
/// In characters; leaves room for the rest of a file's name.
const EXTENSION_MAX: usize = 32;
/// Names that would collide with Secor's own folders.
const RESERVED_TOPICS: [&str; 2] = ["_secor", "_dead_letters"];

pub(super) fn object(why: impl Into<String>, hint: impl Into<String>) -> Result<(), Objection> {
    Err(Objection { why: why.into(), hint: hint.into() })
}

pub(super) fn any(_: &str) -> Result<(), Objection> {
    Ok(())
}

pub(super) fn not_empty(text: &str) -> Result<(), Objection> {
    if text.trim().is_empty() { object("it is empty", "write a value, or leave the key out") } else { Ok(()) }
}

/// `host`, `host:port` or `[::1]:port`.
pub(super) fn broker(text: &str) -> Result<(), Objection> {
    const HINT: &str = "write [\"host:9092\", \"other:9092\"]";
    if text.is_empty() || text.contains([',', ' ', '/']) {
        return object(format!("`{text}` is not one `host:port`"), HINT);
    }
    let port = text.rsplit_once(':').map(|(host, port)| (host.is_empty(), port));
    match port {
        None => Ok(()),
        Some((false, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        Some(_) => object(format!("`{text}` has no valid port"), HINT),
    }
}

/// `earliest`, `latest`, `committed` or a time.
pub(super) fn start(text: &str) -> Result<(), Objection> {
    if matches!(text, "earliest" | "latest" | "committed") || text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(());
    }
    object(
        format!("`{text}` is neither a word nor a time"),
        "write \"earliest\", \"latest\", \"committed\" or a time such as \"2026-11-01T00:00:00Z\"",
    )
}

pub(super) fn absolute_path(text: &str) -> Result<(), Objection> {
    if Path::new(text).is_absolute() {
        return Ok(());
    }
    object(format!("`{text}` is not an absolute path"), "begin it with `/`: a service has no working folder of its own")
}

/// An address under which paths can be asked.
pub(super) fn http_url(text: &str) -> Result<(), Objection> {
    const HINT: &str = "write [\"https://registry:8081\"]";
    match url::Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            object(format!("`{text}` is no `https://host[:port]`"), HINT)
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            object("a url must not hold a login", "use the keys `username` and `password`")
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            object(format!("`{text}` has something behind its path"), HINT)
        }
        Ok(_) => Ok(()),
        Err(error) => object(format!("`{text}` is no url: {error}"), HINT),
    }
}

pub(super) fn listen(text: &str) -> Result<(), Objection> {
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    object(format!("`{text}` is not an IP address and port"), "write \"127.0.0.1:9999\", or \"0.0.0.0:9999\" for all")
}

/// A topic's name, or a regular expression that begins with `^`.
pub(super) fn topic(text: &str) -> Result<(), Objection> {
    if text.starts_with('^') {
        return match regex::Regex::new(text) {
            Ok(_) => Ok(()),
            Err(error) => object(
                format!("`{text}` is not a regular expression: {}", last_line(&error.to_string())),
                "in TOML, write regular expressions in single quotes: '^app\\..*'",
            ),
        };
    }
    if RESERVED_TOPICS.contains(&text) {
        return object(format!("`{text}` is the name of a folder of Secor's own"), "archive it under another prefix");
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > TOPIC_NAME_MAX || !text.bytes().all(legal) || matches!(text, "." | "..") {
        return object(
            format!("`{text}` can't be the name of a topic"),
            "a regular expression begins with `^`: write '^app\\..*'",
        );
    }
    Ok(())
}

pub(super) fn time_zone(text: &str) -> Result<(), Objection> {
    if Zone::named(text).is_ok() {
        return Ok(());
    }
    object(format!("`{text}` is not a known time zone"), "write an IANA name such as \"UTC\" or \"Europe/Berlin\"")
}

pub(super) fn output_partition(text: &str) -> Result<(), Objection> {
    OutputPartitionTemplate::parse(text)
        .map(drop)
        .map_err(|error| Objection { why: error.to_string(), hint: error.hint })
}

pub(super) fn layout(text: &str) -> Result<(), Objection> {
    Layout::parse(text).map(drop).map_err(|error| Objection { why: error.to_string(), hint: error.hint })
}

pub(super) fn extension(text: &str) -> Result<(), Objection> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    match text {
        "" => Ok(()),
        text if !text.starts_with('.') => object(format!("`{text}` has no dot"), format!("write \".{text}\"")),
        text if text.len() > EXTENSION_MAX || !text.bytes().all(legal) => {
            object(format!("`{text}` can't end the name of a file"), "use letters, digits and . _ - after the dot")
        }
        _ => Ok(()),
    }
}

/// The regex crate draws the place of an error over several lines; the last says what it is.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or(text).trim();
    line.strip_prefix("error: ").unwrap_or(line)
}
