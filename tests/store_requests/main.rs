//! Goal: what goes over the wire to a cloud that no server here plays in full is what the provider's page says.
//! Method: a recorder answers in the cloud's place and keeps every request. Headers are compared with the published
//! reference; signatures of AWS are made again by botocore, which others wrote. Logins of Swift are tried on a real Keystone, too. Credentials: which source was asked, in
//! which words, and which credential the next request carries.

#[path = "../harness/mod.rs"]
mod harness;

mod aws_login;
mod identities;
mod keystone;
mod recorder;
mod swift;
mod tokens;
mod writes;
