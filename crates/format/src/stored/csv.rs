//! Rows of CSV from the fields of a value.

use std::borrow::Cow;

use secor_core::shape::Output;

use crate::bad::{BadReason, BadRecord};
use crate::encode::{column_separator, push_column};
use crate::event_time::iso_text;
use crate::fields::Found;

/// Room for a column that is mostly enough.
const COLUMN_BYTES: usize = 24;

pub(crate) struct Columns {
    slots: Vec<usize>,
    separator: u8,
    null: Box<str>,
}

// === impl Columns ===

impl Columns {
    /// `slots` are those of the fields, in the columns' order.
    pub(super) fn new(output: &Output, slots: Vec<usize>) -> Self {
        Self { slots, separator: column_separator(output), null: output.null_text.as_str().into() }
    }

    /// A row without its end.
    ///
    /// # Errors
    /// [`BadReason::ColumnNotScalar`].
    pub(super) fn row<'f>(&self, field: impl Fn(usize) -> Found<'f>) -> Result<Vec<u8>, BadRecord> {
        let mut row = Vec::with_capacity(self.slots.len() * COLUMN_BYTES);
        for (i, &slot) in self.slots.iter().enumerate() {
            if i > 0 {
                row.push(self.separator);
            }
            match text(field(slot)) {
                Ok(Some(text)) => push_column(&mut row, &text, self.separator, &self.null),
                Ok(None) => row.extend_from_slice(self.null.as_bytes()),
                Err(what) => return Err(BadReason::ColumnNotScalar.with(format!("column {} is {what}", i + 1))),
            }
        }
        Ok(row)
    }
}

/// `None`: null.
fn text(found: Found<'_>) -> Result<Option<Cow<'_, str>>, &'static str> {
    match found {
        Found::Missing | Found::Null => Ok(None),
        Found::Bool(true) => Ok(Some(Cow::Borrowed("true"))),
        Found::Bool(false) => Ok(Some(Cow::Borrowed("false"))),
        Found::Number(text) => Ok(Some(Cow::Borrowed(text))),
        Found::Integer(number) => Ok(Some(Cow::Owned(number.to_string()))),
        Found::Single(number) => Ok(Some(Cow::Owned(number.to_string()))),
        Found::Double(number) => Ok(Some(Cow::Owned(number.to_string()))),
        Found::Time(time) => iso_text(time).map(|text| Some(Cow::Owned(text))).ok_or("no text"),
        Found::Text(raw) => raw.unescape().map(Some).ok_or("no text"),
        Found::Binary => Err("no text"),
        Found::Container => Err("an object or an array"),
    }
}
