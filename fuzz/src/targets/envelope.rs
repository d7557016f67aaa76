//! Files of envelopes from anywhere, Avro or lines of JSON: damage is an error, and the same one however the bytes come
//! in.
//!
//! Input: a byte for the format, then the file.

use secor_core::shape::{Content, EnvelopeBytes, Output, OutputFormat};

use super::bytes::Input;
use super::files::read;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (format, envelope_value) = match input.byte() % 4 {
        0 => (OutputFormat::Avro, EnvelopeBytes::String),
        1 => (OutputFormat::Json, EnvelopeBytes::String),
        2 => (OutputFormat::Json, EnvelopeBytes::Base64),
        _ => (OutputFormat::Json, EnvelopeBytes::Json),
    };
    let output = Output { format, content: Content::Envelope, envelope_value, ..Output::default() };
    let Some(records) = read(&output, false, input.rest()) else { return };
    assert!(records.iter().all(|record| record.offset.is_some()), "an envelope names its offset");
}
