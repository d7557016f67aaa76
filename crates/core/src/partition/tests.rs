//! The machine rule by rule. A test tells events and compares what the machine says, each action as one short line (see
//! [`words`]), so that a test reads like the log of a conversation. Whole lives under crashes and races are in
//! `crates/sim`.

mod rig;
mod entering;
mod generations;
mod archiving;
mod slots;
mod completing;
mod leaving;
mod retention;
