//! Lines of dead-letter files: one JSON object each, from which the record can be had again bit by bit.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::record::{Record, headers};
use serde::{Deserialize, Serialize};

use super::{Body, Row, Sink};
use crate::bad::{BadReason, BadRecord};
use crate::compress::Pending;

/// Persisted, never change: names, order and meaning of the fields. Keys and values are base64, null stays null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub reason: BadReason,
    pub detail: String,
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub key: Option<String>,
    pub headers: Vec<LineHeader>,
    pub value: Option<String>,
}

/// A header's name is text wherever it is UTF-8, which Kafka's own clients see to; else it is base64 too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineHeader {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_base64: Option<String>,
    pub value: Option<String>,
}

#[derive(Default)]
pub(super) struct DeadLetterBody {
    line: Vec<u8>,
    pending: Pending,
}

// === impl DeadLetterBody ===

impl DeadLetterBody {
    /// Returns the uncompressed bytes of the line.
    pub(super) fn append_bad(&mut self, record: &Record<'_>, bad: &BadRecord, sink: &mut Sink<'_>) -> u64 {
        self.line.clear();
        push_line(&mut self.line, record, bad);
        self.pending.push(&self.line, sink.codec.dead_letters(), sink.out);
        self.line.len() as u64
    }
}

impl Body for DeadLetterBody {
    fn append(&mut self, _: &Row<'_>, _: &mut Sink<'_>) -> u64 {
        panic!("a good record does not belong to the dead letters")
    }

    fn buffered_bytes(&self) -> usize {
        self.line.capacity() + self.pending.buffered_bytes()
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.line = Vec::new();
        self.pending.close(sink.codec.dead_letters(), sink.out);
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.pending.finish(sink.codec.dead_letters(), sink.out);
    }
}

fn push_line(to: &mut Vec<u8>, record: &Record<'_>, bad: &BadRecord) {
    let base64 = |bytes: Option<&[u8]>| bytes.map(|bytes| BASE64_STANDARD.encode(bytes));
    let headers = headers(record.headers).map(|(name, value)| {
        let text = std::str::from_utf8(name).ok().map(str::to_owned);
        let name_base64 = if text.is_none() { base64(Some(name)) } else { None };
        LineHeader { name: text, name_base64, value: base64(value) }
    });
    let line = Line {
        reason: bad.reason,
        detail: bad.detail.clone(),
        offset: record.offset.get(),
        timestamp: record.timestamp,
        key: base64(record.key),
        headers: headers.collect(),
        value: base64(record.value),
    };
    serde_json::to_writer(&mut *to, &line).expect("a line of strings and numbers is JSON, and a vector takes it");
    to.push(b'\n');
}
