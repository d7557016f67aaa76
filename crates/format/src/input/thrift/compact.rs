//! Thrift's compact protocol: variable-length numbers, ids as differences, booleans within the type.

use super::super::cursor::{Cursor, ReadError};
use super::{Protocol, Wire};

pub(super) struct Compact;

impl Protocol for Compact {
    fn field(cursor: &mut Cursor<'_>, last: i16) -> Result<Option<(Wire, i16)>, ReadError> {
        let header = cursor.byte()?;
        let wire = match header & 0x0f {
            // a stop has no difference
            0 if header == 0 => return Ok(None),
            1 => Wire::Bool(Some(true)),
            2 => Wire::Bool(Some(false)),
            kind => wire(kind).ok_or_else(|| no_type(cursor))?,
        };
        let id = match i16::from(header >> 4) {
            0 => Self::int16(cursor)?,
            difference => last.checked_add(difference).ok_or_else(|| cursor.error("a field id beyond 16 bits"))?,
        };
        Ok(Some((wire, id)))
    }

    fn list(cursor: &mut Cursor<'_>) -> Result<(u64, Wire), ReadError> {
        let header = cursor.byte()?;
        let items = match header >> 4 {
            15 => Self::length(cursor)?,
            items => u64::from(items),
        };
        Ok((items, known(header & 0x0f, items, cursor)?))
    }

    fn map(cursor: &mut Cursor<'_>) -> Result<(u64, Wire, Wire), ReadError> {
        let pairs = Self::length(cursor)?;
        if pairs == 0 {
            return Ok((0, Wire::Byte, Wire::Byte));
        }
        let types = cursor.byte()?;
        Ok((pairs, known(types >> 4, pairs, cursor)?, known(types & 0x0f, pairs, cursor)?))
    }

    fn bool(cursor: &mut Cursor<'_>) -> Result<bool, ReadError> {
        Ok(cursor.byte()? == 1)
    }

    fn int16(cursor: &mut Cursor<'_>) -> Result<i16, ReadError> {
        let number = cursor.zigzag()?;
        i16::try_from(number).map_err(|_| cursor.error("an i16 beyond 16 bits"))
    }

    fn int32(cursor: &mut Cursor<'_>) -> Result<i32, ReadError> {
        let number = cursor.zigzag()?;
        i32::try_from(number).map_err(|_| cursor.error("an i32 beyond 32 bits"))
    }

    fn int64(cursor: &mut Cursor<'_>) -> Result<i64, ReadError> {
        cursor.zigzag()
    }

    fn double(cursor: &mut Cursor<'_>) -> Result<f64, ReadError> {
        cursor.array().map(f64::from_le_bytes)
    }

    fn length(cursor: &mut Cursor<'_>) -> Result<u64, ReadError> {
        let length = cursor.varint()?;
        if i32::try_from(length).is_ok() { Ok(length) } else { Err(cursor.error("a length beyond 31 bits")) }
    }
}

/// Types of items, where a boolean has a byte of its own.
fn wire(kind: u8) -> Option<Wire> {
    Some(match kind {
        1 | 2 => Wire::Bool(None),
        3 => Wire::Byte,
        4 => Wire::Int16,
        5 => Wire::Int32,
        6 => Wire::Int64,
        7 => Wire::Double,
        8 => Wire::Text,
        9 | 10 => Wire::List,
        11 => Wire::Map,
        12 => Wire::Struct,
        13 => Wire::Uuid,
        _ => return None,
    })
}

/// Writers of empty containers put any type there.
fn known(kind: u8, items: u64, cursor: &Cursor<'_>) -> Result<Wire, ReadError> {
    match wire(kind) {
        Some(wire) => Ok(wire),
        None if items == 0 => Ok(Wire::Byte),
        None => Err(no_type(cursor)),
    }
}

fn no_type(cursor: &Cursor<'_>) -> ReadError {
    cursor.error("a type that is none")
}
