//! The consumer's thread: takes records, passes them on to the workers, does what they ask of the consumer, and holds
//! rebalances up until what is being taken away has been flushed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use secor_core::flush::CutReason;
use secor_core::ids::{Offset, TopicPartition};
use secor_core::partition::{LogRange, Note, Refusal, RefusalCode};

use super::settings;
use super::trouble::Trouble;
use super::world::World;
use crate::kafka::{Consumer, Delivery, KafkaError, RebalanceListener, Slice};
use crate::store::{Retry, Stopped, retry};
use crate::worker::budget::Resource;
use crate::worker::{Address, Assignment, Fetch, Fetched, Message, Recipe};

/// Records taken from the queue at a time.
const RECORDS_MAX: usize = 5_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How soon to look again whether there is room for records.
const ROOM_TIMEOUT: Duration = Duration::from_millis(5);
/// What librdkafka holds of a record beside key and value.
const RECORD_OVERHEAD_BYTES: u64 = 64;

/// What the consumer is to do.
#[derive(Debug)]
pub(super) enum Command {
    Fetch {
        from: Address,
        fetch: Fetch,
    },
    /// Leave the group and end.
    Close,
}

/// Hears of rebalances, on the consumer's thread.
pub(super) struct Listener(pub Arc<std::sync::OnceLock<Arc<World>>>);

/// Runs until it is told to close, or the client gives up.
///
/// # Errors
/// [`KafkaError::Fatal`].
pub(super) fn consume(
    mut consumer: Consumer,
    commands: &Receiver<Command>,
    world: &Arc<World>,
) -> Result<(), KafkaError> {
    let mut rate = Rate::new(world.config.limits.records_per_second);
    loop {
        loop {
            match commands.try_recv() {
                Ok(Command::Fetch { from, fetch }) => fetch_as_told(&mut consumer, from, fetch, world),
                Ok(Command::Close) | Err(TryRecvError::Disconnected) => {
                    consumer.close();
                    return Ok(());
                }
                Err(TryRecvError::Empty) => break,
            }
        }
        let room = world.budget.may_fetch();
        let records_max = if room { rate.allowance().min(RECORDS_MAX) } else { 0 };
        let timeout = if records_max > 0 { POLL_TIMEOUT } else { ROOM_TIMEOUT };
        consumer.poll(records_max, timeout, &mut |delivery| {
            if let Delivery::Records(slice) = &delivery {
                rate.took(slice.len());
            }
            deliver(delivery, world);
        })?;
        if records_max == 0 {
            // nothing may be taken: the poll has served the group, now let the workers make room
            std::thread::sleep(ROOM_TIMEOUT);
        }
    }
}

fn fetch_as_told(consumer: &mut Consumer, from: Address, fetch: Fetch, world: &World) {
    // a command of an epoch that is over must not touch what the next one fetches
    let Some(grant) = world.grants.at(&from) else {
        return;
    };
    let tp = &from.topic_partition;
    match fetch {
        Fetch::From { id, offset, leader_epoch } => match consumer.start(tp, offset, leader_epoch) {
            Ok(()) => grant.send(Message::Fetching { to: from, fetch: id }),
            // taken away meanwhile: the rebalance says so to the worker
            Err(error) => tracing::debug!(topic_partition = %tp, %error, "not fetched"),
        },
        Fetch::Pause => consumer.pause(tp),
        Fetch::Resume => consumer.resume(tp),
        Fetch::Stop => consumer.stop(tp),
    }
}

fn deliver(delivery: Delivery, world: &Arc<World>) {
    match delivery {
        Delivery::Records(slice) => deliver_records(slice, world),
        Delivery::EndOfPartition { topic_partition, position } => {
            world.registry.reached_end(&topic_partition, position);
            let message = Message::Position { topic_partition: topic_partition.clone(), position };
            world.grants.send(&topic_partition, message);
        }
        Delivery::OutOfRange { topic_partition, position, reason } => {
            tracing::warn!(%topic_partition, %position, reason, "the position is out of the log's range");
            tell_log_range(topic_partition, world);
        }
        Delivery::Truncated { topic_partition, position, reason } => {
            let detail = format!("the log was truncated below position {position}: {reason}");
            refuse(&topic_partition, RefusalCode::LogTruncated, detail, world);
        }
        Delivery::Unreadable { topic_partition, position, error } => {
            let detail = format!("the record at offset {position} can't be read: {error}");
            refuse(&topic_partition, RefusalCode::Unreadable, detail, world);
        }
        Delivery::Problem { topic_partition, error } => world.registry.problem(topic_partition.as_ref(), &error),
    }
}

fn deliver_records(slice: Slice, world: &World) {
    let Some(grant) = world.grants.of(slice.topic_partition()) else {
        return;
    };
    let mut share = world.budget.share(Resource::Fetched);
    share.set(slice.bytes() as u64 + slice.len() as u64 * RECORD_OVERHEAD_BYTES);
    grant.send(Message::Records(Fetched { slice, share }));
}

fn refuse(tp: &TopicPartition, code: RefusalCode, detail: String, world: &World) {
    let refusal = Refusal::new(code, detail);
    world.grants.tell(tp, |to| Message::Refuse { to, refusal });
}

