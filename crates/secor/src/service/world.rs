//! What the whole process shares, and the hands of the workers: every question is answered here, by a task that goes
//! on trying until it has an answer or the epoch ends.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use secor_core::ids::{ConfigHash, Offset, TopicPartition};
use secor_core::manifest::{CommitMetadata, CommitOrigin, Entry};
use secor_core::partition::{Answer, Ask, AskId, Committed, Facts, LogRange, Note, Refusal, RefusalCode, Replay};
use secor_core::shape::Shape;
use tokio::sync::Semaphore;

use super::consume::Command;
use super::failpoint::{self, Point};
use super::files;
use super::genesis::Geneses;
use super::grants::Grants;
use super::settings::Common;
use super::status::Registry;
use super::trouble::Trouble;
use super::uploads::Uploads;
use crate::config::{Config, Start};
use crate::index::Feeder;
use crate::kafka::{self, Handle, KafkaError, Waker};
use crate::ledger::{EntryCreation, Ledger, ResolutionCreation};
use crate::registry::SchemaRegistry;
use crate::store::{Retry, Stopped, Store, retry};
use crate::worker::budget::Budget;
use crate::worker::{Address, Closed, Fetch, LookedUp, Message, Outside, Progress, Recipe, ReplayPlan, ReplayTurn};

/// Questions to Kafka block a thread each.
const KAFKA_QUESTIONS_MAX: usize = 32;
/// How long the end of an epoch waits for its commit.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// Everything that the answers need.
pub(super) struct World {
    pub config: Arc<Config>,
    pub common: Common,
    pub ledger: Ledger,
    pub index: Feeder,
    pub store: Arc<dyn Store>,
    pub budget: Arc<Budget>,
    pub shapes: BTreeMap<ConfigHash, Arc<Shape>>,
    pub geneses: Geneses,
    pub grants: Grants,
    pub registry: Arc<Registry>,
    /// Where shapes ask one.
    schemas: Option<SchemaRegistry>,
    pub uploads: Arc<Uploads>,
    pub kafka_questions: Arc<Semaphore>,
    replay_turns: Arc<Semaphore>,
    pub runtime: tokio::runtime::Handle,
    /// Log ends at the start of `run --until-end`.
    pub until: Option<BTreeMap<TopicPartition, Offset>>,
    handle: Handle,
    consumer: OnceLock<(Sender<Command>, Waker)>,
}

/// What [`World::new`] is made from.
pub(super) struct Parts {
    pub config: Arc<Config>,
    pub common: Common,
    pub ledger: Ledger,
    pub index: Feeder,
    pub budget: Arc<Budget>,
    pub registry: Arc<Registry>,
    pub schemas: Option<SchemaRegistry>,
    pub handle: Handle,
    pub until: Option<BTreeMap<TopicPartition, Offset>>,
}

/// The workers' way out.
pub(super) struct Hands(pub Arc<World>);

// === impl World ===

