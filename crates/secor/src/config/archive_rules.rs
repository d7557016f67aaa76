//! What must go together within an `[[archive]]`, and between several of them. What makes a shape impossible is the
//! formats' own knowledge ([`Pipeline::new`]); here is what a shape can't know: what the user wrote and what not, the
//! other archives, the limits.

use secor_core::layout::{Layout, OutputPartitionTemplate};
use secor_core::shape::{Compression, Content, InputFormat, OutputFormat, Shape, TimestampSource};
use secor_format::Pipeline;

use super::document::{ArchiveTable, FlushTable};
use super::tree::Findings;
use super::{Limits, TopicPattern, TopicSet, rules, units};

/// Every named topic has exactly one archive.
pub(super) fn topics(archives: &[ArchiveTable], findings: &mut Findings) {
    let sets: Vec<TopicSet> = archives.iter().map(topic_set).collect();
    for (index, archive) in archives.iter().enumerate() {
        let path = format!("archive[{index}].topics");
        if archive.topics.is_empty() {
            let hint = "write the topics' names, or '^.*' for all";
            findings.contradiction(&[&path], "is empty", "the archive takes nothing", hint);
        }
        for (entry, topic) in archive.topics.iter().enumerate().filter(|(_, topic)| !topic.starts_with('^')) {
            let place = format!("{path}[{entry}]");
            if let Some(earlier) = sets[..index].iter().position(|set| set.matches(topic)) {
                findings.contradiction(
                    &[&place],
                    "never reached",
                    format!("archive[{earlier}] takes `{topic}` first"),
                    "put the narrower [[archive]] first; a second copy of a topic is a second process with its own group",
                );
            } else if !sets[index].matches(topic) {
                let why = format!("exclude_topics takes `{topic}` away again");
                findings.contradiction(&[&place], "never reached", why, "leave it out of one of the two");
            }
        }
    }
}

/// Everything about the archive at `path`.
///
/// Without a shape, because a schema is missing, what a shape can be wrong about is not looked at.
pub(super) fn archive(
    path: &str,
    archive: &ArchiveTable,
    shape: Option<&Shape>,
    limits: &Limits,
    findings: &mut Findings,
) {
    let mut rules = Rules { path, archive, findings };
    if let Some(shape) = shape {
        rules.shape(shape);
    }
    rules.clock();
    rules.input();
    rules.output();
    rules.topic_names();
    rules.flush(limits);
}

/// Keys of the input, the formats that they are for, and their words.
const INPUT_KEYS: [(&str, &[InputFormat], &str); 6] = [
    ("input.json", &[InputFormat::Json], "`json`"),
    ("input.pattern", &[InputFormat::Text], "`text`"),
    (
        "input.schemas",
        &[InputFormat::Avro, InputFormat::Protobuf, InputFormat::Thrift],
        "`avro`, `protobuf` and `thrift`",
    ),
    ("input.framing", &[InputFormat::Avro, InputFormat::Protobuf, InputFormat::Json], "`avro`, `protobuf` and `json`"),
    ("input.message", &[InputFormat::Protobuf, InputFormat::Thrift], "`protobuf` and `thrift`"),
    ("input.protocol", &[InputFormat::Thrift], "`thrift`"),
];

struct Rules<'a> {
    path: &'a str,
    archive: &'a ArchiveTable,
    findings: &'a mut Findings,
}

// === impl Rules ===

