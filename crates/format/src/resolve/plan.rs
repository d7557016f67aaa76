//! How data of a writer's schema become data of the reader's: one operation for each pair of types that meet.
//!
//! What can't resolve is an operation too, which fails when a datum comes to it: a branch of a union that no record takes
//! does no harm.

use std::collections::BTreeMap;

use super::defaults;
use super::model::{Field, Kind, Model, TypeName};

pub(super) struct Plan {
    ops: Vec<Op>,
    root: usize,
}

/// What is read by the writer's type, and what is written of it. Numbers of others are places in [`Plan`].
pub(super) enum Op {
    Nothing,
    /// So many bytes as they are.
    Fixed(u64),
    /// An int or a long, which are written alike.
    Number,
    /// Bytes or a string, which are written alike.
    Sized,
    /// Bytes that must be a string.
    Text,
    NumberToFloat,
    NumberToDouble,
    FloatToDouble,
    /// The reader's symbol for each of the writer's.
    Enum(Vec<Result<i64, String>>),
    Array(usize),
    Map(usize),
    /// Of the writer: one operation for each branch.
    Union(Vec<usize>),
    /// Into a branch of the reader's union.
    Branch {
        index: i64,
        of: usize,
    },
    Record(RecordOp),
    /// Why it can't be.
    Mismatch(String),
}

pub(super) struct RecordOp {
    /// How each field of the writer is skipped.
    pub skips: Vec<usize>,
    /// In the order of the reader's fields.
    pub steps: Vec<(Box<str>, Step)>,
    /// The writer has the fields in the same order, so that one pass is enough.
    pub is_in_order: bool,
}

pub(super) enum Step {
    /// Of the writer's field with this number.
    Field { from: usize, op: usize },
    /// A datum.
    Default(Vec<u8>),
    /// The writer has no such field, and there is no default.
    Missing,
}

// === impl Plan ===

impl Plan {
    pub(super) fn new(writer: &Model, reader: &Model) -> Self {
        let mut planner = Planner { writer, reader, ops: Vec::new(), done: BTreeMap::new() };
        let root = planner.resolve(writer.root, reader.root);
        Self { ops: planner.ops, root }
    }

    pub(super) fn impossible(why: String) -> Self {
        Self { ops: vec![Op::Mismatch(why)], root: 0 }
    }

    pub(super) fn root(&self) -> usize {
        self.root
    }

    pub(super) fn op(&self, place: usize) -> &Op {
        &self.ops[place]
    }

    /// Why no datum at all can be resolved.
    pub(super) fn objection(&self) -> Option<String> {
        self.objection_at(self.root, &mut BTreeMap::new())
    }

    /// `known`: of places that were looked at, and of those that are being looked at nothing.
    fn objection_at(&self, place: usize, known: &mut BTreeMap<usize, Option<String>>) -> Option<String> {
        if let Some(known) = known.get(&place) {
            return known.clone();
        }
        known.insert(place, None);
        let objection = match &self.ops[place] {
            Op::Mismatch(why) => Some(why.clone()),
            Op::Branch { of, .. } => self.objection_at(*of, known),
            Op::Union(branches) => {
                let objections = branches.iter().map(|branch| self.objection_at(*branch, known));
                objections.collect::<Option<Vec<_>>>().and_then(|objections| objections.into_iter().next())
            }
            Op::Record(record) => record.steps.iter().find_map(|(name, step)| match step {
                Step::Missing => Some(format!("field `{name}` is missing, and has no default")),
                Step::Field { op, .. } => self.objection_at(*op, known).map(|why| format!("field `{name}`: {why}")),
                Step::Default(_) => None,
            }),
            _ => None,
        };
        known.insert(place, objection.clone());
        objection
    }
}

/// Identity of an operation: types of writer and reader; without a reader the writer's data as they are.
type Pair = (usize, Option<usize>);

struct Planner<'m> {
    writer: &'m Model,
    reader: &'m Model,
    ops: Vec<Op>,
    /// Those that are begun, so that types that hold themselves have an end.
    done: BTreeMap<Pair, usize>,
}

