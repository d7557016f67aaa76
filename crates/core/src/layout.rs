//! What files are called: layouts, keys, output partition templates, Hive's escaping and the calendar.
//!
//! A name is a function of the data: topic, output partition, generation, Kafka partition and start offset. A layout
//! must determine all of them, so that two batches never meet under one key; that is checked when it is parsed, not
//! when it is used. Everything here is persisted in the names of objects: never change what a layout renders.
//!
//! Deliberately absent: the store's prefix (keys are relative to it). Secor put its hash and its path by date before that
//! prefix; here they are folders of a template ([`prefix`]).

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::ids::{Generation, Offset, WriterSchema};
use crate::shape::{Compression, Framing, Output, OutputFormat};

mod calendar;
mod hive;
mod prefix;
mod template;
#[cfg(test)]
mod tests;

pub use calendar::{
    CalendarUnit, EVENT_TIME_MS_MAX, EVENT_TIME_MS_MIN, TimeBucket, TimePattern, TimePatternError, UnknownTimeZone,
    Zone, floor_milliseconds, time_zone_data_version,
};
pub use hive::{DEFAULT_PARTITION, escape_value, push_escaped};
pub use template::{OutputPartitionTemplate, TemplateError, TemplatePart};

use prefix::Dated;

/// Longest key that a store takes, prefix included.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Longest segment between two slashes.
pub const SEGMENT_BYTES_MAX: usize = 255;
/// Longest output partition, slashes included. Persisted, never change: a record beyond it is a bad record, whatever
/// prefix the store happens to have. Leaves 512 bytes for prefix, topic and file name.
pub const OUTPUT_PARTITION_BYTES_MAX: usize = 512;
/// Folder of the bad records, under the store's prefix. Persisted, never change.
pub const DEAD_LETTERS: &str = "_dead_letters";
/// Extension of dead-letter files. Persisted, never change.
pub const DEAD_LETTERS_EXTENSION: &str = ".json.gz";
/// Folder of the ledger, under the store's prefix.
const LEDGER: &str = "_secor";

/// Secor's own names. Persisted, never change.
const SECOR: &str = "{topic}/{output_partition}/{generation}_{partition}_{start:020}{ext}";

/// A rule that turns [`NameParts`] into a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    parts: Vec<Part>,
}

/// What a key is made of.
#[derive(Clone, Copy, Debug)]
pub struct NameParts<'a> {
    pub topic: &'a str,
    /// Escaped segments joined by `/`; may be empty.
    pub output_partition: &'a str,
    pub generation: Generation,
    /// Kafka's.
    pub partition: i32,
    /// Of the batch, not the file's first offset.
    pub start: Offset,
    /// With its dot; may be empty.
    pub ext: &'a str,
}

/// Why a text is no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layout `{layout}`: {message}")]
pub struct LayoutError {
    pub layout: String,
    pub message: String,
    pub hint: String,
}

/// Why a key can't name an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("key is empty")]
    Empty,
    #[error("key has {bytes} bytes, at most {KEY_BYTES_MAX} are allowed")]
    TooLong { bytes: usize },
    #[error("segment `{segment}` has {bytes} bytes, 1 to {SEGMENT_BYTES_MAX} are allowed")]
    SegmentLength { segment: String, bytes: usize },
    #[error("segment `{0}` is a relative path")]
    Relative(String),
}

/// Why a topic can't be archived under a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    #[error("topic `{0}` has the name of a folder that Secor keeps for itself")]
    Reserved(String),
    #[error("topic `{0}` ends like a generation, which the layout `kafka-store` could not tell apart")]
    LooksLikeGeneration(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Topic,
    /// Kafka Store's: `<topic>`, above generation 1 `<topic>.g<generation>`.
    TopicWithGeneration,
    OutputPartition,
    /// A hash of topic and output partition.
    Hash,
    /// One of two folders, by the output partition's date.
    Dated(Dated),
    Generation(Width),
    Partition(Width),
    Start(Width),
    Ext,
}

/// Least number of digits; 0: as many as there are.
type Width = usize;

// === impl Layout ===

