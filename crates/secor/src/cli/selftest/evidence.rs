//! The count: every file of the topic's folder is read back and its ids are set against what the producer knows.
//!
//! The ledger is not asked which files there are. What counts is what a reader of the folder sees, so the folder is
//! listed; chains, receipts and digests are the audit's business.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use secor_core::shape::Output;
use secor_format::read_file;
use serde::{Deserialize, Serialize};

use crate::cli::errors::{Class, CliError, chain};
use crate::kafka::scratch::Fate;
use crate::store::{Store, object};

/// How often each id stands in the archive, and what could not be counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub files: u64,
    times: Vec<u32>,
    /// What makes a reader stumble: damaged files, records that nobody produced.
    pub oddities: Vec<String>,
}

/// What became of a range of ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Ids {
    /// Kafka has confirmed them.
    pub acked: u64,
    /// Kafka has refused them.
    pub failed: u64,
    /// Sent, and never answered.
    pub unknown: u64,
    pub archived_once: u64,
    pub repeated: u64,
    /// Acknowledged, and in no file.
    pub lost: u64,
}

#[derive(Deserialize)]
struct PageView {
    id: usize,
}

/// Ids of one file, and what was odd in it.
type FileIds = (Vec<usize>, Option<String>);

const PAGE_KEYS: usize = 1_000;
const READS_AT_ONCE: usize = 8;
/// More are not listed one by one.
const ODDITIES_MAX: usize = 20;

/// Reads everything in the folder of `topic`, which holds ids below `records`.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn count(
    store: &Arc<dyn Store>,
    topic: &str,
    output: &Output,
    records: usize,
) -> Result<Count, CliError> {
    let mut count = Count { times: vec![0; records], ..Count::default() };
    let mut after: Option<String> = None;
    loop {
        let page = store.list(topic, after.as_deref(), PAGE_KEYS).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some(last.key.clone());
        let reads = stream::iter(page).map(|listed| ids_of(Arc::clone(store), output.clone(), listed.key));
        let files: Vec<FileIds> = reads.buffer_unordered(READS_AT_ONCE).try_collect().await?;
        for (ids, oddity) in files {
            count.add(&ids, oddity);
        }
    }
}

async fn ids_of(store: Arc<dyn Store>, output: Output, key: String) -> Result<FileIds, CliError> {
    let Some(reader) = object::open(&*store, &key).await? else {
        return Ok((Vec::new(), Some(format!("`{key}` vanished while it was read"))));
    };
    let failure = reader.failure();
    let read = tokio::task::spawn_blocking(move || {
        let mut ids = Vec::new();
        for archived in read_file(&output, false, reader) {
            let value = match archived {
                Ok(archived) => archived.value.unwrap_or_default(),
                Err(error) => return (ids, Some(format!("`{key}`: {}", chain(&error)))),
            };
            match serde_json::from_slice::<PageView>(&value) {
                Ok(view) => ids.push(view.id),
                Err(_) => return (ids, Some(format!("`{key}` holds a record that was never produced"))),
            }
        }
        (ids, None)
    });
    let found = read.await.map_err(|error| CliError::caused_by(Class::Bug, &error))?;
    match failure.take() {
        Some(error) => Err(error.into()),
        None => Ok(found),
    }
}

// === impl Count ===

impl Count {
    fn add(&mut self, ids: &[usize], oddity: Option<String>) {
        self.files += 1;
        for id in ids {
            match self.times.get_mut(*id) {
                Some(times) => *times += 1,
                None => self.note(format!("id {id} is archived, and was never produced")),
            }
        }
        if let Some(oddity) = oddity {
            self.note(oddity);
        }
    }

    fn note(&mut self, oddity: String) {
        if self.oddities.len() < ODDITIES_MAX {
            self.oddities.push(oddity);
        }
    }

    /// What became of the ids of a range.
    pub(super) fn of(&self, range: Range<usize>, fates: &[Fate]) -> Ids {
        let mut ids = Ids::default();
        for id in range {
            let times = self.times.get(id).copied().unwrap_or_default();
            let fate = fates.get(id).copied().unwrap_or_default();
            match fate {
                Fate::Acked => ids.acked += 1,
                Fate::Failed => ids.failed += 1,
                Fate::Unknown => ids.unknown += 1,
                Fate::Unsent => {}
            }
            match times {
                0 => ids.lost += u64::from(fate == Fate::Acked),
                1 => ids.archived_once += 1,
                _ => ids.repeated += 1,
            }
        }
        ids
    }

    /// The first ids that are not in the archive once, with what is wrong.
    pub(super) fn examples(&self, fates: &[Fate], max: usize) -> Vec<String> {
        let mut found: BTreeMap<usize, String> = BTreeMap::new();
        for (id, times) in self.times.iter().enumerate() {
            let acked = fates.get(id) == Some(&Fate::Acked);
            if *times > 1 {
                found.insert(id, format!("id {id} is archived {times} times"));
            } else if *times == 0 && acked {
                found.insert(id, format!("id {id} was acknowledged and is in no file"));
            }
            if found.len() == max {
                break;
            }
        }
        found.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_is_judged_by_how_often_it_is_archived() {
        use Fate::{Acked, Failed, Unknown, Unsent};
        let mut count = Count { times: vec![0; 8], ..Count::default() };
        count.add(&[0, 1, 1, 3, 5], None);
        let fates = [Acked, Acked, Acked, Unknown, Unknown, Failed, Failed];
        let ids = count.of(0..8, &fates);
        let right = Ids { acked: 3, failed: 2, unknown: 2, archived_once: 3, repeated: 1, lost: 1 };
        assert_eq!(ids, right);
        assert_eq!(fates.get(7).copied().unwrap_or_default(), Unsent);
        let examples = count.examples(&fates, 5);
        assert_eq!(examples, ["id 1 is archived 2 times", "id 2 was acknowledged and is in no file"]);
    }

    #[test]
    fn what_nobody_produced_is_named() {
        let mut count = Count { times: vec![0; 2], ..Count::default() };
        count.add(&[7], Some("`a` is damaged".to_owned()));
        assert_eq!(count.oddities, ["id 7 is archived, and was never produced", "`a` is damaged"]);
    }
}
