//! A shape, checked and compiled: what is looked up once so that the hot path need not.
//!
//! All mistakes of a shape are reported at once, each with the key that is wrong, what is wrong and what to write
//! instead.

use regex::bytes::Regex;
use secor_core::layout::{CalendarUnit, Layout, OutputPartitionTemplate, TemplatePart, Zone};
use secor_core::shape::{InputFormat, Shape, TimeUnit, Timestamp, TimestampPolicy, TimestampSource};

use crate::event_time;
use crate::faults::{Faults, ShapeError};
use crate::fields::Wanted;
use crate::input::{Reader, Step};
use crate::stored::{Stored, Wishing, check_output};

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
    pub stored: Stored,
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

// === impl Plan ===

impl Plan {
    /// The plan, and the reader that fills what it looks at.
    pub(crate) fn new(shape: &Shape) -> Result<(Self, Reader), ShapeError> {
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
        check_output(&shape.output, &shape.input, &mut |key, message, hint| faults.add(key, message, hint));
        let reader = Reader::new(&shape.input, &mut faults);
        let mut wishes = Wishes { shape, reader: reader.as_ref(), wanted: Wanted::new(), faults: &mut faults };
        let fields = wishes.of_templates(&templates);
        let mut stored = Stored::new(&shape.output, shape.input.format, &mut wishes);
        let source = compile_source(zone.as_ref().ok(), &mut wishes);
        let wanted = wishes.wanted;
        let reader = reader.map(|mut reader| {
            meet(&mut reader, &mut stored, &mut faults);
            reader
        });
        let Some(reader) = reader.filter(|_| faults.0.is_empty()) else {
            return Err(ShapeError { faults: faults.0 });
        };
        let parts = || templates.iter().flat_map(|template| &template.parts);
        let finest = |unit: fn(&TemplatePart) -> Option<CalendarUnit>| parts().filter_map(unit).min();
        let timestamp_unit = finest(|part| if let TemplatePart::Timestamp(it) = part { Some(it.unit()) } else { None });
        let clock_unit = finest(|part| if let TemplatePart::Clock(it) = part { Some(it.unit()) } else { None });
        let offset_steps =
            parts().filter_map(|part| if let TemplatePart::Offset(it) = part { Some(*it) } else { None });
        let (missing, bad) = (shape.timestamp.missing, shape.timestamp.bad);
        let plan = Self {
            input: shape.input.format,
            event_time: source.zip(timestamp_unit).map(|(source, unit)| EventTimePlan { source, missing, bad, unit }),
            clock_unit,
            fields,
            offset_steps: offset_steps.collect(),
            zone: zone.expect("its error is a fault, and there are none"),
            stored,
            wanted,
            templates,
        };
        Ok((plan, reader))
    }
}

/// Tells reader and output of each other.
fn meet(reader: &mut Reader, stored: &mut Stored, faults: &mut Faults) {
    if stored.are_data() {
        reader.hold_to_files();
    }
    if stored.are_columns() {
        reader.expect_walks();
    }
    for (place, schema) in reader.given_schemas().iter().enumerate() {
        stored.learn(place, &schema.text);
        if let Some(why) = stored.objection(place) {
            let message = format!("no value of the input's schema number {} can become one of this: {why}", place + 1);
            let hint = "give a field that the input lacks a default, or leave `schema` out for files by each schema";
            faults.add("output.schema", message, hint);
        }
    }
}

/// The fields that a shape names, on their way into the tree of wanted ones.
struct Wishes<'a> {
    shape: &'a Shape,
    /// `None`: the input is at fault, and nothing can be said of its fields.
    reader: Option<&'a Reader>,
    wanted: Wanted,
    faults: &'a mut Faults,
}

// === impl Wishes ===

impl Wishes<'_> {
    fn of_templates(&mut self, templates: &[OutputPartitionTemplate]) -> Vec<usize> {
        let mut slots = Vec::new();
        for template in templates {
            for part in &template.parts {
                let TemplatePart::Field(path) = part else { continue };
                let position = self.shape.output_partitions.iter().position(|text| *text == template.text);
                let key = format!("output_partitions[{}]", position.unwrap_or_default());
                slots.extend(self.want(&key, path));
            }
        }
        slots
    }

    fn of_timestamp(&mut self) -> Option<usize> {
        let Some(field) = &self.shape.timestamp.field else {
            let message = "the source needs a field, and none is named";
            self.faults.add("timestamp.field", message, "name it, such as `meta.ts`");
            return None;
        };
        self.want("timestamp.field", field)
    }

    fn want(&mut self, key: &str, path: &str) -> Option<usize> {
        let separator = &self.shape.timestamp.separator;
        let names: Vec<&str> = if separator.is_empty() { vec![path] } else { path.split(separator).collect() };
        if names.iter().any(|name| name.is_empty()) {
            self.faults.add(key, "a name in the field's path is empty", "write a path such as `meta.ts`");
            return None;
        }
        self.names(key, &names)
    }
}

impl Wishing for Wishes<'_> {
    fn path(&mut self, key: &str, path: &str) -> Option<usize> {
        self.want(key, path)
    }

    fn names(&mut self, key: &str, names: &[&str]) -> Option<usize> {
        let path: Vec<_> = names.iter().map(|name| Step::Name(name)).collect();
        self.column(key, &path).then(|| self.wanted.add(names.iter().copied()))
    }

    fn column(&mut self, key: &str, path: &[Step<'_>]) -> bool {
        let Some(objection) = self.reader.and_then(|reader| reader.objection(path)) else {
            return self.reader.is_some();
        };
        let names: Vec<&str> = path.iter().map(|step| step.name().unwrap_or("[]")).collect();
        let path = names.join(&self.shape.timestamp.separator);
        self.faults.add(key, format!("field `{path}` is named, but {}", objection.why), objection.hint);
        false
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

/// Where event times come from, checked even if no template names them.
fn compile_source(zone: Option<&Zone>, wishes: &mut Wishes<'_>) -> Option<Source> {
    let timestamp = &wishes.shape.timestamp;
    let source = timestamp.effective_source();
    check_unused(timestamp, source, wishes.faults);
    let pattern = || timestamp.pattern.clone().unwrap_or_default();
    match source {
        TimestampSource::Kafka => Some(Source::Kafka),
        TimestampSource::Clock => Some(Source::Clock),
        TimestampSource::Field => wishes.of_timestamp().map(|slot| Source::Number { slot, unit: timestamp.unit }),
        TimestampSource::Iso8601 => wishes.of_timestamp().map(|slot| Source::Iso8601 { slot }),
        TimestampSource::Pattern => {
            check_pattern(timestamp, zone, wishes.faults);
            wishes.of_timestamp().map(|slot| Source::Pattern { slot, pattern: pattern() })
        }
        TimestampSource::Regex => {
            compile_regex(timestamp, wishes.faults).map(|regex| Source::Regex { regex, unit: timestamp.unit })
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
