//! Rows of columns from the fields of a value.
//!
//! Of JSON every type of column is filled, straight from the text. Of the other inputs, whose readers find single fields
//! and build no trees, single values are, and structs of them.

use secor_core::shape::{Input, InputFormat, JsonValue, Output, OutputFormat};

use super::Wishing;
use crate::bad::{BadReason, BadRecord};
use crate::columns::cell::{Mismatch, push_absent, push_cell};
use crate::columns::json::JsonRows;
use crate::columns::row::{push_bytes, push_struct};
use crate::columns::types::{Field, Kind};
use crate::columns::{ddl, orc};
use crate::fields::{Captures, Found};
use crate::json::is_number;

/// How a value becomes a row.
pub(crate) struct RowMaker {
    fields: Vec<Field>,
    source: Source,
    /// May a row be more than an ORC file can hold?
    is_limited: bool,
}

enum Source {
    Json(JsonRows),
    /// One for each field. With numbers that are texts, as those of a regular expression.
    Fields {
        slots: Vec<Slots>,
        input: InputFormat,
    },
}

/// Where a column is found.
struct Slots {
    slot: usize,
    /// Of the fields of a struct.
    within: Vec<Slots>,
}

// === impl RowMaker ===

impl RowMaker {
    /// The output's schema has been checked; one that is wrong makes no columns.
    pub(super) fn new(output: &Output, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        let fields = output.schema.as_deref().and_then(|schema| ddl::parse(schema).ok()).unwrap_or_default();
        let source = match input {
            InputFormat::Json => Source::Json(JsonRows::default()),
            _ => Source::Fields { slots: slots(&fields, &mut Vec::new(), wishing), input },
        };
        let is_limited = output.format == OutputFormat::Orc && orc::has_limits(&fields);
        Self { fields, source, is_limited }
    }

    /// # Errors
    /// [`BadReason::ColumnMismatch`].
    pub(super) fn row(&mut self, value: Option<&[u8]>, captures: &Captures) -> Result<Vec<u8>, BadRecord> {
        let mut row = Vec::with_capacity(value.map_or(0, <[u8]>::len));
        let done = match (&mut self.source, value) {
            (_, None) => self.fields.iter().try_for_each(|field| push_absent(&mut row, field)),
            (Source::Json(rows), Some(value)) => {
                let text = std::str::from_utf8(value).expect("JSON was validated, and is UTF-8");
                rows.push_row(&mut row, &self.fields, text)
            }
            (Source::Fields { slots, input }, Some(value)) => {
                Value { captures, value, input: *input }.push_cells(&mut row, &self.fields, slots)
            }
        };
        let done = done.and_then(|()| if self.is_limited { orc::check(&row, &self.fields) } else { Ok(()) });
        done.map(|()| row).map_err(|mismatch| BadReason::ColumnMismatch.with(mismatch.to_string()))
    }
}

fn slots<'f>(fields: &'f [Field], path: &mut Vec<&'f str>, wishing: &mut impl Wishing) -> Vec<Slots> {
    let mut slots_of = Vec::new();
    for field in fields {
        path.push(&field.name);
        if let Some(slot) = wishing.names("output.schema", path) {
            let within = match &field.kind {
                Kind::Struct(fields) => slots(fields, path, wishing),
                _ => Vec::new(),
            };
            slots_of.push(Slots { slot, within });
        }
        path.pop();
    }
    slots_of
}

/// What was found in one value.
struct Value<'v> {
    captures: &'v Captures,
    value: &'v [u8],
    input: InputFormat,
}

// === impl Value ===

impl Value<'_> {
    fn push_cells(&self, row: &mut Vec<u8>, fields: &[Field], slots: &[Slots]) -> Result<(), Mismatch> {
        fields.iter().zip(slots).try_for_each(|(field, slots)| self.push(row, field, slots))
    }

    fn push(&self, row: &mut Vec<u8>, field: &Field, slots: &Slots) -> Result<(), Mismatch> {
        let found = self.captures.get(slots.slot, self.value);
        match (&field.kind, found) {
            (Kind::Struct(fields), Found::Container) => {
                push_struct(row);
                self.push_cells(row, fields, &slots.within).map_err(|mismatch| mismatch.within(field))
            }
            (Kind::Binary, Found::Text(_) | Found::Binary) if self.captures.bytes(slots.slot, self.value).is_some() => {
                push_bytes(row, self.captures.bytes(slots.slot, self.value).unwrap_or_default());
                Ok(())
            }
            // an enum's name stands in the schema, and is no bytes
            (Kind::Binary, Found::Text(_)) => Err(Mismatch::unfit(field, found)),
            (kind, Found::Text(raw)) if self.input == InputFormat::Text && kind.is_number() => {
                let text = raw.unescape().unwrap_or_default();
                let found = if is_number(&text) { Found::Number(&text) } else { found };
                push_cell(row, field, found)
            }
            _ => push_cell(row, field, found),
        }
    }
}

/// Says what is wrong with the columns of an output whose files hold them from values; gives the columns.
pub(super) fn check(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) -> Vec<Field> {
    const KEY: &str = "output.schema";
    let Some(schema) = &output.schema else {
        let hint = "such as \"struct<id:bigint,name:string,tags:array<string>>\", or set `content = \"envelope\"`";
        fault(KEY, "the columns of the files are not given".to_owned(), hint);
        return Vec::new();
    };
    let fields = match ddl::parse(schema) {
        Ok(fields) => fields,
        Err(why) => {
            fault(KEY, why, "columns as Hive writes them: \"struct<id:bigint,name:string,tags:array<string>>\"");
            return Vec::new();
        }
    };
    if input.format == InputFormat::Json && input.json != JsonValue::Object {
        let message = "columns are those of one object".to_owned();
        fault(KEY, message, "leave `input.json` out, or set `content = \"envelope\"`");
    }
    if input.format != InputFormat::Json && fields.iter().any(|field| field.kind.needs_json()) {
        let message = "`array`, `map` and `json` are for `json` input".to_owned();
        fault(KEY, message, "name single fields and structs of them, or set `content = \"envelope\"`");
    }
    fields
}
