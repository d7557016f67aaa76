//! What is wrong with a configuration: all of it at once, each mistake with its place, key, reason and hint.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that is wrong with one file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    pub file: PathBuf,
    pub mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `None` for what concerns the file as a whole.
    pub position: Option<Position>,
    /// Such as `archive[0].flush.max_bytes`; empty for what concerns the file as a whole or its syntax.
    pub key: String,
    /// Such as ``unknown key``.
    pub what: String,
    /// May be empty, when `what` says it all.
    pub why: String,
    pub hint: String,
}

/// Both count from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// One mistake that concerns the file as a whole.
    #[must_use]
    pub fn of_file(file: &Path, what: impl Into<String>, why: impl Into<String>, hint: impl Into<String>) -> Self {
        let mistake =
            Mistake { position: None, key: String::new(), what: what.into(), why: why.into(), hint: hint.into() };
        Self { file: file.to_owned(), mistakes: vec![mistake] }
    }

    /// Text and hint of each mistake: `secor.toml:3:1: kafka.group: is missing: every archive needs its own`.
    pub fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        self.mistakes.iter().map(|mistake| (mistake.line(&self.file), mistake.hint.as_str()))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, hint)) in self.lines().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line)?;
            if !hint.is_empty() {
                write!(f, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

// === impl Mistake ===

impl Mistake {
    fn line(&self, file: &Path) -> String {
        let mut line = file.display().to_string();
        if let Some(position) = self.position {
            line.push_str(&format!(":{position}"));
        }
        for part in [&self.key, &self.what, &self.why] {
            if !part.is_empty() {
                line.push_str(": ");
                line.push_str(part);
            }
        }
        line
    }
}

// === impl Position ===

impl Position {
    /// The place of the byte `at` in `text`.
    #[must_use]
    pub fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
