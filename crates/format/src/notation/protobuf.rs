//! Columns of a Protobuf message.

use super::{HOLDS_ITSELF, Sketch};
use crate::columns::types::{Kind, Timestamp};
use crate::input::protobuf::schema::{Field, Kind as Proto, MessageId, Messages};

pub(super) fn columns(descriptors: &str, message: Option<&str>, sketch: &mut Sketch) -> Result<Kind, String> {
    let mut messages = Messages::default();
    let root = messages.add(descriptors, message).map_err(|error| error.why)?;
    Columns { messages: &messages, around: Vec::new() }.message(sketch, root)
}

struct Columns<'m> {
    messages: &'m Messages,
    /// The messages that we are in.
    around: Vec<MessageId>,
}

// === impl Columns ===

impl Columns<'_> {
    fn message(&mut self, sketch: &mut Sketch, id: MessageId) -> Result<Kind, String> {
        let message = self.messages.get(id);
        if message.is_timestamp {
            return Ok(Kind::Timestamp(Timestamp::Microseconds));
        }
        if self.around.contains(&id) {
            return Err(HOLDS_ITSELF.to_owned());
        }
        self.around.push(id);
        let members = message.fields().iter().map(|field| (&*field.name, field));
        let made = sketch.structure(members, &mut |sketch, field| self.field(sketch, field));
        self.around.pop();
        made
    }

    fn field(&mut self, sketch: &mut Sketch, field: &Field) -> Result<Kind, String> {
        match field.kind {
            Proto::Message(entry) if field.is_map => {
                let value = self.messages.get(entry).field(2).ok_or("its entries have no value")?;
                Ok(Kind::map(sketch.inner(|sketch| self.single(sketch, value.kind))?))
            }
            kind if field.is_repeated => Ok(Kind::list(sketch.inner(|sketch| self.single(sketch, kind))?)),
            kind => self.single(sketch, kind),
        }
    }

    fn single(&mut self, sketch: &mut Sketch, kind: Proto) -> Result<Kind, String> {
        Ok(match kind {
            Proto::Bool => Kind::Boolean,
            Proto::Int32 | Proto::Sint32 | Proto::Sfixed32 => Kind::Int32,
            Proto::Int64 | Proto::Sint64 | Proto::Sfixed64 | Proto::Uint32 | Proto::Fixed32 => Kind::Int64,
            // 64 bits without a sign
            Proto::Uint64 | Proto::Fixed64 => Kind::Decimal { precision: 20, scale: 0 },
            Proto::Float => Kind::Float,
            Proto::Double => Kind::Double,
            Proto::Text | Proto::Enum(_) => Kind::String,
            Proto::Bytes => Kind::Binary,
            Proto::Message(message) | Proto::Group(message) => self.message(sketch, message)?,
        })
    }
}
