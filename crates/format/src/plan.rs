//! A shape, checked and compiled: what is looked up once so that the hot path need not.
//!
//! All mistakes of a shape are reported at once, each with the key that is wrong, what is wrong and what to write
//! instead.

use regex::bytes::Regex;
use secor_core::layout::{CalendarUnit, Layout, OutputPartitionTemplate, TemplatePart, Zone};
use secor_core::shape::{
    Compression, InputFormat, Output, OutputFormat, Shape, TimeUnit, Timestamp, TimestampPolicy, TimestampSource,
};

use crate::event_time;
use crate::json::Wanted;

/// Longest delimiter in bytes.
pub(crate) const DELIMITER_BYTES_MAX: usize = 16;
const EXTENSION_BYTES_MAX: usize = 32;

/// Every mistake of a shape; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    pub faults: Vec<ShapeFault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeFault {
    /// As in the configuration, below its `[[archive]]`: `timestamp.field`, `output_partitions[1]`.
    pub key: String,
    pub message: String,
    pub hint: String,
}

pub(crate) struct Plan {
    pub input: InputFormat,
    pub wanted: Wanted,
    pub templates: Vec<OutputPartitionTemplate>,
    /// `None`: no template names the event time.
    pub event_time: Option<EventTimePlan>,
    /// Finest unit of the `{clock:...}` patterns, if there are any.
    pub clock_unit: Option<CalendarUnit>,
    /// Slots of the `{field:...}` placeholders, in their order.
    pub fields: Vec<usize>,
    /// Steps of the `{offset:...}` placeholders, in their order.
    pub offset_steps: Vec<i64>,
    pub zone: Zone,
    pub delimiter: Option<Box<[u8]>>,
}

pub(crate) struct EventTimePlan {
    pub source: Source,
    pub missing: TimestampPolicy,
    pub bad: TimestampPolicy,
    /// Finest unit of the `{timestamp:...}` patterns.
    pub unit: CalendarUnit,
}

pub(crate) enum Source {
    Kafka,
    Clock,
    Number { slot: usize, unit: TimeUnit },
    Iso8601 { slot: usize },
    Pattern { slot: usize, pattern: String },
    Regex { regex: Regex, unit: TimeUnit },
}

// === impl ShapeError ===

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}`{}`: {}", fault.key, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ShapeError {}

// === impl Plan ===

impl Plan {
    pub(crate) fn new(shape: &Shape) -> Result<Self, ShapeError> {
        let mut faults = Faults(Vec::new());
        if shape.version != Shape::VERSION {
            faults.add("version", format!("version {} is not known", shape.version), "this program knows version 1");
        }
        let zone = Zone::named(&shape.time_zone);
        if let Err(error) = &zone {
            faults.add("time_zone", error.to_string(), "an IANA name, such as UTC or Europe/Berlin");
        }
        let templates = parse_templates(shape, &mut faults);
        check_layout(shape, &mut faults);
        check_output(&shape.output, &mut faults);
        let mut wanted = Wanted::new();
        let fields = wanted_fields(shape, &templates, &mut wanted, &mut faults);
        let source = compile_source(shape, zone.as_ref().ok(), &mut wanted, &mut faults);
        if !faults.0.is_empty() {
            return Err(ShapeError { faults: faults.0 });
        }
        let parts = || templates.iter().flat_map(|template| &template.parts);
        let finest = |unit: fn(&TemplatePart) -> Option<CalendarUnit>| parts().filter_map(unit).min();
        let timestamp_unit = finest(|part| if let TemplatePart::Timestamp(it) = part { Some(it.unit()) } else { None });
        let clock_unit = finest(|part| if let TemplatePart::Clock(it) = part { Some(it.unit()) } else { None });
        let offset_steps =
            parts().filter_map(|part| if let TemplatePart::Offset(it) = part { Some(*it) } else { None });
        let (missing, bad) = (shape.timestamp.missing, shape.timestamp.bad);
        Ok(Self {
            input: shape.input.format,
            event_time: source.zip(timestamp_unit).map(|(source, unit)| EventTimePlan { source, missing, bad, unit }),
            clock_unit,
            fields,
            offset_steps: offset_steps.collect(),
            zone: zone.expect("its error is a fault, and there are none"),
            delimiter: (shape.output.format == OutputFormat::Text).then(|| shape.output.delimiter.as_bytes().into()),
            wanted,
            templates,
        })
    }
}

