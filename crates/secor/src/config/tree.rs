//! From TOML text to a complete tree of checked values: every key of [`schema::keys`] is in it, from the file or by
//! default, durations in milliseconds, sizes in bytes, references to the environment resolved. What is wrong on the
//! way is collected, never thrown: a value that is refused is replaced by a harmless one, so that everything else can
//! still be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::checks::{self, Check, Objection};
use super::environment::{self, Environment};
use super::error::{Mistake, Position};
use super::schema::{self, ARCHIVE, Fallback, Key, Kind};
use super::{properties, suggest, units};

/// What the text says.
pub(super) struct Tree {
    /// All keys with a value; `null` for what is absent.
    pub root: Value,
    pub findings: Findings,
}

/// What is wrong so far, and where everything stands.
pub(super) struct Findings {
    text: String,
    spans: BTreeMap<String, Range<usize>>,
    /// Paths whose value was replaced: nothing more is said about them.
    refused: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

/// Reads `text`; syntax errors end it early, for what follows them can't be trusted.
pub(super) fn read(text: &str, environment: &dyn Environment) -> Tree {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let findings =
        Findings { text: text.to_owned(), spans: BTreeMap::new(), refused: BTreeSet::new(), mistakes: Vec::new() };
    let mut reader = Reader { environment, findings };
    if !syntax.is_empty() {
        for error in syntax {
            let span = error.span().unwrap_or(0..0);
            let what = error.message().lines().next().unwrap_or_default().to_owned();
            reader.findings.push("", &span, "not TOML".into(), what, "see https://toml.io for the syntax".into());
        }
        return Tree { root: Value::Null, findings: reader.findings };
    }
    let root = reader.table("", "", table.get_ref());
    Tree { root: Value::Object(root), findings: reader.findings }
}

struct Reader<'a> {
    environment: &'a dyn Environment,
    findings: Findings,
}

// === impl Findings ===

impl Findings {
    /// Adds a mistake about keys that are each right but don't go together, unless one of them is refused already.
    pub fn contradiction(&mut self, paths: &[&str], what: &str, why: impl Into<String>, hint: impl Into<String>) {
        if paths.iter().any(|path| self.is_refused(path)) {
            return;
        }
        let place = paths.iter().find_map(|path| self.spans.get(*path)).cloned();
        let span = place.or_else(|| paths.first().map(|path| self.nearest(path))).unwrap_or(0..0);
        self.push(paths.first().copied().unwrap_or_default(), &span, what.to_owned(), why.into(), hint.into());
    }

    /// Did the file say something about `path`?
    pub fn is_written(&self, path: &str) -> bool {
        self.spans.contains_key(path)
    }

    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// All mistakes in the order of the file.
    pub fn into_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by_key(|mistake| mistake.position);
        self.mistakes
    }

    /// Is `path`, or the table that it is in, or something in it refused?
    fn is_refused(&self, path: &str) -> bool {
        let below = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.refused.iter().any(|refused| below(path, refused) || below(refused, path))
    }

    /// The place of the closest table around `path` that the file writes.
    fn nearest(&self, path: &str) -> Range<usize> {
        let mut around = path;
        while let Some(at) = around.rfind(['.', '[']) {
            around = &around[..at];
            if let Some(span) = self.spans.get(around) {
                return span.clone();
            }
        }
        0..0
    }

    fn refuse(&mut self, path: &str, span: &Range<usize>, what: &str, why: String, hint: String) {
        self.refused.insert(path.to_owned());
        self.push(path, span, what.to_owned(), why, hint);
    }

    fn push(&mut self, path: &str, span: &Range<usize>, what: String, why: String, hint: String) {
        let position = Some(Position::of(&self.text, span.start));
        self.mistakes.push(Mistake { position, key: path.to_owned(), what, why, hint });
    }
}

// === impl Reader ===