/// How well two types go together; the smallest fits best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Same,
    /// By names without namespaces, by an alias, or with a logical type on one side only.
    Alike,
    Promoted,
}

// === impl Planner ===

impl Planner<'_> {
    fn resolve(&mut self, writer: usize, reader: usize) -> usize {
        self.place((writer, Some(reader)))
    }

    fn copy(&mut self, writer: usize) -> usize {
        self.place((writer, None))
    }

    fn place(&mut self, pair: Pair) -> usize {
        if let Some(place) = self.done.get(&pair) {
            return *place;
        }
        let place = self.ops.len();
        self.ops.push(Op::Nothing);
        self.done.insert(pair, place);
        self.ops[place] = match pair {
            (writer, Some(reader)) => self.resolved(writer, reader),
            (writer, None) => self.copied(writer),
        };
        place
    }

    fn copied(&mut self, writer: usize) -> Op {
        let model = self.writer;
        match model.kind(writer) {
            Kind::Array(items) => Op::Array(self.copy(*items)),
            Kind::Map(values) => Op::Map(self.copy(*values)),
            Kind::Enum { .. } => Op::Number,
            Kind::Union(branches) => Op::Union(branches.iter().map(|branch| self.copy(*branch)).collect()),
            Kind::Record { fields, .. } => {
                let skips: Vec<_> = fields.iter().map(|field| self.copy(field.of)).collect();
                let steps = skips.iter().enumerate().map(|(from, &op)| ("".into(), Step::Field { from, op })).collect();
                Op::Record(RecordOp { skips, steps, is_in_order: true })
            }
            kind => plain(kind, kind),
        }
    }

    fn resolved(&mut self, writer: usize, reader: usize) -> Op {
        let (from, to) = (self.writer, self.reader);
        if let Kind::Union(branches) = from.kind(writer) {
            return Op::Union(branches.iter().map(|branch| self.resolve(*branch, reader)).collect());
        }
        if let Kind::Union(branches) = to.kind(reader) {
            let fits = branches.iter().enumerate().filter_map(|(index, branch)| {
                let fit = self.fit(writer, *branch).ok()?;
                Some((fit, index, *branch))
            });
            return match fits.min_by_key(|(fit, index, _)| (*fit, *index)) {
                Some((_, index, branch)) => {
                    let index = i64::try_from(index).expect("a union has few branches");
                    Op::Branch { index, of: self.resolve(writer, branch) }
                }
                None => Op::Mismatch(format!("no branch of the union takes `{}`", from.kind(writer).word())),
            };
        }
        if let Err(why) = self.fit(writer, reader) {
            return Op::Mismatch(why);
        }
        match (from.kind(writer), to.kind(reader)) {
            (Kind::Array(items), Kind::Array(wanted)) => Op::Array(self.resolve(*items, *wanted)),
            (Kind::Map(values), Kind::Map(wanted)) => Op::Map(self.resolve(*values, *wanted)),
            (Kind::Enum { symbols, .. }, Kind::Enum { symbols: wanted, default, .. }) => {
                Op::Enum(symbols.iter().map(|symbol| symbol_in(wanted, symbol, default.as_deref())).collect())
            }
            (Kind::Record { fields, .. }, Kind::Record { fields: wanted, .. }) => self.record(fields, wanted),
            (from, to) => plain(from, to),
        }
    }

    fn record(&mut self, fields: &[Field], wanted: &[Field]) -> Op {
        let skips = fields.iter().map(|field| self.copy(field.of)).collect();
        let mut steps = Vec::new();
        let (mut is_in_order, mut next) = (true, 0);
        for field in wanted {
            let by_name = fields.iter().position(|from| from.name == field.name);
            let from = by_name.or_else(|| fields.iter().position(|from| field.aliases.contains(&from.name)));
            let step = match (from, &field.default) {
                (Some(from), _) => {
                    is_in_order &= from >= next;
                    next = from + 1;
                    Step::Field { from, op: self.resolve(fields[from].of, field.of) }
                }
                (None, Some(default)) => {
                    let datum = defaults::binary(self.reader, field.of, default);
                    Step::Default(datum.expect("defaults were checked with the schema"))
                }
                (None, None) => Step::Missing,
            };
            steps.push((field.name.as_str().into(), step));
        }
        Op::Record(RecordOp { skips, steps, is_in_order })
    }

    /// Whether a type of the writer, which is no union, can become one of the reader, which is none either.
    fn fit(&self, writer: usize, reader: usize) -> Result<Fit, String> {
        let (from, to) = (self.writer.kind(writer), self.reader.kind(reader));
        let named = |writer: &TypeName, reader: &TypeName| match reader.is_of(writer) {
            true if reader.full == writer.full => Some(Fit::Same),
            true => Some(Fit::Alike),
            false => None,
        };
        let fit = match (from, to) {
            (Kind::Fixed { name, size }, Kind::Fixed { name: wanted, size: bytes }) if size == bytes => {
                named(name, wanted)
            }
            (Kind::Enum { name, .. }, Kind::Enum { name: wanted, .. }) => named(name, wanted),
            (Kind::Record { name, .. }, Kind::Record { name: wanted, .. }) => named(name, wanted),
            (Kind::Null, Kind::Null)
            | (Kind::Boolean, Kind::Boolean)
            | (Kind::Int, Kind::Int)
            | (Kind::Long, Kind::Long)
            | (Kind::Float, Kind::Float)
            | (Kind::Double, Kind::Double)
            | (Kind::Bytes, Kind::Bytes)
            | (Kind::String, Kind::String)
            | (Kind::Array(_), Kind::Array(_))
            | (Kind::Map(_), Kind::Map(_)) => Some(Fit::Same),
            (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Long, Kind::Float | Kind::Double)
            | (Kind::Float, Kind::Double)
            | (Kind::String, Kind::Bytes)
            | (Kind::Bytes, Kind::String) => Some(Fit::Promoted),
            _ => None,
        };
        let fit = fit.ok_or_else(|| format!("`{}` can't become `{}`", from.word(), to.word()))?;
        match (self.writer.logical(writer), self.reader.logical(reader)) {
            // the number would be kept, and mean another time or amount
            (Some(from), Some(to)) if from != to => Err(format!("`{from}` can't become `{to}`")),
            (from, to) if from == to => Ok(fit),
            _ => Ok(fit.max(Fit::Alike)),
        }
    }
}

