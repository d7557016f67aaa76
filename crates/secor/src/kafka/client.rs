//! The client that a consumer, its handles and its slices share: created from settings, reached for the first time,
//! closed within bounds. Turns librdkafka's events into values, so that no decision is made inside a callback.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use secor_core::ids::TopicPartition;

use super::error::KafkaError;
use super::native::{self, PartitionList};
use super::properties::{Isolation, Settings, refused};
use super::queue::{BatchQueue, Waker};

/// A librdkafka consumer with its batch queue.
pub(super) struct Client {
    // Declared before the consumer: destroyed before it.
    pub(super) queue: BatchQueue,
    pub(super) base: BaseConsumer<Events>,
    brokers: String,
    mechanism: String,
    isolation: Isolation,
}

/// Something the group or the client says.
#[derive(Debug)]
pub(super) enum Event {
    Assign(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
    /// A record came through the group's queue: its partition has lost the forwarding.
    Strayed(TopicPartition),
    Error(KafkaError),
}

/// What librdkafka calls back with. Only notes down.
#[derive(Default)]
pub(super) struct Events {
    noted: Mutex<VecDeque<Noted>>,
    /// Nobody serves rebalances any more: give partitions back at once.
    unattended: AtomicBool,
    /// Lines of librdkafka's log that name the versions of an API; kept only where asked for.
    version_lines: Option<Mutex<Vec<String>>>,
}

enum Noted {
    Rebalance(RDKafkaRespErr, Vec<TopicPartition>),
    Error(Code, String),
}

/// Kafka's key of ConsumerGroupHeartbeat, and the version of it that brokers have since 4.0.
const HEARTBEAT_API_KEY: i16 = 68;
const HEARTBEAT_API_VERSION: i16 = 1;
const EVENTS_PER_CALL_MAX: usize = 1_000;
const REACH_STEP: Duration = Duration::from_millis(250);

// === impl Client ===

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Arc<Self>, KafkaError> {
        Self::with_events(settings, Events::default())
    }

    fn with_events(settings: &Settings, events: Events) -> Result<Arc<Self>, KafkaError> {
        let mut config = settings.client_config()?;
        if events.version_lines.is_some() {
            config.set("debug", "feature").set_log_level(RDKafkaLogLevel::Debug);
        }
        let base: BaseConsumer<Events> = config.create_with_context(events).map_err(|error| refused(error, &config))?;
        // SAFETY: the consumer has a group, is alive, and is dropped after the queue (see the order of the fields).
        let queue = unsafe { BatchQueue::new(base.client().native_ptr(), Waker::default()) };
        Ok(Arc::new(Self {
            queue,
            base,
            brokers: settings.brokers_text(),
            mechanism: settings.mechanism(),
            isolation: settings.isolation,
        }))
    }

    pub(super) fn native(&self) -> *mut rd::rd_kafka_t {
        self.base.client().native_ptr()
    }

    pub(super) fn isolation(&self) -> Isolation {
        self.isolation
    }

    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Waits until a broker has answered.
    pub(super) fn reach(&self, timeout: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + timeout;
        let mut last = None;
        loop {
            if self.base.client().fetch_cluster_id(REACH_STEP.min(timeout)).is_some() {
                return Ok(());
            }
            for event in self.events() {
                match event {
                    Event::Error(error @ (KafkaError::LoginRefused { .. } | KafkaError::Tls { .. })) => {
                        return Err(error);
                    }
                    // "all brokers are down" says less than what came before it.
                    Event::Error(error) if last.is_none() || !error.to_string().contains("are down") => {
                        last = Some(error);
                    }
                    Event::Error(_) | Event::Assign(_) | Event::Revoke(_) | Event::Strayed(_) => {}
                }
            }
            if Instant::now() >= deadline {
                let silent = || KafkaError::BrokersDown {
                    brokers: self.brokers.clone(),
                    reason: format!("no answer within {} ms", timeout.as_millis()),
                };
                return Err(last
                    .filter(|error| matches!(error, KafkaError::BrokersDown { .. }))
                    .unwrap_or_else(silent));
            }
        }
    }

