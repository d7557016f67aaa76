//! Columns of JSON values that somebody has: a type for each name that fits all of them.
//!
//! A sample is no schema, so nothing is guessed beyond what JSON says: a date is a string. What is of several types, or null
//! or empty wherever it was seen, becomes `json`, which takes any value.

use std::io::BufRead;
use std::ops::ControlFlow;

use super::Sketch;
use crate::columns::ddl;
use crate::columns::types::Kind;
use crate::fields::{Captures, Found, Wanted};
use crate::json::{JsonWalk, Outline, outline_object};
use crate::walk::{Seen, Walk};

/// What was seen under a name.
#[derive(Debug, Default, PartialEq, Eq)]
enum Sight {
    #[default]
    Nothing,
    Boolean,
    /// That fits 64 bits.
    Whole,
    Number,
    Text,
    List(Box<Sight>),
    /// In the order in which the names came.
    Object(Vec<(Box<str>, Sight)>),
    Several,
}

/// # Errors
/// The first line that is no JSON object; or there is none.
pub(super) fn columns(lines: impl BufRead, sketch: &mut Sketch) -> Result<Kind, String> {
    let (wanted, mut captures, mut outline) = (Wanted::new(), Captures::default(), Outline::default());
    let mut sight = Sight::Nothing;
    for (index, line) in lines.lines().enumerate() {
        let at_line = |why: String| format!("line {}: {why}", index + 1);
        let line = line.map_err(|error| at_line(error.to_string()))?;
        // a tombstone, as `secor cat` prints it
        if matches!(line.trim(), "" | "null") {
            continue;
        }
        let outlined = outline_object(&line, &wanted, &mut captures, &mut outline);
        outlined.map_err(|error| at_line(format!("no JSON object: {error}")))?;
        let (walk, root) = JsonWalk::new(&line, &outline);
        sight.add(&walk, root);
    }
    match sight {
        Sight::Nothing => Err("there is no value in it".to_owned()),
        sight => sight.kind(sketch),
    }
}

// === impl Sight ===

impl Sight {
    fn add(&mut self, walk: &JsonWalk<'_>, place: u32) {
        self.join(match walk.look(&[place]) {
            Seen::Single(Found::Null) => return,
            Seen::Single(Found::Bool(_)) => Self::Boolean,
            Seen::Single(Found::Number(text)) if text.parse::<i64>().is_ok() => Self::Whole,
            Seen::Single(Found::Number(_)) => Self::Number,
            Seen::Items => Self::List(Box::default()),
            Seen::Entries => Self::Object(Vec::new()),
            _ => Self::Text,
        });
        match self {
            Self::List(items) => walk.items(&[place], &mut |item| {
                items.add(walk, item);
                ControlFlow::Continue(())
            }),
            Self::Object(fields) => {
                walk.members(&[place], &mut |name, value| {
                    let (Some(name), Some(value)) = (name, value) else { return };
                    let at = fields.iter().position(|(known, _)| **known == *name).unwrap_or_else(|| {
                        fields.push((name.into(), Self::Nothing));
                        fields.len() - 1
                    });
                    fields[at].1.add(walk, value);
                });
                // names that are values themselves
                if fields.len() > ddl::FIELDS_MAX {
                    *self = Self::Several;
                }
            }
            _ => {}
        }
    }

    fn join(&mut self, other: Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Nothing, other) => other,
            (Self::Whole | Self::Number, Self::Number) | (Self::Number, Self::Whole) => Self::Number,
            (known, other) if std::mem::discriminant(&known) == std::mem::discriminant(&other) => known,
            _ => Self::Several,
        };
    }

    fn kind(&self, sketch: &mut Sketch) -> Result<Kind, String> {
        Ok(match self {
            Self::Nothing | Self::Several => Kind::Json,
            Self::Boolean => Kind::Boolean,
            Self::Whole => Kind::Int64,
            Self::Number => Kind::Double,
            Self::Text => Kind::String,
            Self::List(items) if **items == Self::Nothing => Kind::Json,
            Self::List(items) => Kind::list(sketch.inner(|sketch| items.kind(sketch))?),
            Self::Object(fields) if fields.is_empty() => Kind::Json,
            Self::Object(fields) => {
                let members = fields.iter().map(|(name, sight)| (&**name, sight));
                sketch.structure(members, &mut |sketch, sight| sight.kind(sketch))?
            }
        })
    }
}