struct Faults(Vec<ShapeFault>);

// === impl Faults ===

impl Faults {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(ShapeFault { key: key.into(), message: message.into(), hint: hint.into() });
    }
}

fn parse_templates(shape: &Shape, faults: &mut Faults) -> Vec<OutputPartitionTemplate> {
    let mut templates = Vec::new();
    for (i, text) in shape.output_partitions.iter().enumerate() {
        match OutputPartitionTemplate::parse(text) {
            Ok(template) => templates.push(template),
            Err(error) => faults.add(format!("output_partitions[{i}]"), error.to_string(), error.hint),
        }
    }
    templates
}

fn check_layout(shape: &Shape, faults: &mut Faults) {
    match Layout::parse(&shape.layout) {
        Err(error) => faults.add("layout", error.to_string(), error.hint),
        Ok(layout) if !layout.names_output_partition() && !shape.output_partitions.is_empty() => {
            let message = format!("layout `{}` has no place for output partitions", shape.layout);
            faults.add("layout", message, "add {output_partition} to the layout, or leave `output_partitions` empty");
        }
        Ok(_) => {}
    }
}

fn check_output(output: &Output, faults: &mut Faults) {
    if output.format == OutputFormat::Text && !(1..=DELIMITER_BYTES_MAX).contains(&output.delimiter.len()) {
        let message = format!("the delimiter has {} bytes", output.delimiter.len());
        faults.add("output.delimiter", message, format!("1 to {DELIMITER_BYTES_MAX} bytes, such as \"\\n\""));
    }
    let levels = match output.compression {
        Compression::None => None,
        Compression::Gzip => Some(("gzip", 1..=12)),
        Compression::Zstd => Some(("zstd", 1..=22)),
    };
    match (output.level, levels) {
        (Some(level), None) => {
            let message = format!("level {level} is set, but nothing is compressed");
            faults.add("output.level", message, "set `output.compression`, or leave the level out");
        }
        (Some(level), Some((codec, levels))) if !levels.contains(&level) => {
            let hint = format!("{} to {}", levels.start(), levels.end());
            faults.add("output.level", format!("{codec} has no level {level}"), hint);
        }
        _ => {}
    }
    let Some(extension) = &output.extension else { return };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let starts_well = extension.is_empty() || extension.starts_with('.');
    if !starts_well || extension.len() > EXTENSION_BYTES_MAX || !extension.bytes().all(legal) {
        let hint = "empty, or a dot and up to 31 letters, digits and . _ -, such as `.log.gz`";
        faults.add("output.extension", format!("`{extension}` is no extension"), hint);
    }
}

fn wanted_fields(
    shape: &Shape,
    templates: &[OutputPartitionTemplate],
    wanted: &mut Wanted,
    faults: &mut Faults,
) -> Vec<usize> {
    let mut slots = Vec::new();
    for template in templates {
        for part in &template.parts {
            let TemplatePart::Field(path) = part else { continue };
            let position = shape.output_partitions.iter().position(|text| *text == template.text).unwrap_or_default();
            let key = format!("output_partitions[{position}]");
            slots.extend(want(&key, path, shape, wanted, faults));
        }
    }
    slots
}

fn want(key: &str, path: &str, shape: &Shape, wanted: &mut Wanted, faults: &mut Faults) -> Option<usize> {
    if shape.input.format != InputFormat::Json {
        let message = format!("field `{path}` is named, but only `json` input has fields");
        faults.add(key, message, "set `input = { format = \"json\" }`");
        return None;
    }
    let separator = &shape.timestamp.separator;
    let path: Vec<&str> = if separator.is_empty() { vec![path] } else { path.split(separator).collect() };
    if path.iter().any(|name| name.is_empty()) {
        faults.add(key, "a name in the field's path is empty", "write a path such as `meta.ts`");
        return None;
    }
    Some(wanted.add(path))
}

