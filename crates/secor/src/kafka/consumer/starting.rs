//! Starting partitions, again if need be.
//!
//! A partition that the group grants is paused before it is assigned, so librdkafka fetches nothing of its own accord.
//! [`Consumer::start`] seeks and resumes; librdkafka may not be ready for that yet, then every [`Consumer::poll`] tries
//! again. A partition that librdkafka gave up (`auto.offset.reset=error`) refuses to be sought: it is assigned anew.
//! The order is always: pause, seek, forward, resume. While paused nothing can arrive anywhere; a successful seek
//! proves that librdkafka has started the partition, so that no late stop can undo the forwarding; and a seek makes
//! everything outdated that was fetched before it.

use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaRespErr as Code;
use secor_core::ids::TopicPartition;

use super::Consumer;
use crate::kafka::flow::Phase;
use crate::kafka::native::PartitionList;

const SEEK_TIMEOUT: Duration = Duration::from_secs(1);
/// A partition that can't be sought for this long is assigned anew.
const START_PATIENCE: Duration = Duration::from_secs(2);

impl Consumer {
    pub(super) fn start_again(&mut self, tp: &TopicPartition) {
        let batch = self.batch_number;
        if let Some(flow) = self.flows.of(tp).filter(|flow| flow.phase != Phase::Idle && !flow.choked) {
            flow.start_again(batch, Instant::now());
            self.launch_one(tp);
        }
    }

    pub(super) fn launch_one(&mut self, tp: &TopicPartition) {
        let waiting = std::mem::replace(&mut self.starting, vec![tp.clone()]);
        self.launch();
        self.starting.extend(waiting.into_iter().filter(|other| other != tp));
    }

    /// Tries to start what is to be started; what librdkafka is not ready for stays in `starting`.
    pub(super) fn launch(&mut self) {
        if self.starting.is_empty() {
            return;
        }
        let mut list = PartitionList::new(self.starting.len());
        let mut halted = Vec::new();
        for tp in std::mem::take(&mut self.starting) {
            let Some(flow) = self.flows.of(&tp) else { continue };
            let Phase::Starting { leader_epoch, .. } = flow.phase else { continue };
            if std::mem::take(&mut flow.halted) {
                halted.push(tp);
            } else {
                list.add(&tp, flow.next.get(), leader_epoch);
            }
        }
        self.seek(&list);
        if !halted.is_empty() {
            self.assign_anew(&halted);
        }
    }

    fn seek(&mut self, list: &PartitionList) {
        if list.is_empty() {
            return;
        }
        self.client.pause(list);
        let mut resumed = PartitionList::new(0);
        for (tp, error) in self.client.seek(list, SEEK_TIMEOUT) {
            let Some(flow) = self.flows.of(&tp) else { continue };
            let Phase::Starting { since, .. } = flow.phase else { continue };
            if error == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                self.client.queue.forward(&tp);
                flow.phase = Phase::Running;
                resumed.add(&tp, flow.next.get(), None);
            } else {
                flow.halted = since.elapsed() > START_PATIENCE;
                self.starting.push(tp);
            }
        }
        self.client.resume(&resumed);
    }

    /// Gives partitions back to librdkafka that it has given up. With an eager protocol only all can be assigned.
    fn assign_anew(&mut self, halted: &[TopicPartition]) {
        let now = Instant::now();
        let mut list = PartitionList::at(halted, 0);
        self.starting.extend_from_slice(halted);
        if !self.client.is_incremental() {
            for flow in self.flows.iter().filter(|flow| !halted.contains(&flow.topic_partition)) {
                list.add(&flow.topic_partition, 0, None);
                if flow.phase == Phase::Running && !flow.choked {
                    flow.start_again(self.batch_number, now);
                    self.starting.push(flow.topic_partition.clone());
                }
            }
        }
        self.client.pause(&list);
        for done in [self.client.unassign(&list), self.client.assign(&list)] {
            if let Err(error) = done {
                tracing::warn!(%error, "partitions not assigned anew, trying again");
            }
        }
    }
}
