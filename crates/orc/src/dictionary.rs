//! The distinct texts of a column in the order of their first appearance, found by hash.

use xxhash_rust::xxh3::xxh3_64;

pub(crate) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each text ends in `bytes`.
    ends: Vec<usize>,
    hashes: Vec<u32>,
    /// Open addressing: number of the text plus one, 0 for a free place. A power of two long, at most half full.
    places: Vec<u32>,
}

const PLACES_MIN: usize = 64;

impl Dictionary {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), hashes: Vec::new(), places: Vec::new() }
    }

    /// Distinct texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all distinct texts.
    pub(crate) fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 8 + self.hashes.capacity() * 4 + self.places.capacity() * 4
    }

    pub(crate) fn text(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[start..self.ends[number]]
    }

    /// The number of a text, new or known.
    pub(crate) fn number(&mut self, text: &[u8]) -> u32 {
        if self.places.len() < 2 * (self.len() + 1) {
            self.grow();
        }
        let hash = xxh3_64(text) as u32;
        let mask = self.places.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            match self.places[place] {
                0 => break,
                number if self.hashes[number as usize - 1] == hash && self.text(number - 1) == text => {
                    return number - 1;
                }
                _ => place = (place + 1) & mask,
            }
        }
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
        let count = u32::try_from(self.len()).expect("a dictionary has at most a stripe's values");
        self.places[place] = count;
        count - 1
    }

    /// The numbers in the order of their texts.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.len() as u32).collect();
        numbers.sort_unstable_by(|a, b| self.text(*a).cmp(self.text(*b)));
        numbers
    }

    fn grow(&mut self) {
        let mask = (self.places.len() * 2).max(PLACES_MIN) - 1;
        self.places.clear();
        self.places.resize(mask + 1, 0);
        for (number, hash) in (1..).zip(&self.hashes) {
            let mut place = *hash as usize & mask;
            while self.places[place] != 0 {
                place = (place + 1) & mask;
            }
            self.places[place] = number;
        }
    }
}
