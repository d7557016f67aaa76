//! Rows of columns from values: of what walks over its bytes straight from there, of texts from the groups of the pattern.

use secor_core::shape::{Input, InputFormat, JsonValue, Output, OutputFormat};

use super::{ReadBody, Wishing};
use crate::bad::{BadReason, BadRecord};
use crate::columns::cell::{Mismatch, push_absent, push_cell};
use crate::columns::fill::RowOf;
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
    /// Of `text` input: where the group of each field is found.
    slots: Option<Vec<usize>>,
    /// May a row be more than an ORC file can hold?
    is_limited: bool,
}

// === impl RowMaker ===

impl RowMaker {
    /// The output's schema has been checked; one that is wrong makes no columns.
    pub(super) fn new(output: &Output, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        let fields = output.schema.as_deref().and_then(|schema| ddl::parse(schema).ok()).unwrap_or_default();
        let is_limited = output.format == OutputFormat::Orc && orc::has_limits(&fields);
        Self { is_limited, ..Self::of(fields, input, wishing) }
    }

    /// For columns that no notation says.
    pub(super) fn of(fields: Vec<Field>, input: InputFormat, wishing: &mut impl Wishing) -> Self {
        let slots = match input {
            InputFormat::Text => Some(fields.iter().filter_map(|it| wishing.names(KEY, &[&it.name])).collect()),
            _ => {
                wish_all(&fields, &mut Vec::new(), wishing);
                None
            }
        };
        Self { fields, slots, is_limited: false }
    }

    /// # Errors
    /// [`BadReason::ColumnMismatch`].
    pub(super) fn row(&self, read: &ReadBody<'_, '_>) -> Result<Vec<u8>, BadRecord> {
        let mut row = Vec::with_capacity(read.bytes.len());
        let done = match (read.record.value, &self.slots) {
            (None, _) => self.fields.iter().try_for_each(|field| push_absent(&mut row, field)),
            (Some(_), Some(slots)) => self.push_groups(&mut row, slots, read),
            (Some(_), None) => read.reader.walk(read.bytes, read.schema, RowOf { fields: &self.fields, row: &mut row }),
        };
        let done = done.and_then(|()| if self.is_limited { orc::check(&row, &self.fields) } else { Ok(()) });
        done.map(|()| row).map_err(|mismatch| BadReason::ColumnMismatch.with(mismatch.to_string()))
    }

    fn push_groups(&self, row: &mut Vec<u8>, slots: &[usize], read: &ReadBody<'_, '_>) -> Result<(), Mismatch> {
        for (field, slot) in self.fields.iter().zip(slots) {
            let found = read.captures.get(*slot, read.bytes);
            let Found::Text(raw) = found else {
                push_cell(row, field, found)?;
                continue;
            };
            let text = raw.unescape().unwrap_or_default();
            match &field.kind {
                Kind::Binary => push_bytes(row, text.as_bytes()),
                kind if kind.is_number() && is_number(&text) => push_cell(row, field, Found::Number(&text))?,
                _ => push_cell(row, field, found)?,
            }
        }
        Ok(())
    }
}

/// Asks for every column whether the input can have it.
fn wish_all<'f>(fields: &'f [Field], path: &mut Vec<Step<'f>>, wishing: &mut impl Wishing) {
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
    let has = |is: fn(&Kind) -> bool| fields.iter().any(|field| field.kind.any(is));
    if input.format != InputFormat::Json && has(|kind| *kind == Kind::Json) {
        let message = "`json` is for `json` input".to_owned();
        fault(KEY, message, "name the fields within as a `struct` or a `map`, or set `content = \"envelope\"`");
    }
    if input.format == InputFormat::Text && has(|kind| matches!(kind, Kind::List(_) | Kind::Map(_) | Kind::Struct(_))) {
        let message = "the groups of a pattern are single values".to_owned();
        fault(KEY, message, "name single types, such as `bigint` and `string`");
    }
}
