//! Does each entry begin where the one before ended? Pure: fed with slots in order, answers with findings.

use secor_core::ids::{Generation, Offset, OffsetRange, TopicId};
use secor_core::manifest::{Entry, Genesis, Kind, Seal};

use super::report::{Finding, FindingCode, Place};
use crate::ledger::Slot;

/// Follows one topic partition from its genesis through its generations.
pub(super) struct ChainCheck {
    place: Place,
    generation: Generation,
    topic_id: Option<TopicId>,
    /// Where the next entry has to stand; unknown after one that can't be read.
    expected: Option<Offset>,
    seal: Option<Seal>,
}

// === impl ChainCheck ===

impl ChainCheck {
    pub(super) fn new(genesis: &Genesis, partition: i32) -> Self {
        Self {
            place: Place { topic: genesis.topic.to_string(), partition: Some(partition), ..Place::default() },
            generation: genesis.generation,
            topic_id: genesis.topic_id.clone(),
            expected: Some(genesis.start_of(partition)),
            seal: None,
        }
    }

    /// Where a finding about `entry` is.
    pub(super) fn place_of(&self, entry: &Entry) -> Place {
        Place { generation: Some(entry.generation), offsets: Some(entry.range().into()), ..self.place.clone() }
    }

    pub(super) fn slot(&mut self, slot: &Slot) -> Vec<Finding> {
        let mut findings = Vec::new();
        if slot.generation != self.generation {
            self.enter(slot.generation);
        } else if self.seal.is_some() {
            let at = Place { generation: Some(slot.generation), ..self.place.clone() };
            let detail = format!("an entry at offset {} stands behind the seal of its generation", slot.start);
            findings.push(at.finding(FindingCode::Unreachable, detail));
        }
        findings.extend(self.check_start(slot));
        match &slot.entry {
            Err(error) => {
                let at = Place { generation: Some(slot.generation), ..self.place.clone() };
                let detail = error.refusal().map_or_else(|| error.to_string(), |refusal| refusal.detail);
                findings.push(at.finding(FindingCode::BadEntry, detail));
                self.expected = None;
            }
            Ok(entry) => {
                findings.extend(self.check_topic_id(entry));
                self.expected = Some(entry.end);
                if let Kind::Seal(seal) = &entry.kind {
                    self.seal = Some(seal.clone());
                }
            }
        }
        findings
    }

    /// The walk only goes on to a generation that a seal names.
    fn enter(&mut self, generation: Generation) {
        self.generation = generation;
        if let Some(seal) = self.seal.take() {
            self.expected = Some(seal.next.start);
            self.topic_id = seal.next.topic_id;
        }
    }

    fn check_start(&self, slot: &Slot) -> Option<Finding> {
        let expected = self.expected.filter(|expected| *expected != slot.start)?;
        let between = |start, end| Place {
            generation: Some(slot.generation),
            offsets: Some(OffsetRange::new(start, end).into()),
            ..self.place.clone()
        };
        Some(if expected < slot.start {
            let detail = format!("no entry covers these offsets; the next one stands at {}", slot.start);
            between(expected, slot.start).finding(FindingCode::ChainGap, detail)
        } else {
            let detail = format!("the entry at {} begins before the one before it ends", slot.start);
            between(slot.start, expected).finding(FindingCode::ChainOverlap, detail)
        })
    }

    /// Brokers before 2.8 have no topic ids, so only two that are there can differ.
    fn check_topic_id(&self, entry: &Entry) -> Option<Finding> {
        let (found, expected) = (entry.topic_id.as_ref()?, self.topic_id.as_ref()?);
        (found != expected).then(|| {
            let detail = format!("has topic id {found}, its chain is of {expected}");
            self.place_of(entry).finding(FindingCode::BadEntry, detail)
        })
    }
}
