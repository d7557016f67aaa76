//! Bloom filters of row groups: kind `BLOOM_FILTER_UTF8`, one false hit in twenty.

use crate::proto::Message;

/// Hash functions: what one false hit in twenty asks for.
const HASHES: i32 = 4;
/// Bits per thousand values, for the same.
const BITS_PER_THOUSAND: usize = 6_236;

/// The filter of the open row group, and those of the groups before it in the stripe.
pub(crate) struct Bloom {
    words: Vec<u64>,
    /// `BloomFilterIndex`.
    index: Message,
}

impl Bloom {
    pub(crate) fn new(group_rows: usize) -> Self {
        let bits = (group_rows * BITS_PER_THOUSAND / 1_000).max(64);
        Self { words: vec![0; bits.div_ceil(64)], index: Message::default() }
    }

    pub(crate) fn add_bytes(&mut self, value: &[u8]) {
        self.add(murmur3(value));
    }

    /// Integers, dates in days, timestamps in milliseconds.
    pub(crate) fn add_integer(&mut self, value: i64) {
        self.add(wang(value).cast_unsigned());
    }

    /// As Java's `doubleToLongBits` has it, which knows one value that is not a number. The two zeros are equal to most
    /// who ask, so either is found by the other.
    pub(crate) fn add_float(&mut self, value: f64) {
        let value = if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { value };
        self.add_integer(value.to_bits().cast_signed());
        if value == 0.0 {
            self.add_integer((-value).to_bits().cast_signed());
        }
    }

    pub(crate) fn end_group(&mut self) {
        let mut filter = Message::default();
        filter.uint(1, HASHES as u64);
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        filter.blob(3, &bytes);
        self.index.message(1, &filter);
        self.words.fill(0);
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.words.len() * 8 + self.index.bytes().len()
    }

    /// Of the stripe that ends.
    pub(crate) fn take_index(&mut self) -> Message {
        std::mem::take(&mut self.index)
    }

    fn add(&mut self, hash: u64) {
        let (first, second) = (hash as i32, (hash >> 32) as i32);
        let bits = self.words.len() * 64;
        for i in 1..=HASHES {
            let combined = first.wrapping_add(i.wrapping_mul(second));
            let combined = if combined < 0 { !combined } else { combined };
            let bit = combined as usize % bits;
            self.words[bit / 64] |= 1 << (bit % 64);
        }
    }
}

/// Thomas Wang's hash of 64-bit integers, with the signed shifts of ORC's readers.
fn wang(key: i64) -> i64 {
    let key = (!key).wrapping_add(key << 21);
    let key = key ^ key >> 24;
    let key = key.wrapping_add(key << 3).wrapping_add(key << 8);
    let key = key ^ key >> 14;
    let key = key.wrapping_add(key << 2).wrapping_add(key << 4);
    let key = key ^ key >> 28;
    key.wrapping_add(key << 31)
}

/// The 64-bit variant of Murmur3 that ORC's readers have, with their seed.
fn murmur3(bytes: &[u8]) -> u64 {
    const SEED: u64 = 104_729;
    let mix = |word: u64| word.wrapping_mul(0x87c3_7b91_1142_53d5).rotate_left(31).wrapping_mul(0x4cf5_ad43_2745_937f);
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = words.iter().fold(SEED, |hash, word| {
        (hash ^ mix(u64::from_le_bytes(*word))).rotate_left(27).wrapping_mul(5).wrapping_add(0x52dc_e729)
    });
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    hash ^= mix(u64::from_le_bytes(last));
    hash ^= bytes.len() as u64;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
