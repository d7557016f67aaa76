//! The head of an evidence page: what was run, when, where, with what.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::harness::repository;

/// The head of a page.
pub fn head(title: &str, command: &str, versions: &str) -> String {
    format!(
        "# {title}\n\n<!-- written by `{command}` -->\n\n| | |\n|---|---|\n| command | `{command}` |\n| date | {} |\n\
         | commit | {} |\n| machine | {} |\n| versions | {versions} |\n\n",
        said("date", &["-u", "+%F %H:%M UTC"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        machine(),
    )
}

/// Writes `docs/evidence/NAME.md`.
pub fn write(name: &str, text: &str) -> PathBuf {
    let folder = repository().join("docs/evidence");
    fs::create_dir_all(&folder).expect("the repository is ours");
    let file = folder.join(format!("{name}.md"));
    fs::write(&file, text).expect("the repository is ours");
    file
}

/// In words: cores and memory.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let gib = total.map_or(0, |kib: u64| kib.div_ceil(1 << 20));
    format!("{cores} cores, {gib} GiB, shared with other work")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(repository()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
