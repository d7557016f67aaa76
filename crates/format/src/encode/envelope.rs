//! JSON envelopes: one line per record with all that Kafka knows of it.

use std::io::Write;

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use secor_core::record::headers;
use secor_core::shape::{EnvelopeBytes, Output};

use super::{Body, Row, Sink};
use crate::compress::Pending;

/// Behind the name of a field whose bytes are base64 although strings were asked for.
const BASE64_SUFFIX: &str = "_base64";

pub(super) struct EnvelopeBody {
    key: EnvelopeBytes,
    value: EnvelopeBytes,
    headers: EnvelopeBytes,
    line: Vec<u8>,
    /// `None`: nothing is compressed.
    pending: Option<Pending>,
}

// === impl EnvelopeBody ===

impl EnvelopeBody {
    pub(super) fn new(output: &Output, is_compressed: bool) -> Self {
        Self {
            key: output.envelope_key,
            value: output.envelope_value,
            headers: output.envelope_headers,
            line: Vec::new(),
            pending: is_compressed.then(Pending::default),
        }
    }
}

impl Body for EnvelopeBody {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        self.line.clear();
        push_line(&mut self.line, row, [self.key, self.headers, self.value]);
        sink.push(&mut self.pending, &self.line);
        self.line.len() as u64
    }

    fn buffered_bytes(&self) -> usize {
        self.line.capacity() + self.pending.as_ref().map_or(0, Pending::buffered_bytes)
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.line = Vec::new();
        if let Some(pending) = &mut self.pending {
            pending.close(sink.codec.output(), sink.out);
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        if let Some(pending) = &mut self.pending {
            pending.finish(sink.codec.output(), sink.out);
        }
    }
}

/// Persisted, never change: names and order of the fields.
fn push_line(line: &mut Vec<u8>, row: &Row<'_>, [key, header, value]: [EnvelopeBytes; 3]) {
    let record = row.record;
    push_format(line, format_args!("{{\"offset\":{},\"partition\":{},", record.offset, row.identity.partition));
    match record.timestamp {
        Some(timestamp) => push_format(line, format_args!("\"timestamp\":{timestamp},")),
        None => line.extend_from_slice(b"\"timestamp\":null,"),
    }
    push_field(line, "key", record.key, key);
    line.extend_from_slice(b",\"headers\":[");
    for (i, (name, bytes)) in headers(record.headers).enumerate() {
        line.extend_from_slice(if i == 0 { b"{" } else { b",{" });
        push_field(line, "name", Some(name), EnvelopeBytes::String);
        line.push(b',');
        push_field(line, "value", bytes, header);
        line.push(b'}');
    }
    line.extend_from_slice(b"],");
    push_field(line, "value", row.value, value);
    line.extend_from_slice(b"}\n");
}

fn push_field(line: &mut Vec<u8>, name: &str, bytes: Option<&[u8]>, how: EnvelopeBytes) {
    let Some(bytes) = bytes else { return push_format(line, format_args!("\"{name}\":null")) };
    match (how, simdutf8::basic::from_utf8(bytes)) {
        (EnvelopeBytes::Json, _) => {
            push_format(line, format_args!("\"{name}\":"));
            line.extend_from_slice(bytes);
        }
        (EnvelopeBytes::String, Ok(text)) => {
            push_format(line, format_args!("\"{name}\":"));
            serde_json::to_writer(line, text).expect("text is JSON, and a vector takes it");
        }
        (EnvelopeBytes::String, Err(_)) => {
            let base64 = Base64Display::new(bytes, &BASE64_STANDARD);
            push_format(line, format_args!("\"{name}{BASE64_SUFFIX}\":\"{base64}\""));
        }
        (EnvelopeBytes::Base64, _) => {
            push_format(line, format_args!("\"{name}\":\"{}\"", Base64Display::new(bytes, &BASE64_STANDARD)));
        }
    }
}

fn push_format(line: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    line.write_fmt(arguments).expect("a vector takes all bytes");
}
