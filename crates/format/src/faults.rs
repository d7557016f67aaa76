//! What is wrong with a shape: all of it at once, each with the key, what is wrong, and what to write instead.

/// Every mistake of a shape; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    pub faults: Vec<ShapeFault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeFault {
    /// As in the configuration, below its `[[archive]]`: `timestamp.field`, `output_partitions[1]`.
    pub key: String,
    pub message: String,
    pub hint: String,
}

/// Mistakes found so far.
pub(crate) struct Faults(pub Vec<ShapeFault>);

// === impl ShapeError ===

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}`{}`: {}", fault.key, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ShapeError {}

// === impl Faults ===

impl Faults {
    pub(crate) fn add(&mut self, key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(ShapeFault { key: key.into(), message: message.into(), hint: hint.into() });
    }
}
