//! One envelope of a block.

use secor_core::record::push_header;

use super::super::{Archived, Fault, length, malformed, offset};
use super::read_long;
use crate::encode::{AVRO_NULL_BRANCH, AVRO_SECOND_BRANCH};

/// Takes the next record off the block.
pub(super) fn read_record(rest: &mut &[u8], archived: &mut Archived) -> Result<(), Fault> {
    archived.offset = Some(offset(read_long(rest)?)?);
    archived.timestamp = if read_branch(rest)? { Some(read_long(rest)?) } else { None };
    archived.key = read_optional(rest)?.map(<[u8]>::to_vec);
    match read_optional(rest)? {
        Some(value) => archived.value.get_or_insert_default().extend_from_slice(value),
        None => archived.value = None,
    }
    loop {
        match read_long(rest)? {
            0 => return Ok(()),
            count if count > 0 => {
                for _ in 0..count {
                    let name = take_sized(rest)?;
                    let value = read_optional(rest)?;
                    let name = read_optional(rest)?.unwrap_or(name);
                    push_header(&mut archived.headers, name, value);
                }
            }
            _ => return Err(malformed("a negative count of headers")),
        }
    }
}

fn read_optional<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    if read_branch(rest)? { take_sized(rest).map(Some) } else { Ok(None) }
}

fn read_branch(rest: &mut &[u8]) -> Result<bool, Fault> {
    match read_long(rest)? {
        AVRO_NULL_BRANCH => Ok(false),
        AVRO_SECOND_BRANCH => Ok(true),
        other => Err(Fault::Malformed(format!("a union has no branch {other}"))),
    }
}

fn take_sized<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let len = length(read_long(rest)?)?;
    let (bytes, behind) = rest.split_at_checked(len).ok_or_else(|| malformed("the record ends too early"))?;
    *rest = behind;
    Ok(bytes)
}
