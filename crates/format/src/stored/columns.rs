//! Rows of columns from values: of what walks over its bytes straight from there, of texts from the groups of the pattern.

use secor_core::shape::{Input, InputFormat, JsonValue, Output, OutputFormat};

use super::{ReadBody, Wishing};
use crate::bad::{BadReason, BadRecord};
use crate::columns::cell::{Mismatch, push_absent, push_cell};
use crate::columns::fill::{Beside, RowOf};
use crate::columns::metadata::{Metadata, RecordWalk};
use crate::columns::row::push_bytes;
use crate::columns::types::{Field, Kind};
use crate::columns::{ddl, orc};
use crate::fields::Found;
use crate::input::Step;
use crate::json::is_number;

const KEY: &str = "output.schema";

/// How a value becomes a row.
pub(crate) struct RowMaker {
    fields: Vec<Field>,
    /// What of the record each column holds; `None`: something of its value.
    metadata: Vec<Option<Metadata>>,
    /// Of `text` input: where the group of each column is found, if it is of the value.
    slots: Option<Vec<Option<usize>>>,
    /// May a row be more than an ORC file can hold?
    is_limited: bool,
}

// === impl RowMaker ===

impl RowMaker {
    /// The output's schema has been checked; one that is wrong makes no columns.
    pub(super) fn new(output: &Output, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        let fields = output.schema.as_deref().and_then(|schema| ddl::parse(schema).ok()).unwrap_or_default();
        let metadata = fields.iter().map(|field| Metadata::of(field).ok().flatten()).collect();
        let is_limited = output.format == OutputFormat::Orc && orc::has_limits(&fields);
        Self { is_limited, ..Self::with(fields, metadata, input, wishing) }
    }

    /// For columns that no notation says, all of the value.
    pub(super) fn of(fields: Vec<Field>, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        let metadata = vec![None; fields.len()];
        Self::with(fields, metadata, input, wishing)
    }

    fn with(
        fields: Vec<Field>,
        metadata: Vec<Option<Metadata>>,
        input: InputFormat,
        wishing: &mut impl Wishing,
    ) -> Self {
        let columns = || fields.iter().zip(&metadata);
        let slots = match input {
            InputFormat::Text => {
                let mut slot = |field: &Field| wishing.names(KEY, &[&field.name]);
                Some(columns().map(|(field, metadata)| if metadata.is_none() { slot(field) } else { None }).collect())
            }
            _ => {
                let of_value = columns().filter(|(_, metadata)| metadata.is_none()).map(|(field, _)| field);
                wish_all(of_value, &mut Vec::new(), wishing);
                None
            }
        };
        Self { fields, metadata, slots, is_limited: false }
    }

    /// # Errors
    /// [`BadReason::ColumnMismatch`].
    pub(super) fn row(&self, read: &ReadBody<'_, '_>) -> Result<Vec<u8>, BadRecord> {
        let mut row = Vec::with_capacity(read.bytes.len());
        let beside =
            Beside { metadata: &self.metadata, record: RecordWalk { record: *read.record, source: read.source } };
        let done = match (read.record.value, &self.slots) {
            (None, _) => self.push_columns(&mut row, &beside, |row, _, field| push_absent(row, field)),
            (Some(_), Some(slots)) => self.push_columns(&mut row, &beside, |row, index, field| match slots[index] {
                Some(slot) => push_group(row, field, read.captures.get(slot, read.bytes)),
                None => push_absent(row, field),
            }),
            (Some(_), None) => {
                let row = RowOf { fields: &self.fields, row: &mut row, beside: &beside };
                read.reader.walk(read.bytes, read.schema, row)
            }
        };
        let done = done.and_then(|()| if self.is_limited { orc::check(&row, &self.fields) } else { Ok(()) });
        done.map(|()| row).map_err(|mismatch| BadReason::ColumnMismatch.with(mismatch.to_string()))
    }

    /// All cells; `of_value` appends those of columns of the value.
    fn push_columns(
        &self,
        row: &mut Vec<u8>,
        beside: &Beside<'_>,
        of_value: impl Fn(&mut Vec<u8>, usize, &Field) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        self.fields.iter().enumerate().try_for_each(|(index, field)| {
            beside.push(row, index, field).unwrap_or_else(|| of_value(row, index, field))
        })
    }
}

/// The cell of a group of a pattern: a text, which may be a number.
fn push_group(row: &mut Vec<u8>, field: &Field, found: Found<'_>) -> Result<(), Mismatch> {
    let Found::Text(raw) = found else { return push_cell(row, field, found) };
    let text = raw.unescape().unwrap_or_default();
    match &field.kind {
        Kind::Binary => {
            push_bytes(row, text.as_bytes());
            Ok(())
        }
        kind if kind.is_number() && is_number(&text) => push_cell(row, field, Found::Number(&text)),
        _ => push_cell(row, field, found),
    }
}

/// Asks for every column whether the input can have it.
fn wish_all<'f>(fields: impl IntoIterator<Item = &'f Field>, path: &mut Vec<Step<'f>>, wishing: &mut impl Wishing) {
    for field in fields {
        path.push(Step::Name(&field.name));
        if wishing.column(KEY, path) {
            wish_below(&field.kind, path, wishing);
        }
        path.pop();
    }
}

fn wish_below<'f>(kind: &'f Kind, path: &mut Vec<Step<'f>>, wishing: &mut impl Wishing) {
    match kind {
        Kind::Struct(fields) => wish_all(fields, path, wishing),
        Kind::List(inner) | Kind::Map(inner) => {
            path.push(Step::Item);
            if wishing.column(KEY, path) {
                wish_below(&inner.kind, path, wishing);
            }
            path.pop();
        }
        _ => {}
    }
}

/// Says what is wrong with the columns of an output whose files hold them from values; gives the columns.
pub(super) fn check(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) -> Vec<Field> {
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
    check_input(&fields, input, fault);
    fields
}

/// Says why an input can't fill such columns.
pub(super) fn check_input(fields: &[Field], input: &Input, fault: &mut dyn FnMut(&str, String, &str)) {
    if input.format == InputFormat::Json && input.json != JsonValue::Object {
        let message = "columns are those of one object".to_owned();
        fault(KEY, message, "leave `input.json` out, or set `content = \"envelope\"`");
    }
    let metadata: Vec<_> = fields.iter().map(Metadata::of).collect();
    for why in metadata.iter().filter_map(|metadata| metadata.as_ref().err()) {
        let hint = "choose another name for what is of the value; the page of formats has the columns of a record";
        fault(KEY, why.clone(), hint);
    }
    if metadata.iter().all(|metadata| matches!(metadata, Ok(Some(_)))) {
        let message = "no column is of the value".to_owned();
        fault(KEY, message, "name fields of the value, or set `content = \"envelope\"`");
    }
    let of_value = || fields.iter().zip(&metadata).filter(|(_, metadata)| matches!(metadata, Ok(None)));
    let has = |is: fn(&Kind) -> bool| of_value().any(|(field, _)| field.kind.any(is));
    if input.format != InputFormat::Json && has(|kind| *kind == Kind::Json) {
        let message = "`json` is for `json` input".to_owned();
        fault(KEY, message, "name the fields within as a `struct` or a `map`, or set `content = \"envelope\"`");
    }
    if input.format == InputFormat::Text && has(|kind| matches!(kind, Kind::List(_) | Kind::Map(_) | Kind::Struct(_))) {
        let message = "the groups of a pattern are single values".to_owned();
        fault(KEY, message, "name single types, such as `bigint` and `string`");
    }
}
