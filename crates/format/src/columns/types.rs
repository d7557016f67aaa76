//! Types of columns, and what they are in Arrow.
//!
//! The same in every file format: what Hive, Spark, Trino and DuckDB agree on. Names of the inner parts of lists and maps
//! are those of Parquet's specification.

use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Fields, Schema, SchemaRef, TimeUnit};

/// A column, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub name: Box<str>,
    pub kind: Kind,
    /// There is always a value.
    pub required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    /// At most 38 digits, `scale` of them behind the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    String,
    /// A text that is JSON of any kind; in a file it is a string.
    Json,
    Binary,
    /// Days since 1970.
    Date,
    Timestamp(Timestamp),
    List(Box<Field>),
    /// From texts to this.
    Map(Box<Field>),
    /// At least one.
    Struct(Vec<Field>),
}

/// Since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timestamp {
    /// In UTC.
    Milliseconds,
    /// In UTC.
    Microseconds,
    /// In microseconds, on a clock whose zone is not said.
    Civil,
}

/// Of the element of a list.
const ELEMENT: &str = "element";
/// Of the parts of a map.
const ENTRIES: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";
const UTC: &str = "UTC";

// === impl Field ===

impl Field {
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.into(), kind, required: false }
    }

    pub(crate) fn required(name: &str, kind: Kind) -> Self {
        Self { required: true, ..Self::new(name, kind) }
    }

    fn to_arrow(&self) -> ArrowField {
        ArrowField::new(&*self.name, self.kind.to_arrow(), !self.required)
    }

    /// # Errors
    /// The name of a type that no column of ours has.
    fn from_arrow(field: &ArrowField) -> Result<Self, String> {
        let kind = Kind::from_arrow(field.data_type())?;
        Ok(Self { name: field.name().as_str().into(), kind, required: !field.is_nullable() })
    }
}

// === impl Kind ===

impl Kind {
    /// Elements may be null.
    pub(crate) fn list(element: Self) -> Self {
        Self::List(Box::new(Field::new(ELEMENT, element)))
    }

    /// No element is null.
    pub(crate) fn full_list(element: Self) -> Self {
        Self::List(Box::new(Field::required(ELEMENT, element)))
    }

    pub(crate) fn map(value: Self) -> Self {
        Self::Map(Box::new(Field::new(VALUE, value)))
    }

    pub(crate) fn is_number(&self) -> bool {
        use Kind::{Decimal, Double, Float, Int8, Int16, Int32, Int64};
        matches!(self, Int8 | Int16 | Int32 | Int64 | Float | Double | Decimal { .. })
    }

    /// Is it of this kind, or has it one within?
    pub(crate) fn any(&self, is: fn(&Self) -> bool) -> bool {
        is(self)
            || match self {
                Self::List(inner) | Self::Map(inner) => inner.kind.any(is),
                Self::Struct(fields) => fields.iter().any(|field| field.kind.any(is)),
                _ => false,
            }
    }

    pub(crate) fn to_arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => {
                DataType::Decimal128(*precision, i8::try_from(*scale).expect("at most 38 digits"))
            }
            Self::String | Self::Json => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp(Timestamp::Milliseconds) => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
            Self::Timestamp(Timestamp::Microseconds) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Timestamp(Timestamp::Civil) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Map(value) => {
                let key = ArrowField::new(KEY, DataType::Utf8, false);
                let entries = DataType::Struct(Fields::from(vec![key, value.to_arrow()]));
                DataType::Map(Arc::new(ArrowField::new(ENTRIES, entries, false)), false)
            }
            Self::List(element) => DataType::List(Arc::new(element.to_arrow())),
            Self::Struct(fields) => DataType::Struct(arrow_fields(fields)),
        }
    }

    fn from_arrow(data_type: &DataType) -> Result<Self, String> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(precision, scale @ 0..) => {
                Self::Decimal { precision: *precision, scale: scale.unsigned_abs() }
            }
            DataType::Date32 => Self::Date,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp(Timestamp::Civil),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(parts) if parts.len() == 2 && *parts[0].data_type() == DataType::Utf8 => {
                    Self::Map(Box::new(Field::from_arrow(&parts[1])?))
                }
                other => return Err(format!("a map of {other}")),
            },
            DataType::Utf8 => Self::String,
            DataType::Binary => Self::Binary,
            DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => Self::Timestamp(Timestamp::Milliseconds),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Self::Timestamp(Timestamp::Microseconds),
            DataType::List(element) => Self::List(Box::new(Field::from_arrow(element)?)),
            DataType::Struct(fields) => Self::Struct(fields_of(fields)?),
            other => return Err(format!("a column of type {other}")),
        })
    }
}

/// As in a schema.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int8 => f.write_str("tinyint"),
            Self::Int16 => f.write_str("smallint"),
            Self::Int32 => f.write_str("int"),
            Self::Int64 => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Json => f.write_str("json"),
            Self::Binary => f.write_str("binary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp(Timestamp::Civil) => f.write_str("timestamp_ntz"),
            Self::Timestamp(_) => f.write_str("timestamp"),
            Self::List(element) => write!(f, "array<{}>", element.kind),
            Self::Map(value) => write!(f, "map<string,{}>", value.kind),
            Self::Struct(_) => f.write_str("struct"),
        }
    }
}

pub(crate) fn arrow_fields(fields: &[Field]) -> Fields {
    fields.iter().map(Field::to_arrow).collect()
}

pub(crate) fn schema(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(arrow_fields(fields)))
}

/// The columns of a file.
///
/// # Errors
/// The name of a type that no column of ours has.
pub(crate) fn fields_of(fields: &Fields) -> Result<Vec<Field>, String> {
    fields.iter().map(|field| Field::from_arrow(field)).collect()
}

/// Is there a column of single values at `path`? Its names are separated by dots, and lists are not entered.
pub(crate) fn has_leaf(fields: &[Field], path: &str) -> bool {
    fields.iter().any(|field| match path.strip_prefix(&*field.name) {
        Some("") => !matches!(field.kind, Kind::List(_) | Kind::Map(_) | Kind::Struct(_)),
        Some(rest) => match (&field.kind, rest.strip_prefix('.')) {
            (Kind::Struct(fields), Some(rest)) => has_leaf(fields, rest),
            _ => false,
        },
        None => false,
    })
}
