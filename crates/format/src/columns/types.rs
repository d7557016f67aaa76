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
    Int32,
    Int64,
    String,
    Binary,
    Timestamp(Timestamp),
    List(Box<Field>),
    /// At least one.
    Struct(Vec<Field>),
}

/// Since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timestamp {
    Milliseconds,
    Microseconds,
}

/// Of the element of a list.
const ELEMENT: &str = "element";
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
    pub(crate) fn list(element: Self) -> Self {
        Self::List(Box::new(Field::required(ELEMENT, element)))
    }

    pub(crate) fn to_arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::String => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Timestamp(unit) => DataType::Timestamp(unit.to_arrow(), Some(UTC.into())),
            Self::List(element) => DataType::List(Arc::new(element.to_arrow())),
            Self::Struct(fields) => DataType::Struct(arrow_fields(fields)),
        }
    }

    fn from_arrow(data_type: &DataType) -> Result<Self, String> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
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

// === impl Timestamp ===

impl Timestamp {
    fn to_arrow(self) -> TimeUnit {
        match self {
            Self::Milliseconds => TimeUnit::Millisecond,
            Self::Microseconds => TimeUnit::Microsecond,
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
        Some("") => !matches!(field.kind, Kind::List(_) | Kind::Struct(_)),
        Some(rest) => match (&field.kind, rest.strip_prefix('.')) {
            (Kind::Struct(fields), Some(rest)) => has_leaf(fields, rest),
            _ => false,
        },
        None => false,
    })
}
