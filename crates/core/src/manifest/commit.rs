//! The metadata of an offset commit: `secor/1 ledger=<id> gen=<generation> prev=<start>` (R7).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::ids::{Generation, LedgerId, Offset};

/// What our own commits say. Persisted, never change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommitMetadata {
    pub ledger: LedgerId,
    pub generation: Generation,
    /// The slot of the entry that ends at the committed offset.
    pub prev: Offset,
}

/// Whose a committed offset is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommitOrigin {
    Secor(CommitMetadata),
    /// Anything else, also metadata of a version that we don't know: a hint without proof.
    Foreign,
}

impl CommitOrigin {
    #[must_use]
    pub fn of(metadata: &str) -> Self {
        metadata.parse().map_or(Self::Foreign, Self::Secor)
    }
}

impl fmt::Display for CommitMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secor/1 ledger={} gen={} prev={}", self.ledger, self.generation, self.prev)
    }
}

impl FromStr for CommitMetadata {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ');
        let mut field = |name: &str| words.next().and_then(|word| word.strip_prefix(name));
        field("secor/1").filter(|rest| rest.is_empty()).ok_or(())?;
        let ledger = field("ledger=").filter(|id| !id.is_empty()).ok_or(())?;
        let generation = field("gen=").and_then(|number| number.parse().ok()).ok_or(())?;
        let prev = field("prev=").and_then(|number| number.parse().ok()).ok_or(())?;
        let metadata = Self {
            ledger: LedgerId(Arc::from(ledger)),
            generation: Generation(generation),
            prev: Offset::new(prev).map_err(|_| ())?,
        };
        // numbers can be spelled in several ways, and we write one of them; another hand wrote the others
        if metadata.to_string() == text { Ok(metadata) } else { Err(()) }
    }
}
