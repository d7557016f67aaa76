//! What must go together within an `[[archive]]`, and between several of them.

use secor_core::layout::{Layout, OutputPartitionTemplate};
use secor_core::shape::{Compression, InputFormat, OutputFormat, TimestampSource};

use super::document::{ArchiveTable, FlushTable};
use super::tree::Findings;
use super::{Limits, TopicPattern, TopicSet, checks, rules, units};

const GZIP_LEVEL_MAX: u8 = 12;

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
pub(super) fn archive(path: &str, archive: &ArchiveTable, limits: &Limits, findings: &mut Findings) {
    let mut rules = Rules { path, archive, findings };
    rules.timestamp();
    rules.output_partitions();
    rules.output();
    rules.layout();
    rules.flush(limits);
}

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

    fn timestamp(&mut self) {
        let timestamp = &self.archive.timestamp;
        let source = timestamp.effective_source();
        let word = source_word(source);
        let reads_field =
            matches!(source, TimestampSource::Field | TimestampSource::Iso8601 | TimestampSource::Pattern);
        let reads_pattern = matches!(source, TimestampSource::Regex | TimestampSource::Pattern);
        match (&timestamp.field, reads_field) {
            (None, true) => self.mistake(
                &["timestamp.source", "timestamp.field"],
                "needs a field",
                format!("source `{word}` reads a JSON field and none is named"),
                "add field = \"...\" to timestamp",
            ),
            (Some(_), false) => self.mistake(
                &["timestamp.field", "timestamp.source"],
                "has no effect",
                format!("source `{word}` reads no field"),
                "leave field out, or set source = \"field\", \"iso8601\" or \"pattern\"",
            ),
            (Some(_), true) if self.archive.input.format != InputFormat::Json => self.mistake(
                &["timestamp.field", "input.format"],
                "needs JSON",
                "only a JSON value has fields",
                "set input = { format = \"json\" }, or source = \"kafka\" or \"regex\"",
            ),
            _ => {}
        }
        match (&timestamp.pattern, reads_pattern) {
            (None, true) => self.mistake(
                &["timestamp.source", "timestamp.pattern"],
                "needs a pattern",
                format!("source `{word}` has nothing to read by"),
                "add pattern = '...' to timestamp",
            ),
            (Some(_), false) => self.mistake(
                &["timestamp.pattern", "timestamp.source"],
                "has no effect",
                format!("source `{word}` reads no pattern"),
                "leave pattern out, or set source = \"regex\" or \"pattern\"",
            ),
            (Some(pattern), true) if source == TimestampSource::Regex => self.regex(pattern),
            _ => {}
        }
    }

    fn regex(&mut self, pattern: &str) {
        const HINT: &str = "put the number's digits into brackets: 'ts=([0-9]+)'";
        match regex::bytes::Regex::new(pattern) {
            Ok(regex) if regex.captures_len() < 2 => {
                let why = format!("`{pattern}` has no group");
                self.mistake(&["timestamp.pattern"], "not valid", why, HINT);
            }
            Ok(_) => {}
            Err(error) => {
                let reason = checks::last_line(&error.to_string()).to_owned();
                let why = format!("`{pattern}` is not a regular expression: {reason}");
                self.mistake(&["timestamp.pattern"], "not valid", why, HINT);
            }
        }
    }

    fn output_partitions(&mut self) {
        for (index, text) in self.archive.output_partitions.iter().enumerate() {
            let Ok(template) = OutputPartitionTemplate::parse(text) else { continue };
            let key = format!("output_partitions[{index}]");
            if template.needs_field() && self.archive.input.format != InputFormat::Json {
                let why = format!("`{text}` names a field, and only a JSON value has fields");
                let hint = "set input = { format = \"json\" }";
                self.mistake(&[&key, "input.format"], "needs JSON", why, hint);
            }
            if template.needs_timestamp() && self.archive.timestamp.effective_source() == TimestampSource::Clock {
                let why = format!("`{text}` asks for the event time, and source `clock` has one for the whole batch");
                let hint = "write {clock:...}, or name another source";
                self.mistake(&[&key, "timestamp.source"], "ambiguous", why, hint);
            }
        }
    }

    fn output(&mut self) {
        let output = &self.archive.output;
        match (output.level, output.compression) {
            (Some(_), Compression::None) => self.mistake(
                &["output.level", "output.compression"],
                "has no effect",
                "nothing is compressed",
                "add compression = \"gzip\" or \"zstd\"",
            ),
            (Some(level), Compression::Gzip) if level > GZIP_LEVEL_MAX => self.mistake(
                &["output.level", "output.compression"],
                "out of range",
                format!("{level} is above {GZIP_LEVEL_MAX}, the highest of gzip"),
                "write 1 to 12",
            ),
            _ => {}
        }
        if output.delimiter.is_empty() {
            let why = "records could not be told apart";
            self.mistake(&["output.delimiter"], "is empty", why, "write \"\\n\", or leave it out");
        }
        match output.format {
            OutputFormat::Text => self.without_effect(
                &["output.sequence_compression", "output.sequence_key"],
                "the output format is `text`",
                "leave it out, or set format = \"sequence\"",
            ),
            OutputFormat::Sequence => self.without_effect(
                &["output.delimiter"],
                "a SequenceFile has no delimiter",
                "leave it out, or set format = \"text\"",
            ),
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
                self.mistake(&[key], "has no effect", why, hint);
            }
        }
    }

    fn layout(&mut self) {
        let Ok(layout) = Layout::parse(&self.archive.layout) else { return };
        if !self.archive.output_partitions.is_empty() && !layout.names_output_partition() {
            self.mistake(
                &["layout", "output_partitions"],
                "contradicts output_partitions",
                format!("the files of `{}` have no folder for them", self.archive.layout),
                "leave output_partitions out, or put {output_partition} into the layout",
            );
        }
        for (index, topic) in self.archive.topics.iter().enumerate().filter(|(_, topic)| !topic.starts_with('^')) {
            if let Err(error) = layout.check_topic(topic) {
                let key = format!("topics[{index}]");
                self.mistake(&[&key], "not valid", error.to_string(), "archive it with another layout or prefix");
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

fn source_word(source: TimestampSource) -> &'static str {
    match source {
        TimestampSource::Field => "field",
        TimestampSource::Kafka => "kafka",
        TimestampSource::Clock => "clock",
        TimestampSource::Regex => "regex",
        TimestampSource::Iso8601 => "iso8601",
        TimestampSource::Pattern => "pattern",
    }
}
