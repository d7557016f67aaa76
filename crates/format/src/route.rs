//! From a record to its output partition: the hot path.
//!
//! A [`Pipeline`] is a [`Shape`] made ready. Per record it validates the value as the input format wants it, finds the
//! wanted fields in the same pass, reads the event time, and asks a small cache for the output partition. Nothing is
//! allocated or formatted unless the output partition is new, a field has escapes, or the record is bad.
//!
//! It never decides where a bad record goes, and it knows no files, no topics and no clock.

use std::borrow::Cow;
use std::sync::Arc;

use secor_core::ids::{SchemaHash, WriterSchema};
use secor_core::layout::{
    DEFAULT_PARTITION, OUTPUT_PARTITION_BYTES_MAX, TemplatePart, TimeBucket, Zone, check_segment, push_escaped,
};
use secor_core::manifest::{NamedSchema, RegisteredSchema};
use secor_core::record::Record;
use secor_core::shape::{Shape, TimeUnit, TimestampPolicy};

use crate::bad::{BadReason, BadRecord};
use crate::event_time;
use crate::faults::ShapeError;
use crate::fields::{Captures, Found};
use crate::input::{ReadValue, Reader};
use crate::partitions::{PartitionIdx, Partitions};
use crate::plan::{EventTimePlan, Plan, Source};
use crate::stored::ReadBody;

#[cfg(test)]
mod registered_tests;
#[cfg(test)]
mod tests;

/// Time buckets that are remembered beside the last one.
const BUCKETS_MAX: usize = 1_024;

/// What a worker needs to route the records of one archive; reused for many batches.
pub struct Pipeline {
    plan: Plan,
    /// Topic and partition of the records.
    source: Option<(Box<str>, i32)>,
    reader: Reader,
    captures: Captures,
    buckets: Buckets,
    /// The begin of the bucket that holds the batch's clock value.
    clock: Option<(i64, i64)>,
    partitions: Partitions,
    key: Vec<u8>,
}

/// Where a good record goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed<'r> {
    pub partition: PartitionIdx,
    /// Milliseconds since 1970; `None` when no template names the event time, or the policy took the default partition.
    pub event_time: Option<i64>,
    /// As the file will hold it: a null value stays null here unless it became a row of nulls, line breaks between JSON
    /// tokens became spaces if the delimiter is a line break, and an Avro datum is without what named its schema.
    pub value: Option<Cow<'r, [u8]>>,
}

/// The schema of all rows of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSchema {
    /// As records name it, where their files differ by it.
    pub writer: Option<WriterSchema>,
    /// Avro's, in JSON.
    pub text: Arc<str>,
}

/// How an attempt to read an event time ended without one.
enum NoTime {
    Missing,
    Bad(String),
}

// === impl Pipeline ===

impl Pipeline {
    /// # Errors
    /// [`ShapeError`] with all mistakes of the shape at once.
    pub fn new(shape: &Shape) -> Result<Self, ShapeError> {
        let (plan, reader) = Plan::new(shape)?;
        Ok(Self {
            captures: Captures::with_symbols(reader.symbols()),
            plan,
            reader,
            buckets: Buckets::default(),
            clock: None,
            partitions: Partitions::new(),
            key: Vec::new(),
            source: None,
        })
    }

    /// Says whose records are routed, for columns that hold it.
    #[must_use]
    pub fn of(self, topic: &str, partition: i32) -> Self {
        Self { source: Some((topic.into(), partition)), ..self }
    }

