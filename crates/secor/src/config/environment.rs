//! `${NAME}` and `${file:/path}` in values. What a file holds is taken without line breaks at its end; `$${` stands for
//! a plain `${`. Results are not looked at again, so a secret may hold any text.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Where variables, secret files and schemas come from; tests give their own.
pub trait Environment {
    fn variable(&self, name: &str) -> Option<String>;

    /// # Errors
    /// When the file can't be read as UTF-8 text.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// # Errors
    /// When the file can't be read.
    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

/// A reference that can't be resolved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("environment variable `{0}` is not set")]
    Variable(String),
    #[error("file `{path}` can't be read")]
    File { path: String, source: io::Error },
    #[error("`${{` has no closing `}}`")]
    Unclosed,
    #[error("`${{{0}}}` is neither a variable's name nor `file:/absolute/path`")]
    Malformed(String),
}

/// Replaces every reference in `text`.
pub(super) fn resolve(text: &str, environment: &dyn Environment) -> Result<String, Unresolved> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            resolved.push_str(&rest[..at - 1]);
            resolved.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        resolved.push_str(&rest[..at]);
        let (reference, tail) = rest[at + 2..].split_once('}').ok_or(Unresolved::Unclosed)?;
        resolved.push_str(&look_up(reference, environment)?);
        rest = tail;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn look_up(reference: &str, environment: &dyn Environment) -> Result<String, Unresolved> {
    if let Some(path) = reference.strip_prefix("file:").filter(|path| path.starts_with('/')) {
        let text =
            environment.file(Path::new(path)).map_err(|source| Unresolved::File { path: path.to_owned(), source })?;
        return Ok(text.trim_end_matches(['\n', '\r']).to_owned());
    }
    let is_name = !reference.is_empty()
        && !reference.starts_with(|c: char| c.is_ascii_digit())
        && reference.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        return Err(Unresolved::Malformed(reference.to_owned()));
    }
    environment.variable(reference).ok_or_else(|| Unresolved::Variable(reference.to_owned()))
}

// === impl Unresolved ===

impl Unresolved {
    pub(super) fn hint(&self) -> String {
        match self {
            Self::Variable(name) => format!("export {name}, or write $${{{name}}} for the plain text"),
            Self::File { .. } => "the file must exist and be readable by the user that runs secor".to_owned(),
            Self::Unclosed | Self::Malformed(_) => {
                "write `${NAME}` or `${file:/path}`, and `$${` for a plain `${`".to_owned()
            }
        }
    }
}

// === impl ProcessEnvironment ===

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Variables by name, and files by their path.
impl Environment for BTreeMap<String, String> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        path.to_str().and_then(|path| self.get(path)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.file(path).map(String::into_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        [("USER", "ann"), ("/run/key", "s3cr${et}\n")].map(|(name, value)| (name.into(), value.into())).into()
    }

    #[test]
    fn references_are_replaced_once() {
        let table = [
            ("plain", "plain"),
            ("${USER}", "ann"),
            ("a-${USER}-${file:/run/key}", "a-ann-s3cr${et}"),
            ("$${USER} ^x$", "${USER} ^x$"),
        ];
        for (text, resolved) in table {
            assert_eq!(resolve(text, &environment()).expect(text), resolved);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let table = [
            ("${NOBODY}", "environment variable `NOBODY` is not set"),
            ("${file:/nowhere}", "file `/nowhere` can't be read"),
            ("${USER", "`${` has no closing `}`"),
            ("${file:relative}", "`${file:relative}` is neither a variable's name nor `file:/absolute/path`"),
            ("${}", "`${}` is neither a variable's name nor `file:/absolute/path`"),
        ];
        for (text, message) in table {
            assert_eq!(resolve(text, &environment()).expect_err(text).to_string(), message);
        }
    }
}
