//! The running archive: everything put together, started, watched and ended in order.
//!
//! `start` opens what must be there (staging, store, ledger, Kafka), then lets records flow: the consumer's thread
//! ([`consume`]) passes them to the workers, the workers' questions are answered by tasks ([`world`]). `finished` waits
//! for what ends a run: a signal, the log end of `--until-end`, a refusal under `on_refused = "exit"`, a ledger that was
//! moved, or a client that gave up; and then leaves in order: flush, commit, leave the group.

pub mod settings;
pub mod failpoint;
mod trouble;
mod uploads;
mod grants;
mod status;
mod genesis;
mod files;
mod world;
mod consume;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use secor_core::flush::CutReason;
use secor_core::ids::{Offset, TopicPartition};
use secor_core::partition::{Errand, Note, RefusalCode};

pub use status::{Overview, RefusalRow, Registry, Row};

use crate::config::{Config, OnRefused};
use crate::index::{Feeder, Index};
use crate::kafka::{self, BadPattern, Consumer, KafkaError, TopicSelection};
use crate::ledger::{Ledger, LedgerError};
use crate::registry::{RegistrySetupError, SchemaRegistry};
use crate::store::{self, Backoff, Retry, StoreError, retry, retry_for};
use crate::worker::budget::{Budget, Resource};
use crate::worker::staging::Staging;
use crate::worker::{Message, Outside, Pool};

use consume::{Command, Listener};
use settings::Common;
use trouble::Trouble;
use world::{Hands, Parts, World};

