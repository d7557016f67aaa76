//! From librdkafka's queue to deliveries: runs of one partition become slices, events become what they mean.

use rdkafka::types::RDKafkaRespErr as Code;
use secor_core::ids::{Offset, TopicPartition};

use super::{Consumer, Delivery, held_bytes};
use crate::kafka::error::KafkaError;
use crate::kafka::flow::{Admission, Flow, Phase};
use crate::kafka::message::{Message, Slice};
use crate::kafka::native::PartitionList;

impl Consumer {
    pub(super) fn deliver_held(&mut self, deliver: &mut dyn FnMut(Delivery)) {
        for tp in std::mem::take(&mut self.resumed) {
            let Some(flow) = self.flows.of(&tp).filter(|flow| !flow.paused) else { continue };
            self.held_bytes -= held_bytes(flow);
            flow.held.drain(..).for_each(&mut *deliver);
        }
    }

    pub(super) fn deliver_batch(&mut self, max_records: usize, deliver: &mut dyn FnMut(Delivery)) {
        self.batch_number += 1;
        let mut batch = std::mem::take(&mut self.batch);
        self.client.queue.take(&mut batch, max_records);
        let runs: Vec<usize> = batch.chunk_by(same_run).map(<[Message]>::len).collect();
        let mut messages = batch.drain(..);
        for len in runs {
            let run: Vec<Message> = messages.by_ref().take(len).collect();
            match run[0].error() {
                None => self.on_records(run, deliver),
                Some(code) => self.on_event(&run[0], code, deliver),
            }
        }
        drop(messages);
        self.batch = batch;
    }

    fn on_records(&mut self, run: Vec<Message>, deliver: &mut dyn FnMut(Delivery)) {
        let topic = run[0].topic().expect("a record has a topic");
        let Some(flow) = self.flows.get(topic, run[0].partition()) else { return };
        let Some(slice) = Slice::new(run, &flow.topic_partition, flow.next, &self.client) else { return };
        match flow.admit(slice.first_offset(), self.batch_number) {
            Admission::Drop => {}
            Admission::FetchAgain => {
                let tp = flow.topic_partition.clone();
                self.start_again(&tp);
            }
            Admission::Hold if self.held_bytes + slice.bytes() > self.held_bytes_max => {
                flow.choke(self.batch_number);
                self.client.pause(&PartitionList::at(std::slice::from_ref(&flow.topic_partition), 0));
            }
            Admission::Hold => {
                flow.took(slice.next_offset());
                self.held_bytes += slice.bytes();
                flow.held.push_back(Delivery::Records(slice));
            }
            Admission::Deliver => {
                flow.took(slice.next_offset());
                deliver(Delivery::Records(slice));
            }
        }
    }

    fn on_event(&mut self, event: &Message, code: Code, deliver: &mut dyn FnMut(Delivery)) {
        let flow = event.topic().and_then(|topic| self.flows.get(topic, event.partition()));
        let Some(flow) = flow else {
            if code != Code::RD_KAFKA_RESP_ERR__PARTITION_EOF {
                let error = with_reason(KafkaError::from_code("reading", code, None), event.text());
                deliver(Delivery::Problem { topic_partition: None, error });
            }
            return;
        };
        let topic_partition = flow.topic_partition.clone();
        match code {
            Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                if let Ok(position) = Offset::new(event.raw_offset()) {
                    on_end(flow, position, self.batch_number, deliver);
                }
            }
            Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET => self.on_lost_position(&topic_partition, event, deliver),
            Code::RD_KAFKA_RESP_ERR__BAD_MSG
            | Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION
            | Code::RD_KAFKA_RESP_ERR__UNDERFLOW
            | Code::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
            | Code::RD_KAFKA_RESP_ERR_INVALID_MSG
                if flow.phase == Phase::Running =>
            {
                let position = flow.next;
                self.stop(&topic_partition);
                let error = with_reason(KafkaError::from_code("reading", code, None), event.text());
                deliver(Delivery::Unreadable { topic_partition, position, error });
            }
            _ => {
                let error = KafkaError::from_code("reading", code, Some(&topic_partition));
                let error = with_reason(error, event.text());
                deliver(Delivery::Problem { topic_partition: Some(topic_partition), error });
            }
        }
    }

    /// librdkafka has given the partition up because the broker or its epochs deny the position.
    fn on_lost_position(&mut self, tp: &TopicPartition, event: &Message, deliver: &mut dyn FnMut(Delivery)) {
        let flow = self.flows.of(tp).expect("found by the caller");
        flow.halted = true;
        let elsewhere = event.raw_offset() >= 0 && event.raw_offset() != flow.next.get();
        match flow.phase {
            Phase::Idle => {}
            // Not about where we want to read: librdkafka went there by itself, or before the last start.
            Phase::Running if elsewhere => self.start_again(tp),
            Phase::Starting { .. } => self.start_again(tp),
            Phase::Running => {
                let (topic_partition, position, reason) = (tp.clone(), flow.next, event.text());
                flow.phase = Phase::Idle;
                deliver(if is_truncation(&reason) {
                    Delivery::Truncated { topic_partition, position, reason }
                } else {
                    Delivery::OutOfRange { topic_partition, position, reason }
                });
            }
        }
    }
}

fn on_end(flow: &mut Flow, position: Offset, batch: u64, deliver: &mut dyn FnMut(Delivery)) {
    let admission = flow.admit(flow.next, batch);
    if admission == Admission::Drop || !flow.reached_end(position) {
        return;
    }
    let end = Delivery::EndOfPartition { topic_partition: flow.topic_partition.clone(), position };
    match admission {
        Admission::Hold => flow.held.push_back(end),
        _ => deliver(end),
    }
}

fn same_run(a: &Message, b: &Message) -> bool {
    a.source() == b.source() && a.error().is_none() && b.error().is_none()
}

/// librdkafka tells a truncated log from a position out of range by its words only.
fn is_truncation(reason: &str) -> bool {
    reason.contains("truncation") || reason.contains("No epoch found")
}

fn with_reason(error: KafkaError, reason: String) -> KafkaError {
    match error {
        KafkaError::Broker { what, code, .. } => KafkaError::Broker { what, code, reason },
        other => other,
    }
}
