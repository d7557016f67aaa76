//! Which fields of a value are wanted, and what was found of them: the common ground of all input formats and of
//! routing.
//!
//! An input format makes one pass over a value and remembers, for each wanted path, where in the value the field lies or
//! what number it is. So nothing is allocated per value, and texts are slices of it. What a field means as a time or as
//! a part of a name is decided in `route`, the same for every format.
//!
//! Deliberately absent: values as trees.

use std::borrow::Cow;

/// Paths of wanted fields, as a tree of names. Each path has a slot, counted from 0 in the order of adding.
#[derive(Clone, Debug)]
pub struct Wanted {
    nodes: Vec<Node>,
    slots: usize,
}

/// A place in the tree of wanted names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

/// Where the fields of one value were found; reused for the next.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    slots: Vec<Capture>,
    /// Texts that stand in a schema, not in the value: [`Capture::Symbol`] counts from 0.
    symbols: Vec<Box<str>>,
}

/// A wanted field's value, borrowed from the value that it is part of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'a> {
    Missing,
    Null,
    Bool(bool),
    /// A number as JSON wrote it.
    Number(&'a str),
    Integer(i128),
    Single(f32),
    Double(f64),
    Text(RawText<'a>),
    /// Bytes that are no UTF-8.
    Binary,
    Time(Time),
    /// An object, a record, a map, an array.
    Container,
}

/// A time that the format itself knows as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Since 1970 in UTC; the nanoseconds, below a second, count forward.
    Instant { seconds: i64, nanoseconds: u32 },
    /// The same on a clock whose zone is not said.
    Civil { seconds: i64, nanoseconds: u32 },
    /// Days since 1970-01-01.
    Date { days: i32 },
}

/// A string as it stands in the value, of JSON between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawText<'a> {
    raw: &'a str,
    escaped: bool,
}

/// What a reader remembers of a field; positions are in the value, from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Capture {
    #[default]
    Missing,
    Null,
    Bool(bool),
    /// A JSON number.
    Number(usize, usize),
    Integer(i128),
    Single(f32),
    Double(f64),
    /// Text or bytes as they are meant.
    Plain(usize, usize),
    /// JSON text with escapes.
    Escaped(usize, usize),
    Symbol(usize),
    Time(Time),
    Container,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: Vec<Child>,
    slot: Option<usize>,
}

#[derive(Clone, Debug)]
struct Child {
    name: Box<str>,
    /// The name as a number, for formats that have numbers in place of names.
    number: Option<i128>,
    node: usize,
}

// === impl Wanted ===

impl Wanted {
    pub(crate) const ROOT: NodeId = NodeId(0);

    #[must_use]
    pub fn new() -> Self {
        Self { nodes: vec![Node::default()], slots: 0 }
    }

    /// Adds a path and returns its slot; the same path has the same slot.
    pub fn add<'p>(&mut self, path: impl IntoIterator<Item = &'p str>) -> usize {
        let mut at = Self::ROOT;
        for name in path {
            at = match self.child(at, name) {
                Some(node) => node,
                None => {
                    self.nodes.push(Node::default());
                    let node = self.nodes.len() - 1;
                    let number = name.parse::<i128>().ok().filter(|number| number.to_string() == name);
                    self.nodes[at.0].children.push(Child { name: name.into(), number, node });
                    NodeId(node)
                }
            };
        }
        if let Some(slot) = self.nodes[at.0].slot {
            return slot;
        }
        let slot = self.slots;
        self.nodes[at.0].slot = Some(slot);
        self.slots += 1;
        slot
    }

    pub(crate) fn child(&self, at: NodeId, name: &str) -> Option<NodeId> {
        self.nodes[at.0].children.iter().find(|child| *child.name == *name).map(|child| NodeId(child.node))
    }

    /// The child whose name is this number.
    pub(crate) fn child_numbered(&self, at: NodeId, number: i128) -> Option<NodeId> {
        self.nodes[at.0].children.iter().find(|child| child.number == Some(number)).map(|child| NodeId(child.node))
    }

    pub(crate) fn has_children(&self, at: NodeId) -> bool {
        !self.nodes[at.0].children.is_empty()
    }

    pub(crate) fn slot(&self, at: NodeId) -> Option<usize> {
        self.nodes[at.0].slot
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Captures ===

impl Captures {
    /// For a format whose schemas hold texts that fields can have.
    pub(crate) fn with_symbols(symbols: Vec<Box<str>>) -> Self {
        Self { slots: Vec::new(), symbols }
    }

    /// There are more schemas now.
    pub(crate) fn set_symbols(&mut self, symbols: Vec<Box<str>>) {
        self.symbols = symbols;
    }

    /// What was found for `slot` in `value`, the value that was read last.
    #[must_use]
    pub fn get<'a>(&'a self, slot: usize, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Found<'a> {
        self.slots[slot].found(value.as_ref(), &self.symbols)
    }

    /// As after a value that has none of the fields.
    pub fn clear(&mut self, wanted: &Wanted) {
        self.slots.clear();
        self.slots.resize(wanted.slots, Capture::Missing);
    }

    /// What is remembered of `at` so far.
    pub(crate) fn of(&self, wanted: &Wanted, at: NodeId) -> Capture {
        wanted.slot(at).map_or(Capture::Missing, |slot| self.at(slot))
    }

    pub(crate) fn at(&self, slot: usize) -> Capture {
        self.slots[slot]
    }

    /// Remembers what stands at `at`, if that is wanted.
    pub(crate) fn set(&mut self, wanted: &Wanted, at: NodeId, capture: Capture) {
        if let Some(slot) = wanted.slot(at) {
            self.slots[slot] = capture;
        }
    }

    /// A field that occurs again: what it and all below it held no longer counts.
    pub(crate) fn forget(&mut self, wanted: &Wanted, at: NodeId) {
        self.set(wanted, at, Capture::Missing);
        for child in &wanted.nodes[at.0].children {
            self.forget(wanted, NodeId(child.node));
        }
    }
}

