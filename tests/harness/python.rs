//! Other people's readers: the lab's Python with DuckDB and pyarrow, and Java with Hadoop's jars.

use std::process::Command;

use super::{lab, repository};

/// Runs a script of `tests/` (such as `lab/flights.py`) with the lab's Python and returns what it printed.
///
/// # Panics
/// When the script fails, with what it said.
#[track_caller]
pub fn python(script: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(lab().join("venv/bin/python"));
    command.arg(repository().join("tests").join(script)).args(arguments);
    printed(command, "python")
}

/// Runs a source file of `tests/` (such as `lab/ReadSequence.java`) with Hadoop's jars and returns what it printed.
///
/// # Panics
/// When the program fails, with what it said.
#[track_caller]
pub fn java(source: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("java");
    command.arg("-cp").arg(lab().join("hadoop/3.3.6/*"));
    command.arg(repository().join("tests").join(source)).args(arguments);
    printed(command, "hadoop")
}

#[track_caller]
fn printed(mut command: Command, step: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (tests/lab/install.sh {step}?)"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("readers print UTF-8")
}
