//! Message formats in: is a value what the format says, and what are its wanted fields?
//!
//! One file per format. Every reader makes one pass over a value, validates all of it, and remembers the wanted fields;
//! it builds no tree. The verdict on a value does not depend on which fields are wanted, so that a record does not become
//! bad because a template was added.
//!
//! Formats with schemas have them from the shape, in full; [`schema_files`] makes of files what is kept there. What a
//! registry gives is learned while records pass ([`registered`]).

pub(crate) mod cursor;
mod framing;
mod registered;
pub(crate) mod avro;
pub(crate) mod protobuf;
pub(crate) mod thrift;
mod msgpack;
mod pattern;
#[cfg(test)]
mod tests;

use secor_core::ids::SchemaHash;
use secor_core::manifest::{NamedSchema, RegisteredSchema};
use secor_core::shape::{Input, InputFormat, JsonValue, MessageFraming};

use self::avro::{AvroReader, Written};
use self::cursor::Cursor;
use self::framing::{SchemaName, read_frame};
use self::msgpack::MessagePackWalk;
use self::pattern::PatternReader;
use self::protobuf::ProtobufReader;
use self::registered::Registered;
use self::thrift::ThriftReader;
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Captures, Wanted};
use crate::json::{JsonError, JsonWalk, Outline, outline_object, scan_any, scan_lines, scan_object};
use crate::walk::Visitor;

pub mod schema_files;

/// A reader of one input format.
pub(crate) struct Reader {
    form: Form,
    /// Where ids are asked of a registry.
    registered: Option<Registered>,
}

enum Form {
    /// Anything; no fields.
    Bytes,
    /// UTF-8; no fields.
    Text,
    Pattern(PatternReader),
    Json {
        scan: JsonScan,
        framing: MessageFraming,
        /// Of the value that was read last, where somebody walks over it.
        outline: Option<Outline>,
    },
    MessagePack,
    Avro(AvroReader),
    Protobuf(ProtobufReader),
    Thrift(ThriftReader),
}

/// What reading a value said beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadValue {
    /// Where the body begins, which captures count from.
    pub body: usize,
    /// The place of the schema that the value was written by, of formats whose bodies can be stored by it.
    pub schema: Option<usize>,
}

/// A step of a path to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'p> {
    /// Of a field.
    Name(&'p str),
    /// Into a list, or to the values of a map.
    Item,
}

type JsonScan = fn(&str, &Wanted, &mut Captures) -> Result<(), JsonError>;

// === impl Reader ===

impl Reader {
    /// `None`: `faults` has the reasons.
    pub(crate) fn new(input: &Input, faults: &mut Faults) -> Option<Self> {
        let form = match input.format {
            InputFormat::Bytes => Form::Bytes,
            InputFormat::Text => match &input.pattern {
                None => Form::Text,
                Some(pattern) => Form::Pattern(PatternReader::new(pattern, faults)?),
            },
            InputFormat::Json => json_form(input, faults)?,
            InputFormat::MessagePack => Form::MessagePack,
            InputFormat::Avro => Form::Avro(AvroReader::new(input, faults)?),
            InputFormat::Protobuf => Form::Protobuf(ProtobufReader::new(input, faults)?),
            InputFormat::Thrift => Form::Thrift(ThriftReader::new(input, faults)?),
        };
        let given = || input.schemas.iter().filter_map(|schema| schema.name.parse().ok()).collect();
        let asks = input.registry && input.framing == MessageFraming::Confluent;
        Some(Self { form, registered: asks.then(|| Registered::beside(given())) })
    }

    /// Texts that stand in schemas.
    pub(crate) fn symbols(&self) -> Vec<Box<str>> {
        match &self.form {
            Form::Avro(reader) => reader.symbols(),
            Form::Protobuf(reader) => reader.symbols(),
            Form::Thrift(reader) => reader.symbols(),
            _ => Vec::new(),
        }
    }

