//! The wire format of Protocol Buffers, as far as ORC's messages need it.
//!
//! By hand, because the messages are few, flat and only written. Field numbers stand where the messages are built, beside
//! what they hold; they are those of `orc_proto.proto` of ORC format 1.1.

/// A message under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message(Vec<u8>);

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const LENGTH: u32 = 2;

impl Message {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// uint32, uint64, enums.
    pub(crate) fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        push_varint(&mut self.0, value);
    }

    pub(crate) fn boolean(&mut self, field: u32, value: bool) {
        self.uint(field, u64::from(value));
    }

    /// sint32, sint64.
    pub(crate) fn sint(&mut self, field: u32, value: i64) {
        self.uint(field, zigzag(value));
    }

    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.tag(field, FIXED_64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// bytes, string.
    pub(crate) fn blob(&mut self, field: u32, value: &[u8]) {
        self.tag(field, LENGTH);
        push_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn message(&mut self, field: u32, value: &Message) {
        self.blob(field, &value.0);
    }

    /// A packed repeated field of unsigned integers.
    pub(crate) fn packed(&mut self, field: u32, values: &[u64]) {
        let mut packed = Vec::with_capacity(values.len());
        for &value in values {
            push_varint(&mut packed, value);
        }
        self.blob(field, &packed);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        push_varint(&mut self.0, u64::from(field << 3 | wire_type));
    }
}

/// Base 128, least significant group first. ORC's own integers use it too.
#[inline]
pub(crate) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small absolute values become small unsigned ones.
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: variable-length integers are those of the specification.
    /// Method: its two tables.
    #[test]
    fn varints_and_zigzag_are_the_specifications() {
        let table: [(u64, &[u8]); 8] = [
            (0, &[0]),
            (1, &[1]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (129, &[0x81, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (16_385, &[0x81, 0x80, 0x01]),
        ];
        for (value, bytes) in table {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
        assert_eq!([0, -1, 1, -2, 2].map(zigzag), [0, 1, 2, 3, 4]);
        assert_eq!([i64::MAX, i64::MIN].map(zigzag), [u64::MAX - 1, u64::MAX]);
    }
}