impl Layout {
    /// Reads `secor`, `kafka-store` or a template such as
    /// `{topic}/{output_partition}/{generation}_{partition}_{start:020}{ext}`.
    ///
    /// # Errors
    /// [`LayoutError`] when the text is malformed, or when two batches could meet under one of its keys.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let fail = |(message, hint): Fault| LayoutError { layout: text.to_owned(), message, hint: hint.to_owned() };
        let parts = match text {
            "secor" => split(SECOR).map_err(fail)?,
            "kafka-store" => kafka_store(),
            template => {
                let parts = split(template).map_err(fail)?;
                check_segments(template).map_err(fail)?;
                check_determines(&parts).map_err(fail)?;
                parts
            }
        };
        Ok(Self { parts })
    }

    /// Whether output partitions appear in the keys; a layout without them takes none.
    #[must_use]
    pub fn names_output_partition(&self) -> bool {
        self.parts.contains(&Part::OutputPartition)
    }

    /// Whether keys depend on the date in a folder `dt=…` of the output partition.
    #[must_use]
    pub fn looks_at_date(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Dated(_)))
    }

    /// Refuses topics whose files would meet those of the ledger, the dead letters, or another topic's generation.
    ///
    /// # Errors
    /// [`TopicNameError`].
    pub fn check_topic(&self, topic: &str) -> Result<(), TopicNameError> {
        if topic == LEDGER || topic == DEAD_LETTERS {
            return Err(TopicNameError::Reserved(topic.to_owned()));
        }
        let generation = topic.rsplit_once(".g").map(|(_, digits)| digits);
        let looks_like_generation =
            generation.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
        if looks_like_generation && self.parts.contains(&Part::TopicWithGeneration) {
            return Err(TopicNameError::LooksLikeGeneration(topic.to_owned()));
        }
        Ok(())
    }

    /// The key of a file, relative to the store's prefix.
    #[must_use]
    pub fn key(&self, name: &NameParts<'_>) -> String {
        let mut key = String::with_capacity(64 + name.topic.len() + name.output_partition.len());
        for part in &self.parts {
            match part {
                // an empty output partition leaves no empty segment
                Part::Literal(text) if key.is_empty() || key.ends_with('/') => {
                    key.push_str(text.trim_start_matches('/'))
                }
                Part::Literal(text) => key.push_str(text),
                Part::Topic => key.push_str(name.topic),
                Part::TopicWithGeneration if name.generation.0 > 1 => {
                    push(&mut key, format_args!("{}.g{}", name.topic, name.generation))
                }
                Part::TopicWithGeneration => key.push_str(name.topic),
                Part::OutputPartition => key.push_str(name.output_partition),
                Part::Hash => key.push_str(&prefix::hash(name.topic, name.output_partition)),
                Part::Dated(dated) => key.push_str(dated.folder(name.output_partition)),
                Part::Generation(width) => push(&mut key, format_args!("{:0width$}", name.generation.0)),
                Part::Partition(width) => push(&mut key, format_args!("{:0width$}", name.partition)),
                Part::Start(width) => push(&mut key, format_args!("{:0width$}", name.start.get())),
                Part::Ext => key.push_str(name.ext),
            }
        }
        key
    }

    /// The key of a batch's dead letters: the same name under [`DEAD_LETTERS`], always [`DEAD_LETTERS_EXTENSION`].
    /// `name.output_partition` and `name.ext` are not looked at: a batch has one dead-letter file.
    #[must_use]
    pub fn dead_letter_key(&self, name: &NameParts<'_>) -> String {
        let name = NameParts { output_partition: "", ext: DEAD_LETTERS_EXTENSION, ..*name };
        format!("{DEAD_LETTERS}/{}", self.key(&name))
    }
}

/// The extension of an output's files: the configured one, else the format's and the codec's.
#[must_use]
pub fn extension(output: &Output) -> Cow<'_, str> {
    if let Some(extension) = &output.extension {
        return Cow::Borrowed(extension);
    }
    let codec = match output.compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
        Compression::Snappy if output.effective_framing() == Framing::Stream => ".sz",
        Compression::Snappy => ".snappy",
        Compression::Lz4 => ".lz4",
        Compression::Bzip2 => ".bz2",
        Compression::Deflate => ".deflate",
        Compression::Lzo => ".lzo",
        Compression::Brotli => ".br",
    };
    match output.format {
        OutputFormat::Text | OutputFormat::Sequence => Cow::Borrowed(codec),
        OutputFormat::Json => Cow::Owned(format!(".json{codec}")),
        OutputFormat::Csv => Cow::Owned(format!(".csv{codec}")),
        // the codec is within the file
        OutputFormat::Avro => Cow::Borrowed(".avro"),
        OutputFormat::Parquet => Cow::Borrowed(".parquet"),
        OutputFormat::Orc => Cow::Borrowed(".orc"),
    }
}

