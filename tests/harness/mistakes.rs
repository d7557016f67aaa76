//! What `docs/errors.md` says, compared with what the program says.

use std::collections::BTreeMap;
use std::fs;

use super::{Finished, repository};

/// One row of the page.
pub struct Row {
    pub message: String,
    pub hint: String,
    pub exit: i32,
}

/// # Panics
/// When the program said anything else than the page's row `id`.
#[track_caller]
pub fn expect_mistake(id: &str, said: &Finished) {
    if let Some(complaint) = complaint(id, said) {
        panic!("{complaint}");
    }
}

/// What differs between the row of `id` and what was said, if anything.
pub fn complaint(id: &str, said: &Finished) -> Option<String> {
    let rows = errors_page();
    let row = rows.get(id).unwrap_or_else(|| panic!("docs/errors.md has no row `{id}`"));
    let mut lines = said.stderr.lines();
    let has_message = lines.any(|line| fits(&row.message, line));
    let has_hint = lines.next().is_some_and(|line| fits(&format!("hint: {}", row.hint), line));
    let right = has_message && has_hint && said.code == row.exit;
    (!right).then(|| {
        format!(
            "`{id}`: wanted exit {}\n{}\nhint: {}\ngot exit {}\n{}",
            row.exit, row.message, row.hint, said.code, said.stderr
        )
    })
}

/// Does `line` consist of the parts of `pattern` between its `…`?
pub fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || pattern.ends_with('…')
}

/// The rows of `docs/errors.md` by id.
pub fn errors_page() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(repository().join("docs/errors.md")).expect("the page is there");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _, message, hint, exit] = cells[..] else { panic!("not five cells: {line}") };
        let inside = |cell: &str, mark: &str| cell.strip_prefix(mark)?.strip_suffix(mark).map(str::to_owned);
        let code = |cell: &str| {
            // Markdown doubles the mark around a text that holds one
            inside(cell, "``").map(|text| text.trim().to_owned()).or_else(|| inside(cell, "`"))
        };
        let row = Row {
            message: code(message).unwrap_or_else(|| panic!("message in backticks: {line}")),
            hint: code(hint).unwrap_or_else(|| panic!("hint in backticks: {line}")),
            exit: exit.parse().unwrap_or_else(|_| panic!("a number at the end: {line}")),
        };
        let id = code(id).expect("the line begins with it");
        assert!(rows.insert(id.clone(), row).is_none(), "`{id}` twice");
    }
    rows
}