impl Reader<'_> {
    /// Reads the table `path`; `shown` is its path with indices. Missing keys get their defaults.
    fn table(&mut self, path: &str, shown: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut values = Map::new();
        for (name, value) in table {
            let child = join(path, name.get_ref());
            let child_shown = join(shown, name.get_ref());
            if let Some(key) = schema::find(&child) {
                self.findings.spans.insert(child_shown.clone(), value.span());
                values.insert(name.get_ref().to_string(), self.leaf(key, &child_shown, value));
            } else if schema::is_table(&child) {
                self.findings.spans.insert(child_shown.clone(), name.span());
                values.insert(name.get_ref().to_string(), self.section(&child, &child_shown, value));
            } else {
                self.unknown(path, &child, &child_shown, &name.span());
            }
        }
        for name in schema::children(path) {
            if !values.contains_key(name) {
                let missing = self.missing(&join(path, name), &join(shown, name));
                values.insert(name.to_owned(), missing);
            }
        }
        values
    }

    /// A table or the array of tables.
    fn section(&mut self, path: &str, shown: &str, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::Table(table) if path != ARCHIVE => Value::Object(self.table(path, shown, table)),
            DeValue::Array(array) if path == ARCHIVE && array.iter().all(|item| item.get_ref().is_table()) => {
                let mut tables = Vec::new();
                for (index, item) in array.iter().enumerate() {
                    let shown = format!("{shown}[{index}]");
                    self.findings.spans.insert(shown.clone(), item.span());
                    if let DeValue::Table(table) = item.get_ref() {
                        tables.push(Value::Object(self.table(path, &shown, table)));
                    }
                }
                Value::Array(tables)
            }
            other => {
                let (what, hint) = match path {
                    ARCHIVE => ("expected [[archive]] tables", "write [[archive]] with two brackets".to_owned()),
                    _ => {
                        let first = schema::children(path).first().copied().unwrap_or_default();
                        let name = path.rsplit('.').next().unwrap_or(path);
                        ("expected a table", format!("write {name} = {{ {first} = ... }}"))
                    }
                };
                self.findings.refuse(shown, &value.span(), what, format!("found {}", kind_of(other)), hint);
                if path == ARCHIVE { Value::Array(Vec::new()) } else { self.harmless_table(path) }
            }
        }
    }

    /// What stands for the key or table `path` that the file does not write.
    fn missing(&mut self, path: &str, shown: &str) -> Value {
        if path == ARCHIVE {
            let why = "nothing says which topics to archive".to_owned();
            self.findings.refuse(shown, &(0..0), "is missing", why, "add an [[archive]] with topics = [...]".into());
            return Value::Array(Vec::new());
        }
        let Some(key) = schema::find(path) else {
            return Value::Object(self.table(path, shown, &DeTable::new()));
        };
        if matches!(key.fallback, Fallback::Required) {
            let span = self.findings.nearest(shown);
            let hint = format!("it has no default: {}", first_sentence(key.doc));
            self.findings.refuse(shown, &span, "is missing", String::new(), hint);
        }
        self.harmless(key)
    }

    fn unknown(&mut self, table: &str, path: &str, shown: &str, span: &Range<usize>) {
        if let Some(purpose) = schema::later(path) {
            let hint = "leave it out".to_owned();
            self.findings.refuse(shown, span, "not in this version", format!("it is for {purpose}"), hint);
            return;
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        self.findings.refuse(shown, span, "unknown key", String::new(), suggest::key(table, name));
    }

    /// The checked value of `key`, or a harmless one.
    fn leaf(&mut self, key: &Key, shown: &str, value: &Spanned<DeValue<'_>>) -> Value {
        let span = value.span();
        match self.convert(key, shown, value) {
            Ok(value) => value,
            Err(Refusal::Said) => self.harmless(key),
            Err(Refusal::Why { what, why, hint }) => {
                self.findings.refuse(shown, &span, what, why, hint);
                self.harmless(key)
            }
        }
    }

    fn convert(&mut self, key: &Key, shown: &str, value: &Spanned<DeValue<'_>>) -> Result<Value, Refusal> {
        let span = value.span();
        match (&key.kind, value.get_ref()) {
            (Kind::Text(check), DeValue::String(text)) => self.checked_text(*check, shown, text, &span),
            (Kind::Text(check), DeValue::Datetime(time)) => self.checked_text(*check, shown, &time.to_string(), &span),
            (Kind::Secret, DeValue::String(text)) => self.judged(shown, text, &span, |text| match text {
                "" => Err(Refusal::why("is empty", "", "write a value, or leave the key out")),
                text => Ok(Value::from(text)),
            }),
            (Kind::Word(words), DeValue::String(text)) => self.judged(shown, text, &span, |text| word(text, words)),
            (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Bool(*flag)),
            (Kind::Integer { min, max }, DeValue::Integer(number)) => {
                let number = u64::from_str_radix(number.as_str(), number.radix()).ok();
                bounded(number, *min, *max, |value| value.to_string())
            }
            (Kind::Duration { min, max }, DeValue::String(text)) => self.judged(shown, text, &span, |text| {
                let ms = units::parse_duration_ms(text).ok_or_else(|| not_a(text, "duration", DURATION_HINT))?;
                bounded(Some(ms), *min, *max, units::format_duration)
            }),
            (Kind::Size { min, max }, DeValue::String(text)) => self.judged(shown, text, &span, |text| {
                let bytes = units::parse_size(text).ok_or_else(|| not_a(text, "size", SIZE_HINT))?;
                bounded(Some(bytes), *min, *max, units::format_size)
            }),
            (Kind::Texts(check), DeValue::Array(items)) => self.texts(*check, shown, items),
            (Kind::Properties, DeValue::Table(table)) => {
                let mut properties = Map::new();
                self.properties("", shown, table, &mut properties);
                Ok(Value::Object(properties))
            }
            (Kind::Files, DeValue::Table(table)) => self.files(shown, table),
            (kind, other) => Err(wrong_type(kind, other)),
        }
    }

    /// Names and paths.
    fn files(&mut self, shown: &str, table: &DeTable<'_>) -> Result<Value, Refusal> {
        let mut files = Map::new();
        for (name, value) in table {
            let place = format!("{shown}.{}", name.get_ref());
            self.findings.spans.insert(place.clone(), value.span());
            let path = match value.get_ref() {
                DeValue::String(text) => self.checked_text(checks::not_empty, &place, text, &value.span()),
                other => Err(Refusal::why("expected text", format!("found {}", kind_of(other)), "write \"...\"")),
            };
            match path {
                Ok(path) => drop(files.insert(name.get_ref().to_string(), path)),
                Err(Refusal::Said) => {}
                Err(Refusal::Why { what, why, hint }) => self.findings.refuse(&place, &value.span(), what, why, hint),
            }
        }
        Ok(Value::Object(files))
    }

    fn texts(&mut self, check: Check, shown: &str, items: &[Spanned<DeValue<'_>>]) -> Result<Value, Refusal> {
        let mut texts = Vec::new();
        let mut said = false;
        for (index, item) in items.iter().enumerate() {
            let shown = format!("{shown}[{index}]");
            self.findings.spans.insert(shown.clone(), item.span());
            let text = match item.get_ref() {
                DeValue::String(text) => self.checked_text(check, &shown, text, &item.span()),
                other => Err(Refusal::why("expected text", format!("found {}", kind_of(other)), "write \"...\"")),
            };
            match text {
                Ok(text) => texts.push(text),
                Err(Refusal::Said) => said = true,
                Err(Refusal::Why { what, why, hint }) => {
                    self.findings.refuse(&shown, &item.span(), what, why, hint);
                    said = true;
                }
            }
        }
        if said { Err(Refusal::Said) } else { Ok(Value::Array(texts)) }
    }

    /// Gathers properties; `session.timeout.ms = 1` without quotes makes nested tables, which are put together again.
    fn properties(&mut self, prefix: &str, shown: &str, table: &DeTable<'_>, properties: &mut Map<String, Value>) {
        for (name, value) in table {
            let property = join(prefix, name.get_ref());
            let place = format!("{shown}.{}", name.get_ref());
            self.findings.spans.insert(place.clone(), value.span());
            if let DeValue::Table(nested) = value.get_ref() {
                self.properties(&property, &place, nested, properties);
                continue;
            }
            if let Some(fixed) = properties::fixed(&property) {
                let (why, hint) = (fixed.why.to_owned(), fixed.hint.to_owned());
                self.findings.refuse(&place, &name.span(), "can't be set", why, hint);
                continue;
            }
            let text = match value.get_ref() {
                DeValue::String(text) => self.judged(&place, text, &value.span(), |text| Ok(Value::from(text))),
                DeValue::Boolean(flag) => Ok(Value::from(flag.to_string())),
                DeValue::Integer(number) => Ok(Value::from(number.as_str())),
                DeValue::Float(number) => Ok(Value::from(number.as_str())),
                other => {
                    Err(Refusal::why("expected text, a number or a boolean", format!("found {}", kind_of(other)), ""))
                }
            };
            match text {
                Ok(text) => drop(properties.insert(property, text)),
                Err(Refusal::Said) => {}
                Err(Refusal::Why { what, why, hint }) => self.findings.refuse(&place, &value.span(), what, why, hint),
            }
        }
    }

    fn checked_text(&mut self, check: Check, shown: &str, raw: &str, span: &Range<usize>) -> Result<Value, Refusal> {
        self.judged(shown, raw, span, |text| match check(text) {
            Ok(()) => Ok(Value::from(text)),
            Err(Objection { why, hint }) => Err(Refusal::why("not valid", why, hint)),
        })
    }

    /// Resolves `raw` and judges the result. What came from the environment may be secret: an objection shows `raw`.
    fn judged(
        &mut self,
        shown: &str,
        raw: &str,
        span: &Range<usize>,
        judge: impl FnOnce(&str) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        let text = match environment::resolve(raw, self.environment) {
            Ok(text) => text,
            Err(error) => {
                let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
                self.findings.refuse(shown, span, "can't be resolved", format!("{error}{cause}"), error.hint());
                return Err(Refusal::Said);
            }
        };
        judge(&text).map_err(|refusal| match refusal {
            Refusal::Why { what, why, hint } if text != raw && !text.is_empty() => {
                Refusal::Why { what, why: why.replace(&text, raw), hint }
            }
            refusal => refusal,
        })
    }

    /// A value that keeps what follows quiet: the default, else the emptiest of its kind.
    fn harmless(&mut self, key: &Key) -> Value {
        match (&key.fallback, &key.kind) {
            (Fallback::Absent(_), _) => Value::Null,
            (Fallback::Toml(text), _) => self.default_value(key, text),
            (Fallback::Required, Kind::Texts(_)) => Value::Array(Vec::new()),
            (Fallback::Required, _) => Value::String(String::new()),
        }
    }

    fn harmless_table(&mut self, path: &str) -> Value {
        let children = schema::children(path).into_iter();
        children
            .map(|name| {
                let path = join(path, name);
                let value = match schema::find(&path) {
                    Some(key) => self.harmless(key),
                    None => self.harmless_table(&path),
                };
                (name.to_owned(), value)
            })
            .collect::<Map<_, _>>()
            .into()
    }

    fn default_value(&mut self, key: &Key, toml: &str) -> Value {
        let value = DeValue::parse(toml).expect("a unit test reads every default");
        self.convert(key, "", &value).unwrap_or_else(|_| unreachable!("a unit test checks every default"))
    }
}

/// A value is not taken.
enum Refusal {
    Why {
        what: &'static str,
        why: String,
        hint: String,
    },
    /// The findings have it already.
    Said,
}

impl Refusal {
    fn why(what: &'static str, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Why { what, why: why.into(), hint: hint.into() }
    }
}

const DURATION_HINT: &str = "write a number with ms, s, m, h or d: \"15s\", \"1h30m\"";
const SIZE_HINT: &str = "write a number with a unit: \"200MB\", \"8MiB\"";

fn word(text: &str, words: &[&str]) -> Result<Value, Refusal> {
    let known = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    if words.contains(&text) {
        return Ok(Value::from(text));
    }
    let hint = match suggest::nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? known are {known}"),
        None => format!("write one of {known}"),
    };
    Err(Refusal::why("not a known word", format!("found `{text}`"), hint))
}

