//! The consumer of a process: where it fetches for each lane, and what of the brokers' answers the lane gets.
//!
//! To be read beside `service/consume.rs` and `kafka/consumer.rs` of the program.

use std::rc::Rc;

use secor_core::ids::TopicPartition;
use secor_core::partition::{Event, Refusal, RefusalCode};

use super::lane::{Address, Fetch, Lane, Slice};
use super::{Done, Order, Process};
use crate::simulator::log::{Fetched, From, offset};
use crate::simulator::sabotage::Sabotage;

/// How soon the end of a log is asked for more.
const POLL_MS: i64 = 400;

/// Where the consumer stands in one topic partition.
pub(super) struct Fetcher {
    address: Address,
    fetch: u64,
    /// Where it began.
    first: i64,
    next: i64,
    epoch: Option<i32>,
    is_announced: bool,
    is_stopped: bool,
    is_paused: bool,
    in_flight: bool,
}

impl Process {
    pub fn announced(&mut self, now_ms: i64, address: &Address, fetch: u64) {
        let Some(fetcher) = self.fetchers.get_mut(&address.topic_partition) else { return };
        if fetcher.address != *address || fetcher.fetch != fetch {
            return;
        }
        fetcher.is_announced = true;
        self.at(now_ms, address, |lane, _| lane.fetching(fetch));
        self.fetch_more(&address.topic_partition, 0);
    }

    /// The broker's answer to a fetch; true when it was one of an earlier fetch that the lane had to turn away.
    pub fn fetched(&mut self, now_ms: i64, address: &Address, fetch: u64, fetched: Fetched) -> bool {
        let tp = &address.topic_partition;
        let Some(fetcher) = self.fetchers.get_mut(tp) else { return false };
        if fetcher.address != *address || fetcher.fetch != fetch {
            // what is on its way to the worker when a new fetch begins still arrives, until that one is announced
            let arrives = !fetcher.is_announced || self.start.sabotage == Some(Sabotage::StaleFetch);
            if let (true, Fetched::Records { records, .. }) = (arrives, fetched) {
                let to = fetcher.address.clone();
                self.at(now_ms, &to, |lane, cx| lane.records(Slice(records), cx));
                return true;
            }
            return false;
        }
        fetcher.in_flight = false;
        let is_old = fetcher.is_stopped;
        match fetched {
            Fetched::Records { records, next, epoch, at_end } => {
                fetcher.epoch = epoch.or(fetcher.epoch);
                let moved = next > fetcher.next;
                fetcher.next = next;
                self.at(now_ms, address, |lane, cx| lane.records(Slice(records), cx));
                if at_end && moved {
                    self.at(now_ms, address, |lane, cx| lane.position(offset(next), cx));
                }
                self.fetch_more(tp, if at_end { POLL_MS } else { 0 });
            }
            Fetched::OutOfRange(range) => {
                let replaying = self.lanes.get(tp).is_some_and(Lane::is_replaying);
                if replaying && self.start.sabotage == Some(Sabotage::ReplayJumps) && range.start.get() > fetcher.next {
                    fetcher.next = range.start.get();
                    self.at(now_ms, address, |lane, cx| lane.position(range.start, cx));
                    return self.fetch_more(tp, 0);
                }
                self.ask_range(now_ms, address);
            }
            Fetched::Truncated => {
                let refusal = Refusal::new(RefusalCode::LogTruncated, "the log was truncated below the position");
                self.tell(now_ms, tp, Event::Refuse(refusal));
            }
        }
        is_old
    }

    fn ask_range(&mut self, now_ms: i64, address: &Address) {
        let (hands, tp) = (Rc::clone(&self.hands), address.topic_partition.clone());
        let ask = async move {
            match hands.retry(|| hands.log_range(&tp)).await {
                Ok(range) => Done::Range(range),
                Err(refusal) => Done::Refused(refusal),
            }
        };
        self.spawn(now_ms, Some(address.clone()), Box::pin(ask));
    }

    fn fetch_more(&mut self, tp: &TopicPartition, pause_ms: i64) -> bool {
        let Some(fetcher) = self.fetchers.get_mut(tp) else { return false };
        if fetcher.is_announced && !fetcher.is_paused && !fetcher.in_flight {
            fetcher.in_flight = true;
            let from = From {
                offset: fetcher.next,
                epoch: fetcher.epoch,
                earlier: 0,
                floor: fetcher.first,
                records_max: self.config.records_max,
                isolation: self.config.isolation,
            };
            let (address, fetch) = (fetcher.address.clone(), fetcher.fetch);
            self.orders.push(Order::Fetch { address, fetch, from, pause_ms });
        }
        false
    }

    pub(super) fn fetch_as_told(&mut self, address: &Address, fetch: Fetch) {
        let tp = &address.topic_partition;
        match fetch {
            Fetch::From { id, offset, leader_epoch } => {
                let fetcher = Fetcher {
                    address: address.clone(),
                    fetch: id,
                    first: offset.get(),
                    next: offset.get(),
                    epoch: leader_epoch,
                    is_announced: false,
                    is_stopped: false,
                    is_paused: false,
                    in_flight: false,
                };
                self.fetchers.insert(tp.clone(), fetcher);
                self.orders.push(Order::Announce { address: address.clone(), fetch: id });
            }
            Fetch::Pause | Fetch::Stop => {
                if let Some(fetcher) = self.fetchers.get_mut(tp).filter(|it| it.address == *address) {
                    fetcher.is_paused = true;
                    fetcher.is_stopped |= fetch == Fetch::Stop;
                }
            }
            Fetch::Resume => {
                if let Some(fetcher) = self.fetchers.get_mut(tp).filter(|it| it.address == *address) {
                    fetcher.is_paused = false;
                }
                self.fetch_more(tp, 0);
            }
        }
    }
}
