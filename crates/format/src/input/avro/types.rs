//! Avro schemas as a flat list of types, made for skipping.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

use super::canonical;
use crate::input::Step;

/// Types of all schemas of one reader.
#[derive(Default)]
pub(crate) struct Types {
    kinds: Vec<Kind>,
    /// Digits of decimals in all, and those behind the point: for who prints them.
    digits: BTreeMap<TypeId, (usize, u8)>,
    /// Of every enum, one behind the other.
    pub symbols: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(usize);

pub(crate) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// In bytes.
    Fixed(u64),
    Date,
    Instant {
        per_second: i64,
    },
    /// A local timestamp.
    Civil {
        per_second: i64,
    },
    Enum {
        first_symbol: usize,
        symbols: usize,
    },
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Vec<(Box<str>, TypeId)>),
}

const MILLIS: i64 = 1_000;
const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;

// === impl Types ===

impl Types {
    /// Adds a schema; its root and its CRC-64-AVRO fingerprint.
    pub(crate) fn add(&mut self, json: &str) -> Result<(TypeId, u64), String> {
        let schema = Schema::parse_str(json).map_err(|error| error.to_string())?;
        let fingerprint = canonical::fingerprint(&schema);
        let mut builder = Builder { types: self, named: BTreeMap::new() };
        Ok((builder.add(&schema, None)?, fingerprint))
    }

    pub(crate) fn kind(&self, id: TypeId) -> &Kind {
        &self.kinds[id.0]
    }

    /// Digits behind the point, if the type is a decimal of no more than 255.
    pub(crate) fn scale(&self, id: TypeId) -> Option<u8> {
        self.digits.get(&id).map(|(_, scale)| *scale)
    }

    /// Digits in all, of the same.
    pub(crate) fn precision(&self, id: TypeId) -> Option<usize> {
        self.digits.get(&id).map(|(precision, _)| *precision)
    }

    /// Whether every value of the type takes no bytes.
    pub(crate) fn is_empty(&self, id: TypeId) -> bool {
        self.is_empty_below(id, &mut Vec::new())
    }

    fn is_empty_below(&self, id: TypeId, around: &mut Vec<TypeId>) -> bool {
        match self.kind(id) {
            Kind::Null | Kind::Fixed(0) => true,
            // a record that holds itself without a union between has no values at all
            Kind::Record(_) if around.contains(&id) => false,
            Kind::Record(fields) => {
                around.push(id);
                let is_empty = fields.iter().all(|(_, field)| self.is_empty_below(*field, around));
                around.pop();
                is_empty
            }
            _ => false,
        }
    }

    /// Whether a value of the type can have a field at `path`.
    pub(crate) fn has(&self, id: TypeId, path: &[Step<'_>]) -> bool {
        let [step, rest @ ..] = path else { return true };
        match self.kind(id) {
            Kind::Record(fields) => fields.iter().any(|(field, id)| step.is_name(field) && self.has(*id, rest)),
            Kind::Map(values) => self.has(*values, rest),
            Kind::Array(items) => *step == Step::Item && self.has(*items, rest),
            // a union holds no union, so this ends
            Kind::Union(branches) => branches.iter().any(|branch| self.has(*branch, path)),
            _ => false,
        }
    }
}

struct Builder<'t> {
    types: &'t mut Types,
    named: BTreeMap<String, TypeId>,
}

// === impl Builder ===

impl Builder<'_> {
    fn add(&mut self, schema: &Schema, namespace: Option<&str>) -> Result<TypeId, String> {
        let kind = match schema {
            Schema::Ref { name } => {
                let name = name.fullname(namespace);
                return self.named.get(&name).copied().ok_or_else(|| format!("type `{name}` is not defined"));
            }
            Schema::Record(record) => {
                // it may refer to itself
                let id = self.reserve(&record.name, namespace);
                let own = record.name.fully_qualified_name(namespace).into_owned();
                let mut fields = Vec::new();
                for field in &record.fields {
                    fields.push((field.name.as_str().into(), self.add(&field.schema, own.namespace())?));
                }
                self.types.kinds[id.0] = Kind::Record(fields);
                return Ok(id);
            }
            Schema::Enum(it) => {
                let first_symbol = self.types.symbols.len();
                self.types.symbols.extend(it.symbols.iter().map(|symbol| symbol.as_str().into()));
                let id = self.reserve(&it.name, namespace);
                self.types.kinds[id.0] = Kind::Enum { first_symbol, symbols: it.symbols.len() };
                return Ok(id);
            }
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return self.fixed(&fixed.name, fixed.size, namespace);
            }
            Schema::Decimal(decimal) => {
                let id = match &decimal.inner {
                    InnerDecimalSchema::Bytes => self.push(Kind::Bytes),
                    InnerDecimalSchema::Fixed(fixed) => self.fixed(&fixed.name, fixed.size, namespace)?,
                };
                if let Ok(scale) = u8::try_from(decimal.scale) {
                    self.types.digits.insert(id, (decimal.precision, scale));
                }
                return Ok(id);
            }
            Schema::Array(array) => Kind::Array(self.add(&array.items, namespace)?),
            Schema::Map(map) => Kind::Map(self.add(&map.types, namespace)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch, namespace));
                Kind::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Null => Kind::Null,
            Schema::Boolean => Kind::Boolean,
            Schema::Int | Schema::TimeMillis => Kind::Int,
            Schema::Long | Schema::TimeMicros => Kind::Long,
            Schema::Float => Kind::Float,
            Schema::Double => Kind::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Kind::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Kind::String,
            Schema::Date => Kind::Date,
            Schema::TimestampMillis => Kind::Instant { per_second: MILLIS },
            Schema::TimestampMicros => Kind::Instant { per_second: MICROS },
            Schema::TimestampNanos => Kind::Instant { per_second: NANOS },
            Schema::LocalTimestampMillis => Kind::Civil { per_second: MILLIS },
            Schema::LocalTimestampMicros => Kind::Civil { per_second: MICROS },
            Schema::LocalTimestampNanos => Kind::Civil { per_second: NANOS },
        };
        Ok(self.push(kind))
    }

    fn push(&mut self, kind: Kind) -> TypeId {
        self.types.kinds.push(kind);
        TypeId(self.types.kinds.len() - 1)
    }

    fn fixed(&mut self, name: &Name, size: usize, namespace: Option<&str>) -> Result<TypeId, String> {
        let id = self.reserve(name, namespace);
        let size = u64::try_from(size).expect("a length fits 64 bits");
        self.types.kinds[id.0] = Kind::Fixed(size);
        Ok(id)
    }

    /// A place for a type with a name, whose kind is not known yet.
    fn reserve(&mut self, name: &Name, namespace: Option<&str>) -> TypeId {
        let id = self.push(Kind::Null);
        self.named.insert(name.fullname(namespace), id);
        id
    }
}
