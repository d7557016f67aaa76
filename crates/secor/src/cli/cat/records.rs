//! Decodes files on a blocking thread and prints their records as they come.

use std::io::Write;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::ids::{Offset, TopicPartition};
use secor_core::manifest::FileEntry;
use secor_core::record::headers;
use secor_core::shape::Output;
use secor_format::{Archived, Kept, ReadError, kept, read_file};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::cli::errors::{Class, CliError, chain};
use crate::store::{Store, object};

/// What a record looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The value and a line feed.
    Values,
    /// `partition:offset`, a tab, the value and a line feed.
    Offsets,
    /// One JSON object a line, with all that the format kept.
    Json,
}

pub(super) struct Printer<'a> {
    out: &'a mut dyn Write,
    mode: Mode,
    /// `None`: no limit.
    records_left: Option<u64>,
}

/// What is known of the records of one file without reading it.
pub(super) struct FileFacts<'a> {
    pub key: &'a str,
    pub place: Option<&'a TopicPartition>,
    /// The offset of the first record, where each following record has the next one.
    pub dense_from: Option<Offset>,
    pub kept: Kept,
}

/// Records that travel from the decoder to the printer at once.
const RECORDS_AT_ONCE: usize = 256;
/// Such portions that wait for the printer.
const PORTIONS_AHEAD: usize = 4;

// === impl Printer ===

impl<'a> Printer<'a> {
    pub(super) fn new(out: &'a mut dyn Write, mode: Mode, records_max: Option<u64>) -> Self {
        Self { out, mode, records_left: records_max }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn is_done(&self) -> bool {
        self.records_left == Some(0)
    }

    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        Ok(self.out.flush()?)
    }

    /// Prints a file of a batch, from an offset inside the batch if `from` is given.
    pub(super) async fn file(
        &mut self,
        store: &Arc<dyn Store>,
        output: &Output,
        file: &FileEntry,
        place: &TopicPartition,
        from: Option<Offset>,
    ) -> Result<(), CliError> {
        let begins_later = from.is_some_and(|from| file.last_offset < from);
        if begins_later || self.is_done() {
            return Ok(());
        }
        let (facts, from) = FileFacts::of(file, output, place, from);
        facts.check(self.mode, from)?;
        let Some(reader) = object::open(&**store, &file.key).await? else {
            return Err(CliError::new(Class::Unavailable, format!("`{}` vanished while it was read", file.key)));
        };
        let (output, dead_letters) = (output.clone(), file.dead_letters);
        let failure = reader.failure();
        let done = self.print(&facts, from, move |send| decode(&output, dead_letters, reader, &send)).await;
        failure.take().map_or(done, |error| Err(error.into()))
    }

    /// Runs `work` on a blocking thread, which sends portions of records, and prints them.
    pub(super) async fn print(
        &mut self,
        facts: &FileFacts<'_>,
        from: Option<Offset>,
        work: impl FnOnce(mpsc::Sender<Vec<Archived>>) -> Result<(), ReadError> + Send + 'static,
    ) -> Result<(), CliError> {
        let (sender, mut portions) = mpsc::channel(PORTIONS_AHEAD);
        let task = tokio::task::spawn_blocking(move || work(sender));
        let mut at = facts.dense_from;
        while let Some(portion) = portions.recv().await {
            for archived in &portion {
                let offset = archived.offset.or(at);
                at = at.map(Offset::next);
                if self.is_done() {
                    return Ok(());
                }
                if from.is_none_or(|from| offset.is_some_and(|offset| offset >= from)) {
                    self.record(facts, offset, archived)?;
                }
            }
        }
        let done = task.await.map_err(|error| CliError::caused_by(Class::Bug, &error))?;
        done.map_err(|error| {
            let hint = "`secor verify --deep` shows which files are damaged";
            CliError::new(Class::Refused, format!("`{}`: {}", facts.key, chain(&error))).with_hint(hint)
        })
    }

    fn record(&mut self, facts: &FileFacts<'_>, offset: Option<Offset>, archived: &Archived) -> Result<(), CliError> {
        match self.mode {
            Mode::Json => writeln!(self.out, "{}", facts.json(offset, archived))?,
            Mode::Values | Mode::Offsets => {
                if let (Mode::Offsets, Some(offset)) = (self.mode, offset) {
                    match facts.place {
                        Some(place) => write!(self.out, "{}:{offset}\t", place.partition)?,
                        None => write!(self.out, "{offset}\t")?,
                    }
                }
                self.out.write_all(archived.value.as_deref().unwrap_or_default())?;
                self.out.write_all(b"\n")?;
            }
        }
        self.records_left = self.records_left.map(|left| left.saturating_sub(1));
        Ok(())
    }
}

