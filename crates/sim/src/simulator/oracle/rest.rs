//! When everything has come to rest: is the archive the log, no less and no more?

use std::collections::BTreeMap;

use secor_core::ids::{Offset, TopicPartition};
use secor_core::manifest::{Entry, Kind, ResolutionReason, ResolvedOutcome};

use super::{ChainName, Oracle};
use crate::simulator::broker::Broker;
use crate::simulator::expected::Wanted;
use crate::simulator::log::PartitionLog;
use crate::simulator::store::{Bucket, Consistency};

impl Oracle {
    /// Checks every chain, every file and every record. `refused` are the topic partitions that stand still for a
    /// reason that [`Oracle::refused`] has accepted.
    pub fn at_rest(&mut self, broker: &Broker, store: &Bucket, refused: &[TopicPartition]) {
        let result = self.look_at_strays(store).and_then(|()| self.look_at_all(broker, store, refused));
        self.check(result);
    }

    fn look_at_strays(&self, store: &Bucket) -> Result<(), String> {
        match store.keys().find(|key| !key.starts_with("_secor/") && !self.named.contains_key(*key)) {
            Some(key) => Err(format!("no manifest names `{key}`")),
            None => Ok(()),
        }
    }

    fn look_at_all(&self, broker: &Broker, store: &Bucket, refused: &[TopicPartition]) -> Result<(), String> {
        for (name, chain) in &self.chains {
            for entry in chain.entries.values() {
                self.look_at_receipt(name, entry, store)?;
                if entry.batch().is_some() {
                    self.look_at_batch(broker, name, entry, refused)?;
                }
            }
        }
        for tp in broker.topic_partitions() {
            let log = broker.log(&tp).expect("it is there");
            if refused.contains(&tp) {
                if !log.was_truncated() {
                    return Err(format!("{tp} is refused at rest, and its log was never truncated"));
                }
                continue;
            }
            let end = self.position(&tp)?;
            let wanted = log.visible_end(self.isolation);
            // an archive that is ahead of a truncated log has nothing to do at its end
            let is_ahead = log.was_truncated() && end.get() > wanted;
            if end.get() != wanted && !is_ahead {
                return Err(format!("{tp} is archived up to {end}, its log ends at {wanted}"));
            }
            if self.topic_id(&tp) != broker.topic(&tp.topic).and_then(|topic| topic.id.clone()) {
                return Err(format!("{tp}: the last chain is of another topic than the present one"));
            }
        }
        Ok(())
    }

    /// Where the last generation's chain ends.
    fn position(&self, tp: &TopicPartition) -> Result<Offset, String> {
        let genesis = self.geneses.get(&*tp.topic).ok_or_else(|| format!("{tp} has no genesis"))?;
        let mut at = (genesis.generation, genesis.start_of(tp.partition));
        // every generation is entered by a seal, and each has a higher number
        for _ in 0..=self.chains.len() {
            let Some(chain) = self.chains.get(&(tp.clone(), at.0)) else { return Ok(at.1) };
            if chain.start != at.1 {
                return Err(format!("generation {} of {tp} begins at {}, not at {}", at.0, chain.start, at.1));
            }
            match chain.entries.last_key_value().map(|(_, entry)| &entry.kind) {
                Some(Kind::Seal(seal)) => at = (seal.next.generation, seal.next.start),
                _ => return Ok(chain.head),
            }
        }
        Err(format!("the seals of {tp} lead in a circle"))
    }

    fn topic_id(&self, tp: &TopicPartition) -> Option<secor_core::ids::TopicId> {
        let last = self.chains.iter().filter(|((other, _), _)| other == tp).map(|(_, chain)| chain).next_back();
        match last {
            None => self.geneses.get(&*tp.topic)?.topic_id.clone(),
            Some(chain) => match chain.entries.last_key_value().map(|(_, entry)| &entry.kind) {
                Some(Kind::Seal(seal)) => seal.next.topic_id.clone(),
                _ => chain.topic_id.clone(),
            },
        }
    }

