//! From an Arrow schema to the tree of columns and to ORC's types, numbered from the root down.

use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit, UnionFields};

use crate::bloom::Bloom;
use crate::column::{
    Binaries, Bits, Body, Bytes, Column, Decimals, Floats, Integers, Lists, Maps, Structs, Texts, Timestamps, Unions,
    UnsignedLongs,
};
use crate::proto::Message;

/// What an ORC file cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// `column` is its path, with dots between names.
    #[error("column `{column}`: an ORC file has no type for {data_type}")]
    Type { column: String, data_type: DataType },
    #[error("column `{column}`: ORC allows at most 256 types in a union, this one has {types}")]
    Union { column: String, types: usize },
    #[error("column `{column}`: no such column, or one whose type has no bloom filter")]
    BloomFilter { column: String },
}

/// A schema as the writer wants it.
pub(crate) struct Tree {
    pub(crate) root: Column,
    /// `Type` of each column, in the order of their numbers.
    pub(crate) types: Vec<Message>,
}

/// `Type.Kind`; persisted.
#[derive(Clone, Copy)]
enum Kind {
    Boolean = 0,
    Byte = 1,
    Short = 2,
    Int = 3,
    Long = 4,
    Float = 5,
    Double = 6,
    String = 7,
    Binary = 8,
    Timestamp = 9,
    List = 10,
    Map = 11,
    Struct = 12,
    Union = 13,
    Decimal = 14,
    Date = 15,
    TimestampInstant = 18,
}

/// Digits of the largest unsigned integer of 64 bits.
const UNSIGNED_LONG_DIGITS: u8 = 20;
const UNION_TYPES_MAX: usize = 256;

/// `bloom_columns`: paths with dots; `group_rows`: rows that a bloom filter is made for.
pub(crate) fn tree(schema: &Schema, bloom_columns: &[String], group_rows: usize) -> Result<Tree, Unsupported> {
    let mut builder = Builder { types: Vec::new(), bloom_columns: bloom_columns.to_vec(), group_rows };
    let root = builder.structure("", schema.fields())?;
    match builder.bloom_columns.pop() {
        Some(column) => Err(Unsupported::BloomFilter { column }),
        None => Ok(Tree { root, types: builder.types }),
    }
}

struct Builder {
    types: Vec<Message>,
    /// Those that were not met yet.
    bloom_columns: Vec<String>,
    group_rows: usize,
}

impl Builder {
    fn column(&mut self, path: &str, data_type: &DataType) -> Result<Column, Unsupported> {
        match data_type {
            DataType::Struct(fields) => self.structure(path, fields),
            DataType::List(item) | DataType::LargeList(item) => self.list(path, item),
            DataType::Map(entries, _) => self.map(path, data_type, entries),
            DataType::Union(fields, _) => self.union(path, fields),
            _ => self.leaf(path, data_type),
        }
    }

    fn leaf(&mut self, path: &str, data_type: &DataType) -> Result<Column, Unsupported> {
        let (kind, body) = leaf(data_type)
            .ok_or_else(|| Unsupported::Type { column: path.to_owned(), data_type: data_type.clone() })?;
        let id = self.begin(kind);
        let digits = match data_type {
            DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
            DataType::UInt64 => Some((UNSIGNED_LONG_DIGITS, 0)),
            _ => None,
        };
        if let Some((precision, scale)) = digits {
            self.types[id as usize].uint(5, precision.into());
            self.types[id as usize].uint(6, scale.unsigned_abs().into());
        }
        let mut column = Column::new(id, body, None);
        if let Some(at) = self.bloom_columns.iter().position(|wanted| wanted == path)
            && column.can_bloom()
        {
            self.bloom_columns.swap_remove(at);
            column.add_bloom(Bloom::new(self.group_rows));
        }
        Ok(column)
    }

    fn structure(&mut self, path: &str, fields: &Fields) -> Result<Column, Unsupported> {
        let id = self.begin(Kind::Struct);
        let (mut columns, mut ids) = (Vec::new(), Vec::new());
        for field in fields {
            ids.push(self.next_id());
            columns.push(self.column(&below(path, field), field.data_type())?);
        }
        self.types[id as usize].packed(2, &ids);
        for field in fields {
            self.types[id as usize].blob(3, field.name().as_bytes());
        }
        Ok(Column::new(id, Box::new(Structs::new(columns)), None))
    }

