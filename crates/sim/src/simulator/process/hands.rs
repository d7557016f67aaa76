//! The answers to the machine's questions: to be read beside `service/world.rs`, `genesis.rs` and `files.rs` of the
//! program. Every question goes on being tried until it has an answer or its epoch ends, which drops the future.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use secor_core::ids::{Digest, TopicId, TopicPartition};
use secor_core::json::FORMAT_VERSION;
use secor_core::manifest::{Arbiter, CommitOrigin, Entry, FileEntry, Genesis, ResolvedOutcome};
use secor_core::partition::{
    Answer, Ask, Committed, Facts, FileState, Inspection, LogRange, Refusal, RefusalCode, Replay, Stored,
};

use super::batch::{Closed, ClosedFile, Recipe, ReplayPlan};
use super::ledger::{Create, Ledger, Store, Trouble};
use super::{CLUSTER, GROUP};
use crate::simulator::net::{Info, KafkaRequest, Net, Place, Reply, Request, all};
use crate::simulator::rng::Rng;
use crate::simulator::sabotage::Sabotage;
use crate::simulator::scenario::Configuration;

/// The first pause between two tries; it doubles up to the last.
const PAUSE_MS_FIRST: i64 = 100;
const PAUSE_MS_MAX: i64 = 10_000;
/// A topic that changes its id this often while it is looked at is being created again and again.
const ID_CHANGES_MAX: usize = 10;

pub(super) struct Hands {
    pub net: Net,
    pub ledger: Ledger,
    pub config: Rc<Configuration>,
    pub sabotage: Option<Sabotage>,
    geneses: RefCell<BTreeMap<Arc<str>, Genesis>>,
    /// For [`Sabotage::TopicIdRemembered`].
    topic_ids: RefCell<BTreeMap<Arc<str>, Option<TopicId>>>,
    rng: RefCell<Rng>,
}

// === impl Hands ===

impl Hands {
    pub fn new(config: Rc<Configuration>, sabotage: Option<Sabotage>, rng: Rng) -> Self {
        let net = Net::default();
        Self {
            ledger: Ledger::new(Store { net: net.clone(), sabotage }),
            net,
            config,
            sabotage,
            geneses: RefCell::default(),
            topic_ids: RefCell::default(),
            rng: RefCell::new(rng),
        }
    }

