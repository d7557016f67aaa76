//! Run-length encodings of integers, bytes and bits.
//!
//! Each collects a block of values and encodes it when it is full. A position is thus *bytes before the block, values of
//! it*: readers skip over as many runs as that takes.

pub(crate) mod bits;
pub(crate) mod bytes;
pub(crate) mod integers;

pub(crate) use bits::BitRle;
pub(crate) use bytes::ByteRle;
pub(crate) use integers::IntRle;
