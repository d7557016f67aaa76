//! Lines of dead-letter files, back to the records that they were.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::ids::Offset;
use secor_core::record::push_header;

use super::{Archived, Fault, fault};
use crate::bad::BadRecord;
use crate::encode::Line;

pub(super) fn read_line(line: &[u8], archived: &mut Archived) -> Result<(), Fault> {
    let line: Line = serde_json::from_slice(line).map_err(|error| Fault::Malformed(error.to_string()))?;
    let bytes = |text: Option<String>| text.map(|text| BASE64_STANDARD.decode(text)).transpose().map_err(fault);
    archived.offset = Some(Offset::new(line.offset).map_err(fault)?);
    archived.timestamp = line.timestamp;
    archived.key = bytes(line.key)?;
    archived.value = bytes(line.value)?;
    for header in line.headers {
        let name = match (header.name, header.name_base64) {
            (Some(name), None) => name.into_bytes(),
            (None, Some(name)) => BASE64_STANDARD.decode(name).map_err(fault)?,
            _ => return Err(Fault::Malformed("a header has no name or two".to_owned())),
        };
        push_header(&mut archived.headers, &name, bytes(header.value)?.as_deref());
    }
    archived.bad = Some(BadRecord { reason: line.reason, detail: line.detail });
    Ok(())
}
