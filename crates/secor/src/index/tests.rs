//! Rows follow the chain as far as it is known to be complete, and no further.

use std::collections::BTreeMap;
use std::sync::Arc;

use secor_core::flush::CutReason;
use secor_core::ids::{ConfigHash, Digest, Generation, Offset, TopicPartition};
use secor_core::manifest::{Batch, Entry, FileEntry, Genesis, Isolation, Kind, Next, Seal};

use super::rows::{Position, Synced};
use super::*;
use crate::ledger::memory::MemoryStore;
use crate::ledger::{Ledger, LedgerSettings};

const OLD: Generation = Generation(1);
const NEW: Generation = Generation(2);

fn offset(value: i64) -> Offset {
    Offset::new(value).expect("not negative")
}

fn entry(ledger: &Ledger, generation: Generation, start: i64, end: i64, kind: Kind) -> Entry {
    let (ledger, topic) = (ledger.identity().ledger.clone(), Arc::from("clicks"));
    let (start, end) = (offset(start), offset(end));
    Entry { version: 1, ledger, topic, topic_id: None, partition: 0, generation, start, end, receipt: None, kind }
}

fn batch(key: &str) -> Kind {
    let file = FileEntry {
        key: key.to_owned(),
        records: 1,
        first_offset: Offset::ZERO,
        last_offset: Offset::ZERO,
        timestamps: None,
        event_times: None,
        bytes: 1,
        records_digest: Digest(1),
        values_digest: Digest(2),
        dead_letters: false,
        schema: None,
    };
    Kind::Batch(Batch {
        reason: CutReason::MaxAge,
        clock: 0,
        isolation: Isolation::ReadCommitted,
        leader_epoch: None,
        config: ConfigHash::of(b""),
        time_zone_data: "2025b".to_owned(),
        schemas: Vec::new(),
        records: 1,
        files: vec![file],
    })
}

/// A topic was created again while a commit of the old one was pending. Its offset lies behind those of the new one, and
/// says nothing about the new one's last batch, whose file is still on its way.
#[tokio::test]
async fn what_the_old_topic_committed_does_not_vouch_for_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(MemoryStore::new("memory://archive"));
    let ledger = Ledger::open_or_create(store.clone(), &LedgerSettings::default()).await.expect("founds");
    let genesis = Genesis {
        version: 1,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        cluster: Arc::from("cluster"),
        group: Arc::from("group"),
        generation: OLD,
        start: BTreeMap::new(),
    };
    ledger.create_genesis(&genesis).await.expect("creates");
    let next = Next { generation: NEW, topic_id: None, start: Offset::ZERO };
    for entry in [
        entry(&ledger, OLD, 0, 1_000, batch("old")),
        entry(&ledger, OLD, 1_000, 1_000, Kind::Seal(Seal { next })),
        entry(&ledger, NEW, 0, 100, batch("new")),
    ] {
        ledger.create_entry(&entry).await.expect("creates");
    }
    store.put("old", "o");

    let index = Index::new(&Secret::new(format!("sqlite://{}/i.db", folder.path().display()))).expect("a url");
    index.prepare().await.expect("makes tables");
    let tp = TopicPartition::new("clicks", 0);
    let mut synced = Synced::default();
    let beginning = Position { generation: OLD, next: Offset::ZERO };
    let reached = index.follow(&ledger, &tp, beginning, Some((OLD, offset(1_000))), &mut synced).await.expect("adds");
    assert_eq!((reached, synced.files), (Position { generation: NEW, next: Offset::ZERO }, 1));

    store.put("new", "n");
    let reached = index.follow(&ledger, &tp, reached, Some((NEW, offset(100))), &mut synced).await.expect("adds");
    assert_eq!((reached, synced.files), (Position { generation: NEW, next: offset(100) }, 2));
}
