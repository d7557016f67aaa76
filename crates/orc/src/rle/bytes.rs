//! Byte run-length encoding: runs of 3 to 130 equal bytes, or lists of up to 128.

use crate::stream::Stream;

const BLOCK: usize = 512;
const RUN_MIN: usize = 3;
const RUN_MAX: usize = 130;
const LIST_MAX: usize = 128;

#[derive(Default)]
pub(crate) struct ByteRle {
    pending: Vec<u8>,
    stream: Stream,
}

impl ByteRle {
    #[inline]
    pub(crate) fn push(&mut self, value: u8) {
        self.pending.push(value);
        if self.pending.len() == BLOCK {
            self.flush();
        }
    }

    pub(crate) fn push_times(&mut self, value: u8, mut times: usize) {
        while times > 0 {
            let now = times.min(BLOCK - self.pending.len());
            self.pending.resize(self.pending.len() + now, value);
            times -= now;
            if self.pending.len() == BLOCK {
                self.flush();
            }
        }
    }

    /// Appends the position of the next value: byte of the block, values in it.
    pub(crate) fn mark(&self, marks: &mut Vec<u64>) {
        marks.extend([self.stream.len() as u64, self.pending.len() as u64]);
    }

    /// Encodes what waits.
    pub(crate) fn flush(&mut self) {
        encode(&self.pending, self.stream.tail());
        self.pending.clear();
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

fn encode(values: &[u8], out: &mut Vec<u8>) {
    let (mut list, mut at) = (0, 0);
    while at < values.len() {
        let run = values[at..].iter().take(RUN_MAX).take_while(|value| **value == values[at]).count();
        if run >= RUN_MIN {
            push_lists(&values[list..at], out);
            out.extend([(run - RUN_MIN) as u8, values[at]]);
            list = at + run;
        }
        at += run;
    }
    push_lists(&values[list..], out);
}

fn push_lists(values: &[u8], out: &mut Vec<u8>) {
    for list in values.chunks(LIST_MAX) {
        out.push((list.len() as u8).wrapping_neg());
        out.extend_from_slice(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(values: &[u8]) -> Vec<u8> {
        let mut rle = ByteRle::default();
        values.iter().for_each(|value| rle.push(*value));
        rle.flush();
        std::mem::take(rle.stream().tail())
    }

    fn decoded(mut bytes: &[u8]) -> Vec<u8> {
        let mut values = Vec::new();
        while let [header, rest @ ..] = bytes {
            if *header < 0x80 {
                values.resize(values.len() + usize::from(*header) + RUN_MIN, rest[0]);
                bytes = &rest[1..];
            } else {
                let (list, rest) = rest.split_at(256 - usize::from(*header));
                values.extend_from_slice(list);
                bytes = rest;
            }
        }
        values
    }

    /// Goal: bytes are encoded as the specification says.
    /// Method: its examples, then lengths around all limits, decoded by the specification's words.
    #[test]
    fn runs_and_lists_are_the_specifications() {
        assert_eq!(encoded(&[0; 100]), [0x61, 0x00]);
        assert_eq!(encoded(&[0x44, 0x45]), [0xfe, 0x44, 0x45]);
        for length in [0, 1, 2, 3, 127, 128, 129, 130, 131, 133, 511, 512, 513, 1_025, 3_000] {
            let equal = vec![9; length];
            let all: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mixed: Vec<u8> = (0..length).map(|i| (i / (1 + i % 5)) as u8).collect();
            for values in [equal, all, mixed] {
                assert_eq!(decoded(&encoded(&values)), values, "{length}");
            }
        }
    }
}