    /// Why `path` can't be a field of such values; `None`: it can.
    pub(crate) fn objection(&self, path: &[Step<'_>]) -> Option<Objection> {
        match &self.form {
            Form::Bytes => Some(Objection::new(
                "`bytes` input has no fields",
                "set `input = { format = \"json\" }`, or another format that has fields",
            )),
            Form::Text => Some(Objection::new(
                "`text` input without a pattern has no fields",
                "set `input.pattern` to a regular expression with named groups",
            )),
            Form::Pattern(reader) => reader.objection(path),
            Form::Avro(reader) => reader.objection(path),
            Form::Protobuf(reader) => reader.objection(path),
            Form::Thrift(reader) => reader.objection(path),
            Form::Json { .. } | Form::MessagePack => None,
        }
    }

    /// Validates `value` and captures the wanted fields.
    pub(crate) fn read(
        &mut self,
        value: &[u8],
        wanted: &Wanted,
        captures: &mut Captures,
    ) -> Result<ReadValue, BadRecord> {
        let place = match &mut self.registered {
            Some(registered) => registered.place(value)?,
            None => None,
        };
        match &mut self.form {
            Form::Bytes => Ok(()),
            Form::Text => utf8(value, BadReason::NotUtf8).map(drop),
            Form::Pattern(reader) => reader.read(utf8(value, BadReason::NotUtf8)?, wanted, captures),
            Form::Json { scan, framing, outline } => {
                let (body, text) = json_text(*framing, value)?;
                let done = match outline {
                    Some(outline) => outline_object(text, wanted, captures, outline),
                    None => scan(text, wanted, captures),
                };
                done.map_err(|error| BadReason::NotJson.with(error.to_string()))?;
                return Ok(ReadValue { body, schema: None });
            }
            Form::MessagePack => msgpack::read_map(value, wanted, captures)
                .map_err(|error| BadReason::NotMessagePack.with(error.to_string())),
            Form::Avro(reader) => return reader.read(value, place, wanted, captures),
            Form::Protobuf(reader) => reader.read(value, place, wanted, captures),
            Form::Thrift(reader) => reader.read(value, wanted, captures),
        }
        .map(|()| ReadValue { body: 0, schema: None })
    }

    /// Lets `visitor` look at the body of the value that was read last and found good, by the place of its schema.
    ///
    /// # Panics
    /// When such values have no fields, or find them by a pattern.
    pub(crate) fn walk<V: Visitor>(&self, body: &[u8], schema: Option<usize>, visitor: V) -> V::Output {
        match &self.form {
            Form::Json { outline, .. } => {
                let text = simdutf8::basic::from_utf8(body).expect("JSON was validated, and is UTF-8");
                let (walk, root) = JsonWalk::new(text, outline.as_ref().expect("a walk was announced"));
                visitor.visit(&walk, root)
            }
            Form::MessagePack => {
                let (walk, root) = MessagePackWalk::new(body);
                visitor.visit(&walk, root)
            }
            Form::Avro(reader) => reader.walk(body, schema.expect("an Avro datum was read by a schema"), visitor),
            Form::Protobuf(reader) => reader.walk(body, visitor),
            Form::Thrift(reader) => reader.walk(body, visitor),
            Form::Bytes | Form::Text | Form::Pattern(_) => panic!("the columns were checked with the shape"),
        }
    }

    /// The id that `value` names, if the registry was not asked about it yet.
    pub(crate) fn lacks(&self, value: &[u8]) -> Option<u32> {
        self.registered.as_ref()?.lacks(value)
    }

    /// What the registry has under `id`; `None`: nothing. Returns the schema's place, if values can be read by it.
    pub(crate) fn learn(&mut self, id: u32, schema: Option<(&SchemaHash, &RegisteredSchema)>) -> Option<usize> {
        let learned = schema.map(|(hash, schema)| (hash.clone(), self.form.register(id, schema)));
        let place = learned.as_ref().and_then(|(_, place)| place.as_ref().ok().copied());
        if let Some(registered) = &mut self.registered {
            registered.learn(id, learned);
        }
        place
    }

    /// From now on somebody walks over what was read. Of JSON it is one object then.
    pub(crate) fn expect_walks(&mut self) {
        if let Form::Json { outline, .. } = &mut self.form {
            *outline = Some(Outline::default());
        }
    }

    /// From now on bodies must be good neighbours in a file, not only good.
    pub(crate) fn hold_to_files(&mut self) {
        if let Form::Avro(reader) = &mut self.form {
            reader.hold_to_files();
        }
    }

    /// The schemas that the shape gives and bodies can be stored by, by their places.
    pub(crate) fn given_schemas(&self) -> &[Written] {
        match &self.form {
            Form::Avro(reader) => reader.given(),
            _ => &[],
        }
    }

    /// The schema at a place that [`Self::read`] or [`Self::learn`] has said.
    pub(crate) fn schema(&self, place: usize) -> Option<&Written> {
        match &self.form {
            Form::Avro(reader) => Some(reader.schema(place)),
            _ => None,
        }
    }

    /// What records of the open batch named.
    pub(crate) fn named(&self) -> Vec<NamedSchema> {
        self.registered.as_ref().map(Registered::named).unwrap_or_default()
    }

    /// No batch can name more.
    pub(crate) fn is_full(&self) -> bool {
        self.registered.as_ref().is_some_and(Registered::is_full)
    }

    /// The batch is over.
    pub(crate) fn forget(&mut self) {
        if let Some(registered) = &mut self.registered {
            registered.forget();
        }
    }
}

// === impl Step ===

impl<'p> Step<'p> {
    pub(crate) fn name(self) -> Option<&'p str> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }

