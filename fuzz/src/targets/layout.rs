//! Layouts: two different files never share a key, no key stands among the ledger's or the dead letters, and every
//! segment is one.
//!
//! Input: lines with the layout, then topic, output partition, extension, generation, partition, start, twice.

use secor_core::ids::{Generation, Offset};
use secor_core::layout::{DEAD_LETTERS, Layout, NameParts, check_segment};

use super::bytes::lines;

const LEDGER: &str = "_secor";

pub fn run(data: &[u8]) {
    let Some(mut lines) = lines(data) else { return };
    let Ok(layout) = Layout::parse(lines.next().unwrap_or_default()) else { return };
    let Some(one) = name(&mut lines, &layout) else { return };
    check_name(&layout, &one);
    let Some(other) = name(&mut lines, &layout) else { return };
    check_name(&layout, &other);
    // an archive has one list of templates, so one number of segments; none in an archive without
    if one.output_partition.split('/').count() != other.output_partition.split('/').count()
        || one.output_partition.is_empty() != other.output_partition.is_empty()
    {
        return;
    }
    let identity = |name: &NameParts<'_>| (name.topic.to_owned(), name.generation, name.partition, name.start);
    let whole = |name: &NameParts<'_>| {
        let folder = if layout.names_output_partition() { name.output_partition } else { "" };
        (identity(name), folder.to_owned(), name.ext.to_owned())
    };
    assert_eq!(layout.key(&one) == layout.key(&other), whole(&one) == whole(&other));
    assert_eq!(layout.dead_letter_key(&one) == layout.dead_letter_key(&other), identity(&one) == identity(&other));
}

/// The parts of a name that the rest of the program would let through.
fn name<'a>(lines: &mut impl Iterator<Item = &'a str>, layout: &Layout) -> Option<NameParts<'a>> {
    let mut line = || lines.next().unwrap_or_default();
    let (topic, output_partition, ext) = (line(), line(), line());
    let legal = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_topic = legal(topic) && topic.len() <= 249 && check_segment(topic).is_ok();
    let is_output_partition =
        output_partition.is_empty() || output_partition.split('/').all(|segment| check_segment(segment).is_ok());
    let is_extension = ext.is_empty() || (ext.starts_with('.') && ext.len() <= 32 && legal(ext));
    if !is_topic || layout.check_topic(topic).is_err() || !is_output_partition || !is_extension {
        return None;
    }
    let generation = Generation(line().parse().ok().filter(|number| *number > 0)?);
    let partition = line().parse().ok().filter(|number| *number >= 0)?;
    let start = Offset::new(line().parse().ok()?).ok()?;
    Some(NameParts { topic, output_partition, generation, partition, start, ext })
}

fn check_name(layout: &Layout, name: &NameParts<'_>) {
    let (key, bad) = (layout.key(name), layout.dead_letter_key(name));
    assert!(bad.starts_with(DEAD_LETTERS) && key.ends_with(name.ext));
    assert!(!bad.split('/').any(is_no_name), "{bad}");
    assert!(!key.split('/').any(is_no_name), "{key}");
    let first = key.split('/').next().unwrap_or_default();
    assert!(![LEDGER, DEAD_LETTERS].contains(&first), "{key}");
}

fn is_no_name(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}