// === impl Capture ===

impl Capture {
    /// Of `value`, the value that was read; `symbols` are those of its schema.
    pub(crate) fn found<'a>(self, value: &'a [u8], symbols: &'a [Box<str>]) -> Found<'a> {
        let text = |start: usize, end: usize| std::str::from_utf8(&value[start..end]);
        match self {
            Self::Missing => Found::Missing,
            Self::Null => Found::Null,
            Self::Bool(value) => Found::Bool(value),
            Self::Number(start, end) => text(start, end).map_or(Found::Binary, Found::Number),
            Self::Integer(value) => Found::Integer(value),
            Self::Single(value) => Found::Single(value),
            Self::Double(value) => Found::Double(value),
            Self::Plain(start, end) => text(start, end).map_or(Found::Binary, Found::plain),
            Self::Escaped(start, end) => match text(start, end) {
                Ok(raw) => Found::Text(RawText { raw, escaped: true }),
                Err(_) => Found::Binary,
            },
            Self::Symbol(index) => Found::plain(&symbols[index]),
            Self::Time(time) => Found::Time(time),
            Self::Container => Found::Container,
        }
    }
}

// === impl Found ===

impl<'a> Found<'a> {
    pub(crate) fn plain(raw: &'a str) -> Self {
        Self::text(raw, false)
    }

    /// The characters of a string, in which there are JSON's escapes or not.
    pub(crate) fn text(raw: &'a str, escaped: bool) -> Self {
        Self::Text(RawText { raw, escaped })
    }
}

// === impl Time ===

impl Time {
    /// `value` counts units of which a second has `per_second`.
    pub(crate) fn instant(value: i64, per_second: i64) -> Self {
        let (seconds, nanoseconds) = split(value, per_second);
        Self::Instant { seconds, nanoseconds }
    }

    /// The same on a clock whose zone is not said.
    pub(crate) fn civil(value: i64, per_second: i64) -> Self {
        let (seconds, nanoseconds) = split(value, per_second);
        Self::Civil { seconds, nanoseconds }
    }
}

fn split(value: i64, per_second: i64) -> (i64, u32) {
    let rest = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    (value.div_euclid(per_second), u32::try_from(rest).expect("less than a second"))
}

// === impl RawText ===

impl<'a> RawText<'a> {
    /// The characters that are meant; `None` when an escape names half a surrogate pair.
    #[must_use]
    pub fn unescape(self) -> Option<Cow<'a, str>> {
        if self.escaped { unescape(self.raw).map(Cow::Owned) } else { Some(Cow::Borrowed(self.raw)) }
    }
}

/// The characters that a JSON string means; its escapes are legal.
pub(crate) fn unescape(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (kind, behind) = escape.split_at(1);
        rest = behind;
        text.push(match kind {
            "b" => '\u{8}',
            "f" => '\u{c}',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "u" => {
                let (c, behind) = unescape_unicode(behind)?;
                rest = behind;
                c
            }
            other => other.chars().next()?,
        });
    }
    text.push_str(rest);
    Some(text)
}

fn unescape_unicode(digits: &str) -> Option<(char, &str)> {
    let unit = |digits: &str| u16::from_str_radix(digits.get(..4)?, 16).ok();
    let high = unit(digits)?;
    let rest = &digits[4..];
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(u32::from(high))?, rest));
    }
    let low = unit(rest.strip_prefix("\\u")?)?;
    let pair = char::decode_utf16([high, low]).next()?.ok()?;
    Some((pair, &rest[6..]))
}
