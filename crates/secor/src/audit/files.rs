//! Are the files of a batch there, as they were stored, and do they hold what the manifest says?
//!
//! A batch with a successor is complete (R8), and the successor's receipt says what was stored: every file is compared
//! with it. The last batch has no receipt yet: its files are asked for existence and for the digest that they carry.
//!
//! Where a database arbitrates, the store may let the last writer of a file win (decision 0007). A file that differs
//! from its receipt is then read back, and its records decide.

use std::collections::BTreeMap;

use secor_core::ids::Digest;
use secor_core::manifest::{Batch, Entry, FileEntry, Receipt, ResolutionReason, ResolvedOutcome, StoredFile};

use super::report::{Finding, FindingCode, Place, ResolutionReport};
use super::{AuditError, Depth, deep};
use crate::ledger::Ledger;
use crate::store::{Checksum, ObjectInfo};

/// What stands in the slot behind a batch.
#[derive(Clone, Debug)]
pub(super) enum Successor {
    /// Nothing: the batch is the last one.
    None,
    Entry {
        receipt: Option<Receipt>,
    },
    /// Something that can't be read.
    Unreadable,
}

/// What a file should hold, after resolutions (R12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub records: u64,
    pub records_digest: Digest,
    pub values_digest: Digest,
}

/// The states in which a file with resolutions is settled (R6).
struct Settled {
    /// What it may hold: as its manifest says, if a slow uploader still had all of it; or a subset, the last one last.
    contents: Vec<Content>,
    may_be_absent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Checked {
    pub findings: Vec<Finding>,
    pub stored_bytes: u64,
    /// Files that should be there.
    pub files: u64,
    pub records: u64,
    pub dead_letters: u64,
    pub contents: Contents,
    pub resolutions: Vec<ResolutionReport>,
}

/// By key; `None` for a file that a resolution calls absent.
pub(super) type Contents = BTreeMap<String, Option<Content>>;

pub(super) struct BatchCheck<'a> {
    pub ledger: &'a Ledger,
    pub depth: Depth,
    pub place: Place,
    pub entry: &'a Entry,
    pub batch: &'a Batch,
    /// The batch has resolutions, or is the last one and may have.
    pub resolved: bool,
}

// === impl BatchCheck ===

