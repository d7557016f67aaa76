//! An in-process Kafka for `secor demo` and for tests: librdkafka's mock cluster, which other processes on this machine
//! reach by its address.
//!
//! It is no broker to keep data in: each partition keeps 5 MiB and 100,000 produced batches and forgets what is older,
//! so produce in step with the reader. It has no transactions worth the name, no compaction, no retention by time, and
//! forgets everything when it is dropped. Give its consumers a `session.timeout.ms` of 6000, or a member that was killed
//! holds up the group for 45 s.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::error::KafkaError;

/// A running mock cluster; ends when dropped.
pub struct Mock(MockCluster<'static, DefaultProducerContext>);

// === impl Mock ===

impl Mock {
    /// Starts a cluster of one broker on a free port of the loopback address.
    ///
    /// # Errors
    /// [`KafkaError::Fatal`] when librdkafka can't.
    pub fn start() -> Result<Self, KafkaError> {
        MockCluster::new(1).map(Self).map_err(|error| failed("the mock cluster does not start", &error))
    }

    /// `host:port` of its broker.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Creates a topic with 1 or more partitions.
    ///
    /// # Errors
    /// [`KafkaError::Fatal`] when the name is taken or no name.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        let created = self.0.create_topic(topic, partitions, 1);
        created.map_err(|error| failed(&format!("topic `{topic}` is not created"), &error))
    }
}

fn failed(what: &str, error: &rdkafka::error::KafkaError) -> KafkaError {
    let code = error.rdkafka_error_code().map_or(0, |code| code as i32);
    KafkaError::Fatal { code, reason: format!("{what}: {error}") }
}