    /// Every record of the batch's range is in its file, or there is a reason why it is not.
    fn look_at_batch(
        &self,
        broker: &Broker,
        name: &ChainName,
        entry: &Entry,
        refused: &[TopicPartition],
    ) -> Result<(), String> {
        if let Some(key) = self.missing(name, entry) {
            // a batch that cannot be made whole is the reason of the refusal
            let is_last = self.chains[name].head == entry.end;
            // of a partition that its topic has no more, nobody is told
            let is_gone = broker.log(&name.0).is_none();
            return if is_last && (is_gone || refused.contains(&name.0)) {
                Ok(())
            } else {
                Err(format!("at rest `{key}` is not there"))
            };
        }
        let log = broker.log_of(&name.0, &entry.topic_id).ok_or_else(|| format!("{name:?} has no log"))?;
        if log.was_truncated() {
            // the content of each file was compared with the versions of the log when it was stored
            return Ok(());
        }
        let wanted = self.wanted(log, None, entry).ok_or_else(|| format!("{name:?} reaches beyond its log"))?;
        let batch = entry.batch().expect("the caller has looked");
        for file in &batch.files {
            if !wanted.contains_key(&file.key) {
                return Err(format!("`{}` is named, but no record belongs there", file.key));
            }
        }
        for (key, records) in &wanted {
            if !self.files.contains(key) {
                self.look_at_absent(log, name, entry, (key, records))?;
            }
        }
        Ok(())
    }

    /// A file that could be there and is not.
    fn look_at_absent(
        &self,
        log: &PartitionLog,
        name: &ChainName,
        entry: &Entry,
        (key, wanted): (&String, &Wanted),
    ) -> Result<(), String> {
        let kept = wanted.lines.iter().find(|(offset, _)| log.still_has(*offset));
        let resolutions = self.resolutions.get(&(name.clone(), entry.start));
        let says_absent = resolutions
            .into_iter()
            .flatten()
            .find(|resolution| resolution.outcome(key) == Some(&ResolvedOutcome::Absent));
        match (says_absent.map(|resolution| resolution.reason), kept) {
            // gone with its topic
            (Some(ResolutionReason::TopicReplaced), _) | (_, None) => Ok(()),
            (_, Some((offset, _))) => Err(format!("the log has the record at {offset}, `{key}` is not there")),
        }
    }

    /// R4: what the next entry says of the files is what is stored.
    fn look_at_receipt(&self, name: &ChainName, entry: &Entry, store: &Bucket) -> Result<(), String> {
        let before = self.chains[name].entries.range(..entry.start).next_back().map(|(_, before)| before);
        let Some(receipt) = &entry.receipt else {
            return match before.and_then(Entry::batch) {
                Some(_) => Err(format!("slot {} of {name:?} has no receipt", entry.start)),
                None => Ok(()),
            };
        };
        let batch = before.filter(|before| before.start == receipt.start).and_then(Entry::batch);
        let batch = batch.ok_or_else(|| format!("slot {} of {name:?} has another's receipt", entry.start))?;
        // where the last writer wins, a replayer may have put the same records in other bytes since
        if self.consistency != Consistency::Exclusive {
            return Ok(());
        }
        let sizes: BTreeMap<&str, u64> = receipt.files.iter().map(|file| (&*file.key, file.size)).collect();
        for file in batch.files.iter().filter(|file| self.files.contains(&file.key)) {
            // resolved as absent, and created after all by a request that was on its way
            if !sizes.contains_key(&*file.key) && self.is_absent(name, before, &file.key) {
                continue;
            }
            let stored = store.truth(&file.key).map(|bytes| bytes.len() as u64);
            if sizes.get(&*file.key).copied() != stored {
                return Err(format!("the receipt of `{}` is not what is stored", file.key));
            }
        }
        Ok(())
    }
}
