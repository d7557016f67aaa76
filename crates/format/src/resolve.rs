//! Avro's schema resolution: data of any writer's schema become data of one reader's, that of the output. And where values
//! are no data, the output's schema filled by them ([`filled`]).
//!
//! For each writer's schema a plan is made once ([`plan`]); by it a datum is rewritten in one pass over its bytes
//! ([`transcode`]). No tree of values is built, so a map keeps the order of its entries and the same datum always becomes
//! the same bytes. What the specification leaves open, and where this is stricter than it, says `docs/formats.md`.
//!
//! Deliberately absent: validation. A datum was read by its writer's schema before it comes here.

mod defaults;
mod filled;
mod model;
mod plan;
#[cfg(test)]
mod tests;
mod transcode;

use std::sync::Arc;

pub(crate) use self::filled::Filled;
use self::model::{Kind, Model};
use self::plan::Plan;
use crate::bad::{BadReason, BadRecord};

/// A reader's schema, and how those of writers become it.
pub(crate) struct Resolver {
    text: Arc<str>,
    reader: Model,
    /// By the places of the writers' schemas.
    plans: Vec<Plan>,
    /// The datum that is null, if the schema has one.
    null: Option<Vec<u8>>,
}

// === impl Resolver ===

impl Resolver {
    /// # Errors
    /// Why `text` is no schema, or a default in it no value of its field.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let reader = Model::parse(text)?;
        defaults::check(&reader)?;
        let null = match reader.kind(reader.root) {
            Kind::Null => Some(Vec::new()),
            Kind::Union(branches) => {
                let branch = branches.iter().position(|branch| matches!(reader.kind(*branch), Kind::Null));
                branch.map(transcode::number)
            }
            _ => None,
        };
        Ok(Self { text: text.into(), reader, plans: Vec::new(), null })
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Data may come of the schema `writer`, under the next place.
    ///
    /// # Panics
    /// When places are left out.
    pub(crate) fn learn(&mut self, place: usize, writer: &str) {
        assert_eq!(place, self.plans.len(), "schemas are learned in the order of their places");
        let plan = match Model::parse(writer) {
            Ok(writer) => Plan::new(&writer, &self.reader),
            Err(why) => Plan::impossible(why),
        };
        self.plans.push(plan);
    }

    /// Why no datum of the schema at `place` can become one of the reader's; `None`: some can.
    pub(crate) fn objection(&self, place: usize) -> Option<String> {
        self.plans[place].objection()
    }

    /// The datum as one of the reader's schema.
    ///
    /// # Errors
    /// [`BadReason::SchemaMismatch`] with the path of the field.
    pub(crate) fn datum(&self, place: usize, datum: &[u8]) -> Result<Vec<u8>, BadRecord> {
        transcode::transcode(&self.plans[place], datum)
            .map_err(|mismatch| BadReason::SchemaMismatch.with(mismatch.to_string()))
    }

    /// The datum of a null value.
    ///
    /// # Errors
    /// [`BadReason::NullValue`] when the reader's schema has none.
    pub(crate) fn null(&self) -> Result<Vec<u8>, BadRecord> {
        self.null.clone().ok_or_else(no_null)
    }
}

fn no_null() -> BadRecord {
    BadReason::NullValue.with("the value is null, and the output's schema is no union with `null`")
}