/// The extension of a file whose rows are by one writer's schema: what names the schema stands before the extension of
/// the output, `.s17.avro` or `.f0123456789abcdef.avro`, so that the files of one folder differ. Persisted in the names of
/// objects, never change.
#[must_use]
pub fn extension_by(output: &Output, schema: Option<WriterSchema>) -> Cow<'_, str> {
    let extension = extension(output);
    match schema {
        None => extension,
        Some(WriterSchema::Id(id)) => Cow::Owned(format!(".s{id}{extension}")),
        Some(WriterSchema::Fingerprint(fingerprint)) => Cow::Owned(format!(".f{fingerprint:016x}{extension}")),
    }
}

/// Checks a whole key, the store's prefix included.
///
/// # Errors
/// [`KeyError`] when it is empty or longer than [`KEY_BYTES_MAX`], or when a segment is empty, longer than
/// [`SEGMENT_BYTES_MAX`], `.` or `..`.
pub fn check_key(key: &str) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(KeyError::TooLong { bytes: key.len() });
    }
    key.split('/').try_for_each(check_segment)
}

/// Checks one segment of a key.
///
/// # Errors
/// [`KeyError`] when it is empty, longer than [`SEGMENT_BYTES_MAX`], `.` or `..`.
pub fn check_segment(segment: &str) -> Result<(), KeyError> {
    match segment {
        "." | ".." => Err(KeyError::Relative(segment.to_owned())),
        _ if segment.is_empty() || segment.len() > SEGMENT_BYTES_MAX => {
            Err(KeyError::SegmentLength { segment: segment.to_owned(), bytes: segment.len() })
        }
        _ => Ok(()),
    }
}

/// The first two different keys that a store which folds case could not tell apart.
#[must_use]
pub fn case_fold_clash<'a>(keys: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut folded: Vec<_> = keys.into_iter().map(|key| (key.to_lowercase(), key)).collect();
    folded.sort_unstable();
    folded.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1).map(|pair| (pair[0].1, pair[1].1))
}

/// Message and hint.
type Fault = (String, &'static str);

const HINT_PLACEHOLDERS: &str = "known are {topic} {output_partition} {generation} {partition} {start} {ext} {md5}; numbers take a width: {start:020}";

fn kafka_store() -> Vec<Part> {
    let slash = || Part::Literal("/".to_owned());
    vec![Part::TopicWithGeneration, slash(), Part::Partition(6), slash(), Part::Start(20), Part::Ext]
}

fn split(template: &str) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (literal, placeholder) = rest.split_once('{').map_or((rest, None), |(before, after)| (before, Some(after)));
        if let Some(bad) =
            literal.chars().find(|&c| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' | '=' | '/'))
        {
            return Err((format!("`{bad}` can't stand in a name"), "letters, digits and . _ - = / can"));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        let Some(placeholder) = placeholder else { break };
        let Some((inside, after)) = placeholder.split_once('}') else {
            return Err((format!("`{{{placeholder}` is not closed"), HINT_PLACEHOLDERS));
        };
        parts.push(part(inside)?);
        rest = after;
    }
    Ok(parts)
}

fn part(inside: &str) -> Result<Part, Fault> {
    if let Some(dated) = inside.strip_prefix("dt<") {
        return Dated::parse(dated).map(Part::Dated);
    }
    let (name, width) = match inside.split_once(':') {
        None => (inside, None),
        Some((name, digits)) => match digits.strip_prefix('0').and_then(|it| it.parse().ok()) {
            Some(width @ 1..=20) => (name, Some(width)),
            _ => return Err((format!("`{digits}` is not a width of 01 to 020"), HINT_PLACEHOLDERS)),
        },
    };
    match (name, width) {
        ("topic", None) => Ok(Part::Topic),
        ("output_partition", None) => Ok(Part::OutputPartition),
        ("md5", None) => Ok(Part::Hash),
        ("ext", None) => Ok(Part::Ext),
        ("generation", width) => Ok(Part::Generation(width.unwrap_or(0))),
        ("partition", width) => Ok(Part::Partition(width.unwrap_or(0))),
        ("start", width) => Ok(Part::Start(width.unwrap_or(0))),
        _ => Err((format!("`{{{inside}}}` is not known here"), HINT_PLACEHOLDERS)),
    }
}

fn check_segments(template: &str) -> Result<(), Fault> {
    let mut segments = template.split('/');
    if segments.clone().any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(("a segment is empty or relative".to_owned(), "no slash at either end, no `//`, `.` or `..`"));
    }
    if segments.next().is_some_and(|first| first == LEDGER || first == DEAD_LETTERS) {
        return Err(("its first folder is one that Secor keeps for itself".to_owned(), "choose another name"));
    }
    Ok(())
}

