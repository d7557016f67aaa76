//! The bodies of the fuzz targets: one module each, with a function `run` that takes any bytes and panics when a
//! promise is broken. libFuzzer calls them (`fuzz_targets/`), and `tests/corpus.rs` replays the corpus through them on
//! every `cargo test`.
//!
//! A body only uses what is public, decides everything by its bytes, and asserts a property, not a golden value: what
//! was read is written again alike, two readers agree, a value stays in its range.

pub mod avro_values;
pub mod bytes;
pub mod columns;
pub mod command_line;
pub mod config;
pub mod dead_letters;
pub mod encode;
pub mod envelope;
pub mod event_time;
pub mod files;
pub mod input;
pub mod json_fields;
pub mod layout;
pub mod ledger_json;
pub mod ledger_text;
pub mod output_partition;
pub mod sequence;
pub mod shape;
pub mod shapes;
pub mod text;

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets; each has a file in `fuzz_targets/` and a folder in `corpus/`.
pub const ALL: [Target; 17] = [
    ("avro_values", avro_values::run),
    ("columns", columns::run),
    ("command_line", command_line::run),
    ("config", config::run),
    ("dead_letters", dead_letters::run),
    ("encode", encode::run),
    ("envelope", envelope::run),
    ("event_time", event_time::run),
    ("input", input::run),
    ("json_fields", json_fields::run),
    ("layout", layout::run),
    ("ledger_json", ledger_json::run),
    ("ledger_text", ledger_text::run),
    ("output_partition", output_partition::run),
    ("sequence", sequence::run),
    ("shape", shape::run),
    ("text", text::run),
];
