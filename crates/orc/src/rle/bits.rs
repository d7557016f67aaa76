//! Boolean run-length encoding: eight bits a byte, the first in the most significant, and the bytes as byte runs.

use arrow_buffer::BooleanBuffer;

use super::ByteRle;
use crate::stream::Stream;

#[derive(Default)]
pub(crate) struct BitRle {
    bytes: ByteRle,
    /// Bits that make no byte yet, from the most significant on.
    partial: u8,
    partial_bits: u32,
}

impl BitRle {
    pub(crate) fn push_times(&mut self, bit: bool, mut times: usize) {
        let ones = if bit { 0xff } else { 0 };
        if self.partial_bits > 0 {
            let now = times.min(8 - self.partial_bits as usize);
            self.push_bits(ones, now as u32);
            times -= now;
        }
        self.bytes.push_times(ones, times / 8);
        self.push_bits(ones, (times % 8) as u32);
    }

    pub(crate) fn extend(&mut self, bits: &BooleanBuffer) {
        let chunks = bits.bit_chunks();
        for chunk in chunks.iter() {
            self.push_words(chunk, 64);
        }
        self.push_words(chunks.remainder_bits(), chunks.remainder_len());
    }

    /// Appends the position of the next bit: that of its byte, and bits of it.
    pub(crate) fn mark(&self, marks: &mut Vec<u64>) {
        self.bytes.mark(marks);
        marks.push(u64::from(self.partial_bits));
    }

    /// Encodes what waits; the last byte is filled with zeros.
    pub(crate) fn flush(&mut self) {
        if self.partial_bits > 0 {
            self.bytes.push(self.partial);
            (self.partial, self.partial_bits) = (0, 0);
        }
        self.bytes.flush();
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        self.bytes.stream()
    }

    /// Appends the lowest `count` bits of `word`, the least significant first, as Arrow keeps them.
    fn push_words(&mut self, word: u64, count: usize) {
        for (i, byte) in word.to_le_bytes().into_iter().take(count.div_ceil(8)).enumerate() {
            self.push_bits(byte.reverse_bits(), (count - 8 * i).min(8) as u32);
        }
    }

    /// Appends the first `count` bits of `byte`, from the most significant on; at most eight.
    #[inline]
    fn push_bits(&mut self, byte: u8, count: u32) {
        if count == 0 {
            return;
        }
        let byte = byte & (0xff_u16 << (8 - count)) as u8;
        let both = u16::from(self.partial) << 8 | u16::from(byte) << (8 - self.partial_bits);
        let bits = self.partial_bits + count;
        if bits >= 8 {
            self.bytes.push((both >> 8) as u8);
            (self.partial, self.partial_bits) = (both as u8, bits - 8);
        } else {
            (self.partial, self.partial_bits) = ((both >> 8) as u8, bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: bits keep their order whatever the lengths of the pieces are.
    /// Method: the specification's example; then pieces of many lengths and offsets against a plain packing.
    #[test]
    fn bits_are_packed_from_the_top() {
        let mut rle = BitRle::default();
        rle.push_times(true, 1);
        rle.push_times(false, 7);
        rle.flush();
        assert_eq!(rle.stream().tail(), &[0xff, 0x80]);

        let bits: Vec<bool> = (0..4_000_u32).map(|i| i.wrapping_mul(2_654_435_761) >> 30 == 1).collect();
        let buffer = BooleanBuffer::from(bits.clone());
        let (mut rle, mut at, mut expected) = (BitRle::default(), 0, Vec::new());
        for length in (0..150).chain([513, 1_024]) {
            let now = length.min(bits.len() - at);
            rle.extend(&buffer.slice(at, now));
            rle.push_times(length % 2 == 0, length / 3);
            expected.extend_from_slice(&bits[at..at + now]);
            expected.resize(expected.len() + length / 3, length % 2 == 0);
            at += now;
        }
        rle.flush();
        let mut plain = ByteRle::default();
        for byte in expected.chunks(8) {
            plain.push(byte.iter().enumerate().map(|(i, bit)| u8::from(*bit) << (7 - i)).sum());
        }
        plain.flush();
        assert_eq!(rle.stream().tail(), plain.stream().tail());
    }
}