    /// Repeats `attempt` until it has a result or is refused.
    pub async fn retry<T, Attempt: Future<Output = Result<T, Trouble>>>(
        &self,
        attempt: impl Fn() -> Attempt,
    ) -> Result<T, Refusal> {
        let mut pause_ms = PAUSE_MS_FIRST;
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(Trouble::Refuse(refusal)) => return Err(refusal),
                Err(Trouble::Later) => {
                    let jittered_ms = self.rng.borrow_mut().between(pause_ms / 2, pause_ms + 1);
                    self.net.call(Request::Sleep(jittered_ms)).await;
                    pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
                }
            }
        }
    }

    // --- Kafka

    async fn kafka(&self, request: KafkaRequest) -> Result<Reply, Trouble> {
        match self.net.call(Request::Kafka(request)).await {
            Reply::Failed => Err(Trouble::Later),
            Reply::UnknownTopic => {
                let detail = "the broker does not know the topic";
                Err(Trouble::Refuse(Refusal::new(RefusalCode::TopicMissing, detail)))
            }
            reply => Ok(reply),
        }
    }

    pub async fn topic_id(&self, topic: &Arc<str>) -> Result<Option<TopicId>, Trouble> {
        if self.sabotage == Some(Sabotage::TopicIdRemembered)
            && let Some(known) = self.topic_ids.borrow().get(topic)
        {
            return Ok(known.clone());
        }
        match self.kafka(KafkaRequest::TopicId(Rc::from(&**topic))).await? {
            Reply::TopicId(id) => {
                self.topic_ids.borrow_mut().insert(Arc::clone(topic), id.clone());
                Ok(id)
            }
            other => unreachable!("`{other:?}` is no topic id"),
        }
    }

    pub async fn log_range(&self, tp: &TopicPartition) -> Result<LogRange, Trouble> {
        match self.kafka(KafkaRequest::LogRange(tp.clone())).await? {
            Reply::LogRange(range) => Ok(range),
            other => unreachable!("`{other:?}` is no range"),
        }
    }

    async fn committed(&self, tp: &TopicPartition) -> Result<Option<Committed>, Trouble> {
        match self.kafka(KafkaRequest::Committed(tp.clone())).await? {
            Reply::Committed(committed) => {
                Ok(committed.map(|(offset, metadata)| Committed { offset, origin: CommitOrigin::of(&metadata) }))
            }
            other => unreachable!("`{other:?}` is no committed offset"),
        }
    }

    // --- questions

    pub async fn answer(&self, tp: &TopicPartition, ask: &Ask, staged: &Closed) -> Result<Answer, Trouble> {
        Ok(match ask {
            Ask::LookUp => Answer::Facts(Box::new(self.facts(tp).await?)),
            Ask::Genesis => Answer::Genesis(Box::new(self.make_genesis(&tp.topic, false).await?)),
            Ask::Head { generation } => Answer::Entry(self.ledger.head(tp, *generation).await?.map(Box::new)),
            Ask::Entry { generation, start } => {
                Answer::Entry(self.ledger.entry(tp, *generation, *start).await?.map(Box::new))
            }
            Ask::TopicId => Answer::TopicId(self.topic_id(&tp.topic).await?),
            Ask::Create(entry) => self.create(entry).await?,
            Ask::Inspect(entry) => Answer::Inspected(self.inspect(entry).await?),
            Ask::Upload { entry, keys } => Answer::Inspected(self.upload(entry, keys, staged).await?),
            Ask::Resolve(resolution) => match self.ledger.create_resolution(resolution).await? {
                None => Answer::Created,
                Some(there) if there == **resolution => Answer::Created,
                Some(_) => Answer::Taken,
            },
            Ask::Replay { .. } => unreachable!("a replay is read by the lane"),
        })
    }

    async fn facts(&self, tp: &TopicPartition) -> Result<Facts, Trouble> {
        let topic_id = self.topic_id(&tp.topic).await?;
        let committed = self.committed(tp).await?;
        let log = self.log_range(tp).await?;
        let genesis = self.genesis(&tp.topic).await?;
        Ok(Facts { topic_id, genesis, accepted: Vec::new(), committed, log })
    }

    async fn create(&self, entry: &Entry) -> Result<Answer, Trouble> {
        if entry.batch().is_some() {
            self.ledger.store_config(&self.config.shape).await?;
        }
        Ok(match self.ledger.create_entry(entry).await? {
            None => Answer::Created,
            Some(_) if self.sabotage == Some(Sabotage::EntryExistsIsSuccess) => Answer::Created,
            Some(there) => Answer::Exists(Box::new(there)),
        })
    }

    pub async fn plan_replay(&self, entry: &Entry, keys: &[String]) -> Result<ReplayPlan, Trouble> {
        let batch = entry.batch().expect("only batches are replayed");
        let shape = match self.sabotage {
            Some(Sabotage::ReplayOwnShape) => Arc::clone(&self.config.shape),
            _ => self.ledger.config(&batch.config).await?,
        };
        let refuse = |detail| Trouble::Refuse(Refusal::new(RefusalCode::ConfigMissing, detail));
        let recipe = Recipe::new(&entry.topic_partition(), shape, batch.isolation).map_err(refuse)?;
        let log = self.log_range(&entry.topic_partition()).await?;
        Ok(ReplayPlan { recipe, entry: Box::new(entry.clone()), keys: keys.to_vec(), log })
    }

    pub async fn finish_replay(&self, topic: &Arc<str>, replay: &Replay) -> Result<Answer, Trouble> {
        let topic_id = self.topic_id(topic).await?;
        Ok(Answer::Replayed(Replay { topic_id, ..replay.clone() }))
    }

    // --- geneses

    async fn genesis(&self, topic: &Arc<str>) -> Result<Option<Genesis>, Trouble> {
        if let Some(genesis) = self.geneses.borrow().get(topic) {
            return Ok(Some(genesis.clone()));
        }
        let genesis = self.ledger.genesis(topic).await?;
        if let Some(genesis) = &genesis {
            self.geneses.borrow_mut().insert(Arc::clone(topic), genesis.clone());
        }
        Ok(genesis)
    }

    async fn make_genesis(&self, topic: &Arc<str>, latest: bool) -> Result<Genesis, Trouble> {
        if let Some(genesis) = self.genesis(topic).await? {
            return Ok(genesis);
        }
        if self.ledger.has_entries(topic).await? {
            let detail = format!("topic `{topic}` has entries, but no genesis");
            let refusal = Refusal::new(RefusalCode::LedgerLostEntries, detail);
            return self.genesis(topic).await?.ok_or(Trouble::Refuse(refusal));
        }
        let own = self.propose_genesis(topic, latest).await?;
        let genesis = self.ledger.create_genesis(&own).await?;
        self.geneses.borrow_mut().insert(Arc::clone(topic), genesis.clone());
        Ok(genesis)
    }

    /// The topic id is asked before and after the offsets, so that they belong to it.
    async fn propose_genesis(&self, topic: &Arc<str>, latest: bool) -> Result<Genesis, Trouble> {
        for _ in 0..ID_CHANGES_MAX {
            let before = self.topic_id(topic).await?;
            let Reply::Partitions(partitions) = self.kafka(KafkaRequest::Partitions(Rc::from(&**topic))).await? else {
                unreachable!("partitions were asked for");
            };
            let mut start = BTreeMap::new();
            for partition in partitions {
                let log = self.log_range(&TopicPartition::new(Arc::clone(topic), partition)).await?;
                start.insert(partition, if latest { log.end } else { log.start });
            }
            if before == self.topic_id(topic).await? {
                return Ok(Genesis {
                    version: FORMAT_VERSION,
                    ledger: self.ledger.id(),
                    topic: Arc::clone(topic),
                    topic_id: before,
                    cluster: Arc::from(CLUSTER),
                    group: Arc::from(GROUP),
                    generation: self.config.generation,
                    start,
                });
            }
        }
        Err(Trouble::Later)
    }

    /// Opens the ledger; the first start creates the geneses of all topics that are there (R1, R2).
    pub async fn boot(&self, topics: &[Rc<str>], drawn: u64, arbiter: Arbiter) -> Result<(), Trouble> {
        self.ledger.open_or_create(drawn, arbiter).await?;
        if self.ledger.started().await?.is_some() {
            return Ok(());
        }
        for topic in topics {
            match self.make_genesis(&Arc::from(&**topic), self.config.begins_latest).await {
                // deleted meanwhile: it is a later topic if it comes again
                Err(Trouble::Refuse(refusal)) if refusal.code == RefusalCode::TopicMissing => {}
                made => drop(made?),
            }
        }
        self.ledger.create_started(topics.iter().map(|topic| topic.to_string()).collect()).await
    }

    // --- files

    async fn inspect(&self, entry: &Entry) -> Result<Inspection, Trouble> {
        let batch = entry.batch().expect("only batches have files");
        let files = all(batch.files.iter().map(|file| self.look(entry, file)).collect()).await?;
        let explained = |(file, state): (&FileEntry, &FileState)| {
            state.stored.as_ref().is_some_and(|stored| stored.records_digest == file.records_digest)
        };
        let resolutions = if batch.files.iter().zip(&files).all(explained) {
            Vec::new()
        } else {
            self.ledger.resolutions(entry).await?
        };
        Ok(Inspection { files, resolutions })
    }

    async fn look(&self, entry: &Entry, file: &FileEntry) -> Result<FileState, Trouble> {
        let stored = match self.ledger.store.head(Place::Data, &file.key).await? {
            None => None,
            Some(info) => Some(self.stored(entry, file, info).await?),
        };
        Ok(FileState { key: file.key.clone(), stored })
    }

    async fn stored(&self, entry: &Entry, file: &FileEntry, info: Info) -> Result<Stored, Trouble> {
        let records_digest = match info.digest {
            Some(digest) => digest,
            None => self.digest_of_content(entry, file).await?,
        };
        Ok(Stored { size: info.size, checksum: info.checksum, records_digest })
    }

    /// A store that keeps no attributes: the content itself says whose it is.
    async fn digest_of_content(&self, entry: &Entry, file: &FileEntry) -> Result<Digest, Trouble> {
        let batch = entry.batch().expect("only batches have files");
        let shape = self.ledger.config(&batch.config).await?;
        let bytes = self.ledger.store.get(Place::Data, &file.key).await?.ok_or(Trouble::Later)?;
        let Ok(found) = secor_format::digest_file(&shape.output, file.dead_letters, &*bytes) else {
            return Ok(Digest(0));
        };
        if (found.records, found.values_digest) == (file.records, file.values_digest) {
            return Ok(file.records_digest);
        }
        let resolutions = self.ledger.resolutions(entry).await?;
        let resolved = resolutions.iter().find_map(|resolution| match resolution.outcome(&file.key)? {
            ResolvedOutcome::Subset { records, records_digest, values_digest }
                if (found.records, found.values_digest) == (*records, *values_digest) =>
            {
                Some(*records_digest)
            }
            _ => None,
        });
        Ok(resolved.unwrap_or(Digest(0)))
    }

    async fn upload(&self, entry: &Entry, keys: &[String], staged: &Closed) -> Result<Inspection, Trouble> {
        let batch = entry.batch().expect("only batches have files");
        let wanted = staged.0.iter().filter(|(key, _)| keys.contains(key));
        let uploads = wanted.map(|(key, closed)| {
            self.upload_one(entry, batch.file(key).expect("what is staged stands in the manifest"), closed)
        });
        let files = all(uploads.collect()).await?;
        Ok(Inspection { files, resolutions: Vec::new() })
    }

    async fn upload_one(&self, entry: &Entry, file: &FileEntry, closed: &ClosedFile) -> Result<FileState, Trouble> {
        let digest = Some(closed.records_digest);
        let created = self.ledger.store.create(Place::Data, &file.key, &closed.bytes, digest);
        let stored = match created.await {
            Err(_) if self.sabotage == Some(Sabotage::CommitBeforeFiles) => Stored {
                size: closed.bytes.len() as u64,
                checksum: "etag:sent".to_owned(),
                records_digest: closed.records_digest,
            },
            Err(trouble) => return Err(trouble),
            Ok(Create::Created(info)) => {
                Stored { size: info.size, checksum: info.checksum, records_digest: closed.records_digest }
            }
            Ok(Create::Exists(info)) => self.stored(entry, file, info).await?,
        };
        Ok(FileState { key: file.key.clone(), stored: Some(stored) })
    }
}
