//! The open files of one batch: an encoder and its staged bytes for each output partition, and one for dead letters.

use std::sync::Arc;

use secor_core::ids::TopicPartition;
use secor_core::record::Record;
use secor_core::shape::Output;
use secor_format::{BadRecord, Codec, FileEncoder, FileIdentity, FileSummary, PartitionIdx, Pipeline, Routed};

use super::budget::{Resource, Share};
use super::staging::{Staged, Staging};

/// Encoder memory below this is not worth closing a block for.
const BLOCK_BYTES_MIN: usize = 32 << 10;

/// What a writer takes beside its buffers: digests, summary, file name.
const WRITER_BYTES: usize = 4 << 10;

/// The writers of one batch.
pub(super) struct Writers {
    staging: Arc<Staging>,
    identity: FileIdentity,
    output: Output,
    open: Vec<Writer>,
    /// Index into `open`, by output partition.
    by_partition: Vec<Option<u32>>,
    dead_letters: Option<u32>,
    count_share: Share,
    buffer_share: Share,
    /// Encoded bytes staged over all writers.
    staged_bytes: u64,
    buffered_bytes: usize,
}

struct Writer {
    target: Target,
    encoder: FileEncoder,
    staged: Staged,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    OutputPartition(PartitionIdx),
    DeadLetters,
}

/// A finished file.
pub(super) struct Finished {
    pub target: Target,
    pub summary: FileSummary,
    pub staged: Staged,
}

// === impl Writers ===

impl Writers {
    pub(super) fn new(staging: &Arc<Staging>, tp: &TopicPartition, output: &Output) -> Self {
        let budget = staging.budget();
        Self {
            staging: Arc::clone(staging),
            identity: FileIdentity { topic: Arc::clone(&tp.topic), partition: tp.partition },
            output: output.clone(),
            open: Vec::new(),
            by_partition: Vec::new(),
            dead_letters: None,
            count_share: budget.share(Resource::Writers),
            buffer_share: budget.share(Resource::Memory),
            staged_bytes: 0,
            buffered_bytes: 0,
        }
    }

    /// Encoded bytes staged over all files.
    pub(super) fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    /// Staged bytes and encoder memory.
    pub(super) fn footprint(&self) -> u64 {
        self.staged_bytes + self.buffered_bytes as u64
    }

    pub(super) fn is_open(&self, partition: PartitionIdx) -> bool {
        self.slot(partition).is_some()
    }

    pub(super) fn append(&mut self, record: &Record<'_>, routed: &Routed<'_>, pipeline: &Pipeline, codec: &mut Codec) {
        let slot = match self.slot(routed.partition) {
            Some(slot) => slot,
            None => self.open_partition(routed.partition, pipeline, codec),
        };
        let value = routed.value.as_deref();
        self.write(slot, |encoder, out| encoder.append(record, value, routed.event_time, codec, out));
    }

    pub(super) fn append_bad(&mut self, record: &Record<'_>, bad: &BadRecord, codec: &mut Codec) {
        let slot = match self.dead_letters {
            Some(slot) => slot as usize,
            None => self.open(Target::DeadLetters, FileEncoder::dead_letters(self.identity.clone())),
        };
        self.write(slot, |encoder, out| encoder.append_bad(record, bad, codec, out));
    }

    /// Says to the budget how much encoder memory is in use; once per slice, not per record.
    pub(super) fn settle(&mut self) {
        self.buffer_share.set((self.buffered_bytes + self.open.len() * WRITER_BYTES) as u64);
    }

    /// Under pressure: closes blocks early and moves what is staged to disk.
    pub(super) fn relieve(&mut self, codec: &mut Codec) {
        for slot in 0..self.open.len() {
            if self.open[slot].encoder.buffered_bytes() >= BLOCK_BYTES_MIN {
                self.write(slot, |encoder, out| encoder.flush_block(codec, out));
            }
            self.open[slot].staged.relieve();
        }
        self.settle();
    }

    pub(super) fn finish(mut self, codec: &mut Codec) -> Vec<Finished> {
        let open = std::mem::take(&mut self.open);
        let finish = |mut writer: Writer| {
            let summary = writer.encoder.finish(codec, writer.staged.out());
            writer.staged.settle();
            Finished { target: writer.target, summary, staged: writer.staged }
        };
        open.into_iter().map(finish).collect()
    }

    fn slot(&self, partition: PartitionIdx) -> Option<usize> {
        self.by_partition.get(partition.index()).copied().flatten().map(|slot| slot as usize)
    }

    fn open_partition(&mut self, partition: PartitionIdx, pipeline: &Pipeline, codec: &Codec) -> usize {
        let identity = self.identity.clone();
        let encoder = match pipeline.file_schema(partition) {
            Some(schema) => FileEncoder::of_schema(&self.output, identity, schema.text),
            None => FileEncoder::new(&self.output, identity, codec),
        };
        self.open(Target::OutputPartition(partition), encoder)
    }

    fn open(&mut self, target: Target, encoder: FileEncoder) -> usize {
        let slot = self.open.len();
        let numbered = u32::try_from(slot).expect("open writers are limited far below 2^32");
        self.open.push(Writer { target, encoder, staged: self.staging.file() });
        match target {
            Target::DeadLetters => self.dead_letters = Some(numbered),
            Target::OutputPartition(partition) => {
                let index = partition.index();
                if self.by_partition.len() <= index {
                    self.by_partition.resize(index + 1, None);
                }
                self.by_partition[index] = Some(numbered);
            }
        }
        self.count_share.set(self.open.len() as u64);
        slot
    }

    fn write(&mut self, slot: usize, append: impl FnOnce(&mut FileEncoder, &mut Vec<u8>)) {
        let Writer { encoder, staged, .. } = &mut self.open[slot];
        let (buffered, len) = (encoder.buffered_bytes(), staged.out().len());
        append(encoder, staged.out());
        self.buffered_bytes = self.buffered_bytes + encoder.buffered_bytes() - buffered;
        let grown = staged.out().len() - len;
        if grown > 0 {
            self.staged_bytes += grown as u64;
            staged.settle();
        }
    }
}
