//! Protobuf descriptors as a flat list of messages, made for scanning; and `.proto` files as descriptors.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind as Declared, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::input::Step;

/// Messages of all schemas of one reader.
#[derive(Default)]
pub(crate) struct Messages {
    messages: Vec<Message>,
    /// Names and numbers of every enum.
    enums: Vec<BTreeMap<i32, usize>>,
    /// Of every enum, one behind the other.
    pub symbols: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageId(usize);

/// A message, and those declared inside of it.
pub(crate) struct Tree {
    pub message: MessageId,
    pub inner: Vec<Tree>,
}

pub(crate) struct Message {
    /// Sorted by number.
    fields: Vec<Field>,
    /// `google.protobuf.Timestamp`.
    pub is_timestamp: bool,
}

pub(crate) struct Field {
    pub number: u32,
    pub name: Box<str>,
    pub kind: Kind,
    pub is_repeated: bool,
    /// A map, whose entries are messages of key and value.
    pub is_map: bool,
    /// Fields of the same number here exclude each other.
    pub oneof: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Bool,
    /// Index of the enum.
    Enum(usize),
    Fixed32,
    Sfixed32,
    Float,
    Fixed64,
    Sfixed64,
    Double,
    Text,
    Bytes,
    Message(MessageId),
    Group(MessageId),
}

/// Why a schema, or the message named in it, can't be taken.
pub(crate) struct SchemaError {
    pub why: String,
    pub hint: String,
    /// The name of the message is wrong, not the schema.
    pub is_of_message: bool,
}

const HINT: &str = "a .proto file, or a descriptor set: protoc --include_imports --descriptor_set_out=...";

// === impl Messages ===

impl Messages {
    /// Adds the message of that name; without one the only message of the schema's file.
    pub(crate) fn add(&mut self, text: &str, name: Option<&str>) -> Result<MessageId, SchemaError> {
        let (pool, main) = open(text)?;
        let message = match name {
            Some(name) => pool.get_message_by_name(name).ok_or_else(|| SchemaError {
                why: format!("it has no message `{name}`"),
                hint: "write the full name, with its package: acme.Click".to_owned(),
                is_of_message: true,
            })?,
            None => {
                let mut top =
                    pool.get_file_by_name(&main).into_iter().flat_map(|file| file.messages().collect::<Vec<_>>());
                match (top.next(), top.next()) {
                    (Some(only), None) => only,
                    _ => {
                        return Err(SchemaError {
                            why: "not said which message of several it is".to_owned(),
                            hint: "set `input.message` to its full name".to_owned(),
                            is_of_message: true,
                        });
                    }
                }
            }
        };
        Ok(Builder { messages: self, known: BTreeMap::new(), enums: BTreeMap::new() }.message(&message))
    }

    /// Adds all messages of the schema's file, as they are declared inside of each other.
    pub(crate) fn add_tree(&mut self, text: &str) -> Result<Vec<Tree>, SchemaError> {
        let (pool, main) = open(text)?;
        let file = pool.get_file_by_name(&main);
        let mut builder = Builder { messages: self, known: BTreeMap::new(), enums: BTreeMap::new() };
        Ok(file.iter().flat_map(|file| file.messages()).map(|message| builder.tree(&message)).collect())
    }

    pub(crate) fn get(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    /// The name of an enum's number, as a symbol.
    pub(crate) fn symbol(&self, index: usize, number: i32) -> Option<usize> {
        self.enums[index].get(&number).copied()
    }

    /// Whether the message can have a field at `path`.
    pub(crate) fn has(&self, id: MessageId, path: &[Step<'_>]) -> bool {
        let [step, rest @ ..] = path else { return true };
        let Some(field) = self.get(id).fields.iter().find(|field| step.is_name(&field.name)) else { return false };
        match (field.kind, rest) {
            (_, []) => true,
            (Kind::Message(entry), [_, rest @ ..]) if field.is_map => {
                let value = self.get(entry).field(2).map(|value| value.kind);
                rest.is_empty() || matches!(value, Some(Kind::Message(value)) if self.has(value, rest))
            }
            (Kind::Message(item) | Kind::Group(item), [Step::Item, rest @ ..]) if field.is_repeated => {
                self.has(item, rest)
            }
            (_, [Step::Item]) => field.is_repeated,
            (Kind::Message(inner) | Kind::Group(inner), rest) => !field.is_repeated && self.has(inner, rest),
            _ => false,
        }
    }
}

// === impl Message ===

impl Message {
    pub(crate) fn field(&self, number: u32) -> Option<&Field> {
        let at = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        Some(&self.fields[at])
    }

    /// By their numbers.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn in_oneof(&self, oneof: usize) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.oneof == Some(oneof))
    }
}

// === impl Tree ===

impl Tree {
    pub(crate) fn any(&self, is: &dyn Fn(MessageId) -> bool) -> bool {
        is(self.message) || self.inner.iter().any(|tree| tree.any(is))
    }
}

/// A stored descriptor set: its pool, and the file that it is about, which `protoc` writes last.
fn open(text: &str) -> Result<(DescriptorPool, String), SchemaError> {
    let wrong = |why: String| SchemaError { why, hint: HINT.to_owned(), is_of_message: false };
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| wrong(format!("no base64: {error}")))?;
    let set = FileDescriptorSet::decode(&*bytes).map_err(|_| wrong("no descriptor set".to_owned()))?;
    let main = set.file.last().map(|file| file.name().to_owned()).ok_or_else(|| wrong("no file in it".to_owned()))?;
    let pool = DescriptorPool::from_file_descriptor_set(set).map_err(|error| wrong(error.to_string()))?;
    Ok((pool, main))
}

struct Builder<'m> {
    messages: &'m mut Messages,
    known: BTreeMap<String, MessageId>,
    enums: BTreeMap<String, usize>,
}

