//! The columns of a schema, in the notation of `output.schema`: a proposal, to be looked at and then kept.
//!
//! A file's columns are decided once (decision 0010), so they are not derived from a schema while records pass. This derives
//! them beforehand, for a person: what fits every value of the schema, or of a sample. What no column can hold is left out
//! and named.
//!
//! Deliberately absent: `not null`. It would make a tombstone bad, and a message of an older schema that lacks the field;
//! who knows that there are none may write it.

mod avro;
mod json;
mod protobuf;
mod thrift;

use std::collections::BTreeMap;
use std::io::BufRead;

use secor_core::manifest::RegisteredSchema;
use secor_core::shape::{InputFormat, Schema};

use crate::columns::ddl;
use crate::columns::metadata::PREFIX;
use crate::columns::types::{Field, Kind};
use crate::input::avro::inline::inline;
use crate::input::protobuf::schema::compile_registered;

/// Columns, and what is in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notation {
    /// As `output.schema` takes it, over several lines.
    pub text: String,
    pub left_out: Vec<LeftOut>,
}

/// A part of a schema that no column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Names from the top, with dots between; `[]` is an item of a list or a value of a map.
    pub path: String,
    pub why: String,
}

/// The columns of values with this schema; `message` is the name of a Protobuf message or a Thrift struct, which only a
/// schema with several needs.
///
/// # Errors
/// Why there are none: the schema is none of the format, has no such message, or nothing in it can be a column.
pub fn of_schema(format: InputFormat, schema: &Schema, message: Option<&str>) -> Result<Notation, String> {
    let mut sketch = Sketch::default();
    let columns = match format {
        InputFormat::Avro => avro::columns(&schema.text, &mut sketch),
        InputFormat::Protobuf => protobuf::columns(&schema.text, message, &mut sketch),
        InputFormat::Thrift => thrift::columns(schema, message, &mut sketch),
        InputFormat::Bytes | InputFormat::Text | InputFormat::Json | InputFormat::MessagePack => {
            Err("values of this format have no schema".to_owned())
        }
    };
    sketch.notation(columns?)
}

/// The columns of a sample of JSON values, one on a line; empty lines and `null` are passed over. Another value may well
/// have others: a sample says no more than it shows.
///
/// # Errors
/// Why there are none: a line is no JSON object, nothing is in them, or the sample can't be read.
pub fn of_values(lines: impl BufRead) -> Result<Notation, String> {
    let mut sketch = Sketch::default();
    let columns = json::columns(lines, &mut sketch)?;
    sketch.notation(columns)
}

/// The same of what a registry has.
///
/// # Errors
/// As [`of_schema`]; JSON Schema says too little of types.
pub fn of_registered(schema: &RegisteredSchema, message: Option<&str>) -> Result<Notation, String> {
    let of =
        |format, text| of_schema(format, &Schema { name: String::new(), text, includes: BTreeMap::new() }, message);
    match schema.kind.as_str() {
        "AVRO" if schema.references.is_empty() => of(InputFormat::Avro, schema.text.clone()),
        "AVRO" => of(InputFormat::Avro, inline(&schema.text, &schema.references)?),
        "PROTOBUF" => of(InputFormat::Protobuf, compile_registered(&schema.text, &schema.references)?),
        kind => Err(format!("a schema of type `{kind}` does not say which columns there are")),
    }
}

/// Columns on their way; what is no column says why, as an `Err` that its field catches.
#[derive(Default)]
struct Sketch {
    /// Where we are.
    path: Vec<String>,
    left_out: Vec<LeftOut>,
    columns: usize,
}

// === impl Sketch ===

impl Sketch {
    fn notation(self, columns: Kind) -> Result<Notation, String> {
        match columns {
            Kind::Struct(fields) => Ok(Notation { text: ddl::print(&fields), left_out: self.left_out }),
            _ => Err("it has no fields, which columns are made of".to_owned()),
        }
    }

    /// A struct of members; `kind` makes the type of one.
    fn structure<'m, M: ?Sized + 'm>(
        &mut self,
        members: impl Iterator<Item = (&'m str, &'m M)>,
        kind: &mut dyn FnMut(&mut Self, &'m M) -> Result<Kind, String>,
    ) -> Result<Kind, String> {
        let mut fields: Vec<Field> = Vec::new();
        for (name, member) in members {
            self.path.push(name.to_owned());
            let is_taken = self.path.len() == 1 && name.starts_with(PREFIX);
            let free =
                if is_taken { Err(format!("columns that begin with `{PREFIX}` are of the record")) } else { Ok(()) };
            let made = free.and_then(|()| self.room()).and_then(|()| kind(self, member)).and_then(|kind| {
                // readers that don't tell case apart find two columns of one name
                let twice = fields.iter().find(|field| field.name.to_lowercase() == name.to_lowercase());
                twice.map_or(Ok(kind), |twice| Err(format!("column `{}` has the same name", twice.name)))
            });
            match made {
                Ok(kind) => {
                    self.columns += 1;
                    fields.push(Field::new(name, kind));
                }
                Err(why) => self.left_out.push(LeftOut { path: self.path.join("."), why }),
            }
            self.path.pop();
        }
        if fields.is_empty() { Err("no field of it can be a column".to_owned()) } else { Ok(Kind::Struct(fields)) }
    }

    /// The type of the items of a list, or of the values of a map.
    fn inner(&mut self, kind: impl FnOnce(&mut Self) -> Result<Kind, String>) -> Result<Kind, String> {
        self.path.push("[]".to_owned());
        let made = self.room().and_then(|()| kind(self));
        self.path.pop();
        made
    }

    fn room(&self) -> Result<(), String> {
        if self.path.len() > ddl::DEPTH_MAX as usize {
            return Err(format!("it is nested more than {} deep", ddl::DEPTH_MAX));
        }
        if self.columns >= ddl::FIELDS_MAX {
            return Err(format!("there are more than {} columns", ddl::FIELDS_MAX));
        }
        Ok(())
    }
}

const HOLDS_ITSELF: &str = "it holds itself";
