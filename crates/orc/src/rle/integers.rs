//! Integer run-length encoding, version 2: short repeat, direct and delta.
//!
//! A block of 512 values is cut where six or more are equal; each piece takes the smallest of the encodings that fit it.
//! Widths are those that the specification does not deprecate: they are what readers unpack fastest.

use crate::proto::{push_varint, zigzag};
use crate::stream::Stream;

/// Longest run that a header can tell.
const BLOCK: usize = 512;

/// Equal values that are worth a run of their own among others.
const CUT_MIN: usize = 6;
const SHORT_REPEAT_MIN: usize = 3;
const SHORT_REPEAT_MAX: usize = 10;

const DIRECT: u8 = 1;
const DELTA: u8 = 3;

pub(crate) struct IntRle {
    is_signed: bool,
    pending: Vec<i64>,
    stream: Stream,
}

impl IntRle {
    pub(crate) fn signed() -> Self {
        Self { is_signed: true, pending: Vec::new(), stream: Stream::default() }
    }

    /// For values that are never negative.
    pub(crate) fn unsigned() -> Self {
        Self { is_signed: false, pending: Vec::new(), stream: Stream::default() }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: i64) {
        self.pending.push(value);
        if self.pending.len() == BLOCK {
            self.flush();
        }
    }

    #[inline]
    pub(crate) fn extend<T: Copy>(&mut self, mut values: &[T], widen: impl Fn(T) -> i64 + Copy) {
        while !values.is_empty() {
            let (now, later) = values.split_at(values.len().min(BLOCK - self.pending.len()));
            self.pending.extend(now.iter().map(|value| widen(*value)));
            values = later;
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
        encode(&self.pending, self.is_signed, self.stream.tail());
        self.pending.clear();
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

/// Encodes at most a block.
fn encode(values: &[i64], is_signed: bool, out: &mut Vec<u8>) {
    let (mut rest, mut at) = (0, 0);
    while at < values.len() {
        let first = values[at];
        let run = values[at..].iter().take_while(|value| **value == first).count();
        if run >= CUT_MIN {
            push_piece(&values[rest..at], is_signed, out);
            push_repeat(first, run, is_signed, out);
            rest = at + run;
        }
        at += run;
    }
    push_piece(&values[rest..], is_signed, out);
}

/// A piece without long runs.
fn push_piece(values: &[i64], is_signed: bool, out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    if values.len() >= SHORT_REPEAT_MIN && values.iter().all(|value| *value == first) {
        return push_repeat(first, values.len(), is_signed, out);
    }
    let bits = |seen: u64, value: &i64| seen | unsigned(*value, is_signed);
    let width = Width::of(values.iter().fold(0, bits));
    let direct_bytes = width.bytes(values.len());
    match Delta::of(values) {
        Some(delta) if delta.bytes(values.len()) < direct_bytes => delta.push(values, is_signed, out),
        _ => {
            push_header(DIRECT, width.code(), values.len(), out);
            width.pack(values.iter().map(|value| unsigned(*value, is_signed)), out);
        }
    }
}

/// Three or more times the same value.
fn push_repeat(value: i64, times: usize, is_signed: bool, out: &mut Vec<u8>) {
    let bits = unsigned(value, is_signed);
    if times <= SHORT_REPEAT_MAX {
        let bytes = (64 - bits.leading_zeros()).div_ceil(8).max(1) as usize;
        out.push(((bytes - 1) << 3 | (times - SHORT_REPEAT_MIN)) as u8);
        out.extend_from_slice(&bits.to_be_bytes()[8 - bytes..]);
    } else {
        push_header(DELTA, 0, times, out);
        push_varint(out, bits);
        push_varint(out, zigzag(0));
    }
}

fn push_header(encoding: u8, width_code: u8, length: usize, out: &mut Vec<u8>) {
    let length = length - 1;
    out.extend([encoding << 6 | width_code << 1 | (length >> 8) as u8, length as u8]);
}

#[inline]
fn unsigned(value: i64, is_signed: bool) -> u64 {
    if is_signed { zigzag(value) } else { value.cast_unsigned() }
}

/// What the delta encoding needs to know of values that only rise or only fall.
struct Delta {
    first: i64,
    /// Of the differences after the first; none when all are equal to it.
    width: Option<Width>,
}

impl Delta {
    /// `None` when they go up and down, begin with two equal ones, or lie too far apart.
    fn of(values: &[i64]) -> Option<Self> {
        let (&start, rest) = values.split_first()?;
        let first = rest.first()?.checked_sub(start)?;
        if first == 0 {
            return None;
        }
        let (mut previous, mut seen, mut is_fixed) = (rest[0], 0, true);
        for &value in &rest[1..] {
            let delta = value.checked_sub(previous)?;
            if delta != 0 && (delta < 0) != (first < 0) {
                return None;
            }
            seen |= delta.unsigned_abs();
            is_fixed &= delta == first;
            previous = value;
        }
        // code 0 says here that there are no differences, so one bit is written as two
        let width = (!is_fixed).then(|| Width::of(seen.max(2)));
        Some(Self { first, width })
    }

    /// At most: the varints are taken for ten bytes each, unless nothing follows them.
    fn bytes(&self, length: usize) -> usize {
        self.width.as_ref().map_or(0, |width| 20 + width.bytes(length - 2))
    }

    fn push(&self, values: &[i64], is_signed: bool, out: &mut Vec<u8>) {
        push_header(DELTA, self.width.as_ref().map_or(0, Width::code), values.len(), out);
        push_varint(out, unsigned(values[0], is_signed));
        push_varint(out, zigzag(self.first));
        if let Some(width) = &self.width {
            width.pack(values[1..].windows(2).map(|pair| pair[0].abs_diff(pair[1])), out);
        }
    }
}

/// A number of bits that is not deprecated: 1, 2, 4, or full bytes.
struct Width(usize);

impl Width {
    /// The smallest that holds `bits`.
    fn of(bits: u64) -> Self {
        let bits = 64 - bits.leading_zeros() as usize;
        Self(if bits > 4 { bits.next_multiple_of(8) } else { bits.max(1).next_power_of_two() })
    }

    /// Of the specification's table.
    fn code(&self) -> u8 {
        let width = self.0 as u8;
        if width <= 24 { width - 1 } else { 27 + (width - 32) / 8 }
    }

    fn bytes(&self, values: usize) -> usize {
        (values * self.0).div_ceil(8)
    }

    #[inline]
    fn pack(&self, values: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
        match self.0 {
            width @ 1..=4 => pack_small(width, values, out),
            8 => out.extend(values.map(|value| value as u8)),
            16 => values.for_each(|value| out.extend_from_slice(&(value as u16).to_be_bytes())),
            32 => values.for_each(|value| out.extend_from_slice(&(value as u32).to_be_bytes())),
            64 => values.for_each(|value| out.extend_from_slice(&value.to_be_bytes())),
            width => values.for_each(|value| out.extend_from_slice(&value.to_be_bytes()[8 - width / 8..])),
        }
    }
}

fn pack_small(width: usize, values: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    let (mut byte, mut free) = (0, 8);
    for value in values {
        free -= width;
        byte |= (value as u8) << free;
        if free == 0 {
            out.push(byte);
            (byte, free) = (0, 8);
        }
    }
    if free < 8 {
        out.push(byte);
    }
}

#[cfg(test)]
#[path = "integers_tests.rs"]
mod tests;