/// The broker itself has said that the position is wrong; now it is asked what it has (R10), until it answers.
fn tell_log_range(tp: TopicPartition, world: &Arc<World>) {
    let (Some(grant), Some(to)) = (world.grants.of(&tp), world.grants.address_of(&tp)) else {
        return;
    };
    let world = Arc::clone(world);
    world.runtime.clone().spawn(async move {
        let what = format!("ask the log's range of `{tp}`");
        let ask = || {
            let asked = tp.clone();
            world.kafka(move |handle| handle.log_range(&asked))
        };
        let message = match retry(Retry::new(&what), Trouble::is_transient, grant.ended(), ask).await {
            Ok(log) => {
                let log = LogRange { start: log.start, end: log.end };
                Message::OutOfRange { to, log }
            }
            Err(Stopped::Failed(Trouble::Refuse(refusal))) => Message::Refuse { to, refusal },
            Err(Stopped::Failed(Trouble::Later(_)) | Stopped::Cancelled(_)) => return,
        };
        grant.send(message);
    });
}

// === impl Listener ===

impl Listener {
    fn world(&self) -> &Arc<World> {
        self.0.get().expect("the consumer is polled only once the world is made")
    }
}

impl RebalanceListener for Listener {
    fn assigned(&mut self, partitions: &[TopicPartition]) {
        let world = self.world();
        count_rebalance(partitions);
        for tp in partitions {
            grant(tp, world);
        }
    }

    fn revoked(&mut self, partitions: &[TopicPartition]) {
        let world = self.world();
        tracing::info!(partitions = partitions.len(), "revoked");
        count_rebalance(partitions);
        let reason = CutReason::Revocation;
        partitions.iter().for_each(|tp| world.registry.leaving(tp));
        partitions.iter().for_each(|tp| world.grants.tell(tp, |to| Message::Leave { to, reason }));
        let deadline = Instant::now() + world.config.kafka.revoke_timeout;
        if !world.grants.wait_ended(partitions, deadline) {
            tracing::warn!("not everything revoked was flushed in time: the rest is left to the next owner");
        }
        give_up(partitions, world);
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        tracing::warn!(partitions = partitions.len(), "lost: the group went on without this process");
        give_up(partitions, self.world());
    }
}

/// Hands the topic partition to a worker for a new epoch.
pub(super) fn grant(tp: &TopicPartition, world: &Arc<World>) {
    let Some(archive) = world.config.archive_for(&tp.topic).map(|index| &world.config.archives[index]) else {
        tracing::warn!(topic_partition = %tp, "granted, but no archive takes the topic");
        return;
    };
    let until = world.until.as_ref().map(|until| until.get(tp).copied().unwrap_or(Offset::ZERO));
    let settings = settings::machine(&world.config, archive, &world.common, tp.clone(), until);
    let recipe = Recipe::new(tp, Arc::clone(&archive.shape), world.config.kafka.isolation)
        .expect("the configuration was checked when it was read");
    world.registry.granted(tp);
    if let Err(error) = recipe.check_topic(&tp.topic) {
        let refusal = Refusal::new(RefusalCode::TopicName, error.to_string());
        return world.registry.note(tp, &Note::Refused(refusal));
    }
    let Some(grant) = world.grants.grant(tp) else {
        tracing::debug!(topic_partition = %tp, "granted while leaving: left to the next owner");
        return world.registry.moved_away(tp);
    };
    grant.send(Message::Assign(Box::new(Assignment { epoch: grant.epoch, settings, recipe })));
}

/// Whatever is left of these is dropped.
pub(super) fn lose(partitions: &[TopicPartition], world: &World) {
    for tp in partitions {
        if let Some(to) = world.grants.address_of(tp) {
            world.grants.send(tp, Message::Lost { to: to.clone() });
            world.grants.end(&to);
            world.registry.released(tp);
        }
    }
}

fn give_up(partitions: &[TopicPartition], world: &World) {
    partitions.iter().for_each(|tp| world.registry.leaving(tp));
    lose(partitions, world);
    partitions.iter().for_each(|tp| world.registry.moved_away(tp));
}

fn count_rebalance(partitions: &[TopicPartition]) {
    let mut topics: Vec<_> = partitions.iter().map(|tp| &tp.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        metrics::counter!("secor_consumer_rebalance_count_total", "topic" => topic.to_string()).increment(1);
    }
}

/// Keeps `limits.records_per_second`: a bucket that holds a tenth of a second's records.
struct Rate {
    per_second: u64,
    tokens: f64,
    at: Instant,
}

// === impl Rate ===

impl Rate {
    /// 0: no limit.
    fn new(per_second: u64) -> Self {
        Self { per_second, tokens: 0.0, at: Instant::now() }
    }

    fn allowance(&mut self) -> usize {
        if self.per_second == 0 {
            return usize::MAX;
        }
        let now = Instant::now();
        let per_second = self.per_second as f64;
        let gained = now.duration_since(self.at).as_secs_f64() * per_second;
        self.at = now;
        self.tokens = (self.tokens + gained).min((per_second / 10.0).max(1.0));
        self.tokens.max(0.0) as usize
    }

    fn took(&mut self, records: usize) {
        if self.per_second > 0 {
            self.tokens -= records as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_over_time_and_debts_are_paid() {
        let mut rate = Rate::new(1_000);
        rate.at = Instant::now() - Duration::from_secs(10);
        assert_eq!(rate.allowance(), 100);
        rate.took(300);
        assert_eq!(rate.allowance(), 0);
        rate.at -= Duration::from_millis(250);
        assert!((45..=60).contains(&rate.allowance()));
        assert_eq!(Rate::new(0).allowance(), usize::MAX);
    }
}
