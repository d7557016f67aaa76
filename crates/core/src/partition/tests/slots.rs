//! Who holds the slot, and whose files are there: R3, R5, R6.

use super::rig::*;
use crate::manifest::{Entry, HoleReason, Kind, Receipt};
use crate::partition::{Answer, Event};

/// `batch(0, 10)` is about to be created.
fn creating() -> Rig {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.cut(0, 10);
    rig.answer(same_topic());
    rig
}

#[test]
fn a_slot_that_is_taken_by_the_same_content_is_ours() {
    let mut rig = creating();
    assert_eq!(rig.answer(Answer::Exists(Box::new(batch(0, 10)))), ["ask: upload 0..10 a b"]);
    let other_receipt = Some(Receipt { start: at(0), files: Vec::new() });
    let mut rig = creating();
    let same = Entry { receipt: other_receipt, ..batch(0, 10) };
    assert_eq!(rig.answer(Answer::Exists(Box::new(same))), ["ask: upload 0..10 a b"], "receipts don't count");
}

#[test]
fn a_slot_that_is_taken_by_anything_else_is_followed_from_the_ledger() {
    let others = [
        ("shorter", batch(0, 5), "ask: entry 1@5"),
        ("longer", batch(0, 20), "ask: entry 1@20"),
        ("empty", entry(0, 10, Kind::Empty), "ask: entry 1@10"),
        ("hole", hole(0, 10, HoleReason::AcceptedLoss), "ask: entry 1@10"),
        ("seal", seal(0, 2, "X", 0), "ask: head of 2"),
    ];
    for (what, other, then) in others {
        let mut rig = creating();
        let said = rig.answer(Answer::Exists(Box::new(other.clone())));
        assert_eq!(said, ["discard", "ask: look up"], "{what}");
        rig.answer(facts(genesis(0)));
        assert_eq!(rig.answer(found(&other)), [then], "{what}");
    }
}

#[test]
fn the_same_range_with_other_files_is_another_batch() {
    let mut other = draft(0, 10).batch;
    other.files.pop();
    let mut rig = creating();
    let said = rig.answer(Answer::Exists(Box::new(entry(0, 10, Kind::Batch(other)))));
    assert_eq!(said, ["discard", "ask: look up"]);
}

#[test]
fn an_empty_entry_that_loses_its_slot_is_dropped_with_what_came_after() {
    let mut rig = Rig::consuming(0);
    rig.progress(7, 0);
    rig.tick(MINUTE_MS);
    rig.answer(same_topic());
    rig.progress(9, 2);
    assert_eq!(rig.answer(Answer::Exists(Box::new(batch(0, 8)))), ["discard", "ask: look up"]);
}

#[test]
fn own_files_that_another_process_has_stored_already_are_settled() {
    let mut rig = Rig::uploading(0, 10);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said, ["complete 0..10, 10", "commit 10 of 1@0"]);
}

#[test]
fn an_own_file_that_exists_with_another_content_is_explained_by_a_resolution_or_refused() {
    let ours = batch(0, 10);
    let explained = vec![resolution(&ours, 1, &[("b", Some(2))])];
    let cases = [
        (explained, vec!["complete 0..10, 10", "commit 10 of 1@0"]),
        (Vec::new(), vec!["discard", "refused file_conflict"]),
        (vec![resolution(&ours, 1, &[("b", Some(3))])], vec!["discard", "refused file_conflict"]),
        (vec![resolution(&ours, 1, &[("b", None)])], vec!["discard", "refused file_conflict"]),
    ];
    for (resolutions, expected) in cases {
        let mut rig = Rig::uploading(0, 10);
        assert_eq!(rig.answer(stored(&[("a", 5), ("b", 2)], Vec::new())), ["ask: inspect 0..10"]);
        assert_eq!(rig.answer(stored(&[("a", 5), ("b", 2)], resolutions)), expected);
    }
}

#[test]
fn an_own_file_that_vanishes_is_made_again_like_after_a_restart() {
    let mut rig = Rig::uploading(0, 10);
    rig.answer(inspected(&batch(0, 10), &["a"]));
    assert_eq!(rig.answer(inspected(&batch(0, 10), &["a"])), ["discard", "ask: look up"]);
    rig.answer(facts(genesis(0)));
    rig.answer(found(&batch(0, 10)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(inspected(&batch(0, 10), &["a"])), ["ask: replay 0..10 b"]);
}

#[test]
fn nothing_is_committed_before_all_files_are_settled() {
    let mut rig = Rig::consuming(0);
    let mut said = rig.progress(10, 10);
    said.extend(rig.tell(Event::Cut(crate::flush::CutReason::Admin)));
    said.extend(rig.closed(0, 10));
    said.extend(rig.answer(same_topic()));
    said.extend(rig.answer(Answer::Created));
    said.extend(rig.answer(inspected(&batch(0, 10), &["b"])));
    assert!(!said.iter().any(|line| line.starts_with("commit")), "{said:?}");
}
