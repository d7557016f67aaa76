//! JSON envelopes, back to the records that they were.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::ids::Offset;
use secor_core::record::push_header;
use secor_core::shape::{EnvelopeBytes, Output};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Archived, Fault, fault};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    offset: i64,
    // of the file's name too; not part of a record
    #[serde(rename = "partition")]
    _partition: i32,
    timestamp: Option<i64>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key_base64: Option<Cow<'a, str>>,
    #[serde(borrow)]
    headers: Vec<LineHeader<'a>>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineHeader<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
}

/// How the bytes of an envelope are written.
#[derive(Clone, Copy)]
pub(super) struct Envelope {
    key: EnvelopeBytes,
    value: EnvelopeBytes,
    headers: EnvelopeBytes,
}

// === impl Envelope ===

impl Envelope {
    pub(super) fn new(output: &Output) -> Self {
        Self { key: output.envelope_key, value: output.envelope_value, headers: output.envelope_headers }
    }

    pub(super) fn read_line(self, line: &[u8], archived: &mut Archived) -> Result<(), Fault> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(fault)?;
        archived.offset = Some(Offset::new(line.offset).map_err(fault)?);
        archived.timestamp = line.timestamp;
        archived.key = bytes(line.key, line.key_base64, self.key)?;
        archived.value = match (line.value, self.value) {
            (Some(nested), EnvelopeBytes::Json) => Some(nested.get().as_bytes().to_vec()),
            (Some(text), how) => bytes(Some(serde_json::from_str(text.get()).map_err(fault)?), None, how)?,
            (None, how) => bytes(None, line.value_base64, how)?,
        };
        for header in line.headers {
            let name = bytes(header.name, header.name_base64, EnvelopeBytes::String)?;
            let name = name.ok_or_else(|| Fault::Malformed("a header has no name".to_owned()))?;
            let value = bytes(header.value, header.value_base64, self.headers)?;
            push_header(&mut archived.headers, &name, value.as_deref());
        }
        Ok(())
    }
}

fn bytes(
    text: Option<Cow<'_, str>>,
    base64: Option<Cow<'_, str>>,
    how: EnvelopeBytes,
) -> Result<Option<Vec<u8>>, Fault> {
    match (text, base64, how) {
        (None, None, _) => Ok(None),
        (Some(text), None, EnvelopeBytes::String) => Ok(Some(text.into_owned().into_bytes())),
        (Some(base64), None, EnvelopeBytes::Base64) | (None, Some(base64), EnvelopeBytes::String) => {
            BASE64_STANDARD.decode(&*base64).map(Some).map_err(fault)
        }
        _ => Err(Fault::Malformed("a field is there twice, or not as it should be".to_owned())),
    }
}