fn bounded(value: Option<u64>, min: u64, max: u64, show: fn(u64) -> String) -> Result<Value, Refusal> {
    match value {
        Some(value) if value < min => Err(Refusal::why(
            "out of range",
            format!("{} is below {}", show(value), show(min)),
            format!("write {} or more", show(min)),
        )),
        Some(value) if value > max => Err(Refusal::why(
            "out of range",
            format!("{} is above {}", show(value), show(max)),
            format!("write {} or less", show(max)),
        )),
        Some(value) => Ok(Value::from(value)),
        None => {
            Err(Refusal::why("out of range", "it is negative or too large", format!("write {} or more", show(min))))
        }
    }
}

fn not_a(text: &str, what: &str, hint: &str) -> Refusal {
    Refusal::why("not valid", format!("`{text}` is no {what}"), hint)
}

fn wrong_type(kind: &Kind, found: &DeValue<'_>) -> Refusal {
    let (what, hint) = match kind {
        Kind::Text(_) | Kind::Secret | Kind::Word(_) => ("expected text", "write it in quotes"),
        Kind::Flag => ("expected true or false", "write it without quotes"),
        Kind::Integer { .. } => ("expected a number", "write it without quotes and without a unit"),
        Kind::Duration { .. } => ("expected a duration", DURATION_HINT),
        Kind::Size { .. } => ("expected a size", SIZE_HINT),
        Kind::Texts(_) => ("expected a list", "write it in brackets: [\"...\"]"),
        Kind::Properties => ("expected a table", "write [kafka.properties] on a line of its own"),
        Kind::Files => ("expected a table", "write [schemas.files] on a line of its own"),
    };
    Refusal::why(what, format!("found {}", kind_of(found)), hint)
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn first_sentence(doc: &str) -> String {
    let sentence = doc.split(". ").next().unwrap_or(doc).trim_end_matches('.');
    sentence.to_lowercase()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
