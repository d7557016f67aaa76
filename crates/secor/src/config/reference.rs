//! The reference page `docs/configuration.md`, written from the table of keys. A test compares it with the file in the
//! repository; `SECOR_BLESS=1` writes it anew.

use super::properties::FIXED_PROPERTIES;
use super::schema::{self, Fallback, Key, Kind, LATER};
use super::suggest::brackets;
use super::units;

const INTRODUCTION: &str = "\
# Configuration

<!-- written by `SECOR_BLESS=1 cargo test -p secor reference_page`; change crates/secor/src/config/schema.rs instead -->

One TOML file, named by `--config` or by `SECOR_CONFIG`. `secor check` reads it, says what it understood and asks Kafka
and the store; `secor check --offline` only reads it. All mistakes are reported at once, each with line, column, key
and a hint, and nothing is started ([the table of mistakes](errors.md)). Ready-made files are in
[`examples/`](../examples).

* `${NAME}` in a text is replaced by the environment variable, `${file:/path}` by what the file holds without line
  breaks at its end; `$${` is a plain `${`. Secrets are never printed.
* Durations are numbers with a unit: `ms`, `s`, `m`, `h`, `d`, also together as in `1h30m`. Sizes are numbers with a
  unit: `kB`, `MB`, `GB` are powers of 1000, `KiB`, `MiB`, `GiB` of 1024.
* Keys marked **yes** under *shapes output* decide bytes or names of the archived files. They are stored beside the
  ledger before the first file that they shape, so a change never touches what is already cut.
";

/// The page as Markdown.
#[must_use]
pub fn reference_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in schema::SECTIONS {
        let title = match section.path {
            "" => "Top".to_owned(),
            path => format!("`{}`", brackets(path)),
        };
        page.push_str(&format!("\n## {title}\n\n{}\n\n", section.doc));
        if section.path == "kafka.properties" {
            fixed_properties(&mut page);
            continue;
        }
        page.push_str("| key | type | default | shapes output | |\n|---|---|---|---|---|\n");
        for key in schema::keys().filter(|key| section_of(key.path) == section.path) {
            page.push_str(&row(section.path, key));
        }
    }
    page.push_str("\n## Not in this version\n\nThese are known and refused with that remark:\n\n");
    for (path, purpose) in LATER {
        page.push_str(&format!("* `{path}`: {purpose}\n"));
    }
    page
}

/// The section whose table lists the key: the longest that its path begins with.
fn section_of(path: &str) -> &'static str {
    let holds =
        |section: &str| section.is_empty() || path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    let holding = schema::SECTIONS.iter().map(|section| section.path).filter(|section| holds(section));
    holding.max_by_key(|section| section.len()).unwrap_or_default()
}

fn row(section: &str, key: &Key) -> String {
    let name = key.path.strip_prefix(section).unwrap_or(key.path).trim_start_matches('.');
    let default = match key.fallback {
        Fallback::Required => "**required**".to_owned(),
        Fallback::Absent(meaning) => meaning.to_owned(),
        Fallback::Toml(value) => format!("`{value}`"),
    };
    let shapes = if key.shapes_output { "**yes**" } else { "" };
    format!("| `{name}` | {} | {default} | {shapes} | {} |\n", kind(&key.kind), key.doc)
}

fn kind(kind: &Kind) -> String {
    let range = |name: &str, min: u64, max: u64, show: fn(u64) -> String| match (min, max) {
        (0, max) if max == i64::MAX as u64 => name.to_owned(),
        (min, max) if max == i64::MAX as u64 => format!("{name}, from {}", show(min)),
        (min, max) => format!("{name}, {} to {}", show(min), show(max)),
    };
    match kind {
        Kind::Text(_) => "text".to_owned(),
        Kind::Secret => "secret text".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Kind::Flag => "`true`, `false`".to_owned(),
        Kind::Integer { min, max } => range("number", *min, *max, |value| value.to_string()),
        Kind::Duration { min, max } => range("duration", *min, *max, units::format_duration),
        Kind::Size { min, max } => range("size", *min, *max, units::format_size),
        Kind::Texts(_) => "list of text".to_owned(),
        Kind::Properties | Kind::Files => "table".to_owned(),
    }
}

fn fixed_properties(page: &mut String) {
    page.push_str("| property | why | instead |\n|---|---|---|\n");
    for property in FIXED_PROPERTIES {
        page.push_str(&format!("| `{}` | {} | {} |\n", property.name, property.why, property.hint));
    }
}
