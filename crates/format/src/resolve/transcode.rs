//! One datum rewritten by a plan.

use super::plan::{Op, Plan, RecordOp, Step};
use crate::input::cursor::{Cursor, ReadError, Span};

/// Longest datum that is written: defaults in the items of an array may make much of little. Persisted, never change.
const DATUM_BYTES_MAX: usize = 256 << 20;

/// Why a datum can't be rewritten, and in which field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Names of fields, the innermost first.
    path: Vec<String>,
    what: String,
}

/// # Errors
/// [`Mismatch`].
pub(super) fn transcode(plan: &Plan, datum: &[u8]) -> Result<Vec<u8>, Mismatch> {
    let out = Vec::with_capacity(datum.len());
    let mut transcoding = Transcoding { plan, cursor: Cursor::new(datum), out, skips: false };
    transcoding.run(plan.root())?;
    transcoding.cursor.end()?;
    Ok(transcoding.out)
}

/// Zigzag, then seven bits per byte, the lowest first.
pub(super) fn push_number(to: &mut Vec<u8>, value: i64) {
    let mut bits = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while bits >= 0x80 {
        to.push(bits.to_le_bytes()[0] | 0x80);
        bits >>= 7;
    }
    to.push(bits.to_le_bytes()[0]);
}

/// The datum of a branch's number.
pub(super) fn number(index: usize) -> Vec<u8> {
    let mut datum = Vec::new();
    push_number(&mut datum, i64::try_from(index).expect("a union has few branches"));
    datum
}

pub(super) fn push_sized(to: &mut Vec<u8>, bytes: &[u8]) {
    push_number(to, i64::try_from(bytes.len()).expect("lengths fit 63 bits"));
    to.extend_from_slice(bytes);
}

struct Transcoding<'p, 'v> {
    plan: &'p Plan,
    cursor: Cursor<'v>,
    out: Vec<u8>,
    /// Nothing is written now.
    skips: bool,
}

// === impl Transcoding ===

impl Transcoding<'_, '_> {
    fn run(&mut self, place: usize) -> Result<(), Mismatch> {
        let plan = self.plan;
        match plan.op(place) {
            Op::Nothing => Ok(()),
            Op::Fixed(len) => self.copy(|cursor| cursor.span(*len).map(drop)),
            Op::Number => self.copy(|cursor| cursor.zigzag().map(drop)),
            Op::Sized => self.copy(|cursor| sized(cursor).map(drop)),
            Op::Text => {
                let start = self.cursor.at();
                let span = sized(&mut self.cursor)?;
                if std::str::from_utf8(self.cursor.bytes_of(span)).is_err() {
                    return Err(Mismatch::of("bytes that are no UTF-8 can't become a `string`"));
                }
                self.cursor.move_to(start);
                self.copy(|cursor| sized(cursor).map(drop))
            }
            Op::NumberToFloat => {
                // the nearest one, as Avro's promotion has it
                let float = self.cursor.zigzag()? as f32;
                self.push(&float.to_le_bytes())
            }
            Op::NumberToDouble => {
                let double = self.cursor.zigzag()? as f64;
                self.push(&double.to_le_bytes())
            }
            Op::FloatToDouble => {
                let float = f32::from_le_bytes(self.cursor.array()?);
                self.push(&f64::from(float).to_le_bytes())
            }
            Op::Enum(symbols) => match symbols.get(self.index()?) {
                Some(Ok(symbol)) => self.push_number(*symbol),
                Some(Err(why)) => Err(Mismatch::of(why)),
                None => Err(Mismatch::of("the enum has no such symbol")),
            },
            Op::Array(items) => self.blocks(|transcoding| transcoding.run(*items)),
            Op::Map(values) => self.blocks(|transcoding| {
                transcoding.copy(|cursor| sized(cursor).map(drop))?;
                transcoding.run(*values)
            }),
            Op::Union(branches) => match branches.get(self.index()?) {
                Some(branch) => self.run(*branch),
                None => Err(Mismatch::of("the union has no such branch")),
            },
            Op::Branch { index, of } => {
                self.push_number(*index)?;
                self.run(*of)
            }
            Op::Record(record) => self.record(record),
            Op::Mismatch(why) => Err(Mismatch::of(why)),
        }
    }

    fn record(&mut self, record: &RecordOp) -> Result<(), Mismatch> {
        let mut starts = Vec::new();
        if !record.is_in_order {
            for skip in &record.skips {
                starts.push(self.cursor.at());
                self.skip(*skip)?;
            }
        }
        let end = self.cursor.at();
        let mut next = 0;
        for (name, step) in &record.steps {
            let done = match step {
                Step::Default(datum) => self.push(datum),
                Step::Missing => Err(Mismatch::of("the writer's schema lacks it, and it has no default")),
                Step::Field { from, op } => {
                    match starts.get(*from) {
                        Some(start) => self.cursor.move_to(*start),
                        None => record.skips[next..*from].iter().try_for_each(|skip| self.skip(*skip))?,
                    }
                    next = from + 1;
                    self.run(*op)
                }
            };
            done.map_err(|mismatch| mismatch.within(name))?;
        }
        match record.is_in_order {
            true => record.skips[next..].iter().try_for_each(|skip| self.skip(*skip)),
            false => {
                self.cursor.move_to(end);
                Ok(())
            }
        }
    }

    /// The items of an array or a map, in the writer's blocks.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Mismatch>) -> Result<(), Mismatch> {
        loop {
            let mut count = self.cursor.zigzag()?;
            if count < 0 {
                // then the block says its length, which is another one here
                self.cursor.zigzag()?;
                count = count.saturating_neg();
            }
            self.push_number(count)?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    fn skip(&mut self, place: usize) -> Result<(), Mismatch> {
        let skipped = std::mem::replace(&mut self.skips, true);
        let done = self.run(place);
        self.skips = skipped;
        done
    }

    /// What `read` passes over, as it is.
    fn copy(&mut self, read: impl FnOnce(&mut Cursor<'_>) -> Result<(), ReadError>) -> Result<(), Mismatch> {
        let start = self.cursor.at();
        read(&mut self.cursor)?;
        let end = self.cursor.at();
        let bytes = self.cursor.bytes_of(Span { start, end });
        self.push(bytes)
    }

    fn push_number(&mut self, number: i64) -> Result<(), Mismatch> {
        if !self.skips {
            push_number(&mut self.out, number);
        }
        self.push(&[])
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        if self.skips {
            return Ok(());
        }
        if self.out.len() + bytes.len() > DATUM_BYTES_MAX {
            return Err(Mismatch::of("with its defaults the value is longer than 256 MiB"));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn index(&mut self) -> Result<usize, Mismatch> {
        let index = self.cursor.zigzag()?;
        usize::try_from(index).map_err(|_| Mismatch::of("a negative number of a branch or symbol"))
    }
}

fn sized(cursor: &mut Cursor<'_>) -> Result<Span, ReadError> {
    let len = cursor.zigzag()?;
    let len = u64::try_from(len).map_err(|_| cursor.error("a negative length"))?;
    cursor.span(len)
}

// === impl Mismatch ===

impl Mismatch {
    fn of(what: &str) -> Self {
        Self { path: Vec::new(), what: what.to_owned() }
    }

    fn within(mut self, field: &str) -> Self {
        self.path.push(field.to_owned());
        self
    }
}

impl From<ReadError> for Mismatch {
    fn from(error: ReadError) -> Self {
        Self { path: Vec::new(), what: error.to_string() }
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
            write!(f, "field `{}`: ", path.join("."))?;
        }
        f.write_str(&self.what)
    }
}
