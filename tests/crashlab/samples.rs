//! What a process uses, seen from `/proc` and its folder, over time.

use std::fs;
use std::path::Path;

/// One look at one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub resident_kib: u64,
    pub open_files: u64,
    pub staged_bytes: u64,
}

/// One look at everything.
#[derive(Clone, Debug)]
pub struct Moment {
    pub seconds: u64,
    /// One per member; `None` while no process runs there.
    pub members: Vec<Option<Sample>>,
    /// Log ends minus committed offsets; `None` when Kafka did not answer.
    pub lag: Option<i64>,
}

impl Sample {
    /// `None` when the process has ended meanwhile.
    pub fn take(pid: i32, staging: &Path) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident_kib = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        let open_files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some(Self { resident_kib, open_files: u64::try_from(open_files).ok()?, staged_bytes: bytes_below(staging) })
    }
}

/// Bytes of all files at any depth; what is deleted meanwhile counts nothing.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
        _ => entry.metadata().map_or(0, |metadata| metadata.len()),
    };
    entries.filter_map(Result::ok).map(bytes).sum()
}

/// The middle one; 0 of none.
pub fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// The moments of one sixth of the time, 0 to 5.
pub fn sixth(moments: &[Moment], number: usize) -> &[Moment] {
    let at = |sixths: usize| moments.len() * sixths / 6;
    &moments[at(number)..at(number + 1)]
}
