//! What befalls processes, the group, the store and the log while faults last.

use std::rc::Rc;

use secor_core::flush::CutReason;
use secor_core::ids::TopicPartition;

use super::coverage::Path;
use super::world::{Happening, World};

#[derive(Clone, Debug)]
pub(super) enum Mishap {
    Crash {
        reconfigured: bool,
    },
    Stall,
    /// Cut off from the coordinator, and from nothing else.
    Isolate,
    GracefulStop {
        reconfigured: bool,
    },
    Cut(CutReason),
    ForeignCommit,
    DeleteOffsets,
    Outage,
    Compact,
    Expire,
    Truncate,
    /// A clean change of the leader.
    Elect,
    Delete,
    Create {
        topic: Rc<str>,
        partitions: usize,
    },
    /// The operator gives a restarted process the next generation.
    NextGeneration,
    AddProcess,
}

impl World {
    pub(super) fn plan_mishaps(&mut self) {
        for _ in 0..self.scenario.mishaps {
            let mishap = self.draw_mishap();
            let at_ms = self.rng.between(1_000, self.scenario.chaos_ms);
            self.after(at_ms, Happening::Mishap(mishap));
        }
        let scenario = self.scenario.clone();
        let often = |world: &mut Self, is: bool, mishap: Mishap| {
            for _ in 0..if is { 1 + world.rng.below(2) } else { 0 } {
                let at_ms = world.rng.between(5_000, scenario.chaos_ms);
                world.after(at_ms, Happening::Mishap(mishap.clone()));
            }
        };
        often(self, scenario.truncates, Mishap::Truncate);
        often(self, scenario.recreates, Mishap::Delete);
        often(self, scenario.expires, Mishap::Expire);
        let is_compacted = scenario.topics.iter().any(|topic| topic.is_compacted);
        for _ in 0..3 {
            often(self, is_compacted, Mishap::Compact);
        }
    }

    fn draw_mishap(&mut self) -> Mishap {
        let reconfigured = self.rng.chance(500);
        match self.rng.below(17) {
            0..=2 => Mishap::Crash { reconfigured },
            3..=5 => Mishap::Stall,
            6 => Mishap::Isolate,
            7 | 8 => Mishap::GracefulStop { reconfigured },
            9 => Mishap::Cut(*self.rng.pick(&[CutReason::Memory, CutReason::Disk, CutReason::Admin])),
            10 | 11 => Mishap::ForeignCommit,
            12 => Mishap::DeleteOffsets,
            13 => Mishap::Outage,
            14 => Mishap::Elect,
            15 => Mishap::NextGeneration,
            _ => Mishap::AddProcess,
        }
    }

    pub(super) fn befall(&mut self, mishap: Mishap) {
        // the trouble that was planned is over, but for topics that are to come again
        if self.is_healed && !matches!(mishap, Mishap::Create { .. }) {
            return;
        }
        self.trace.line(self.now, format_args!("{mishap:?}"));
        match mishap {
            Mishap::Crash { reconfigured } => {
                if let Some(life) = self.any_life() {
                    self.crash(life.number);
                    let after_ms = self.rng.between(500, 30_000);
                    self.after(after_ms, Happening::Start { number: life.number, reconfigured });
                }
            }
            Mishap::Stall => {
                if let Some(life) = self.any_life() {
                    self.coverage.met(Path::Stall);
                    let lasts_ms = self.rng.between(1_000, 45_000);
                    self.slots.get_mut(&life.number).expect("it lives").stalled_until = self.now + lasts_ms;
                }
            }
            Mishap::Isolate => {
                if let Some(life) = self.any_life() {
                    self.coverage.met(Path::Isolated);
                    let lasts_ms = self.rng.between(10_000, 60_000);
                    self.slots.get_mut(&life.number).expect("it lives").isolated_until = self.now + lasts_ms;
                }
            }
            Mishap::GracefulStop { reconfigured } => {
                if let Some(life) = self.any_life() {
                    self.coverage.met(Path::GracefulStop);
                    let clock = self.clock_ms();
                    self.tell(life, |process| process.leave(clock));
                    let after_ms = self.rng.between(2_000, 80_000);
                    self.after(after_ms, Happening::Start { number: life.number, reconfigured });
                }
            }
            Mishap::Cut(reason) => {
                if let Some(life) = self.any_life() {
                    let clock = self.clock_ms();
                    self.tell(life, |process| process.cut(clock, reason));
                }
            }
            Mishap::Outage => self.outage_until = self.now + self.rng.between(1_000, 20_000),
            Mishap::NextGeneration => self.generation = (self.generation + 1).min(4),
            Mishap::AddProcess => {
                let number = self.slots.keys().filter(|number| **number < super::world::UNGROUPED).count();
                if number < 5 {
                    self.start(number, true);
                }
            }
            mishap => self.befall_kafka(mishap),
        }
    }

    fn befall_kafka(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Create { topic, partitions } => {
                if self.broker.topic(&topic).is_none() {
                    self.coverage.met(Path::Recreated);
                    self.broker.create(&topic, partitions);
                    self.topics_changed();
                }
            }
            Mishap::Delete => {
                let topic = Rc::clone(self.rng.pick(&self.names()));
                if self.broker.topic(&topic).is_some() {
                    self.broker.delete(&topic);
                    // a coordinator forgets the offsets of a deleted topic, sooner or later
                    if self.rng.chance(700) {
                        self.group.delete_offsets(|tp| *tp.topic == *topic);
                    }
                    self.topics_changed();
                    let (after_ms, partitions) = (self.rng.between(200, 20_000), 1 + self.rng.below(3));
                    self.after(after_ms, Happening::Mishap(Mishap::Create { topic, partitions }));
                }
            }
            Mishap::DeleteOffsets => {
                self.coverage.met(Path::OffsetsDeleted);
                self.group.delete_offsets(|_| true);
            }
            mishap => {
                if let Some(tp) = self.any_topic_partition() {
                    self.befall_log(&tp, mishap);
                }
            }
        }
    }

    fn befall_log(&mut self, tp: &TopicPartition, mishap: Mishap) {
        let is_compacted = self.scenario.topics.iter().any(|topic| *topic.name == *tp.topic && topic.is_compacted);
        let sooner = self.rng.chance(500);
        let draw = self.rng.draw();
        let log = self.broker.log_mut(tp).expect("it was drawn from those that are there");
        let span = log.end() - log.start();
        let somewhere = log.start() + (draw % (span.unsigned_abs() + 1)).cast_signed();
        match mishap {
            Mishap::Compact if is_compacted => {
                for _ in 0..log.compact() {
                    self.coverage.met(Path::Compacted);
                }
            }
            Mishap::Expire => {
                let start = if sooner { somewhere } else { log.end() };
                for _ in 0..log.expire(start) {
                    self.coverage.met(Path::Expired);
                }
            }
            // how compaction and an unclean election mix is not told apart by the oracle
            Mishap::Truncate if !is_compacted => {
                let (before, end) = (log.end(), somewhere.max(log.end() - 6));
                log.truncate(end);
                for _ in log.end()..before {
                    self.coverage.met(Path::Truncated);
                }
            }
            Mishap::Elect => log.elect(),
            Mishap::ForeignCommit => self.foreign_commit(tp),
            _ => {}
        }
    }

    fn any_topic_partition(&mut self) -> Option<TopicPartition> {
        let all = self.broker.topic_partitions();
        if all.is_empty() { None } else { Some(self.rng.pick(&all).clone()) }
    }
}