    /// Serves librdkafka's queue of events and returns what they say, in order.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..EVENTS_PER_CALL_MAX {
            match self.base.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    events.push(Event::Strayed(TopicPartition::new(message.topic(), message.partition())));
                }
                Some(Err(Native::MessageConsumptionFatal(code))) => {
                    let reason = self.base.context().last_reason().unwrap_or_else(|| code.to_string());
                    events.push(Event::Error(KafkaError::Fatal { code: code as i32, reason }));
                }
                Some(Err(_)) | None => {}
            }
            while let Some(noted) = self.base.context().next_noted() {
                match noted {
                    Noted::Rebalance(RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, partitions) => {
                        events.push(Event::Assign(partitions));
                    }
                    Noted::Rebalance(_, partitions) => events.push(Event::Revoke(partitions)),
                    Noted::Error(code, reason) => events.push(Event::Error(self.explain(code, reason))),
                }
            }
            if self.queue.events_waiting() == 0 || events.iter().any(Event::is_rebalance) {
                break;
            }
        }
        events
    }

    fn explain(&self, code: Code, reason: String) -> KafkaError {
        let reason = tidy(&reason);
        let brokers = self.brokers.clone();
        match code {
            Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
                KafkaError::LoginRefused { brokers, mechanism: self.mechanism.clone(), reason }
            }
            Code::SSL => KafkaError::Tls { brokers, reason },
            Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut => {
                KafkaError::BrokersDown { brokers, reason }
            }
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                KafkaError::Denied { what: "reading".to_owned(), reason }
            }
            Code::Fatal => KafkaError::Fatal { code: code as i32, reason },
            _ => KafkaError::Broker { what: "the client reports".to_owned(), code: code as i32, reason },
        }
    }

    pub(super) fn is_incremental(&self) -> bool {
        matches!(self.base.rebalance_protocol(), RebalanceProtocol::Cooperative)
    }

    /// Adds `partitions` to what is fetched, or, with an eager protocol, makes them all that is.
    pub(super) fn assign(&self, partitions: &PartitionList) -> Result<(), KafkaError> {
        let client = self.native();
        // SAFETY: client and list are alive; librdkafka copies the list; the error is taken once.
        let done = unsafe {
            if self.is_incremental() {
                native::take_error(rd::rd_kafka_incremental_assign(client, partitions.as_ptr()))
            } else {
                code_to_result(rd::rd_kafka_assign(client, partitions.as_ptr()))
            }
        };
        done.map_err(|(code, reason)| KafkaError::Broker { what: "assign".to_owned(), code: code as i32, reason })
    }

    /// Takes `partitions` out of what is fetched, or, with an eager protocol, all.
    pub(super) fn unassign(&self, partitions: &PartitionList) -> Result<(), KafkaError> {
        let client = self.native();
        // SAFETY: as in `assign`.
        let done = unsafe {
            if self.is_incremental() {
                native::take_error(rd::rd_kafka_incremental_unassign(client, partitions.as_ptr()))
            } else {
                code_to_result(rd::rd_kafka_assign(client, std::ptr::null()))
            }
        };
        done.map_err(|(code, reason)| KafkaError::Broker { what: "unassign".to_owned(), code: code as i32, reason })
    }

    /// Stops fetching and throws away what was fetched and not taken. Partitions that are not known are left alone.
    pub(super) fn pause(&self, partitions: &PartitionList) {
        // SAFETY: client and list are alive. Errors are per partition and mean that nothing is fetched anyway.
        unsafe { rd::rd_kafka_pause_partitions(self.native(), partitions.as_ptr()) };
    }

    pub(super) fn resume(&self, partitions: &PartitionList) {
        // SAFETY: as in `pause`.
        unsafe { rd::rd_kafka_resume_partitions(self.native(), partitions.as_ptr()) };
    }

    /// Sets the fetch positions, waiting for librdkafka to take them: the code of each partition. One that did not
    /// answer in time keeps the code "in progress".
    pub(super) fn seek(&self, list: &PartitionList, timeout: Duration) -> Vec<(TopicPartition, RDKafkaRespErr)> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: client and list are alive; the answers are written into the list; the error is taken once.
        let asked =
            unsafe { native::take_error(rd::rd_kafka_seek_partitions(self.native(), list.as_ptr(), timeout_ms)) };
        if let Err((_, reason)) = asked {
            tracing::debug!(reason, "not all partitions were sought");
        }
        list.entries().into_iter().map(|entry| (entry.topic_partition, entry.error)).collect()
    }

    /// Leaves the group and stops, waiting at most `timeout`. Nobody is asked about revoked partitions any more.
    pub(super) fn close(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.base.context().unattended.store(true, Ordering::Release);
        if self.base.close_queue().is_err() {
            return;
        }
        while !self.base.closed() && Instant::now() < deadline {
            self.base.poll(Duration::from_millis(50));
        }
    }
}