// === impl Builder ===

impl Builder<'_> {
    fn tree(&mut self, message: &MessageDescriptor) -> Tree {
        // entries of maps are messages that no one declared: indexes leave them out
        let inner = message.child_messages().filter(|inner| !inner.is_map_entry());
        let inner = inner.map(|inner| self.tree(&inner)).collect();
        Tree { message: self.message(message), inner }
    }

    fn message(&mut self, message: &MessageDescriptor) -> MessageId {
        if let Some(&id) = self.known.get(message.full_name()) {
            return id;
        }
        // it may hold itself
        let id = MessageId(self.messages.messages.len());
        let is_timestamp = message.full_name() == "google.protobuf.Timestamp";
        self.messages.messages.push(Message { fields: Vec::new(), is_timestamp });
        self.known.insert(message.full_name().to_owned(), id);
        let mut oneofs = BTreeMap::new();
        let mut fields = Vec::new();
        for field in message.fields() {
            let oneof = field.containing_oneof().map(|oneof| {
                let next = oneofs.len();
                *oneofs.entry(oneof.full_name().to_owned()).or_insert(next)
            });
            fields.push(Field {
                number: field.number(),
                name: field.name().into(),
                kind: self.kind(&field),
                is_repeated: field.is_list() || field.is_map(),
                is_map: field.is_map(),
                oneof,
            });
        }
        fields.sort_by_key(|field| field.number);
        self.messages.messages[id.0].fields = fields;
        id
    }

    fn kind(&mut self, field: &FieldDescriptor) -> Kind {
        match field.kind() {
            Declared::Int32 => Kind::Int32,
            Declared::Int64 => Kind::Int64,
            Declared::Uint32 => Kind::Uint32,
            Declared::Uint64 => Kind::Uint64,
            Declared::Sint32 => Kind::Sint32,
            Declared::Sint64 => Kind::Sint64,
            Declared::Bool => Kind::Bool,
            Declared::Fixed32 => Kind::Fixed32,
            Declared::Sfixed32 => Kind::Sfixed32,
            Declared::Float => Kind::Float,
            Declared::Fixed64 => Kind::Fixed64,
            Declared::Sfixed64 => Kind::Sfixed64,
            Declared::Double => Kind::Double,
            Declared::String => Kind::Text,
            Declared::Bytes => Kind::Bytes,
            Declared::Message(message) if field.is_group() => Kind::Group(self.message(&message)),
            Declared::Message(message) => Kind::Message(self.message(&message)),
            Declared::Enum(it) => {
                if let Some(&index) = self.enums.get(it.full_name()) {
                    return Kind::Enum(index);
                }
                let index = self.messages.enums.len();
                let mut symbols = BTreeMap::new();
                for value in it.values() {
                    // of two names of one number the first counts
                    symbols.entry(value.number()).or_insert(self.messages.symbols.len());
                    self.messages.symbols.push(value.name().into());
                }
                self.messages.enums.push(symbols);
                self.enums.insert(it.full_name().to_owned(), index);
                Kind::Enum(index)
            }
        }
    }
}

/// The files that a `.proto` file imports, without Google's own, which are known.
pub(crate) fn imports(name: &str, text: &str) -> Result<Vec<String>, String> {
    let file = File::from_source(name, text).map_err(|error| error.to_string())?;
    let google = GoogleFileResolver::new();
    let imports = file.file_descriptor_proto().dependency.iter();
    Ok(imports.filter(|import| google.open_file(import).is_err()).cloned().collect())
}

/// The descriptor set of the `.proto` file `name`, with all that it imports, from `files` by name; base64.
pub(crate) fn compile(name: &str, files: BTreeMap<String, String>) -> Result<String, String> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Given(files));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(false);
    compiler.open_file(name).map_err(|error| error.to_string())?;
    Ok(BASE64_STANDARD.encode(compiler.encode_file_descriptor_set()))
}

/// The descriptor set of a `.proto` text and those that it imports, as a registry gives them: what it is called itself,
/// nobody says. What Confluent's own registry knows without being told is known here.
pub(crate) fn compile_registered(text: &str, references: &BTreeMap<String, String>) -> Result<String, String> {
    let mut files: BTreeMap<String, String> =
        CONFLUENT.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    files.extend(references.clone());
    let mut name = "message.proto".to_owned();
    while files.contains_key(&name) {
        name.insert(0, '_');
    }
    files.insert(name.clone(), text.to_owned());
    compile(&name, files)
}

const CONFLUENT: [(&str, &str); 2] = [
    ("confluent/meta.proto", include_str!("confluent/meta.proto")),
    ("confluent/type/decimal.proto", include_str!("confluent/type/decimal.proto")),
];

/// Texts of files by the names under which they are imported.
struct Given(BTreeMap<String, String>);

impl FileResolver for Given {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