// === impl FileFacts ===

impl<'a> FileFacts<'a> {
    /// What is known of a file of a batch, and from which offset inside it printing begins.
    pub(super) fn of(
        file: &'a FileEntry,
        output: &Output,
        place: &'a TopicPartition,
        from: Option<Offset>,
    ) -> (Self, Option<Offset>) {
        let is_dense = file.records == file.last_offset.get().abs_diff(file.first_offset.get()) + 1;
        let facts = Self {
            key: &file.key,
            place: Some(place),
            dense_from: is_dense.then_some(file.first_offset),
            kept: kept(output, file.dead_letters),
        };
        (facts, from.filter(|from| file.first_offset < *from && *from <= file.last_offset))
    }

    /// Offsets that nobody knows are not made up.
    pub(super) fn check(&self, mode: Mode, from: Option<Offset>) -> Result<(), CliError> {
        if self.kept.offset || self.dense_from.is_some() {
            return Ok(());
        }
        let key = self.key;
        if let Some(from) = from {
            let text = format!("`{key}` keeps no offsets, so where {from} is in it is not known");
            let hint = "begin at the start of its batch, which `secor locate` shows, or at the end of it";
            return Err(CliError::new(Class::Configuration, text).with_hint(hint));
        }
        if mode == Mode::Offsets {
            let text = format!("`{key}` keeps no offsets, and does not hold every offset of its range");
            let hint = "leave out `--offsets`, or use `--json`, which leaves out what is not known";
            return Err(CliError::new(Class::Configuration, text).with_hint(hint));
        }
        Ok(())
    }

    fn json(&self, offset: Option<Offset>, archived: &Archived) -> Value {
        let mut line = Map::new();
        if let Some(place) = self.place {
            line.insert("topic".to_owned(), json!(&*place.topic));
            line.insert("partition".to_owned(), json!(place.partition));
        }
        line.insert("file".to_owned(), json!(self.key));
        if let Some(offset) = offset {
            line.insert("offset".to_owned(), json!(offset));
        }
        if self.kept.timestamp {
            line.insert("timestamp".to_owned(), json!(archived.timestamp));
        }
        if self.kept.key {
            put_bytes(&mut line, "key", archived.key.as_deref());
        }
        if self.kept.headers {
            let header = |(name, value): (&[u8], Option<&[u8]>)| {
                let mut header = Map::new();
                put_bytes(&mut header, "name", Some(name));
                put_bytes(&mut header, "value", value);
                Value::Object(header)
            };
            line.insert("headers".to_owned(), headers(&archived.headers).map(header).collect());
        }
        put_bytes(&mut line, "value", archived.value.as_deref());
        if let Some(bad) = &archived.bad {
            line.insert("bad".to_owned(), json!(bad.to_string()));
        }
        Value::Object(line)
    }
}

/// As text where it is UTF-8, else in base64 under `<name>_base64`.
fn put_bytes(line: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(std::str::from_utf8) {
        None => line.insert(name.to_owned(), Value::Null),
        Some(Ok(text)) => line.insert(name.to_owned(), json!(text)),
        Some(Err(_)) => line.insert(format!("{name}_base64"), json!(BASE64_STANDARD.encode(bytes.unwrap_or_default()))),
    };
}

/// Reads a file and sends its records, until it ends or nobody wants more.
pub(super) fn decode(
    output: &Output,
    dead_letters: bool,
    input: impl std::io::Read,
    sender: &mpsc::Sender<Vec<Archived>>,
) -> Result<(), ReadError> {
    let mut portion = Vec::new();
    let mut failure = None;
    for archived in read_file(output, dead_letters, input) {
        match archived {
            Ok(archived) => portion.push(archived),
            Err(error) => failure = Some(error),
        }
        if portion.len() == RECORDS_AT_ONCE && sender.blocking_send(std::mem::take(&mut portion)).is_err() {
            return Ok(());
        }
    }
    // what was good before a damage is printed too; that nobody may want it is no failure
    let _ = sender.blocking_send(portion);
    failure.map_or(Ok(()), Err)
}