    fn list(&mut self, path: &str, item: &Field) -> Result<Column, Unsupported> {
        let id = self.begin(Kind::List);
        let ids = [self.next_id()];
        let items = self.column(&below(path, item), item.data_type())?;
        self.types[id as usize].packed(2, &ids);
        Ok(Column::new(id, Box::new(Lists::new(items)), None))
    }

    fn map(&mut self, path: &str, data_type: &DataType, entries: &Field) -> Result<Column, Unsupported> {
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(Unsupported::Type { column: path.to_owned(), data_type: data_type.clone() });
        };
        let id = self.begin(Kind::Map);
        let (mut columns, mut ids) = (Vec::new(), Vec::new());
        for field in fields {
            ids.push(self.next_id());
            columns.push(self.column(&below(path, field), field.data_type())?);
        }
        self.types[id as usize].packed(2, &ids);
        let [keys, values] = <[Column; 2]>::try_from(columns)
            .map_err(|_| Unsupported::Type { column: path.to_owned(), data_type: data_type.clone() })?;
        Ok(Column::new(id, Box::new(Maps::new(keys, values)), None))
    }

    fn union(&mut self, path: &str, fields: &UnionFields) -> Result<Column, Unsupported> {
        if fields.len() > UNION_TYPES_MAX {
            return Err(Unsupported::Union { column: path.to_owned(), types: fields.len() });
        }
        let id = self.begin(Kind::Union);
        let (mut variants, mut ids) = (Vec::new(), Vec::new());
        for (type_id, field) in fields.iter() {
            ids.push(self.next_id());
            variants.push((type_id, self.column(&below(path, field), field.data_type())?));
        }
        self.types[id as usize].packed(2, &ids);
        Ok(Column::new(id, Box::new(Unions::new(variants)), None))
    }

    /// The number of a new type.
    fn begin(&mut self, kind: Kind) -> u32 {
        let id = self.types.len() as u32;
        let mut message = Message::default();
        message.uint(1, kind as u64);
        self.types.push(message);
        id
    }

    fn next_id(&self) -> u64 {
        self.types.len() as u64
    }
}

fn below(path: &str, field: &Field) -> String {
    if path.is_empty() { field.name().clone() } else { format!("{path}.{}", field.name()) }
}

/// A type without children.
fn leaf(data_type: &DataType) -> Option<(Kind, Box<dyn Body>)> {
    Some(match data_type {
        DataType::Boolean => (Kind::Boolean, Box::new(Bits::default())),
        DataType::Int8 => (Kind::Byte, Box::new(Bytes::default())),
        DataType::Int16 => (Kind::Short, Box::new(Integers::<Int16Type>::default())),
        DataType::Int32 => (Kind::Int, Box::new(Integers::<Int32Type>::default())),
        DataType::Int64 => (Kind::Long, Box::new(Integers::<Int64Type>::default())),
        // the next larger type that has a sign
        DataType::UInt8 => (Kind::Short, Box::new(Integers::<UInt8Type>::default())),
        DataType::UInt16 => (Kind::Int, Box::new(Integers::<UInt16Type>::default())),
        DataType::UInt32 => (Kind::Long, Box::new(Integers::<UInt32Type>::default())),
        DataType::UInt64 => (Kind::Decimal, Box::new(UnsignedLongs::default())),
        DataType::Float32 => (Kind::Float, Box::new(Floats::<Float32Type>::default())),
        DataType::Float64 => (Kind::Double, Box::new(Floats::<Float64Type>::default())),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (Kind::String, Box::new(Texts::default())),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            (Kind::Binary, Box::new(Binaries::default()))
        }
        DataType::Date32 => (Kind::Date, Box::new(Integers::<Date32Type>::default())),
        DataType::Timestamp(unit, zone) => {
            let kind = if zone.is_some() { Kind::TimestampInstant } else { Kind::Timestamp };
            (kind, timestamps(*unit))
        }
        DataType::Decimal128(_, scale) => (Kind::Decimal, Box::new(Decimals::new(u8::try_from(*scale).ok()?))),
        _ => return None,
    })
}

fn timestamps(unit: TimeUnit) -> Box<dyn Body> {
    match unit {
        TimeUnit::Second => Box::new(Timestamps::<TimestampSecondType>::default()),
        TimeUnit::Millisecond => Box::new(Timestamps::<TimestampMillisecondType>::default()),
        TimeUnit::Microsecond => Box::new(Timestamps::<TimestampMicrosecondType>::default()),
        TimeUnit::Nanosecond => Box::new(Timestamps::<TimestampNanosecondType>::default()),
    }
}