/// Where event times come from, checked even if no template names them.
fn compile_source(shape: &Shape, zone: Option<&Zone>, wanted: &mut Wanted, faults: &mut Faults) -> Option<Source> {
    let timestamp = &shape.timestamp;
    let source = timestamp.effective_source();
    check_unused(timestamp, source, faults);
    let pattern = || timestamp.pattern.clone().unwrap_or_default();
    match source {
        TimestampSource::Kafka => Some(Source::Kafka),
        TimestampSource::Clock => Some(Source::Clock),
        TimestampSource::Field => {
            want_time(shape, wanted, faults).map(|slot| Source::Number { slot, unit: timestamp.unit })
        }
        TimestampSource::Iso8601 => want_time(shape, wanted, faults).map(|slot| Source::Iso8601 { slot }),
        TimestampSource::Pattern => {
            check_pattern(timestamp, zone, faults);
            want_time(shape, wanted, faults).map(|slot| Source::Pattern { slot, pattern: pattern() })
        }
        TimestampSource::Regex => {
            compile_regex(timestamp, faults).map(|regex| Source::Regex { regex, unit: timestamp.unit })
        }
    }
}

fn want_time(shape: &Shape, wanted: &mut Wanted, faults: &mut Faults) -> Option<usize> {
    match &shape.timestamp.field {
        Some(field) => want("timestamp.field", field, shape, wanted, faults),
        None => {
            faults.add("timestamp.field", "the source needs a field, and none is named", "name it, such as `meta.ts`");
            None
        }
    }
}

fn check_unused(timestamp: &Timestamp, source: TimestampSource, faults: &mut Faults) {
    let from_field = matches!(source, TimestampSource::Field | TimestampSource::Iso8601 | TimestampSource::Pattern);
    if timestamp.field.is_some() && !from_field {
        faults.add("timestamp.field", "a field is named, but the source does not read one", "leave the field out");
    }
    let by_pattern = matches!(source, TimestampSource::Regex | TimestampSource::Pattern);
    match (&timestamp.pattern, by_pattern) {
        (Some(_), false) => {
            let hint = "set `source = \"pattern\"` or `\"regex\"`, or leave the pattern out";
            faults.add("timestamp.pattern", "a pattern is set, but the source does not use one", hint);
        }
        (None, true) => {
            let hint = "such as `%d/%b/%Y:%H:%M:%S %z` or `ts=([0-9]+)`";
            faults.add("timestamp.pattern", "the source needs a pattern, and none is set", hint);
        }
        _ => {}
    }
}

fn check_pattern(timestamp: &Timestamp, zone: Option<&Zone>, faults: &mut Faults) {
    let (Some(pattern), Some(zone)) = (&timestamp.pattern, zone) else { return };
    if let Err(why) = event_time::check_pattern(pattern, zone) {
        let message = format!("pattern `{pattern}` can't be read: {why}");
        faults.add("timestamp.pattern", message, "a strptime pattern with a full date, such as `%Y-%m-%d %H:%M:%S`");
    }
}

fn compile_regex(timestamp: &Timestamp, faults: &mut Faults) -> Option<Regex> {
    let pattern = timestamp.pattern.as_deref()?;
    match Regex::new(pattern) {
        Ok(regex) if regex.captures_len() > 1 => Some(regex),
        Ok(_) => {
            let message = format!("regular expression `{pattern}` has no group");
            faults.add("timestamp.pattern", message, "put parentheses around the number: `ts=([0-9]+)`");
            None
        }
        Err(error) => {
            // the error's own text draws the place over several lines; its last line says what it is
            let why = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let message = format!("regular expression `{pattern}`: {why}");
            faults.add("timestamp.pattern", message, "the syntax of Rust's `regex` crate");
            None
        }
    }
}
