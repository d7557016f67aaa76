//! Thrift's binary protocol: types as bytes, numbers big-endian at full width.

use super::super::cursor::{Cursor, ReadError};
use super::{Protocol, Wire};

pub(super) struct Binary;

impl Protocol for Binary {
    fn field(cursor: &mut Cursor<'_>, _: i16) -> Result<Option<(Wire, i16)>, ReadError> {
        match cursor.byte()? {
            0 => Ok(None),
            byte => Ok(Some((wire(byte).ok_or_else(|| no_type(cursor))?, Self::int16(cursor)?))),
        }
    }

    fn list(cursor: &mut Cursor<'_>) -> Result<(u64, Wire), ReadError> {
        let item = wire(cursor.byte()?);
        let items = Self::length(cursor)?;
        Ok((items, known(item, items, cursor)?))
    }

    fn map(cursor: &mut Cursor<'_>) -> Result<(u64, Wire, Wire), ReadError> {
        let (key, value) = (wire(cursor.byte()?), wire(cursor.byte()?));
        let pairs = Self::length(cursor)?;
        Ok((pairs, known(key, pairs, cursor)?, known(value, pairs, cursor)?))
    }

    fn bool(cursor: &mut Cursor<'_>) -> Result<bool, ReadError> {
        Ok(cursor.byte()? == 1)
    }

    fn int16(cursor: &mut Cursor<'_>) -> Result<i16, ReadError> {
        cursor.array().map(i16::from_be_bytes)
    }

    fn int32(cursor: &mut Cursor<'_>) -> Result<i32, ReadError> {
        cursor.array().map(i32::from_be_bytes)
    }

    fn int64(cursor: &mut Cursor<'_>) -> Result<i64, ReadError> {
        cursor.array().map(i64::from_be_bytes)
    }

    fn double(cursor: &mut Cursor<'_>) -> Result<f64, ReadError> {
        cursor.array().map(f64::from_be_bytes)
    }

    fn length(cursor: &mut Cursor<'_>) -> Result<u64, ReadError> {
        let length = Self::int32(cursor)?;
        u64::try_from(length).map_err(|_| cursor.error("a negative length"))
    }
}

fn wire(byte: u8) -> Option<Wire> {
    Some(match byte {
        2 => Wire::Bool(None),
        3 => Wire::Byte,
        4 => Wire::Double,
        6 => Wire::Int16,
        8 => Wire::Int32,
        10 => Wire::Int64,
        11 => Wire::Text,
        12 => Wire::Struct,
        13 => Wire::Map,
        14 | 15 => Wire::List,
        16 => Wire::Uuid,
        _ => return None,
    })
}

/// Writers of empty containers put any type there.
fn known(wire: Option<Wire>, items: u64, cursor: &Cursor<'_>) -> Result<Wire, ReadError> {
    match wire {
        Some(wire) => Ok(wire),
        None if items == 0 => Ok(Wire::Byte),
        None => Err(no_type(cursor)),
    }
}

fn no_type(cursor: &Cursor<'_>) -> ReadError {
    cursor.error("a type that is none")
}