impl Rules<'_> {
    fn mistake(&mut self, keys: &[&str], what: &str, why: impl Into<String>, hint: impl Into<String>) {
        let paths: Vec<String> = keys.iter().map(|key| format!("{}.{key}", self.path)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        self.findings.contradiction(&paths, what, why, hint);
    }

    fn is_written(&self, key: &str) -> bool {
        self.findings.is_written(&format!("{}.{key}", self.path))
    }

    /// What the formats say: the same checks that a worker makes when it opens a batch.
    fn shape(&mut self, shape: &Shape) {
        let Err(error) = Pipeline::new(shape) else { return };
        for fault in error.faults {
            let mut keys = vec![fault.key.as_str()];
            keys.extend(related(&fault.key));
            self.mistake(&keys, "not valid", fault.message, fault.hint);
        }
    }

    fn clock(&mut self) {
        if self.archive.timestamp.effective_source() != TimestampSource::Clock {
            return;
        }
        for (index, text) in self.archive.output_partitions.iter().enumerate() {
            if OutputPartitionTemplate::parse(text).is_ok_and(|template| template.needs_timestamp()) {
                let key = format!("output_partitions[{index}]");
                let why = format!("`{text}` asks for the event time, and source `clock` has one for the whole batch");
                let hint = "write {clock:...}, or name another source";
                self.mistake(&[&key, "timestamp.source"], "ambiguous", why, hint);
            }
        }
    }

    /// Keys of one input format beside another.
    fn input(&mut self) {
        let format = self.archive.input.format;
        for (key, owners, words) in INPUT_KEYS {
            if !owners.contains(&format) && self.is_written(key) {
                let why = format!("it is for format {words}");
                self.mistake(&[key, "input.format"], "has no effect", why, "leave it out, or set another format");
            }
        }
    }

    fn output(&mut self) {
        let (output, written) = (&self.archive.output, self.archive.output.format);
        let word = format_word(written);
        for (keys, formats, content) in FORMAT_KEYS {
            if !formats.contains(&written) {
                let why = format!("the output format is `{word}`");
                let words: Vec<_> = formats.iter().map(|format| format!("\"{}\"", format_word(*format))).collect();
                let hint = format!("leave it out, or set format = {}", words.join(" or "));
                self.without_effect(keys, &why, &hint);
            } else if content.is_some_and(|content| output.content != content) {
                let (why, hint) = match output.content {
                    Content::Value => ("the files hold values alone", "leave it out, or set content = \"envelope\""),
                    Content::Envelope => ("the files hold whole records", "leave it out, or set content = \"value\""),
                };
                self.without_effect(keys, why, hint);
            }
        }
        if output.format == OutputFormat::Sequence && output.compression == Compression::None {
            self.without_effect(
                &["output.sequence_compression"],
                "nothing is compressed",
                "add compression = \"gzip\" or \"zstd\"",
            );
        }
    }

    fn without_effect(&mut self, keys: &[&str], why: &str, hint: &str) {
        for key in keys {
            if self.is_written(key) {
                self.mistake(&[key, "output.format", "output.compression"], "has no effect", why, hint);
            }
        }
    }

    fn topic_names(&mut self) {
        let Ok(layout) = Layout::parse(&self.archive.layout) else { return };
        if layout.looks_at_date() && !self.archive.output_partitions.iter().any(|folder| folder.starts_with("dt={")) {
            self.mistake(
                &["layout", "output_partitions"],
                "has no date",
                "no folder `dt=…` says which day a record is of",
                "write output_partitions = [\"dt={timestamp:%Y-%m-%d}\"]",
            );
        }
        for (index, topic) in self.archive.topics.iter().enumerate().filter(|(_, topic)| !topic.starts_with('^')) {
            if let Err(error) = layout.check_topic(topic) {
                let key = format!("topics[{index}]");
                self.mistake(
                    &[&key, "layout"],
                    "not valid",
                    error.to_string(),
                    "archive it with another layout or prefix",
                );
            }
        }
    }

    fn flush(&mut self, limits: &Limits) {
        let flush = &self.archive.flush;
        if self.is_written("flush") && *flush == FlushTable::default() {
            let hint = "write flush = { max_bytes = \"200MB\", max_age = \"1h\" }, or leave flush out";
            self.mistake(&["flush"], "has no limit", "a batch would never be cut", hint);
        }
        let staged_max = rules::staged_max(limits);
        if let Some(max_bytes) = flush.max_bytes.filter(|max_bytes| *max_bytes > staged_max) {
            self.mistake(
                &["flush.max_bytes"],
                "never reached",
                format!(
                    "{} is more than limits.memory and limits.disk allow together, {}",
                    units::format_size(max_bytes),
                    units::format_size(staged_max)
                ),
                "lower it, or raise limits.disk",
            );
        }
    }
}

fn topic_set(archive: &ArchiveTable) -> TopicSet {
    let patterns = |texts: &[String]| texts.iter().filter_map(|text| TopicPattern::parse(text).ok()).collect();
    TopicSet { include: patterns(&archive.topics), exclude: patterns(&archive.exclude_topics) }
}

/// Keys that few formats know, with the content that they are about, if it is one.
const FORMAT_KEYS: &[(&[&str], &[OutputFormat], Option<Content>)] = &[
    (&["output.delimiter"], &[OutputFormat::Text], None),
    (&["output.sequence_compression", "output.sequence_key"], &[OutputFormat::Sequence], None),
    (
        &["output.columns", "output.column_separator", "output.null_text", "output.header_line"],
        &[OutputFormat::Csv],
        None,
    ),
    (
        &[
            "output.row_group_rows",
            "output.row_group_bytes",
            "output.dictionary",
            "output.statistics",
            "output.bloom_filters",
        ],
        &[OutputFormat::Parquet],
        None,
    ),
    (&["output.schema"], &[OutputFormat::Parquet, OutputFormat::Orc, OutputFormat::Avro], Some(Content::Value)),
    (
        &["output.envelope_key", "output.envelope_value", "output.envelope_headers"],
        &[OutputFormat::Json],
        Some(Content::Envelope),
    ),
];

fn format_word(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Text => "text",
        OutputFormat::Json => "json",
        OutputFormat::Csv => "csv",
        OutputFormat::Sequence => "sequence",
        OutputFormat::Avro => "avro",
        OutputFormat::Parquet => "parquet",
        OutputFormat::Orc => "orc",
    }
}

/// Keys that a fault about `key` may come from as well: when one of them is refused, the fault is not the user's.
fn related(key: &str) -> &'static [&'static str] {
    match key {
        "output.level" => &["output.compression"],
        "output.compression" | "output.framing" => &["output.format", "output.compression"],
        "output.delimiter" | "output.columns" | "output.null_text" | "output.column_separator" => &["output.format"],
        "output.content" => &["output.format"],
        "output.schema" => &["output.format", "output.content", "input"],
        "output.format" | "output.envelope_value" => &["input.format", "input.json", "output.content"],
        key if key.starts_with("output.columns[") => &["input"],
        key if key.starts_with("output.bloom_filters[") => &["output.format", "output.content", "output.schema"],
        "timestamp.field" | "timestamp.pattern" => &["timestamp.source", "input", "time_zone"],
        "layout" => &["output_partitions"],
        key if key.starts_with("output_partitions") => &["input"],
        _ => &[],
    }
}