    /// Decides where a record goes. `clock_ms` is the batch's clock value in milliseconds since 1970, the same for all
    /// records of a batch.
    ///
    /// # Errors
    /// [`BadRecord`] by the table in `docs/formats.md`.
    ///
    /// # Panics
    /// When a template or the timestamp source names the clock and `clock_ms` is outside the years 1 to 9999; when a column
    /// holds topic or partition, and [`Self::of`] did not say them.
    pub fn route<'r>(&mut self, record: &Record<'r>, clock_ms: i64) -> Result<Routed<'r>, BadRecord> {
        let (input, schema) = match record.value {
            Some(value) => {
                let ReadValue { body, schema } = self.reader.read(value, &self.plan.wanted, &mut self.captures)?;
                (&value[body..], schema)
            }
            None => {
                self.captures.clear(&self.plan.wanted);
                (&[][..], None)
            }
        };
        let (reader, captures) = (&self.reader, &self.captures);
        let source = self.source.as_ref().map(|(topic, partition)| (&**topic, *partition));
        let read = ReadBody { record, source, bytes: input, schema, format: self.plan.input, reader, captures };
        let value = self.plan.stored.value(&read)?;
        let event_time = match &self.plan.event_time {
            Some(plan) => event_time(plan, &self.plan, &self.captures, record, input, clock_ms)?,
            None => None,
        };
        let schema = schema.filter(|_| self.plan.stored.is_by_writer());
        let partition = self.partition(record, input, schema, event_time, clock_ms)?;
        Ok(Routed { partition, event_time, value })
    }

    /// The name: escaped segments joined by `/`; empty without templates.
    ///
    /// # Panics
    /// When the partition is not one of this batch.
    #[must_use]
    pub fn output_partition(&self, partition: PartitionIdx) -> &str {
        self.partitions.name(partition)
    }

    /// The schema of the rows of a partition's file, where files have one.
    ///
    /// # Panics
    /// When the partition is not one of this batch.
    #[must_use]
    pub fn file_schema(&self, partition: PartitionIdx) -> Option<FileSchema> {
        if let Some(text) = self.plan.stored.schema() {
            return Some(FileSchema { writer: None, text: Arc::clone(text) });
        }
        let schema = self.reader.schema(self.partitions.schema(partition)?)?;
        Some(FileSchema { writer: schema.name(), text: Arc::clone(&schema.text) })
    }

    /// How many output partitions the open batch has; where files differ by schema, one counts once for each.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The schema id that the record names, if it stands for one of a registry of which nothing was learned yet:
    /// [`Self::route`] is for later, [`Self::learn_schema`] comes first.
    #[inline]
    #[must_use]
    pub fn lacks_schema(&self, record: &Record<'_>) -> Option<u32> {
        self.reader.lacks(record.value?)
    }

    /// What a registry has under `id`, `None`: nothing. Holds for the open batch; a schema also for those after it.
    pub fn learn_schema(&mut self, id: u32, schema: Option<(&SchemaHash, &RegisteredSchema)>) {
        if let Some(place) = self.reader.learn(id, schema)
            && let Some(schema) = self.reader.schema(place)
        {
            self.plan.stored.learn(place, &schema.text);
        }
        self.captures.set_symbols(self.reader.symbols());
    }

    /// What the records of the open batch named, for its manifest.
    #[must_use]
    pub fn named_schemas(&self) -> Vec<NamedSchema> {
        self.reader.named()
    }

    /// The open batch can't take a record of a schema that it does not know yet: cut first.
    #[must_use]
    pub fn schemas_full(&self) -> bool {
        self.reader.is_full()
    }

    /// Between batches: bounds the cache, and forgets which schemas were missing. Every [`PartitionIdx`] from before is
    /// void.
    pub fn forget_partitions(&mut self) {
        self.reader.forget();
        self.partitions.clear();
        self.buckets.ranges.clear();
    }

    fn partition(
        &mut self,
        record: &Record<'_>,
        input: &[u8],
        schema: Option<usize>,
        event_time: Option<i64>,
        clock_ms: i64,
    ) -> Result<PartitionIdx, BadRecord> {
        self.key.clear();
        if let Some(place) = schema {
            self.key.extend_from_slice(&place.to_le_bytes());
        }
        if let Some(plan) = &self.plan.event_time {
            let begin = event_time.map_or(i64::MIN, |ms| self.buckets.find(&self.plan, plan, ms).lo);
            self.key.extend_from_slice(&begin.to_le_bytes());
        }
        if let Some(unit) = self.plan.clock_unit {
            let begin = match self.clock {
                Some((clock, begin)) if clock == clock_ms => begin,
                _ => self.plan.zone.bucket(unit, clock_ms).lo,
            };
            self.clock = Some((clock_ms, begin));
            self.key.extend_from_slice(&begin.to_le_bytes());
        }
        for step in &self.plan.offset_steps {
            self.key.extend_from_slice(&(record.offset.get() / step).to_le_bytes());
        }
        for &slot in &self.plan.fields {
            push_key(&mut self.key, self.captures.get(slot, input))?;
        }
        if let Some(partition) = self.partitions.find(&self.key) {
            return Ok(partition);
        }
        let name = self.render(record, input, event_time, clock_ms)?;
        Ok(self.partitions.insert(&self.key, name, schema))
    }

    /// The name of an output partition that was not seen before.
    fn render(
        &self,
        record: &Record<'_>,
        input: &[u8],
        event_time: Option<i64>,
        clock_ms: i64,
    ) -> Result<String, BadRecord> {
        let mut name = String::new();
        let mut fields = self.plan.fields.iter();
        for template in &self.plan.templates {
            if !name.is_empty() {
                name.push('/');
            }
            let start = name.len();
            for part in &template.parts {
                match (part, event_time) {
                    (TemplatePart::Literal(literal), _) => name.push_str(literal),
                    (TemplatePart::Timestamp(pattern), Some(ms)) => self.plan.zone.push_time(&mut name, pattern, ms),
                    (TemplatePart::Timestamp(_), None) => name.push_str(DEFAULT_PARTITION),
                    (TemplatePart::Clock(pattern), _) => self.plan.zone.push_time(&mut name, pattern, clock_ms),
                    (TemplatePart::Offset(step), _) => {
                        name.push_str(&(record.offset.get() / step * step).to_string());
                    }
                    (TemplatePart::Field(_), _) => {
                        let slot = *fields.next().expect("every field placeholder has a slot");
                        push_escaped(&mut name, &field_value(self.captures.get(slot, input))?);
                    }
                }
            }
            check_segment(&name[start..]).map_err(|error| BadReason::IllegalOutputPartition.with(error.to_string()))?;
        }
        if name.len() > OUTPUT_PARTITION_BYTES_MAX {
            let detail =
                format!("output partition has {} bytes, at most {OUTPUT_PARTITION_BYTES_MAX} are allowed", name.len());
            return Err(BadReason::IllegalOutputPartition.with(detail));
        }
        Ok(name)
    }
}