impl World {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { config, common, ledger, index, budget, registry, schemas, handle, until } = parts;
        let shapes = config.archives.iter().map(|archive| (archive.shape.stored().0, Arc::clone(&archive.shape)));
        Self {
            shapes: shapes.collect(),
            store: Arc::clone(ledger.store()),
            uploads: Uploads::new(config.limits.uploads),
            config,
            common,
            ledger,
            index,
            budget,
            geneses: Geneses::default(),
            grants: Grants::default(),
            registry,
            schemas,
            kafka_questions: Arc::new(Semaphore::new(KAFKA_QUESTIONS_MAX)),
            replay_turns: Arc::new(Semaphore::new(1)),
            runtime: tokio::runtime::Handle::current(),
            until,
            handle,
            consumer: OnceLock::new(),
        }
    }

    /// Where commands to the consumer's thread go.
    pub(super) fn set_consumer(&self, commands: Sender<Command>, waker: Waker) {
        assert!(self.consumer.set((commands, waker)).is_ok(), "a process has one consumer");
    }

    pub(super) fn command(&self, command: Command) {
        if let Some((commands, waker)) = self.consumer.get() {
            // a consumer that is gone needs no commands
            let _ = commands.send(command);
            waker.wake();
        }
    }

    /// Asks Kafka on a thread that may block.
    pub(super) async fn kafka<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Handle) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let questions = Arc::clone(&self.kafka_questions);
        let permit = questions.acquire_owned().await.expect("the semaphore is never closed");
        let handle = self.handle.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            question(&handle)
        });
        Ok(asked.await.map_err(|error| Trouble::Later(error.to_string()))??)
    }

    async fn answer(
        &self,
        tp: &TopicPartition,
        ask: &Ask,
        staged: &tokio::sync::Mutex<Closed>,
    ) -> Result<Answer, Trouble> {
        Ok(match ask {
            Ask::LookUp => Answer::Facts(Box::new(self.facts(tp).await?)),
            Ask::Genesis => {
                let genesis = self.geneses.make(self, &tp.topic, Start::Earliest).boxed().await?;
                Answer::Genesis(Box::new(genesis))
            }
            Ask::Head { generation } => Answer::Entry(self.ledger.head(tp, *generation).boxed().await?.map(Box::new)),
            Ask::Entry { generation, start } => {
                Answer::Entry(self.ledger.entry(tp, *generation, *start).await?.map(Box::new))
            }
            Ask::TopicId => {
                let topic = Arc::clone(&tp.topic);
                Answer::TopicId(self.kafka(move |handle| handle.topic_id(&topic)).await?)
            }
            Ask::Create(entry) => self.create(entry).await?,
            Ask::Inspect(entry) => Answer::Inspected(files::inspect(self, entry).await?),
            Ask::Upload { entry, keys } => Answer::Inspected(files::upload(self, entry, keys, staged).await?),
            Ask::Resolve(resolution) => match self.ledger.create_resolution(resolution).await? {
                ResolutionCreation::Created => Answer::Created,
                ResolutionCreation::Exists(there) if there == *resolution => Answer::Created,
                ResolutionCreation::Exists(_) => Answer::Taken,
            },
            Ask::Replay { .. } => unreachable!("a replay is read by the worker"),
        })
    }

    async fn facts(&self, tp: &TopicPartition) -> Result<Facts, Trouble> {
        let asked = tp.clone();
        let (topic_id, committed, log) = self
            .kafka(move |handle| {
                let topic_id = handle.topic_id(&asked.topic)?;
                let committed = match handle.committed(std::slice::from_ref(&asked))?.pop() {
                    Some((_, committed)) => committed?,
                    None => None,
                };
                Ok((topic_id, committed, handle.log_range(&asked)?))
            })
            .await?;
        // only now: what is committed may be in the new place of a ledger that was moved
        self.ledger.expect_open().await?;
        let genesis = self.geneses.of(self, &tp.topic).await?;
        let (group, cluster) = (&self.common.group, &self.common.cluster);
        let other = genesis.as_ref().is_some_and(|genesis| genesis.group != *group || genesis.cluster != *cluster);
        let accepted = if other { self.ledger.accepted().await? } else { Vec::new() };
        let committed = committed
            .map(|committed| Committed { offset: committed.offset, origin: CommitOrigin::of(&committed.metadata) });
        Ok(Facts { topic_id, genesis, accepted, committed, log: log_range(log) })
    }

    /// What a manifest names by hash is stored before it (R4).
    async fn create(&self, entry: &Entry) -> Result<Answer, Trouble> {
        let creation = match entry.batch() {
            Some(batch) => {
                failpoint::reached(Point::BeforeManifest);
                let shape = self.shapes.get(&batch.config).expect("own batches are made with a configured shape");
                self.ledger.store_config(shape).await?;
                let created = failpoint::between(Point::ManifestSent, self.ledger.create_entry(entry)).await?;
                failpoint::reached(Point::ManifestCreated);
                created
            }
            None => self.ledger.create_entry(entry).await?,
        };
        Ok(match creation {
            EntryCreation::Created => Answer::Created,
            EntryCreation::Exists(there) => Answer::Exists(there),
        })
    }

    /// A schema is stored under its hash before a record is read by it, so it is before any manifest that names it (R4).
    async fn look_up_schema(&self, id: u32) -> Result<LookedUp, Trouble> {
        let registry = self.schemas.as_ref().expect("a shape asks a registry only where one is configured");
        let schema = match registry.schema(id).await? {
            Some(schema) => Some((self.ledger.store_schema(&schema).await?, schema)),
            None => None,
        };
        Ok(LookedUp { id, schema })
    }

    async fn plan_replay(&self, entry: &Entry, keys: &[String]) -> Result<ReplayPlan, Trouble> {
        let batch = entry.batch().expect("only batches are replayed");
        let refuse = |detail: String| Trouble::Refuse(Refusal::new(RefusalCode::ConfigMissing, detail));
        if batch.isolation != self.config.kafka.isolation {
            let detail = format!("batch {} was made with another `kafka.isolation`", entry.range());
            return Err(Trouble::Refuse(Refusal::new(RefusalCode::OtherIsolation, detail)));
        }
        let shape = self.ledger.config(&batch.config).await?;
        let mut recipe = Recipe::new(&entry.topic_partition(), shape, batch.isolation).map_err(refuse)?;
        for named in &batch.schemas {
            let schema = match &named.schema {
                Some(hash) => Some((hash.clone(), self.ledger.schema(hash).await?)),
                None => None,
            };
            recipe.learn(&LookedUp { id: named.id, schema });
        }
        let tp = entry.topic_partition();
        let log = log_range(self.kafka(move |handle| handle.log_range(&tp)).await?);
        let turn = ReplayTurn::take(Arc::clone(&self.replay_turns), &self.budget).await;
        Ok(ReplayPlan { recipe, entry: Box::new(entry.clone()), keys: keys.to_vec(), log, turn })
    }
}

