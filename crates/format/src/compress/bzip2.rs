//! A row of bzip2 streams, one block each.
//!
//! The library's state, 8 MiB at level 9, lives as long as one block is compressed: bzip2 can't start anew.

use bzip2::{Action, Compress, Compression, Status};

use super::{BlockCodec, FileState};

const LEVEL: u8 = 9;

/// bzip2's blocks have 100,000 bytes for each level, after runs of equal bytes were counted, which may add a little.
const BLOCK_BYTES_PER_LEVEL: usize = 99_900;
/// How long bzip2 tries its quick sort on repetitive input: the library's own default.
const WORK_FACTOR: u32 = 30;

pub(super) struct Bzip2 {
    level: u8,
}

// === impl Bzip2 ===

impl Bzip2 {
    pub(super) fn new(level: Option<u8>) -> Self {
        Self { level: level.unwrap_or(LEVEL) }
    }
}

impl BlockCodec for Bzip2 {
    fn block_bytes(&self) -> usize {
        usize::from(self.level) * BLOCK_BYTES_PER_LEVEL
    }

    fn compress(&mut self, block: &[u8], _: &mut FileState, out: &mut Vec<u8>) {
        // a short block needs no long one's memory
        let level = usize::from(self.level).min(1 + block.len() / BLOCK_BYTES_PER_LEVEL);
        let level = Compression::new(u32::try_from(level).expect("a level is at most 9"));
        let mut stream = Compress::new(level, WORK_FACTOR);
        let mut rest = block;
        loop {
            // the library's bound: 1 % and 600 bytes more
            out.reserve(rest.len() + rest.len() / 100 + 600);
            let before = stream.total_in();
            let status = stream.compress_vec(rest, out, Action::Finish).expect("compressing bytes can't fail");
            rest = &rest[usize::try_from(stream.total_in() - before).expect("not more than was given")..];
            if status == Status::StreamEnd {
                break;
            }
        }
    }
}
