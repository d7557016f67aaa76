//! The specification's examples, and round trips through a decoder written from the specification's words.

use proptest::prelude::*;

use super::*;

fn encoded(values: &[i64], is_signed: bool) -> Vec<u8> {
    let mut rle = if is_signed { IntRle::signed() } else { IntRle::unsigned() };
    rle.extend(values, |value| value);
    rle.flush();
    std::mem::take(rle.stream().tail())
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, width: usize) -> u64 {
        (0..width).fold(0, |value, _| {
            let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u64::from(bit)
        })
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(8);
            value |= (byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn width(code: u64) -> usize {
    match code {
        0..=23 => code as usize + 1,
        27 => 32,
        28..=31 => 40 + 8 * (code as usize - 28),
        _ => panic!("code {code} is deprecated"),
    }
}

fn decoded(bytes: &[u8], is_signed: bool) -> Vec<i64> {
    let value = |bits: u64| if is_signed { unzigzag(bits) } else { bits.cast_signed() };
    let (mut bits, mut values) = (Bits { bytes, at: 0 }, Vec::new());
    while bits.at < bytes.len() * 8 {
        match bits.take(2) {
            0 => {
                let bytes = bits.take(3) as usize + 1;
                let times = bits.take(3) as usize + 3;
                let repeated = value(bits.take(8 * bytes));
                values.resize(values.len() + times, repeated);
            }
            1 => {
                let width = width(bits.take(5));
                for _ in 0..=bits.take(9) {
                    values.push(value(bits.take(width)));
                }
            }
            3 => {
                let code = bits.take(5);
                let length = bits.take(9) as usize + 1;
                let mut last = value(bits.varint());
                let first = unzigzag(bits.varint());
                values.push(last);
                for i in 1..length {
                    let delta = match code {
                        _ if i == 1 => first,
                        0 => first,
                        code => bits.take(width(code)).cast_signed() * first.signum(),
                    };
                    last = last.wrapping_add(delta);
                    values.push(last);
                }
            }
            other => panic!("encoding {other}"),
        }
        bits.align();
    }
    values
}

/// Goal: each encoding has the bytes of the specification.
/// Method: its examples; two of them are short, so that our choice would be another: those are encoded directly.
#[test]
fn encodings_are_the_specifications() {
    assert_eq!(encoded(&[10_000; 5], false), [0x0a, 0x27, 0x10]);
    let direct = [23_713, 43_806, 57_005, 48_879];
    assert_eq!(encoded(&direct, false), [0x5e, 0x03, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef]);
    let primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29];
    let mut out = Vec::new();
    Delta::of(&primes).unwrap().push(&primes, false, &mut out);
    assert_eq!(out, [0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46]);
}

/// Goal: values that step evenly cost a few bytes a block, in both directions.
/// Method: lengths of what is encoded.
#[test]
fn steps_and_repeats_are_short() {
    let up: Vec<i64> = (0..512).map(|i| 1_000_000 + 7 * i).collect();
    let down: Vec<i64> = up.iter().rev().copied().collect();
    for values in [&up, &down, &vec![-5; 512]] {
        let bytes = encoded(values, true);
        assert!(bytes.len() <= 6, "{bytes:?}");
        assert_eq!(&decoded(&bytes, true), values);
    }
}

/// Goal: nothing is lost at the ends of the range, where differences overflow.
/// Method: neighbours of all the ends, in rising, falling and mixed order.
#[test]
fn extremes_survive() {
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let mut cases = vec![ends.to_vec(), ends.iter().rev().copied().collect()];
    cases.extend(ends.iter().map(|end| vec![*end; 11]));
    cases.extend(ends.iter().flat_map(|a| ends.iter().map(|b| vec![*a, *b, *b, *a, *b, 0, 0])));
    cases.push((0..64).map(|i| i64::MIN >> i).collect());
    cases.push((0..63).map(|i| 1 << i).collect());
    for values in cases {
        assert_eq!(decoded(&encoded(&values, true), true), values);
    }
}

/// Pieces of several kinds one after another, over several blocks.
fn sequences() -> impl Strategy<Value = Vec<i64>> {
    let noise = |bits: u32| prop::collection::vec(any::<i64>().prop_map(move |value| value >> bits), 0..40);
    let piece = prop_oneof![
        (0_u32..64).prop_flat_map(noise),
        (any::<i32>(), 0_usize..600).prop_map(|(value, times)| vec![i64::from(value); times]),
        (any::<i32>(), any::<i16>(), 0_i64..600)
            .prop_map(|(start, step, times)| (0..times).map(|i| i64::from(start) + i * i64::from(step)).collect()),
        prop::collection::vec(0_i64..4, 0..600).prop_map(|steps| {
            steps.iter().scan(0, |sum, step| Some(std::mem::replace(sum, *sum + step))).collect()
        }),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Goal: every sequence comes back, signed and unsigned.
    /// Method: the decoder above.
    #[test]
    fn sequences_come_back(values in sequences()) {
        prop_assert_eq!(&decoded(&encoded(&values, true), true), &values);
        let positive: Vec<i64> = values.iter().map(|value| value & i64::MAX).collect();
        prop_assert_eq!(&decoded(&encoded(&positive, false), false), &positive);
    }
}