fn log_range(log: kafka::LogRange) -> LogRange {
    LogRange { start: log.start, end: log.end }
}

/// A question in words, for the log.
fn describe(ask: &Ask) -> &'static str {
    match ask {
        Ask::LookUp => "look up",
        Ask::Genesis => "create the genesis of",
        Ask::Head { .. } => "find the head of",
        Ask::Entry { .. } => "read an entry of",
        Ask::TopicId => "ask the topic id of",
        Ask::Create(_) => "create an entry of",
        Ask::Inspect(_) => "look at the files of",
        Ask::Upload { .. } => "upload files of",
        Ask::Replay { .. } => "replay a batch of",
        Ask::Resolve(_) => "resolve a batch of",
    }
}

// === impl Hands ===

/// What a worker waits for.
enum Reply {
    Answer(Answer),
    Plan(Box<ReplayPlan>),
    Schema(LookedUp),
}

impl Hands {
    /// Repeats `operation` until it has a reply or the epoch is over, and sends the reply to the worker. `id`: of the
    /// machine's question, if it is one.
    fn find_out<F, Attempt>(&self, to: &Address, id: Option<AskId>, what: &str, operation: F)
    where
        F: Fn(Arc<World>) -> Attempt + Send + Sync + 'static,
        Attempt: Future<Output = Result<Reply, Trouble>> + Send + 'static,
    {
        let Some(grant) = self.0.grants.at(to) else {
            return;
        };
        let (world, to, what) = (Arc::clone(&self.0), to.clone(), format!("{what} `{}`", to.topic_partition));
        self.0.runtime.spawn(async move {
            let attempt = || {
                let (attempt, world, tp) = (operation(Arc::clone(&world)), Arc::clone(&world), &to.topic_partition);
                async move { attempt.await.inspect_err(|trouble| world.registry.trouble(tp, trouble)) }
            };
            let reply = retry(Retry::new(&what), Trouble::is_transient, grant.ended(), attempt).await;
            let reply = match reply {
                Ok(reply) => reply,
                Err(Stopped::Failed(Trouble::Refuse(refusal))) => Reply::Answer(Answer::Refuse(refusal)),
                Err(Stopped::Failed(Trouble::Later(_)) | Stopped::Cancelled(_)) => return,
            };
            grant.send(match (reply, id) {
                (Reply::Answer(answer), Some(id)) => Message::Answer { to, id, answer },
                (Reply::Plan(plan), Some(id)) => Message::Replay { to, id, plan },
                (Reply::Schema(schema), _) => {
                    world.registry.schema_found_out(&to.topic_partition);
                    Message::Schema { to, schema }
                }
                (Reply::Answer(Answer::Refuse(refusal)), None) => Message::Refuse { to, refusal },
                (Reply::Answer(_) | Reply::Plan(_), None) => unreachable!("only the machine's questions have answers"),
            });
        });
    }
}