/// How often the end of a run and the logs' ends are looked for.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);
const LAG_INTERVAL: Duration = Duration::from_secs(10);
/// How long one question to Kafka may take.
pub const KAFKA_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests to the store may fail at the start before that is an error.
const STORE_PATIENCE: Duration = Duration::from_secs(10);
/// After `shutdown_timeout`, how long the last bits may take.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);
/// At the end, how long the index may take for the last batches.
const INDEX_PATIENCE: Duration = Duration::from_secs(5);

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errands {
    /// Archive until told to stop.
    Archive,
    /// Archive up to the log ends as they are at the start.
    UntilEnd,
    /// Make these topic partitions' last batches whole, without the group, and stop at the heads.
    Recover { accept_loss: bool, partitions: Vec<TopicPartition> },
}

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the staging folder `{path}` can't be used")]
    Staging { path: String, source: std::io::Error },
    #[error("the store can't be opened")]
    Store(#[from] StoreError),
    #[error("the ledger can't be opened")]
    Ledger(#[from] LedgerError),
    #[error("Kafka can't be used")]
    Kafka(#[from] KafkaError),
    #[error("the topics can't be chosen")]
    Topics(#[from] BadPattern),
    #[error("the schema registry can't be asked")]
    Registry(#[from] RegistrySetupError),
    #[error("a thread can't be started")]
    Threads(#[source] std::io::Error),
    #[error("the first start can't be recorded: {0}")]
    FirstStart(String),
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Who is refused at the end.
    pub refused: Vec<(TopicPartition, RefusalRow)>,
    /// The consumer gave up.
    pub consumer: Option<KafkaError>,
    /// It was told to stop, before it had come to its end.
    pub stopped: bool,
    /// What was still in work when `shutdown_timeout` was over.
    pub abandoned: usize,
    /// What happened, for a recovery.
    pub notes: Vec<(TopicPartition, Note)>,
}

/// A running archive.
pub struct Service {
    world: Arc<World>,
    pool: Pool,
    consumer: JoinHandle<Result<(), KafkaError>>,
    errands: Errands,
}

/// A way to look at a running archive and to ask it for a flush; cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<World>);

// === impl Service ===

impl Service {
    /// Opens everything and lets records flow.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(config: Arc<Config>, errands: Errands) -> Result<Self, StartError> {
        let budget = Budget::new(settings::limits(&config));
        let staging = Staging::open(&config.staging.path, Arc::clone(&budget))
            .map_err(|source| StartError::Staging { path: config.staging.path.display().to_string(), source })?;
        let opened = store::open(&settings::store(&config))?;
        let open = || Ledger::open_or_create(Arc::clone(&opened), &config.ledger);
        let ledger = retry_for(STORE_PATIENCE, "open the ledger", LedgerError::is_transient, open).await?;
        let slot = Arc::new(OnceLock::new());
        let consumer = connect(&config, &errands, Listener(Arc::clone(&slot))).await?;
        let (world, consumer) = populate(&config, &errands, ledger, budget, consumer).await?;
        assert!(slot.set(Arc::clone(&world)).is_ok(), "the world is made once");

        let hands: Arc<dyn Outside> = Arc::new(Hands(Arc::clone(&world)));
        let pool = Pool::start(threads(&config), &staging, &hands).map_err(StartError::Threads)?;
        world.grants.set_queues(pool.queues());
        let (commands, told) = channel();
        world.set_consumer(commands, consumer.waker());
        if let Errands::Recover { partitions, .. } = &errands {
            partitions.iter().for_each(|tp| consume::grant(tp, &world));
        } else {
            let topics: Vec<String> = consumer.subscribed().iter().cloned().collect();
            let record = || genesis::first_start(&world, topics.clone(), config.kafka.start);
            let patience = tokio::time::sleep(config.kafka.wait_for_broker);
            let recorded = retry(Retry::new("record the first start"), Trouble::is_transient, patience, record).await;
            recorded.map_err(|stopped| StartError::FirstStart(trouble::chain(&stopped)))?;
        }
        let for_consumer = Arc::clone(&world);
        let body = move || consume::consume(consumer, &told, &for_consumer);
        let consumer = std::thread::Builder::new().name("consumer".to_owned()).spawn(body);
        Ok(Self { world, pool, consumer: consumer.map_err(StartError::Threads)?, errands })
    }

    #[must_use]
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.world))
    }

    /// Runs until `stop` resolves or the run ends by itself; then flushes, commits and leaves.
    pub async fn finished(self, stop: impl Future<Output = ()>) -> Outcome {
        let mut outcome = Outcome::default();
        tokio::select! {
            () = stop => {
                tracing::info!("stopping: flush, commit, leave");
                outcome.stopped = true;
            }
            () = self.done() => {}
        }
        outcome.refused = self.world.registry.refused();
        if !self.consumer.is_finished() {
            outcome.abandoned = self.leave().await;
        }
        self.world.index.drained(INDEX_PATIENCE).await;
        outcome.notes = self.world.registry.take_notes();
        self.world.command(Command::Close);
        let Self { world, pool, consumer, .. } = self;
        let ended = tokio::task::spawn_blocking(move || {
            let consumed = consumer.join();
            world.grants.close();
            pool.join();
            consumed.expect("a thread that panics ends the process")
        });
        outcome.consumer = ended.await.expect("a thread that panics ends the process").err();
        outcome
    }

    /// Resolves when the run has nothing more to do.
    async fn done(&self) {
        let mut looked_at_lag = Instant::now();
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let world = &self.world;
            if self.consumer.is_finished() {
                return;
            }
            if must_end(world) {
                return;
            }
            let over = match &self.errands {
                Errands::Archive => false,
                Errands::Recover { .. } => world.grants.all().is_empty(),
                Errands::UntilEnd => all_reached(world).await,
            };
            if over {
                return;
            }
            gauge_budget(&world.budget);
            gauge_uploads(world);
            if looked_at_lag.elapsed() >= LAG_INTERVAL {
                looked_at_lag = Instant::now();
                look_at_lag(world).await;
            }
        }
    }

    /// Cuts, uploads and commits everything; how many topic partitions did not make it in time.
    async fn leave(&self) -> usize {
        let world = Arc::clone(&self.world);
        let partitions = world.grants.leave();
        let reason = CutReason::Shutdown;
        for tp in &partitions {
            world.grants.tell(tp, |to| Message::Leave { to, reason });
        }
        let deadline = Instant::now() + world.config.kafka.shutdown_timeout;
        let waited = tokio::task::spawn_blocking(move || {
            if world.grants.wait_ended(&partitions, deadline) {
                return 0;
            }
            let left = world.grants.all();
            consume::lose(&left, &world);
            world.grants.wait_ended(&left, Instant::now() + LEAVE_PATIENCE);
            left.len()
        });
        waited.await.unwrap_or_default()
    }
}

