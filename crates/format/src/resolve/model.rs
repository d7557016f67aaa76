//! A schema with all that resolution asks of it: names, aliases, defaults, logical types. References are followed, so
//! that a type that is named twice is one.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{Aliases, InnerDecimalSchema, Name, UuidSchema};
use serde_json::Value;

pub(super) struct Model {
    types: Vec<Type>,
    pub root: usize,
}

struct Type {
    kind: Kind,
    /// As the schema says it, with the parameters of a decimal.
    logical: Option<String>,
}

pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed { name: TypeName, size: u64 },
    Enum { name: TypeName, symbols: Vec<String>, default: Option<String> },
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record { name: TypeName, fields: Vec<Field> },
}

/// Full names: of the type, and those that it also goes by.
pub(super) struct TypeName {
    pub full: String,
    pub aliases: Vec<String>,
}

pub(super) struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub default: Option<Value>,
    pub of: usize,
}

// === impl Model ===

impl Model {
    /// # Errors
    /// Why the text is no schema.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let schema = Schema::parse_str(text).map_err(|error| error.to_string())?;
        let mut builder = Builder { types: Vec::new(), named: BTreeMap::new() };
        let root = builder.add(&schema, None)?;
        Ok(Self { types: builder.types, root })
    }

    pub(super) fn kind(&self, of: usize) -> &Kind {
        &self.types[of].kind
    }

    pub(super) fn logical(&self, of: usize) -> Option<&str> {
        self.types[of].logical.as_deref()
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.types.iter().map(|of| &of.kind)
    }
}

// === impl Kind ===

impl Kind {
    /// For people.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Long => "long".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Double => "double".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::String => "string".to_owned(),
            Self::Fixed { name, size } => format!("fixed({size}) {}", name.full),
            Self::Enum { name, .. } => format!("enum {}", name.full),
            Self::Array(_) => "array".to_owned(),
            Self::Map(_) => "map".to_owned(),
            Self::Union(_) => "union".to_owned(),
            Self::Record { name, .. } => format!("record {}", name.full),
        }
    }
}

// === impl TypeName ===

impl TypeName {
    /// The same in full, or as the specification wants it of a reader's type: without namespaces, also by an alias.
    pub(super) fn is_of(&self, writer: &Self) -> bool {
        let simple = |full: &str| full.rsplit('.').next().unwrap_or_default().to_owned();
        let mut names = std::iter::once(&self.full).chain(&self.aliases);
        names.any(|name| simple(name) == simple(&writer.full))
    }
}

struct Builder {
    types: Vec<Type>,
    named: BTreeMap<String, usize>,
}

// === impl Builder ===

impl Builder {
    fn add(&mut self, schema: &Schema, namespace: Option<&str>) -> Result<usize, String> {
        let kind = match schema {
            Schema::Ref { name } => {
                let name = name.fullname(namespace);
                return self.named.get(&name).copied().ok_or_else(|| format!("type `{name}` is not defined"));
            }
            Schema::Record(record) => {
                let (of, name) = self.reserve(&record.name, &record.aliases, namespace);
                let own = record.name.fully_qualified_name(namespace).into_owned();
                let mut fields = Vec::new();
                for field in &record.fields {
                    fields.push(Field {
                        name: field.name.clone(),
                        aliases: field.aliases.clone(),
                        default: field.default.clone(),
                        of: self.add(&field.schema, own.namespace())?,
                    });
                }
                self.types[of].kind = Kind::Record { name, fields };
                return Ok(of);
            }
            Schema::Enum(it) => {
                let (of, name) = self.reserve(&it.name, &it.aliases, namespace);
                self.types[of].kind = Kind::Enum { name, symbols: it.symbols.clone(), default: it.default.clone() };
                return Ok(of);
            }
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return Ok(self.fixed(&fixed.name, &fixed.aliases, fixed.size, namespace, logical(schema)));
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Kind::Bytes,
                InnerDecimalSchema::Fixed(fixed) => {
                    return Ok(self.fixed(&fixed.name, &fixed.aliases, fixed.size, namespace, logical(schema)));
                }
            },
            Schema::Array(array) => Kind::Array(self.add(&array.items, namespace)?),
            Schema::Map(map) => Kind::Map(self.add(&map.types, namespace)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch, namespace));
                Kind::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Null => Kind::Null,
            Schema::Boolean => Kind::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Kind::Int,
            Schema::Long | Schema::TimeMicros => Kind::Long,
            Schema::TimestampMillis | Schema::TimestampMicros | Schema::TimestampNanos => Kind::Long,
            Schema::LocalTimestampMillis | Schema::LocalTimestampMicros | Schema::LocalTimestampNanos => Kind::Long,
            Schema::Float => Kind::Float,
            Schema::Double => Kind::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Kind::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Kind::String,
        };
        self.types.push(Type { kind, logical: logical(schema) });
        Ok(self.types.len() - 1)
    }

    fn fixed(
        &mut self,
        name: &Name,
        aliases: &Aliases,
        size: usize,
        namespace: Option<&str>,
        logical: Option<String>,
    ) -> usize {
        let (of, name) = self.reserve(name, aliases, namespace);
        let size = u64::try_from(size).expect("a length fits 64 bits");
        self.types[of] = Type { kind: Kind::Fixed { name, size }, logical };
        of
    }

    /// A place for a type with a name, which may refer to itself.
    fn reserve(&mut self, name: &Name, aliases: &Aliases, namespace: Option<&str>) -> (usize, TypeName) {
        let full = name.fullname(namespace);
        let own = name.fully_qualified_name(namespace);
        let aliases = aliases.iter().flatten().map(|alias| alias.fullname(own.namespace())).collect();
        self.types.push(Type { kind: Kind::Null, logical: None });
        let of = self.types.len() - 1;
        self.named.insert(full.clone(), of);
        (of, TypeName { full, aliases })
    }
}

/// The word of a logical type.
fn logical(schema: &Schema) -> Option<String> {
    let word = match schema {
        Schema::Decimal(decimal) => return Some(format!("decimal({},{})", decimal.precision, decimal.scale)),
        Schema::BigDecimal => "big-decimal",
        Schema::Uuid(_) => "uuid",
        Schema::Duration(_) => "duration",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        _ => return None,
    };
    Some(word.to_owned())
}
