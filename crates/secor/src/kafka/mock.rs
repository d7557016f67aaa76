//! An in-process Kafka for `secor demo` and for tests: librdkafka's mock cluster, which other processes on this machine
//! reach by its address.
//!
//! `unsafe` here asks librdkafka for the cluster of a client that is alive.
//!
//! It is no broker to keep data in: each partition keeps 5 MiB and 100,000 produced batches and forgets what is older,
//! so produce in step with the reader. It has no transactions worth the name, no compaction, no retention by time, and
//! forgets everything when it is dropped. Give its consumers a `session.timeout.ms` of 6000, or a member that was killed
//! holds up the group for 45 s.

use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};
use rdkafka::types::RDKafkaRespErr;

use super::error::KafkaError;

/// A running mock cluster; ends when dropped.
pub struct Mock {
    /// The client inside which the cluster lives.
    owner: BaseProducer<DefaultProducerContext>,
}

/// librdkafka's mock says that broker 0 is the controller, and numbers its brokers from 1; without a controller no
/// question about topic ids is answered.
const CONTROLLER: i32 = 0;

// === impl Mock ===

impl Mock {
    /// Starts a cluster of two brokers on free ports of the loopback address.
    ///
    /// # Errors
    /// [`KafkaError::Fatal`] when librdkafka can't.
    pub fn start() -> Result<Self, KafkaError> {
        let owner: BaseProducer<DefaultProducerContext> = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .create_with_context(DefaultProducerContext)
            .map_err(|error| failed("the mock cluster does not start", &error))?;
        // SAFETY: the cluster belongs to `owner`, which is alive.
        let added = unsafe {
            let cluster = rd::rd_kafka_handle_mock_cluster(owner.client().native_ptr());
            rd::rd_kafka_mock_broker_add(cluster, CONTROLLER)
        };
        match added {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Self { owner }),
            code => {
                Err(KafkaError::Fatal { code: code as i32, reason: "the mock cluster has no controller".to_owned() })
            }
        }
    }

    fn cluster(&self) -> MockCluster<'_, DefaultProducerContext> {
        self.owner.client().mock_cluster().expect("the client was created with one")
    }

    /// `host:port` of each broker, separated by commas.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.cluster().bootstrap_servers()
    }

    /// Creates a topic with 1 or more partitions.
    ///
    /// # Errors
    /// [`KafkaError::Fatal`] when the name is taken or no name.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        let created = self.cluster().create_topic(topic, partitions, 1);
        created.map_err(|error| failed(&format!("topic `{topic}` is not created"), &error))
    }
}

fn failed(what: &str, error: &rdkafka::error::KafkaError) -> KafkaError {
    let code = error.rdkafka_error_code().map_or(0, |code| code as i32);
    KafkaError::Fatal { code, reason: format!("{what}: {error}") }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::kafka::producer::{Outgoing, Producer};
    use crate::kafka::{Consumer, Delivery, Ignored, Isolation, Settings, TopicSelection};
    use secor_core::ids::{Offset, TopicPartition};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn settings(mock: &Mock, properties: &[(&str, &str)]) -> Settings {
        Settings {
            brokers: vec![mock.brokers()],
            group: "g".to_owned(),
            client_id: "secor-test".to_owned(),
            properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            isolation: Isolation::default(),
            fetch_memory_bytes: 1 << 20,
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn what_is_produced_is_read() {
        let mock = Mock::start().unwrap();
        mock.create_topic("t", 2).unwrap();
        let producer = Producer::new(&mock.brokers(), [("linger.ms", "1")]).unwrap();
        for number in 0..1000 {
            let value = format!("{number:0100}");
            let record =
                Outgoing { topic: "t", partition: number % 2, value: Some(value.as_bytes()), ..Outgoing::default() };
            producer.send(&record, PATIENCE).unwrap();
        }
        assert_eq!(producer.flush(PATIENCE).unwrap(), 1000);
        let partitions = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let mut consumer = Consumer::read(&settings(&mock, &[]), &partitions).unwrap();
        for tp in &partitions {
            consumer.start(tp, Offset::ZERO, None).unwrap();
        }
        let (deadline, mut count) = (Instant::now() + PATIENCE, 0);
        while count < 1000 {
            assert!(Instant::now() < deadline, "{count} records");
            let mut take = |delivery| {
                if let Delivery::Records(slice) = delivery {
                    count += slice.len();
                }
            };
            consumer.poll(100, Duration::from_millis(100), &mut take).unwrap();
        }
        assert_eq!(count, 1000);
        assert!(consumer.handle().topic_id("t").unwrap().is_some());
    }

    /// Kafka's key of ConsumerGroupHeartbeat, which rdkafka's wrapper does not name.
    const HEARTBEAT_API_KEY: i16 = 68;

    #[test]
    fn brokers_without_the_consumer_protocol_are_refused() {
        let (mock, old) = (Mock::start().unwrap(), Mock::start().unwrap());
        // SAFETY: the cluster belongs to `old`, which is alive.
        let forgotten = unsafe {
            let cluster = rd::rd_kafka_handle_mock_cluster(old.owner.client().native_ptr());
            rd::rd_kafka_mock_set_apiversion(cluster, HEARTBEAT_API_KEY, -1, -1)
        };
        assert_eq!(forgotten, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        let connect = |brokers: String| {
            let settings = Settings { brokers: vec![brokers], ..settings(&mock, &[("group.protocol", "consumer")]) };
            let topics = TopicSelection::parse(&["^t"], &[]).unwrap();
            Consumer::connect(&settings, topics, Box::new(Ignored)).map(Consumer::close)
        };
        assert_eq!(connect(mock.brokers()), Ok(()));
        let too_old = KafkaError::ProtocolTooOld { brokers: old.brokers() };
        assert_eq!(connect(old.brokers()), Err(too_old));
    }
}
