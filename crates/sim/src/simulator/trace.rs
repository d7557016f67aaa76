//! What happened, line by line: hashed always, kept only when somebody wants to read it.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// The account of one run. Two runs of a seed must give the same bytes.
pub struct Trace {
    hash: Xxh3,
    kept: Option<Vec<String>>,
    line: String,
    lines: u64,
}

// === impl Trace ===

impl Trace {
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self { hash: Xxh3::new(), kept: keep.then(Vec::new), line: String::new(), lines: 0 }
    }

    /// Writes a line; `at_ms` is virtual time since the start of the run.
    pub fn line(&mut self, at_ms: i64, what: fmt::Arguments<'_>) {
        use fmt::Write as _;
        self.line.clear();
        writeln!(self.line, "{:>7}.{:03} {what}", at_ms / 1_000, at_ms % 1_000).expect("a string takes all");
        self.hash.update(self.line.as_bytes());
        self.lines += 1;
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.trim_end().to_owned());
        }
    }

    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// xxh3-128 over all lines.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.hash.digest128()
    }

    /// The lines, if they were kept.
    #[must_use]
    pub fn into_kept(self) -> Vec<String> {
        self.kept.unwrap_or_default()
    }
}
