//! Follows an archive of one topic through its ledger, while others write it: the name of the next entry is known, so
//! that each look asks for one object per partition. Shows how far it is: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secor_core::ids::{Generation, Offset, TopicPartition};

use super::errors::CliError;
use crate::ledger::{Ledger, LedgerError, LedgerSettings};
use crate::store::Store;

/// Between two looks.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// Where the archive and its ledger are.
pub(super) struct Followed {
    pub store: Arc<dyn Store>,
    pub ledger: LedgerSettings,
}

pub(super) struct Follow {
    place: Followed,
    next: Vec<(TopicPartition, Offset)>,
    ledger: Option<Ledger>,
    archived: u64,
    bar: ProgressBar,
    line_at: Instant,
}

// === impl Follow ===

impl Follow {
    /// Follows the first generation of `topic`, whose partitions begin at `starts`; `records` are expected.
    pub(super) fn new(place: Followed, topic: &str, starts: &[Offset], records: u64) -> Self {
        let topic: Arc<str> = Arc::from(topic);
        let next =
            (0..).zip(starts).map(|(partition, start)| (TopicPartition::new(Arc::clone(&topic), partition), *start));
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} records in batches  {msg}")
            .expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(Some(records), target).with_style(style);
        Self { place, next: next.collect(), ledger: None, archived: 0, bar, line_at: Instant::now() }
    }

    /// Asks how far the archive is.
    ///
    /// # Errors
    /// When the store can't be asked, or an entry does not belong where it stands.
    pub(super) async fn look(&mut self) -> Result<(), CliError> {
        if self.ledger.is_none() {
            self.ledger = match Ledger::open(Arc::clone(&self.place.store), &self.place.ledger).await {
                Err(LedgerError::Absent(_)) => return Ok(()),
                opened => Some(opened?),
            };
        }
        let ledger = self.ledger.as_ref().expect("it was opened a moment ago");
        for (tp, next) in &mut self.next {
            while let Some(entry) = ledger.entry(tp, Generation(1), *next).await? {
                *next = entry.end;
                self.archived += entry.batch().map_or(0, |batch| batch.records);
            }
        }
        self.bar.set_position(self.archived);
        if self.bar.is_hidden() && self.line_at.elapsed() >= LINE_INTERVAL {
            self.line_at = Instant::now();
            eprintln!("{} of {} records archived", self.archived, self.bar.length().unwrap_or_default());
        }
        Ok(())
    }

    /// Records in the entries that were seen.
    pub(super) fn archived(&self) -> u64 {
        self.archived
    }

    /// Do the entries that were seen reach these offsets, one for each partition?
    pub(super) fn covers(&self, ends: &[Offset]) -> bool {
        self.next.iter().zip(ends).all(|((_, next), end)| next >= end)
    }

    /// A line for people, above the bar.
    pub(super) fn say(&self, line: &str) {
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    /// What the bar says beside its numbers.
    pub(super) fn label(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.finish();
    }
}