/// The versions of the consumer protocol's heartbeat that a broker offers; none when it offers none or none answered.
pub(super) fn heartbeat_versions(settings: &Settings) -> Result<Option<RangeInclusive<i16>>, KafkaError> {
    let events = Events { version_lines: Some(Mutex::default()), ..Events::default() };
    let client = Client::with_events(settings, events)?;
    client.reach(settings.timeout)?;
    client.events();
    let lines = client.base.context().version_lines.as_ref().expect("asked for above");
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(lines.iter().find_map(|line| versions_in(line, HEARTBEAT_API_KEY)))
}

/// # Errors
/// [`KafkaError::ProtocolTooOld`] when the settings ask for the consumer protocol and the brokers don't have it:
/// librdkafka would wait for ever without a word.
pub(super) fn check_group_protocol(settings: &Settings) -> Result<(), KafkaError> {
    if !settings.uses_consumer_protocol() {
        return Ok(());
    }
    match heartbeat_versions(settings)? {
        Some(versions) if versions.contains(&HEARTBEAT_API_VERSION) => Ok(()),
        _ => Err(KafkaError::ProtocolTooOld { brokers: settings.brokers_text() }),
    }
}

const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

fn code_to_result(code: RDKafkaRespErr) -> Result<(), (RDKafkaRespErr, String)> {
    if code == NO_ERROR { Ok(()) } else { Err((code, super::error::describe(code))) }
}

/// Reads `... ApiKey ConsumerGroupHeartbeat (68) Versions 0..1`.
fn versions_in(line: &str, key: i16) -> Option<RangeInclusive<i16>> {
    let (_, rest) = line.split_once("ApiKey ")?;
    let (_, rest) = rest.split_once(&format!("({key}) Versions "))?;
    let (first, last) = rest.trim().split_once("..")?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// librdkafka's reasons carry counters and the state's duration; the first line without them says enough.
fn tidy(reason: &str) -> String {
    let reason = reason.lines().next().unwrap_or_default().trim();
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    reason.trim_end_matches('.').to_owned()
}

// === impl Event, Events ===

impl Event {
    pub(super) fn is_rebalance(&self) -> bool {
        matches!(self, Self::Assign(_) | Self::Revoke(_))
    }
}

impl Events {
    fn note(&self, noted: Noted) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push_back(noted);
    }

    fn next_noted(&self) -> Option<Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Takes the text of the error that was noted last.
    fn last_reason(&self) -> Option<String> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        match noted.pop_back()? {
            Noted::Error(_, reason) => Some(tidy(&reason)),
            other => {
                noted.push_back(other);
                None
            }
        }
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if let Some(lines) = &self.version_lines {
            if line.contains("ApiKey ") {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
            }
            return;
        }
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "librdkafka", facility, "{line}");
            }
            RDKafkaLogLevel::Warning => tracing::info!(target: "librdkafka", facility, "{line}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::debug!(target: "librdkafka", facility, "{line}");
            }
            RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", facility, "{line}"),
        }
    }

    fn error(&self, error: Native, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.note(Noted::Error(code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Events {
    fn rebalance(&self, base: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if self.unattended.load(Ordering::Acquire) {
            let incremental = matches!(base.rebalance_protocol(), RebalanceProtocol::Cooperative);
            let given_back = if incremental { base.incremental_unassign(partitions) } else { base.unassign() };
            if let Err(error) = given_back {
                tracing::debug!(%error, "partitions not given back while closing");
            }
            return;
        }
        // SAFETY: the list belongs to the event and lives until this returns.
        let entries = unsafe { native::entries(partitions.ptr()) };
        self.note(Noted::Rebalance(code, entries.into_iter().map(|entry| entry.topic_partition).collect()));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // rdkafka's own drop leaves the group and waits without a bound; it is left first, within one.
        self.close(CLOSE_ON_DROP);
    }
}

const CLOSE_ON_DROP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_are_read_from_the_log() {
        let line = "[thrd:main]: 127.0.0.1:9092/bootstrap:   ApiKey ConsumerGroupHeartbeat (68) Versions 0..1";
        assert_eq!(versions_in(line, 68), Some(0..=1));
        assert_eq!(versions_in(line, 8), None);
        assert_eq!(versions_in("ApiKey Unknown-99? (99) Versions a..b", 99), None);
    }

    #[test]
    fn reasons_lose_librdkafkas_counters() {
        assert_eq!(tidy("Connect failed: refused (after 0ms in state CONNECT)"), "Connect failed: refused");
        assert_eq!(tidy("two\nlines"), "two");
    }
}