/// Of types that hold no others; they fit.
fn plain(from: &Kind, to: &Kind) -> Op {
    match (from, to) {
        (Kind::Boolean, _) => Op::Fixed(1),
        (Kind::Int | Kind::Long, Kind::Float) => Op::NumberToFloat,
        (Kind::Int | Kind::Long, Kind::Double) => Op::NumberToDouble,
        (Kind::Int | Kind::Long, _) => Op::Number,
        (Kind::Float, Kind::Double) => Op::FloatToDouble,
        (Kind::Float, _) => Op::Fixed(4),
        (Kind::Double, _) => Op::Fixed(8),
        (Kind::Bytes, Kind::String) => Op::Text,
        (Kind::Bytes | Kind::String, _) => Op::Sized,
        (Kind::Fixed { size, .. }, _) => Op::Fixed(*size),
        _ => Op::Nothing,
    }
}

/// The number of a writer's symbol among the reader's, or of the default.
fn symbol_in(wanted: &[String], symbol: &str, default: Option<&str>) -> Result<i64, String> {
    let find = |symbol: &str| wanted.iter().position(|wanted| wanted == symbol);
    let index = find(symbol).or_else(|| default.and_then(find));
    let index = index.ok_or_else(|| format!("symbol `{symbol}` is not known, and the enum has no default"))?;
    Ok(i64::try_from(index).expect("an enum has few symbols"))
}
