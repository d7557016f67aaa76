//! Columns of an Avro schema.

use super::{HOLDS_ITSELF, Sketch};
use crate::columns::types::{Kind, Timestamp};
use crate::input::avro::{Kind as Avro, TypeId, Types};

/// Most digits of a column.
const PRECISION_MAX: usize = 38;

pub(super) fn columns(text: &str, sketch: &mut Sketch) -> Result<Kind, String> {
    let mut types = Types::default();
    let (root, _) = types.add(text).map_err(|why| format!("no Avro schema: {why}"))?;
    Columns { types: &types, around: Vec::new() }.kind(sketch, root)
}

struct Columns<'t> {
    types: &'t Types,
    /// The records that we are in.
    around: Vec<TypeId>,
}

// === impl Columns ===

impl Columns<'_> {
    fn kind(&mut self, sketch: &mut Sketch, id: TypeId) -> Result<Kind, String> {
        let types = self.types;
        Ok(match types.kind(id) {
            Avro::Null => return Err("it is always null".to_owned()),
            Avro::Boolean => Kind::Boolean,
            Avro::Int => Kind::Int32,
            Avro::Long => Kind::Int64,
            Avro::Float => Kind::Float,
            Avro::Double => Kind::Double,
            Avro::Bytes | Avro::Fixed(_) => self.bytes(id),
            Avro::String | Avro::Enum { .. } => Kind::String,
            Avro::Date => Kind::Date,
            Avro::Instant { .. } => Kind::Timestamp(Timestamp::Microseconds),
            Avro::Civil { .. } => Kind::Timestamp(Timestamp::Civil),
            Avro::Array(items) if types.is_empty(*items) => {
                return Err("its items take no bytes, and may be any number".to_owned());
            }
            Avro::Array(items) => Kind::list(sketch.inner(|sketch| self.kind(sketch, *items))?),
            Avro::Map(values) => Kind::map(sketch.inner(|sketch| self.kind(sketch, *values))?),
            Avro::Union(branches) => self.union(sketch, branches)?,
            Avro::Record(_) if self.around.contains(&id) => return Err(HOLDS_ITSELF.to_owned()),
            Avro::Record(fields) => {
                self.around.push(id);
                let members = fields.iter().map(|(name, field)| (&**name, field));
                let made = sketch.structure(members, &mut |sketch, field| self.kind(sketch, *field));
                self.around.pop();
                made?
            }
        })
    }

    fn bytes(&self, id: TypeId) -> Kind {
        match (self.types.precision(id), self.types.scale(id)) {
            (Some(precision @ 1..=PRECISION_MAX), Some(scale)) if usize::from(scale) <= precision => {
                Kind::Decimal { precision: u8::try_from(precision).expect("at most 38"), scale }
            }
            _ => Kind::Binary,
        }
    }

    /// A type with null; several types where one column holds the values of all.
    fn union(&mut self, sketch: &mut Sketch, branches: &[TypeId]) -> Result<Kind, String> {
        let types = self.types;
        let others = branches.iter().filter(|branch| !matches!(types.kind(**branch), Avro::Null));
        let others: Vec<_> = others.copied().collect();
        let all = |is: fn(&Avro) -> bool| others.iter().all(|branch| is(types.kind(*branch)));
        match &*others {
            [] => Err("it is always null".to_owned()),
            [only] => self.kind(sketch, *only),
            _ if all(|kind| matches!(kind, Avro::Int | Avro::Long)) => Ok(Kind::Int64),
            _ if all(|kind| matches!(kind, Avro::Float | Avro::Double)) => Ok(Kind::Double),
            _ if all(|kind| matches!(kind, Avro::String | Avro::Enum { .. })) => Ok(Kind::String),
            several => Err(format!("it is a union of {} types, which no column holds together", several.len())),
        }
    }
}
