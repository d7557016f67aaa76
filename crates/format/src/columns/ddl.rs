//! Columns as people write them: Hive's and Spark's notation of types.
//!
//! `struct<id:bigint not null,name:string,tags:array<string>,place:struct<x:double,y:double>>`, or its fields alone.
//! Words of types in any case; a name that is no word stands in backquotes, which are doubled within.

use super::types::{Field, Kind, Timestamp};

/// Deepest nesting of types.
pub(crate) const DEPTH_MAX: u32 = 32;
/// Columns with all that is within them.
pub(crate) const FIELDS_MAX: usize = 10_000;

/// Most digits of a decimal.
const PRECISION_MAX: u8 = 38;

/// Reads columns.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn parse(text: &str) -> Result<Vec<Field>, String> {
    let mut parser = Parser { text, at: 0, fields: 0 };
    let fields = match parser.attempt_word("struct") && parser.attempt("<") {
        true => {
            let fields = parser.fields(1)?;
            parser.expect(">")?;
            fields
        }
        false => {
            parser.at = 0;
            parser.fields(1)?
        }
    };
    parser.skip_space();
    if parser.at == text.len() { Ok(fields) } else { Err(parser.error("the end")) }
}

/// The columns as [`parse`] reads them, over several lines.
pub(crate) fn print(fields: &[Field]) -> String {
    let mut text = String::new();
    push_struct(&mut text, fields, 0);
    text
}

fn push_struct(text: &mut String, fields: &[Field], indent: usize) {
    text.push_str("struct<\n");
    for (index, field) in fields.iter().enumerate() {
        let is_word = field.name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let name = if is_word { field.name.to_string() } else { format!("`{}`", field.name.replace('`', "``")) };
        text.push_str(&format!("{:width$}{name}: ", "", width = indent + 2));
        push_kind(text, &field.kind, indent + 2);
        text.push_str(if field.required { " not null" } else { "" });
        text.push_str(if index + 1 < fields.len() { ",\n" } else { "\n" });
    }
    text.push_str(&format!("{:indent$}>", ""));
}

fn push_kind(text: &mut String, kind: &Kind, indent: usize) {
    match kind {
        Kind::Struct(fields) => push_struct(text, fields, indent),
        Kind::List(element) => {
            text.push_str("array<");
            push_kind(text, &element.kind, indent);
            text.push('>');
        }
        Kind::Map(value) => {
            text.push_str("map<string, ");
            push_kind(text, &value.kind, indent);
            text.push('>');
        }
        single => text.push_str(&single.to_string()),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
    fields: usize,
}

// === impl Parser ===

impl Parser<'_> {
    fn fields(&mut self, depth: u32) -> Result<Vec<Field>, String> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.name()?;
            let _ = self.attempt(":");
            let kind = self.kind(depth)?;
            let required = self.attempt_word("not");
            if required && !self.attempt_word("null") {
                return Err(self.error("`null`"));
            }
            // readers that don't tell case apart find two columns of one name
            if let Some(twice) = fields.iter().find(|field| field.name.to_lowercase() == name.to_lowercase()) {
                return Err(format!("columns `{}` and `{name}` have one name", twice.name));
            }
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                return Err(format!("more than {FIELDS_MAX} columns"));
            }
            fields.push(Field { name: name.into(), kind, required });
            if !self.attempt(",") {
                return Ok(fields);
            }
        }
    }

    fn kind(&mut self, depth: u32) -> Result<Kind, String> {
        if depth > DEPTH_MAX {
            return Err(format!("types are nested more than {DEPTH_MAX} deep"));
        }
        let start = self.at;
        let word = self.word().to_ascii_lowercase();
        Ok(match word.as_str() {
            "boolean" => Kind::Boolean,
            "tinyint" => Kind::Int8,
            "smallint" => Kind::Int16,
            "int" | "integer" => Kind::Int32,
            "bigint" => Kind::Int64,
            "float" | "real" => Kind::Float,
            "double" => Kind::Double,
            "decimal" => self.decimal()?,
            "string" => Kind::String,
            "json" => Kind::Json,
            "binary" => Kind::Binary,
            "date" => Kind::Date,
            "timestamp" => Kind::Timestamp(Timestamp::Microseconds),
            "timestamp_ntz" => Kind::Timestamp(Timestamp::Civil),
            "array" => {
                self.expect("<")?;
                let element = self.kind(depth + 1)?;
                self.expect(">")?;
                Kind::list(element)
            }
            "map" => {
                self.expect("<")?;
                let key = self.attempt_word("string");
                if !key {
                    return Err(self.error("`string`, which keys of maps are"));
                }
                self.expect(",")?;
                let value = self.kind(depth + 1)?;
                self.expect(">")?;
                Kind::map(value)
            }
            "struct" => {
                self.expect("<")?;
                let fields = self.fields(depth + 1)?;
                self.expect(">")?;
                Kind::Struct(fields)
            }
            _ => {
                self.at = start;
                return Err(self.error("a type, such as `bigint`, `string` or `array<double>`"));
            }
        })
    }

    fn decimal(&mut self) -> Result<Kind, String> {
        let start = self.at;
        self.expect("(")?;
        let precision = self.number()?;
        let scale = if self.attempt(",") { self.number()? } else { 0 };
        self.expect(")")?;
        if !(1..=PRECISION_MAX).contains(&precision) || scale > precision {
            self.at = start;
            return Err(self.error("a precision of 1 to 38 and a scale not above it"));
        }
        Ok(Kind::Decimal { precision, scale })
    }

    fn number(&mut self) -> Result<u8, String> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..len].parse().map_err(|_| self.error("a number up to 38"))?;
        self.at += len;
        Ok(number)
    }

    fn name(&mut self) -> Result<String, String> {
        self.skip_space();
        if !self.attempt("`") {
            return match self.word() {
                "" => Err(self.error("a name of a column")),
                word => Ok(word.to_owned()),
            };
        }
        let mut name = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(end) = rest.find('`') else { return Err(self.error("a backquote at the end of the name")) };
            name.push_str(&rest[..end]);
            self.at += end + 1;
            if !self.text[self.at..].starts_with('`') {
                break;
            }
            name.push('`');
            self.at += 1;
        }
        if name.is_empty() { Err(self.error("a name that is not empty")) } else { Ok(name) }
    }

    /// Letters, digits and underscores; may be empty.
    fn word(&mut self) -> &str {
        self.skip_space();
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn attempt_word(&mut self, wanted: &str) -> bool {
        let start = self.at;
        let is_there = self.word().eq_ignore_ascii_case(wanted);
        if !is_there {
            self.at = start;
        }
        is_there
    }

    fn attempt(&mut self, wanted: &str) -> bool {
        self.skip_space();
        let is_there = self.text[self.at..].starts_with(wanted);
        self.at += if is_there { wanted.len() } else { 0 };
        is_there
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        if self.attempt(wanted) { Ok(()) } else { Err(self.error(&format!("`{wanted}`"))) }
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, expected: &str) -> String {
        let rest: String = self.text[self.at..].chars().take(20).collect();
        let found = if rest.is_empty() { "the text ends".to_owned() } else { format!("found `{rest}`") };
        format!("expected {expected} at byte {}, {found}", self.at)
    }
}
