//! Records as rows of columns: for file formats that store columns (Parquet and ORC, which take Arrow's batches).
//!
//! A file's columns are [`types::Field`]s. A record becomes a *row*: the bytes of [`row`], a function of the record and
//! the columns alone. The row is what is digested, collected by a [`table::Table`] into Arrow arrays, and rebuilt by
//! [`read`] from the arrays of a file; so a file that keeps no original values can still be checked against its
//! manifest. An envelope is a row of fixed columns.
//!
//! Deliberately absent: columns found by looking at the data. What a file holds must be known before its first record is
//! digested; decision 0010 says more.

pub(crate) mod types;
pub(crate) mod ddl;
pub(crate) mod row;
pub(crate) mod cell;
pub(crate) mod envelope;
pub(crate) mod orc;
pub(crate) mod metadata;
pub(crate) mod fill;
pub(crate) mod print;
pub(crate) mod read;
pub(crate) mod table;
#[cfg(test)]
mod tests;