// === impl Control ===

impl Control {
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Cuts all open batches, or the one of a topic partition.
    pub fn flush(&self, only: Option<&TopicPartition>) {
        let reason = CutReason::Admin;
        match only {
            Some(tp) => self.0.grants.send(tp, Message::Cut { topic_partition: Some(tp.clone()), reason }),
            None => self.0.grants.send_to_all_workers(|| Message::Cut { topic_partition: None, reason }),
        }
    }
}

/// Not only what the operator wants: while a process sits on the partitions of a ledger that was moved, nobody archives
/// them where it is now.
fn must_end(world: &World) -> bool {
    let refused = world.registry.refused();
    let moved = refused.iter().any(|(_, row)| row.code == RefusalCode::LedgerMoved.as_str());
    moved || (world.config.on_refused == OnRefused::Exit && !refused.is_empty())
}

fn threads(config: &Config) -> usize {
    match config.workers.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// Reaches Kafka, waiting for a broker as long as `kafka.wait_for_broker` says.
async fn connect(config: &Arc<Config>, errands: &Errands, listener: Listener) -> Result<Consumer, StartError> {
    let topics = settings::topics(config)?;
    let (config, errands, slot) = (Arc::clone(config), errands.clone(), listener.0);
    let deadline = Instant::now() + config.kafka.wait_for_broker;
    let connected = tokio::task::spawn_blocking(move || {
        patiently(deadline, || consumer(&config, errands.clone(), topics.clone(), Listener(Arc::clone(&slot))))
    });
    Ok(connected.await.expect("connecting does not panic")?)
}

/// Repeats a blocking question until it is answered, `deadline` has come, or another try would not help.
fn patiently<T>(deadline: Instant, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    for pause in Backoff::default().pauses() {
        match ask() {
            Err(error) if error.class() == kafka::Class::Unavailable && Instant::now() + pause < deadline => {
                tracing::warn!(%error, "waiting for Kafka");
                std::thread::sleep(pause);
            }
            answer => return answer,
        }
    }
    unreachable!("pauses never end")
}

fn consumer(
    config: &Config,
    errands: Errands,
    topics: TopicSelection,
    listener: Listener,
) -> Result<Consumer, KafkaError> {
    let settings = settings::kafka(config, KAFKA_TIMEOUT);
    match errands {
        Errands::Archive | Errands::UntilEnd => Consumer::connect(&settings, topics, Box::new(listener)),
        Errands::Recover { partitions, .. } => Consumer::read(&settings, &partitions),
    }
}

/// Makes the world around a consumer that has not been polled yet.
async fn populate(
    config: &Arc<Config>,
    errands: &Errands,
    ledger: Ledger,
    budget: Arc<Budget>,
    consumer: Consumer,
) -> Result<(Arc<World>, Consumer), StartError> {
    let until_end = *errands == Errands::UntilEnd;
    let deadline = Instant::now() + config.kafka.wait_for_broker;
    let (cluster, until, consumer) = tokio::task::spawn_blocking(move || {
        let until = patiently(deadline, || until_end.then(|| log_ends(&consumer)).transpose())?;
        let cluster = patiently(deadline, || consumer.handle().cluster_id())?;
        Ok::<_, KafkaError>((cluster, until, consumer))
    })
    .await
    .expect("asking does not panic")?;
    let common = Common {
        ledger: ledger.identity().ledger.clone(),
        group: Arc::from(config.kafka.group.as_str()),
        cluster: Arc::from(cluster),
        errand: match errands {
            Errands::Archive | Errands::UntilEnd => Errand::Archive,
            Errands::Recover { accept_loss, .. } => Errand::Recover { accept_loss: *accept_loss },
        },
    };
    let registry = Arc::new(Registry::new());
    if matches!(errands, Errands::Recover { .. }) {
        registry.keep_notes();
    }
    let schemas = config.schema_registry.as_ref().map(SchemaRegistry::new).transpose()?;
    let handle = consumer.handle();
    let index = match &config.index.url {
        Some(url) => Feeder::start(Index::new(url).map_err(LedgerError::from)?, ledger.clone()),
        None => Feeder::default(),
    };
    let parts = Parts { config: Arc::clone(config), common, ledger, index, budget, registry, schemas, handle, until };
    Ok((Arc::new(World::new(parts)), consumer))
}

/// The log ends of all topic partitions that the consumer reads.
fn log_ends(consumer: &Consumer) -> Result<BTreeMap<TopicPartition, Offset>, KafkaError> {
    let handle = consumer.handle();
    let mut partitions = Vec::new();
    for topic in consumer.subscribed() {
        let topic: Arc<str> = Arc::from(topic.as_str());
        let numbers = handle.partitions(&topic)?;
        partitions.extend(numbers.into_iter().map(|partition| TopicPartition::new(Arc::clone(&topic), partition)));
    }
    let ranges = handle.log_ranges(&partitions)?;
    ranges.into_iter().map(|(tp, range)| Ok((tp, range?.end))).collect()
}

/// `--until-end`: every topic partition was released by us, is refused, or is committed up to its end by whoever has it.
async fn all_reached(world: &Arc<World>) -> bool {
    let until = world.until.as_ref().expect("until-end knows the ends");
    let settled = world.registry.settled();
    let open: Vec<_> =
        until.iter().filter(|(tp, _)| !settled.contains(tp)).map(|(tp, end)| (tp.clone(), *end)).collect();
    if open.is_empty() {
        return true;
    }
    if open.iter().any(|(tp, _)| world.grants.of(tp).is_some()) {
        return false;
    }
    let asked: Vec<_> = open.iter().map(|(tp, _)| tp.clone()).collect();
    let Ok(committed) = world.kafka(move |handle| handle.committed(&asked)).await else {
        return false;
    };
    let reached = |tp: &TopicPartition, end: Offset| {
        committed
            .iter()
            .any(|(at, committed)| at == tp && matches!(committed, Ok(Some(committed)) if committed.offset >= end))
    };
    open.iter().all(|(tp, end)| reached(tp, *end))
}

fn gauge_budget(budget: &Budget) {
    let used = |resource| budget.used(resource) as f64;
    metrics::gauge!("secor_memory_bytes").set(used(Resource::Memory) + used(Resource::Fetched));
    metrics::gauge!("secor_staged_disk_bytes").set(used(Resource::Disk));
    metrics::gauge!("secor_open_writers").set(used(Resource::Writers));
}

fn gauge_uploads(world: &World) {
    let (limit, running) = world.uploads.level();
    metrics::gauge!("secor_uploads_limit").set(limit as f64);
    metrics::gauge!("secor_uploads_running").set(running as f64);
}

async fn look_at_lag(world: &Arc<World>) {
    let partitions = world.grants.all();
    if partitions.is_empty() {
        return;
    }
    match world.kafka(move |handle| handle.log_ranges(&partitions)).await {
        Ok(ranges) => {
            for (tp, range) in ranges {
                if let Ok(range) = range {
                    world.registry.log_end(&tp, range.end);
                }
            }
        }
        Err(trouble) => tracing::debug!(%trouble, "the logs' ends are unknown"),
    }
}

// === impl StartError ===

impl StartError {
    /// One line: what to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Staging { .. } => "set `staging.path` to a folder that this user may write",
            Self::Store(error) => error.hint(),
            Self::Ledger(error) => error.hint(),
            Self::Kafka(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Topics(_) => "a topic that begins with `^` is a regular expression",
            Self::Threads(_) => "raise the limit of processes, or lower `workers.threads`",
            Self::FirstStart(_) => "start again; what was recorded so far counts",
        }
    }
}
