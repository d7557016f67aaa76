//! The topics of the simulated cluster, present and past. The group has its own room: [`super::group`].

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use secor_core::ids::{TopicId, TopicPartition};

use super::log::PartitionLog;

/// All topics.
pub(super) struct Broker {
    topics: BTreeMap<Rc<str>, Topic>,
    /// Topics that were deleted, for the oracle.
    deleted: Vec<(Rc<str>, Topic)>,
    created: u64,
    has_ids: bool,
}

#[derive(Clone)]
pub(super) struct Topic {
    /// `None`: a broker before 2.8.
    pub id: Option<TopicId>,
    pub partitions: Vec<PartitionLog>,
}

// === impl Broker ===

impl Broker {
    pub fn new(has_ids: bool) -> Self {
        Self { topics: BTreeMap::new(), deleted: Vec::new(), created: 0, has_ids }
    }

    /// A new topic, or one that was deleted, with a new identity.
    pub fn create(&mut self, name: &Rc<str>, partitions: usize) {
        self.created += 1;
        let id = self.has_ids.then(|| TopicId(Arc::from(format!("topic-{:016}", self.created))));
        let partitions = vec![PartitionLog::default(); partitions];
        self.topics.insert(Rc::clone(name), Topic { id, partitions });
    }

    pub fn delete(&mut self, name: &Rc<str>) {
        if let Some(topic) = self.topics.remove(name) {
            self.deleted.push((Rc::clone(name), topic));
        }
    }

    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub fn topic_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.topics.get_mut(name)
    }

    pub fn log(&self, at: &TopicPartition) -> Option<&PartitionLog> {
        self.topic(&at.topic)?.partitions.get(usize::try_from(at.partition).ok()?)
    }

    pub fn log_mut(&mut self, at: &TopicPartition) -> Option<&mut PartitionLog> {
        self.topic_mut(&at.topic)?.partitions.get_mut(usize::try_from(at.partition).ok()?)
    }

    /// All topic partitions that are there, sorted.
    pub fn topic_partitions(&self) -> Vec<TopicPartition> {
        let of = |(name, topic): (&Rc<str>, &Topic)| {
            let name: Arc<str> = Arc::from(&**name);
            (0..topic.partitions.len())
                .map(move |n| TopicPartition::new(Arc::clone(&name), number(n)))
                .collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(of).collect()
    }

    pub fn names(&self) -> Vec<Rc<str>> {
        self.topics.keys().cloned().collect()
    }

    /// The log of a topic that has, or had, this identity.
    pub fn log_of(&self, at: &TopicPartition, id: &Option<TopicId>) -> Option<&PartitionLog> {
        let past = self.deleted.iter().filter(|(name, _)| **name == *at.topic).map(|(_, topic)| topic);
        let topic = self.topic(&at.topic).into_iter().chain(past).find(|topic| topic.id == *id)?;
        topic.partitions.get(usize::try_from(at.partition).ok()?)
    }

    /// Was the topic created more than once, or is it not there?
    pub fn was_deleted(&self, name: &str) -> bool {
        self.deleted.iter().any(|(deleted, _)| **deleted == *name)
    }
}

/// A partition's number as Kafka has it.
pub(super) fn number(partition: usize) -> i32 {
    i32::try_from(partition).expect("a simulated topic has few partitions")
}