impl Outside for Hands {
    fn ask(&self, from: &Address, id: AskId, ask: Ask, staged: Closed) {
        let what = describe(&ask);
        let question = Arc::new((from.topic_partition.clone(), ask, tokio::sync::Mutex::new(staged)));
        self.find_out(from, Some(id), what, move |world| {
            let question = Arc::clone(&question);
            async move {
                let (tp, ask, staged) = &*question;
                world.answer(tp, ask, staged).await.map(Reply::Answer)
            }
        });
    }

    fn schema(&self, from: &Address, id: u32) {
        let what = format!("look up schema {id} for");
        self.find_out(from, None, &what, move |world| async move { world.look_up_schema(id).await.map(Reply::Schema) });
    }

    fn prepare_replay(&self, from: &Address, id: AskId, entry: Box<Entry>, keys: Vec<String>) {
        let question = Arc::new((entry, keys));
        self.find_out(from, Some(id), "prepare to replay a batch of", move |world| {
            let question = Arc::clone(&question);
            async move { world.plan_replay(&question.0, &question.1).await.map(Box::new).map(Reply::Plan) }
        });
    }

    fn finish_replay(&self, from: &Address, id: AskId, replay: Replay) {
        let topic = Arc::clone(&from.topic_partition.topic);
        self.find_out(from, Some(id), "ask the topic id of", move |world| {
            let (topic, replay) = (Arc::clone(&topic), replay.clone());
            async move {
                let topic_id = world.kafka(move |handle| handle.topic_id(&topic)).await?;
                Ok(Reply::Answer(Answer::Replayed(Replay { topic_id, ..replay })))
            }
        });
    }

    fn commit(&self, from: &Address, offset: Offset, leader_epoch: Option<i32>, metadata: CommitMetadata) {
        let Some(grant) = self.0.grants.at(from) else {
            return;
        };
        let (world, tp) = (Arc::clone(&self.0), from.topic_partition.clone());
        world.index.complete(&tp, metadata.generation, offset);
        let commit = kafka::Committed { offset, leader_epoch, metadata: metadata.to_string() };
        // taken before the task runs, so that commits keep their order and the end of the epoch waits for this one
        let turn = Arc::clone(&grant.commits).try_lock_owned();
        self.0.runtime.spawn(async move {
            let _turn = match turn {
                Ok(turn) => turn,
                Err(_) => grant.commits.lock_owned().await,
            };
            let at = tp.clone();
            failpoint::reached(Point::FilesComplete);
            let sent = world.kafka(move |handle| handle.commit(&at, &commit));
            match failpoint::between(Point::CommitSent, sent).await {
                Ok(()) => tracing::debug!(topic_partition = %tp, %offset, "committed"),
                // a later commit, or the next owner's walk through the ledger, makes up for it (R7)
                Err(error) => tracing::debug!(topic_partition = %tp, %offset, %error, "not committed"),
            }
        });
    }

    fn fetch(&self, from: &Address, fetch: Fetch) {
        self.0.command(Command::Fetch { from: from.clone(), fetch });
    }

    fn released(&self, from: &Address) {
        let Some(grant) = self.0.grants.at(from) else {
            return;
        };
        let (world, from) = (Arc::clone(&self.0), from.clone());
        self.0.runtime.spawn(async move {
            let _last_commit = tokio::time::timeout(COMMIT_PATIENCE, grant.commits.lock()).await;
            world.registry.released(&from.topic_partition);
            world.grants.end(&from);
        });
    }

    fn note(&self, topic_partition: &TopicPartition, note: Note) {
        self.0.registry.note(topic_partition, &note);
    }

    fn progress(&self, topic_partition: &TopicPartition, progress: &Progress) {
        self.0.registry.progress(topic_partition, progress);
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
