//! Goal: a ledger in a database keeps the promise, on PostgreSQL, MariaDB and SQLite, also where the data store lets the
//! last writer win.
//! Method: the same questions to each arbiter (`conformance`); the binary between Kafka, a database and S3, killed at
//! named steps while the database is killed too (`exactly_once`); what a failover can do wrong (`failover`); the ledger moved under running
//! processes by a command that is killed again and again (`moving`); TLS, and other commands
//! (`tls`); the index fed, starved and made anew (`index`).

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod conformance;
mod exactly_once;
mod failover;
mod index;
mod moving;
mod tls;
