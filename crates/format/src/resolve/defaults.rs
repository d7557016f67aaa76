//! Defaults of fields: from the JSON of a schema to the binary of a datum.

use serde_json::{Map, Value};

use super::model::{Field, Kind, Model};
use super::transcode::{push_number, push_sized};

/// Deepest nesting of a default; a record whose defaults hold itself has no end.
const DEPTH_MAX: u32 = 64;

/// Every default of the schema is a value of its field.
///
/// # Errors
/// Which is not.
pub(super) fn check(model: &Model) -> Result<(), String> {
    for kind in model.kinds() {
        let Kind::Record { name, fields } = kind else { continue };
        for field in fields {
            if let Some(default) = &field.default {
                let why = |why: String| format!("the default of field `{}` in `{}`: {why}", field.name, name.full);
                binary(model, field.of, default).map_err(why)?;
            }
        }
    }
    Ok(())
}

/// `value` as a datum of a type.
///
/// # Errors
/// Why it is none.
pub(super) fn binary(model: &Model, of: usize, value: &Value) -> Result<Vec<u8>, String> {
    let mut datum = Vec::new();
    Writer { model, datum: &mut datum }.push(of, value, 0)?;
    Ok(datum)
}

struct Writer<'m, 'd> {
    model: &'m Model,
    datum: &'d mut Vec<u8>,
}

// === impl Writer ===

impl Writer<'_, '_> {
    fn push(&mut self, of: usize, value: &Value, depth: u32) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err("it is nested too deep".to_owned());
        }
        let model = self.model;
        let kind = model.kind(of);
        let unfit = || format!("{value} is no {}", kind.word());
        match (kind, value) {
            (Kind::Null, Value::Null) => {}
            (Kind::Boolean, Value::Bool(value)) => self.datum.push(u8::from(*value)),
            (Kind::Int, Value::Number(number)) => {
                let int = number.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(unfit)?;
                push_number(self.datum, i64::from(int));
            }
            (Kind::Long, Value::Number(number)) => push_number(self.datum, number.as_i64().ok_or_else(unfit)?),
            (Kind::Float, Value::Number(number)) => {
                // the nearest one, as of the number of a datum
                let float = number.as_f64().ok_or_else(unfit)? as f32;
                self.datum.extend_from_slice(&float.to_le_bytes());
            }
            (Kind::Double, Value::Number(number)) => {
                self.datum.extend_from_slice(&number.as_f64().ok_or_else(unfit)?.to_le_bytes());
            }
            (Kind::String, Value::String(text)) => push_sized(self.datum, text.as_bytes()),
            (Kind::Bytes, Value::String(text)) => push_sized(self.datum, &bytes(text).ok_or_else(unfit)?),
            (Kind::Fixed { size, .. }, Value::String(text)) => {
                let bytes = bytes(text).filter(|bytes| bytes.len() as u64 == *size).ok_or_else(unfit)?;
                self.datum.extend_from_slice(&bytes);
            }
            (Kind::Enum { symbols, .. }, Value::String(text)) => {
                let index = symbols.iter().position(|symbol| symbol == text).ok_or_else(unfit)?;
                push_number(self.datum, i64::try_from(index).expect("an enum has few symbols"));
            }
            (Kind::Array(items), Value::Array(values)) => {
                self.push_block(values.len(), values, |writer, value| writer.push(*items, value, depth + 1))?;
            }
            (Kind::Map(values), Value::Object(entries)) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.push_block(entries.len(), entries, |writer, (key, value)| {
                    push_sized(writer.datum, key.as_bytes());
                    writer.push(*values, value, depth + 1)
                })?;
            }
            (Kind::Union(branches), value) => self.push_branch(branches, value, depth)?,
            (Kind::Record { fields, .. }, Value::Object(entries)) => self.push_fields(fields, entries, depth)?,
            _ => return Err(unfit()),
        }
        Ok(())
    }

    fn push_block<T>(
        &mut self,
        count: usize,
        items: impl IntoIterator<Item = T>,
        push: impl Fn(&mut Self, T) -> Result<(), String>,
    ) -> Result<(), String> {
        if count > 0 {
            push_number(self.datum, i64::try_from(count).expect("a schema has few values"));
            items.into_iter().try_for_each(|item| push(self, item))?;
        }
        push_number(self.datum, 0);
        Ok(())
    }

    /// The first branch that the value is of.
    fn push_branch(&mut self, branches: &[usize], value: &Value, depth: u32) -> Result<(), String> {
        let start = self.datum.len();
        for (index, branch) in branches.iter().enumerate() {
            push_number(self.datum, i64::try_from(index).expect("a union has few branches"));
            if self.push(*branch, value, depth + 1).is_ok() {
                return Ok(());
            }
            self.datum.truncate(start);
        }
        Err(format!("{value} is of no branch of the union"))
    }

    fn push_fields(&mut self, fields: &[Field], entries: &Map<String, Value>, depth: u32) -> Result<(), String> {
        for field in fields {
            let value = entries.get(&field.name).or(field.default.as_ref());
            let value = value.ok_or_else(|| format!("field `{}` is missing", field.name))?;
            self.push(field.of, value, depth + 1)?;
        }
        Ok(())
    }
}

/// As schemas write bytes: each character is the byte of its number.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