/// Two different files never share a key: every placeholder once, the ones that may hold any character as whole
/// segments, and no number that runs into another or into a digit.
fn check_determines(parts: &[Part]) -> Result<(), Fault> {
    let count = |wanted: fn(&Part) -> bool| parts.iter().filter(|part| wanted(part)).count();
    let needed: [(&str, usize); 5] = [
        ("topic", count(|part| matches!(part, Part::Topic))),
        ("generation", count(|part| matches!(part, Part::Generation(_)))),
        ("partition", count(|part| matches!(part, Part::Partition(_)))),
        ("start", count(|part| matches!(part, Part::Start(_)))),
        ("ext", count(|part| matches!(part, Part::Ext))),
    ];
    if let Some((name, times)) = needed.iter().find(|(_, times)| *times != 1) {
        let hint = "a name must determine topic, generation, partition and start";
        return Err((format!("{{{name}}} must appear once, it appears {times} times"), hint));
    }
    if count(|part| matches!(part, Part::OutputPartition)) > 1 {
        return Err(("{output_partition} appears more than once".to_owned(), "name it once"));
    }
    if parts.last() != Some(&Part::Ext) {
        return Err(("{ext} must stand at the end".to_owned(), "readers know the codec by it"));
    }
    if parts.first() == Some(&Part::OutputPartition) {
        let hint = "put {topic} or a folder of your own before it: a record could name a folder that Secor keeps";
        return Err(("{output_partition} can't stand first".to_owned(), hint));
    }
    check_file_name(parts)?;
    for (i, part) in parts.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &parts[i]);
        let after = parts.get(i + 1);
        check_neighbours(before, part, after)?;
    }
    Ok(())
}

/// An extension may be empty: what stands before it in its segment must be a name already.
fn check_file_name(parts: &[Part]) -> Result<(), Fault> {
    let before = parts.len().checked_sub(2).map(|i| &parts[i]);
    let Some(Part::Literal(text)) = before else { return Ok(()) };
    match text.rsplit_once('/') {
        Some((_, "" | "." | "..")) => {
            let hint = "put a number or a word before {ext}, which may be empty";
            Err(("{ext} can't be the whole name of a file".to_owned(), hint))
        }
        _ => Ok(()),
    }
}

fn check_neighbours(before: Option<&Part>, part: &Part, after: Option<&Part>) -> Result<(), Fault> {
    let literal = |neighbour: Option<&Part>, free: fn(&str) -> bool| match neighbour {
        None => true,
        Some(Part::Literal(text)) => free(text),
        Some(_) => false,
    };
    match part {
        Part::Topic | Part::OutputPartition | Part::Hash | Part::Dated(_) => {
            if literal(before, |text| text.ends_with('/')) && literal(after, |text| text.starts_with('/')) {
                return Ok(());
            }
            let hint = "put slashes around {topic}, {output_partition}, {md5} and {dt<…}";
            Err(("{topic}, {output_partition}, {md5} and {dt<…} must be whole segments".to_owned(), hint))
        }
        Part::Generation(_) | Part::Partition(_) | Part::Start(_) => {
            let free_before = literal(before, |text| !text.ends_with(|c: char| c.is_ascii_digit()));
            let free_after =
                after == Some(&Part::Ext) || literal(after, |text| !text.starts_with(|c: char| c.is_ascii_digit()));
            if free_before && free_after {
                return Ok(());
            }
            Err(("a number touches another number or a digit".to_owned(), "put `_` between them"))
        }
        Part::Literal(_) | Part::TopicWithGeneration | Part::Ext => Ok(()),
    }
}

fn push(key: &mut String, text: std::fmt::Arguments<'_>) {
    key.write_fmt(text).expect("writing to a string succeeds");
}