/// The time buckets of the open batch, sorted; they don't overlap.
#[derive(Debug, Default)]
struct Buckets {
    ranges: Vec<TimeBucket>,
    last: usize,
}

// === impl Buckets ===

impl Buckets {
    fn find(&mut self, plan: &Plan, event_time: &EventTimePlan, ms: i64) -> TimeBucket {
        if let Some(&last) = self.ranges.get(self.last)
            && last.contains(ms)
        {
            return last;
        }
        let after = self.ranges.partition_point(|range| range.lo <= ms);
        if after > 0 && self.ranges[after - 1].contains(ms) {
            self.last = after - 1;
            return self.ranges[self.last];
        }
        let bucket = plan.zone.bucket(event_time.unit, ms);
        if self.ranges.len() == BUCKETS_MAX {
            self.ranges.clear();
        }
        self.last = after.min(self.ranges.len());
        self.ranges.insert(self.last, bucket);
        bucket
    }
}

fn event_time(
    time: &EventTimePlan,
    plan: &Plan,
    captures: &Captures,
    record: &Record<'_>,
    input: &[u8],
    clock_ms: i64,
) -> Result<Option<i64>, BadRecord> {
    let read = match &time.source {
        Source::Kafka => kafka_time(record),
        Source::Clock => Ok(clock_ms),
        Source::Number { slot, unit } => numeric_time(captures.get(*slot, input), *unit, &plan.zone),
        Source::Iso8601 { slot } => {
            textual_time(captures.get(*slot, input), &plan.zone, |time| event_time::from_iso8601(time, &plan.zone))
        }
        Source::Pattern { slot, pattern } => textual_time(captures.get(*slot, input), &plan.zone, |time| {
            event_time::from_pattern(time, pattern, &plan.zone)
        }),
        Source::Regex { regex, unit } => match record.value.and_then(|value| regex.captures(value)?.get(1)) {
            None => Err(NoTime::Missing),
            Some(group) => match std::str::from_utf8(group.as_bytes()) {
                Ok(number) => event_time::from_number(number, *unit).map_err(NoTime::Bad),
                Err(_) => Err(NoTime::Bad("the regular expression's group is no text".to_owned())),
            },
        },
    };
    match read {
        Ok(ms) => Ok(Some(ms)),
        Err(no_time) => fall_back(time, record, no_time),
    }
}

/// A number, a numeric string, or what the format knows as a time.
fn numeric_time(found: Found<'_>, unit: TimeUnit, zone: &Zone) -> Result<i64, NoTime> {
    match found {
        Found::Integer(value) => event_time::from_integer(value, unit).map_err(NoTime::Bad),
        Found::Single(value) => event_time::from_float(f64::from(value), unit).map_err(NoTime::Bad),
        Found::Double(value) => event_time::from_float(value, unit).map_err(NoTime::Bad),
        found => textual_time(found, zone, |text| event_time::from_number(text, unit)),
    }
}