impl BatchCheck<'_> {
    pub(super) async fn run(&self, successor: &Successor) -> Result<Checked, AuditError> {
        let mut checked = Checked::default();
        let contents = self.contents(&mut checked).await?;
        let receipt = self.receipt(successor, &contents, &mut checked);
        for (key, content) in &contents {
            let Some(file) = self.batch.file(key) else { continue };
            let Some(content) = content else { continue };
            checked.files += 1;
            checked.records += content.records;
            if file.dead_letters {
                checked.dead_letters += content.records;
            }
            let stored = receipt.and_then(|receipt| receipt.files.iter().find(|stored| stored.key == *key));
            let last = matches!(successor, Successor::None);
            self.file(file, content, stored, last, &mut checked).await?;
        }
        checked.contents = contents;
        Ok(checked)
    }

    /// What each file of the manifest should hold; `None`: nothing, and it is not there. Where resolutions name a file,
    /// the store says which of the settled states it is in (R6).
    async fn contents(&self, checked: &mut Checked) -> Result<Contents, AuditError> {
        let files = self.batch.files.iter();
        let mut contents: Contents = files.map(|file| (file.key.clone(), Some(Content::of(file)))).collect();
        if !self.resolved {
            return Ok(contents);
        }
        let place = self.entry.topic_partition();
        let resolutions = self.ledger.resolutions(&place, self.entry.generation, self.entry.start).await?;
        let mut settled: BTreeMap<&str, (Settled, ResolutionReason)> = BTreeMap::new();
        for resolution in &resolutions {
            for resolved in &resolution.files {
                let Some(file) = self.batch.file(&resolved.key) else { continue };
                let (states, reason) = settled
                    .entry(resolved.key.as_str())
                    .or_insert_with(|| (Settled::as_recorded(file), resolution.reason));
                states.add(&resolved.outcome);
                *reason = resolution.reason;
            }
        }
        for (key, (states, reason)) in settled {
            let content = states.state_of(self.ledger.store().head(key).await?.as_ref());
            checked.resolutions.push(self.resolution(key, content, reason));
            contents.insert(key.to_owned(), content);
        }
        Ok(contents)
    }

    fn resolution(&self, key: &str, content: Option<Content>, reason: ResolutionReason) -> ResolutionReport {
        let Entry { generation, start, end, .. } = *self.entry;
        let of = self.batch.file(key).map_or(0, |file| file.records);
        let records = content.map(|content| content.records);
        ResolutionReport { generation, start, end, key: key.to_owned(), records, of, reason }
    }

    fn receipt<'a>(&self, successor: &'a Successor, contents: &Contents, checked: &mut Checked) -> Option<&'a Receipt> {
        let Successor::Entry { receipt } = successor else { return None };
        let mut bad = |detail: String| checked.findings.push(self.place.finding(FindingCode::BadReceipt, detail));
        let Some(receipt) = receipt else {
            bad("the next entry carries no receipt of this batch".to_owned());
            return None;
        };
        if receipt.start != self.entry.start {
            bad(format!("the next entry's receipt is of the batch at {}", receipt.start));
            return None;
        }
        for stored in receipt.files.iter().filter(|stored| self.batch.file(&stored.key).is_none()) {
            bad(format!("the receipt lists `{}`, which the manifest does not name", stored.key));
        }
        for (key, _) in contents.iter().filter(|(_, content)| content.is_some()) {
            if receipt.files.iter().all(|stored| stored.key != *key) {
                bad(format!("the receipt does not list `{key}`, and no resolution calls it absent"));
            }
        }
        Some(receipt)
    }

    async fn file(
        &self,
        file: &FileEntry,
        content: &Content,
        stored: Option<&StoredFile>,
        last: bool,
        checked: &mut Checked,
    ) -> Result<(), AuditError> {
        let store = self.ledger.store();
        let Some(info) = store.head(&file.key).await? else {
            let finding = if last {
                let detail = "the last batch lacks this file: it is being uploaded, or the next `secor run` will";
                self.place.file(FindingCode::Incomplete, &file.key, detail)
            } else {
                self.place.file(FindingCode::MissingFile, &file.key, "is not in the store")
            };
            checked.findings.push(finding);
            return Ok(());
        };
        checked.stored_bytes += info.size;
        let found = checked.findings.len();
        checked.findings.extend(self.attribute(file, content, &info));
        let mut differs = None;
        if let Some(stored) = stored {
            differs = self.compare(stored, &info).await?;
        }
        // where the last writer of a file wins, a late one may have stored other bytes of the same records: what it
        // stored has to say so itself
        let written_again = differs.as_ref().is_some_and(Finding::is_about_bytes) && !self.ledger.files_are_final();
        if !written_again {
            checked.findings.extend(differs);
        }
        if (self.depth == Depth::Records || written_again) && checked.findings.len() == found {
            checked.findings.extend(deep::read_back(self, file, content).await?);
        }
        Ok(())
    }

    fn attribute(&self, file: &FileEntry, content: &Content, info: &ObjectInfo) -> Option<Finding> {
        let digest = info.attributes.digest.filter(|digest| *digest != content.records_digest)?;
        let detail = format!("was created for records of digest {digest}, expected {}", content.records_digest);
        Some(self.place.file(FindingCode::WrongDigest, &file.key, detail))
    }

    async fn compare(&self, stored: &StoredFile, info: &ObjectInfo) -> Result<Option<Finding>, AuditError> {
        if info.size != stored.size {
            let detail = format!("has {} bytes, {} were stored", info.size, stored.size);
            return Ok(Some(self.place.file(FindingCode::WrongSize, &stored.key, detail)));
        }
        let Ok(expected) = stored.checksum.parse::<Checksum>() else {
            let detail = format!("the receipt of `{}` has no checksum but `{}`", stored.key, stored.checksum);
            return Ok(Some(self.place.finding(FindingCode::BadReceipt, detail)));
        };
        let found = match &info.checksum {
            Some(checksum) if checksum.comparable(&expected) => Some(checksum.clone()),
            _ => self.ledger.store().checksum(&stored.key).await?,
        };
        // an archive that was copied to another kind of store keeps no comparable checksum: its size has to do
        let differs = found.filter(|found| found.comparable(&expected) && *found != expected);
        Ok(differs.map(|found| {
            let detail = format!("has checksum {found}, {expected} was stored");
            self.place.file(FindingCode::WrongChecksum, &stored.key, detail)
        }))
    }
}

// === impl Settled ===

impl Settled {
    fn as_recorded(file: &FileEntry) -> Self {
        Self { contents: vec![Content::of(file)], may_be_absent: false }
    }

    fn add(&mut self, outcome: &ResolvedOutcome) {
        match *outcome {
            ResolvedOutcome::Absent => self.may_be_absent = true,
            ResolvedOutcome::Subset { records, records_digest, values_digest } => {
                self.contents.push(Content { records, records_digest, values_digest });
            }
        }
    }

    /// The state that the stored file is in, by the digest that it carries; without one, what was resolved last.
    fn state_of(&self, stored: Option<&ObjectInfo>) -> Option<Content> {
        let last = self.contents.last().copied();
        match stored {
            None if self.may_be_absent => None,
            None => last,
            Some(info) => {
                let carried =
                    self.contents.iter().find(|content| Some(content.records_digest) == info.attributes.digest);
                carried.copied().or(last)
            }
        }
    }
}

// === impl Content ===

impl Content {
    pub(super) fn of(file: &FileEntry) -> Self {
        Self { records: file.records, records_digest: file.records_digest, values_digest: file.values_digest }
    }
}
