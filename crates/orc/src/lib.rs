//! Writes Apache ORC files (version 0.12 of the format, specification ORC v1) from Arrow record batches.
//!
//! All that Arrow can nest is written: structs, lists, maps, unions, decimals, timestamps with and without a zone. A
//! [`Writer`] takes batches and appends finished stripes to a buffer of the caller: nothing here knows where bytes go.
//!
//! - **Deterministic.** The bytes are a function of schema, options and rows, and not of how the rows were cut into
//!   batches. There is no clock, no randomness and no map without order. (Compressors may differ between their
//!   versions.)
//! - **Bounded.** A stripe ends when it has grown to [`Options::stripe_bytes`]; [`Writer::end_stripe`] ends it early.
//! - **Complete for readers.** Row indexes with positions and statistics every 10,000 rows, statistics of stripes and of
//!   the file, bloom filters where asked for. They decide what a reader skips: a wrong one is a wrong answer, so the
//!   tests compare queries with and without them.
//!
//! Deliberately absent: encryption, the patched-base encoding of integers (readers must know it, writers need not; what
//! it saves is small behind a compressor), column attributes, `char` and `varchar` (no Arrow type asks for them).
//!
//! From the outside in: `writer` cuts rows into stripes and row groups, `column` is one node of the schema's tree,
//! `column/*` are the types, `rle` the encodings of integers, bytes and bits, `stream` the compressed chunks, `proto` the
//! messages, `statistics` and `bloom` what readers skip by.

mod size;
mod proto;
mod compress;
mod stream;
mod rle;
mod dictionary;
mod statistics;
mod bloom;
mod column;
mod schema;
mod writer;

pub use column::holds_timestamp;
pub use compress::Compression;
pub use schema::Unsupported;
pub use writer::{Options, Writer};
