//! From records to the bytes of files and back. CPU only: no I/O but readers that are handed in, no clock, no
//! randomness; the same records give the same content in every process.
//!
//! What is decided for ever (what a bad record is, how null and empty values are stored, what a dead letter looks
//! like) stands in `docs/formats.md`.
//!
//! Modules in reading order; each imports only from those above it.

pub mod bad;
mod faults;
mod fields;
mod walk;
pub mod json;
mod event_time;
pub mod java_time;
pub mod input;
mod partitions;
mod columns;
pub mod notation;
mod resolve;
pub mod compress;
pub mod encode;
mod stored;
mod plan;
pub mod route;
pub mod decode;

pub use bad::{BadReason, BadRecord};
pub use decode::{
    Archived, FileReader, Kept, LZO_INDEX, ReadError, ReadSummary, avro_content, digest_file, kept, lzo_index,
    panics_are_damage, read_file,
};
pub use encode::{Codec, FileEncoder, FileIdentity, FileSummary};
pub use faults::{ShapeError, ShapeFault};
pub use partitions::PartitionIdx;
pub use route::{FileSchema, Pipeline, Routed};