    pub(crate) fn is_name(self, name: &str) -> bool {
        self.name() == Some(name)
    }
}

// === impl Form ===

impl Form {
    /// The place of a registry's schema, or why no message can be read by it.
    fn register(&mut self, id: u32, schema: &RegisteredSchema) -> Result<usize, String> {
        match (self, schema.kind.as_str()) {
            (Self::Avro(reader), "AVRO") => reader.register(id, schema),
            (Self::Protobuf(reader), "PROTOBUF") => reader.register(schema),
            (Self::Json { .. }, "JSON") => Ok(0),
            (_, kind) => Err(format!("it is a schema of type `{kind}`")),
        }
    }
}

fn json_form(input: &Input, faults: &mut Faults) -> Option<Form> {
    if input.framing == MessageFraming::SingleObject {
        faults.add("input.framing", "`single_object` is Avro's", "write framing = \"none\" or \"confluent\"");
        return None;
    }
    let scan = match input.json {
        JsonValue::Object => scan_object,
        JsonValue::Any => scan_any,
        JsonValue::Lines => scan_lines,
    };
    Some(Form::Json { scan, framing: input.framing, outline: None })
}

/// The text behind the frame, and where it begins.
fn json_text(framing: MessageFraming, value: &[u8]) -> Result<(usize, &str), BadRecord> {
    let mut cursor = Cursor::new(value);
    read_frame(framing, &mut cursor).map_err(|error| BadReason::NotJson.with(error.to_string()))?;
    let body = cursor.at();
    Ok((body, utf8(&value[body..], BadReason::NotJson)?))
}

/// Why a field can't be wanted of an input.
pub(crate) struct Objection {
    pub why: String,
    pub hint: String,
}

// === impl Objection ===

impl Objection {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: hint.into() }
    }
}

/// What each given schema is called in a message, by the framing; `None`: `faults` has the reasons.
fn expected_schemas(input: &Input, faults: &mut Faults) -> Option<Vec<SchemaName>> {
    let before = faults.0.len();
    match (input.framing, input.schemas.len()) {
        (_, 0) if input.registry => {}
        (_, 0) => faults.add("input.schemas", "no schema is given", "name schemas of [schemas.files]: [\"click\"]"),
        (MessageFraming::None, 2..) => faults.add(
            "input.schemas",
            "messages do not say which of several schemas they have",
            "name one schema, or set `input.framing`",
        ),
        _ => {}
    }
    let mut names = Vec::new();
    for (index, schema) in input.schemas.iter().enumerate() {
        names.push(match input.framing {
            MessageFraming::None => SchemaName::Given,
            MessageFraming::SingleObject => SchemaName::Fingerprint(0),
            MessageFraming::Confluent => match schema.name.parse() {
                Ok(id) => SchemaName::Id(id),
                Err(_) => {
                    let message = format!("`{}` is no schema id", schema.name);
                    let hint = "with framing `confluent` a schema is named by its id: 17 = \"/etc/secor/click.avsc\"";
                    faults.add(format!("input.schemas[{index}]"), message, hint);
                    continue;
                }
            },
        });
    }
    (faults.0.len() == before).then_some(names)
}

fn utf8(value: &[u8], reason: BadReason) -> Result<&str, BadRecord> {
    simdutf8::basic::from_utf8(value).map_err(|_| reason.with(utf8_detail(value)))
}

#[cold]
fn utf8_detail(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Err(error) => format!("no UTF-8 at byte {}", error.valid_up_to()),
        Ok(_) => "no UTF-8".to_owned(),
    }
}
