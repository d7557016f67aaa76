//! Columns of a Thrift struct.

use secor_core::shape::Schema;

use super::{HOLDS_ITSELF, Sketch};
use crate::columns::types::Kind;
use crate::input::thrift::idl::{Base, Declared, Idl, StructId};

pub(super) fn columns(schema: &Schema, name: Option<&str>, sketch: &mut Sketch) -> Result<Kind, String> {
    let idl = Idl::parse(&schema.text, &schema.includes).map_err(|why| format!("no Thrift IDL: {why}"))?;
    let root = idl.root(name)?;
    Columns { idl: &idl, around: Vec::new() }.structure(sketch, root)
}

struct Columns<'i> {
    idl: &'i Idl,
    /// The structs that we are in.
    around: Vec<StructId>,
}

// === impl Columns ===

impl Columns<'_> {
    fn structure(&mut self, sketch: &mut Sketch, id: StructId) -> Result<Kind, String> {
        if self.around.contains(&id) {
            return Err(HOLDS_ITSELF.to_owned());
        }
        self.around.push(id);
        let members = self.idl.fields(id).iter().map(|field| (&*field.name, &field.declared));
        let made = sketch.structure(members, &mut |sketch, declared| self.kind(sketch, *declared));
        self.around.pop();
        made
    }

    fn kind(&mut self, sketch: &mut Sketch, declared: Declared) -> Result<Kind, String> {
        Ok(match declared {
            Declared::Unknown => return Err("its type is unknown".to_owned()),
            Declared::Base(base) => single(base),
            Declared::Enum(_) => Kind::String,
            Declared::Struct(id) => self.structure(sketch, id)?,
            Declared::List(list) => {
                let item = self.idl.item_of(list);
                Kind::list(sketch.inner(|sketch| self.kind(sketch, item))?)
            }
            Declared::Map(map) => {
                let (key, value) = self.idl.map(map);
                if !is_text(key) {
                    return Err("its keys are no texts and no whole numbers".to_owned());
                }
                Kind::map(sketch.inner(|sketch| self.kind(sketch, value))?)
            }
        })
    }
}

fn single(base: Base) -> Kind {
    match base {
        Base::Bool => Kind::Boolean,
        Base::Int8 => Kind::Int8,
        Base::Int16 => Kind::Int16,
        Base::Int32 => Kind::Int32,
        Base::Int64 => Kind::Int64,
        Base::Double => Kind::Double,
        Base::String => Kind::String,
        Base::Binary | Base::Uuid => Kind::Binary,
    }
}

/// Is a key of this type a text in a column?
fn is_text(key: Declared) -> bool {
    use Base::{Bool, Int8, Int16, Int32, Int64, String};
    matches!(key, Declared::Enum(_) | Declared::Base(Bool | Int8 | Int16 | Int32 | Int64 | String))
}
