//! Goal: files of columns, Parquet and ORC, have the same content for ever, give back what went in, and a record that they
//! can't hold spoils no other.
//! Method: files are made with the public encoder; golden files, files cut and turned over, and what is read back are
//! compared. That others read them is tried in `tests/interop.rs`.

mod files;
mod inputs;
mod metadata;
mod notation;
mod orc;
mod parquet;
mod values;
