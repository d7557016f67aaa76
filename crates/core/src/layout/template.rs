//! Output partition templates: one path segment each, such as `dt={timestamp:%Y-%m-%d}`.
//!
//! A template holds literal text and placeholders. Anything that could give an illegal name is refused here; what a
//! record's own value can still spoil (its length, a lone `..`) is the record's fault and makes it a bad record.

use super::calendar::TimePattern;
use super::hive::needs_escaping;

/// One path segment of an output partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPartitionTemplate {
    /// As it was written.
    pub text: String,
    pub parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    Literal(String),
    /// The record's event time.
    Timestamp(TimePattern),
    /// The batch's clock value.
    Clock(TimePattern),
    /// The value of an input field, by its path.
    Field(String),
    /// The record's offset, rounded down to a multiple of this: at least 1.
    Offset(i64),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template `{template}`, position {position}: {message}")]
pub struct TemplateError {
    pub template: String,
    /// Of the offending character or placeholder, in characters from 1.
    pub position: usize,
    pub message: String,
    pub hint: String,
}

/// Byte position, message and hint.
type Fault = (usize, String, String);

// === impl OutputPartitionTemplate ===

impl OutputPartitionTemplate {
    /// # Errors
    /// [`TemplateError`] when the text is empty, malformed, or could give an illegal name for every record.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let parts = split(text).map_err(|(at, message, hint)| TemplateError {
            template: text.to_owned(),
            position: text[..at].chars().count() + 1,
            message,
            hint,
        })?;
        Ok(Self { text: text.to_owned(), parts })
    }

    #[must_use]
    pub fn needs_timestamp(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Timestamp(_)))
    }

    #[must_use]
    pub fn needs_field(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Field(_)))
    }
}

fn split(text: &str) -> Result<Vec<TemplatePart>, Fault> {
    if matches!(text, "" | "." | "..") {
        let message = format!("`{text}` is no name of a folder");
        return Err((0, message, "write something like `dt={timestamp:%Y-%m-%d}`".to_owned()));
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let literal = rest.find('{').map_or(rest, |open| &rest[..open]);
        check_literal(literal, at)?;
        if !literal.is_empty() {
            parts.push(TemplatePart::Literal(literal.to_owned()));
            at += literal.len();
            continue;
        }
        let Some(close) = rest.find('}') else {
            return Err((at, "`{` is not closed".to_owned(), "close it with `}`".to_owned()));
        };
        parts.push(placeholder(&rest[1..close]).map_err(|(message, hint)| (at, message, hint))?);
        at += close + 1;
    }
    Ok(parts)
}

fn check_literal(literal: &str, at: usize) -> Result<(), Fault> {
    match literal.char_indices().find(|&(_, c)| c == '}' || (c != '=' && needs_escaping(c))) {
        None => Ok(()),
        Some((i, '/')) => {
            let hint = "one template is one folder: write a list of several".to_owned();
            Err((at + i, "a template holds no `/`".to_owned(), hint))
        }
        Some((i, c)) => {
            let message = format!("`{}` can't stand in the name of an output partition", c.escape_default());
            Err((at + i, message, "use letters, digits and - _ . =".to_owned()))
        }
    }
}

fn placeholder(inside: &str) -> Result<TemplatePart, (String, String)> {
    let (name, argument) = inside.split_once(':').unwrap_or((inside, ""));
    match name {
        "timestamp" => TimePattern::parse(argument).map(TemplatePart::Timestamp).map_err(|it| (it.message, it.hint)),
        "clock" => TimePattern::parse(argument).map(TemplatePart::Clock).map_err(|it| (it.message, it.hint)),
        "field" if argument.is_empty() => {
            Err(("`{field}` names no field".to_owned(), "write `{field:country}`".to_owned()))
        }
        "field" => Ok(TemplatePart::Field(argument.to_owned())),
        "offset" => match argument.parse() {
            Ok(step @ 1..) => Ok(TemplatePart::Offset(step)),
            _ => Err((
                format!("`{argument}` is no number of offsets per output partition"),
                "write `{offset:10000000}`, at least 1".to_owned(),
            )),
        },
        _ => Err((
            format!("`{{{inside}}}` is not known"),
            "known are {timestamp:...} {clock:...} {field:...} {offset:...}".to_owned(),
        )),
    }
}