/// What a text says, or what the format knows as a time.
fn textual_time(found: Found<'_>, zone: &Zone, read: impl Fn(&str) -> Result<i64, String>) -> Result<i64, NoTime> {
    match found {
        Found::Missing | Found::Null => Err(NoTime::Missing),
        Found::Number(text) => read(text).map_err(NoTime::Bad),
        Found::Integer(value) => read(&value.to_string()).map_err(NoTime::Bad),
        Found::Single(value) => read(&value.to_string()).map_err(NoTime::Bad),
        Found::Double(value) => read(&value.to_string()).map_err(NoTime::Bad),
        Found::Text(raw) => match raw.unescape() {
            Some(text) => read(&text).map_err(NoTime::Bad),
            None => Err(NoTime::Bad("the time field is no text".to_owned())),
        },
        Found::Time(time) => event_time::from_time(time, zone).map_err(NoTime::Bad),
        Found::Bool(_) | Found::Binary | Found::Container => {
            Err(NoTime::Bad("the time field is no number and no string".to_owned()))
        }
    }
}

fn kafka_time(record: &Record<'_>) -> Result<i64, NoTime> {
    let ms = record.timestamp.ok_or(NoTime::Missing)?;
    event_time::in_calendar(Some(ms)).ok_or_else(|| NoTime::Bad(event_time::beyond(&ms.to_string())))
}

#[cold]
fn fall_back(time: &EventTimePlan, record: &Record<'_>, no_time: NoTime) -> Result<Option<i64>, BadRecord> {
    let policy = if matches!(no_time, NoTime::Missing) { time.missing } else { time.bad };
    match policy {
        TimestampPolicy::Epoch => Ok(Some(0)),
        TimestampPolicy::DefaultPartition => Ok(None),
        TimestampPolicy::Kafka => kafka_time(record).map(Some).map_err(NoTime::into_bad_record),
        TimestampPolicy::DeadLetter => Err(no_time.into_bad_record()),
    }
}

// === impl NoTime ===

impl NoTime {
    fn into_bad_record(self) -> BadRecord {
        match self {
            Self::Missing => BadReason::TimestampMissing.with("the record has no event time"),
            Self::Bad(detail) => BadReason::TimestampBad.with(detail),
        }
    }
}

/// A field's value as text; empty for null and missing, which Hive can't tell from an empty string either.
fn field_value(found: Found<'_>) -> Result<Cow<'_, str>, BadRecord> {
    match found {
        Found::Missing | Found::Null => Ok(Cow::Borrowed("")),
        Found::Bool(true) => Ok(Cow::Borrowed("true")),
        Found::Bool(false) => Ok(Cow::Borrowed("false")),
        Found::Number(text) => Ok(Cow::Borrowed(text)),
        Found::Integer(value) => Ok(Cow::Owned(value.to_string())),
        Found::Single(value) => Ok(Cow::Owned(value.to_string())),
        Found::Double(value) => Ok(Cow::Owned(value.to_string())),
        Found::Text(raw) => raw.unescape().ok_or_else(no_text),
        Found::Time(time) => event_time::iso_text(time).map(Cow::Owned).ok_or_else(no_text),
        Found::Binary => Err(no_text()),
        Found::Container => {
            Err(BadReason::FieldNotScalar.with("a field of the output partition is an object or an array"))
        }
    }
}

#[cold]
fn no_text() -> BadRecord {
    BadReason::FieldNotScalar.with("a field of the output partition is no text")
}

/// Adds a field's value to the key of the cache, without formatting numbers: what differs here may still get one name.
fn push_key(key: &mut Vec<u8>, found: Found<'_>) -> Result<(), BadRecord> {
    // what is no text has a length that no text has
    const INTEGER: usize = usize::MAX;
    const SINGLE: usize = usize::MAX - 1;
    const DOUBLE: usize = usize::MAX - 2;
    let mut push = |len: usize, bytes: &[u8]| {
        key.extend_from_slice(&len.to_le_bytes());
        key.extend_from_slice(bytes);
    };
    match found {
        Found::Integer(value) => push(INTEGER, &value.to_le_bytes()),
        Found::Single(value) => push(SINGLE, &value.to_bits().to_le_bytes()),
        Found::Double(value) => push(DOUBLE, &value.to_bits().to_le_bytes()),
        found => {
            let value = field_value(found)?;
            push(value.len(), value.as_bytes());
        }
    }
    Ok(())
}
