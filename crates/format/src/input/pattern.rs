//! Text by a regular expression: every value matches it, and its named groups are the fields.

use regex::{CaptureLocations, Regex};

use super::{Objection, Step};
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Capture, Captures, Wanted};

pub(crate) struct PatternReader {
    regex: Regex,
    /// Number and name of each named group.
    groups: Vec<(usize, Box<str>)>,
    locations: CaptureLocations,
}

// === impl PatternReader ===

impl PatternReader {
    pub(crate) fn new(pattern: &str, faults: &mut Faults) -> Option<Self> {
        let regex = match Regex::new(pattern) {
            Ok(regex) => regex,
            Err(error) => {
                let message = format!("regular expression `{pattern}`: {}", last_line(&error.to_string()));
                faults.add("input.pattern", message, "the syntax of Rust's `regex` crate");
                return None;
            }
        };
        let names = regex.capture_names().enumerate();
        let groups: Vec<_> = names.filter_map(|(number, name)| Some((number, name?.into()))).collect();
        Some(Self { locations: regex.capture_locations(), regex, groups })
    }

    pub(crate) fn objection(&self, path: &[Step<'_>]) -> Option<Objection> {
        if let [step] = path
            && self.groups.iter().any(|(_, group)| step.is_name(group))
        {
            return None;
        }
        let hint = "write a named group into `input.pattern`: (?<name>...)";
        Some(Objection::new("the pattern of the input has no group of that name", hint))
    }

    pub(crate) fn read(&mut self, text: &str, wanted: &Wanted, captures: &mut Captures) -> Result<(), BadRecord> {
        captures.clear(wanted);
        if self.regex.captures_read(&mut self.locations, text).is_none() {
            return Err(BadReason::NoMatch.with("the value does not match the pattern of the input"));
        }
        for (number, name) in &self.groups {
            if let (Some(node), Some((start, end))) = (wanted.child(Wanted::ROOT, name), self.locations.get(*number)) {
                captures.set(wanted, node, Capture::Plain(start, end));
            }
        }
        Ok(())
    }
}

/// The regex crate draws the place of an error over several lines; the last says what it is.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}
