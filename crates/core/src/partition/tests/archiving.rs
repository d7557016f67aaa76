//! At the head: cuts, empty entries, leader epochs, the end of `--until-end`: R3, R4, R7.

use super::rig::*;
use crate::flush::CutReason;
use crate::partition::{Answer, Draft, Event, LogRange, Refusal, RefusalCode};

#[test]
fn a_batch_goes_from_cut_to_commit_with_one_creation() {
    let mut rig = Rig::consuming(0);
    assert_eq!(rig.progress(10, 10), [""; 0]);
    assert_eq!(rig.tick(MINUTE_MS), ["close 0 MaxAge"]);
    assert_eq!(rig.closed(0, 10), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@0..10 batch"]);
    assert_eq!(rig.answer(Answer::Created), ["ask: upload 0..10 a b"]);
    assert_eq!(rig.answer(inspected(&batch(0, 10), &["a", "b"])), ["complete 0..10, 10", "commit 10 of 1@0"]);
    assert_eq!(rig.phase(), "archiving");
}

#[test]
fn the_age_of_a_batch_counts_from_its_first_record() {
    let mut rig = Rig::consuming(0);
    rig.tick(MINUTE_MS);
    rig.progress(1, 1);
    assert_eq!(rig.tick(MINUTE_MS - 1), [""; 0]);
    assert_eq!(rig.tick(1), ["close 0 MaxAge"]);
}

#[test]
fn a_limit_of_the_data_cuts_at_once() {
    let mut rig = Rig::consuming(0);
    assert_eq!(rig.progress_full(10, 10, Some(CutReason::MaxRecords)), ["close 0 MaxRecords"]);
}

#[test]
fn two_cuts_are_never_in_flight() {
    let first = batch(0, 10);
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.cut(0, 10);
    // all that could cut the next batch, in every phase of the first
    for answer in [same_topic(), Answer::Created] {
        assert_eq!(rig.progress_full(20, 10, Some(CutReason::MaxBytes)), [""; 0]);
        assert_eq!(rig.tell(Event::Cut(CutReason::Memory)), [""; 0]);
        assert_eq!(rig.tick(2 * MINUTE_MS), [""; 0]);
        rig.answer(answer);
    }
    let said = rig.answer(inspected(&first, &["a", "b"]));
    assert_eq!(said, ["complete 0..10, 10", "commit 10 of 1@0", "close 10 MaxBytes"]);
}

#[test]
fn while_the_worker_closes_a_batch_nothing_else_is_cut() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    assert_eq!(rig.tell(Event::Cut(CutReason::Admin)), ["close 0 Admin"]);
    assert_eq!(rig.tick(2 * MINUTE_MS), [""; 0]);
    assert_eq!(rig.tell(Event::Cut(CutReason::Memory)), [""; 0]);
    assert_eq!(rig.closed(0, 10), ["ask: topic id"]);
}

#[test]
fn a_batch_that_is_closed_after_a_refusal_is_dropped() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.tell(Event::Cut(CutReason::Admin));
    let bad = Refusal::new(RefusalCode::BadRecord, "at offset 10");
    assert_eq!(rig.tell(Event::Refuse(bad)), ["discard", "refused bad_record"]);
    assert_eq!(rig.closed(0, 10), [""; 0]);
}

#[test]
fn an_admin_flush_cuts_only_what_holds_a_record_and_is_not_remembered() {
    let mut rig = Rig::consuming(0);
    assert_eq!(rig.tell(Event::Cut(CutReason::Admin)), [""; 0]);
    assert_eq!(rig.progress(1, 1), [""; 0]);
    assert_eq!(rig.tell(Event::Cut(CutReason::Admin)), ["close 0 Admin"]);
}

#[test]
fn a_cut_that_is_wanted_during_an_upload_comes_after_it() {
    let mut rig = Rig::uploading(0, 10);
    rig.progress(12, 2);
    assert_eq!(rig.tell(Event::Cut(CutReason::Admin)), [""; 0]);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said.last().map(String::as_str), Some("close 10 Admin"));
}

#[test]
fn every_entry_carries_the_receipt_of_the_batch_before_it() {
    let mut rig = Rig::uploading(0, 10);
    rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    rig.progress(20, 10);
    rig.cut(10, 20);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@10..20 batch receipt 0x2"]);
}

#[test]
fn a_receipt_that_is_not_known_is_fetched_before_the_first_cut_only() {
    let before = batch(0, 10);
    let mut rig = Rig::resumed_behind(&before);
    rig.progress(20, 10);
    rig.tell(Event::Cut(CutReason::Admin));
    assert_eq!(rig.closed(10, 20), ["ask: inspect 0..10"]);
    assert_eq!(rig.answer(inspected(&before, &["a", "b"])), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@10..20 batch receipt 0x2"]);
}

#[test]
fn a_position_without_records_is_recorded_after_max_age() {
    let mut rig = Rig::consuming(0);
    rig.progress(7, 0);
    assert_eq!(rig.tick(MINUTE_MS - 1), [""; 0]);
    assert_eq!(rig.tick(1), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@0..7 empty"]);
    assert_eq!(rig.answer(Answer::Created), ["empty 0..7", "commit 7 of 1@0"]);
    // it is no batch: the next entry has no receipt
    rig.progress(9, 1);
    rig.cut(7, 9);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@7..9 batch"]);
}

#[test]
fn a_position_that_does_not_move_is_not_recorded() {
    let mut rig = Rig::consuming(0);
    assert_eq!(rig.tick(10 * MINUTE_MS), [""; 0]);
}

#[test]
fn records_that_come_while_an_empty_entry_is_written_belong_to_the_next_batch() {
    let mut rig = Rig::consuming(0);
    rig.progress(7, 0);
    rig.tick(MINUTE_MS);
    rig.answer(same_topic());
    rig.progress(9, 2);
    rig.answer(Answer::Created);
    assert_eq!(rig.tell(Event::Cut(CutReason::Admin)), ["close 7 Admin"]);
    assert_eq!(rig.closed(7, 9), ["ask: topic id"]);
}

#[test]
fn a_leader_epoch_below_one_before_it_is_refused() {
    let cases = [
        ("went back in the batch", Draft { leader_epoch_went_back: true, ..draft(10, 20) }, true),
        ("below the entry before", Draft { leader_epoch_min: Some(4), ..draft(10, 20) }, true),
        ("the same", Draft { leader_epoch_min: Some(5), ..draft(10, 20) }, false),
        ("none", draft(10, 20), false),
    ];
    for (what, draft, refused) in cases {
        let before = with_epoch(batch(0, 10), 5);
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        rig.answer(own_commit(genesis(0), &before));
        rig.answer(found(&before));
        assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 10", "consume 10 epoch 5"]);
        rig.progress(20, 10);
        rig.tell(Event::Cut(CutReason::Admin));
        let said = rig.tell(Event::Closed(draft));
        assert_eq!(said.contains(&"refused epoch_went_back".to_owned()), refused, "{what}: {said:?}");
    }
}

/// The leader epoch of the last record says nothing about the markers behind it: where an election came between, the
/// position is no longer in that epoch, although nothing was truncated.
#[test]
fn a_position_behind_markers_is_reached_from_the_last_record() {
    for (log_start, said) in
        [(0, "consume 12 behind 10 epoch 5"), (10, "consume 12 behind 10 epoch 5"), (11, "consume 12")]
    {
        let mut before = with_epoch(batch(0, 10), 5);
        before.end = at(12);
        let committed = committed_by_us(&before);
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        rig.answer(facts_with(|facts| (facts.committed, facts.log) = (committed, log(log_start, 1000))));
        rig.answer(found(&before));
        assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 12", said]);
    }
}

/// Leaves at offset 10.
fn until_10() -> Rig {
    let mut rig = Rig::with(|settings| settings.until = Some(at(10)));
    rig.enter(0);
    rig
}

#[test]
fn until_end_cuts_at_the_goal_commits_and_leaves() {
    let mut rig = until_10();
    assert_eq!(rig.progress(9, 9), [""; 0]);
    assert_eq!(rig.progress(10, 10), ["close 0 UntilEnd"]);
    rig.closed(0, 10);
    rig.answer(same_topic());
    rig.answer(Answer::Created);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said, ["complete 0..10, 10", "commit 10 of 1@0", "discard", "release"]);
}

#[test]
fn until_end_does_not_follow_a_producer_that_goes_on() {
    let mut rig = until_10();
    assert_eq!(rig.progress(14, 14), ["close 0 UntilEnd"]);
    rig.closed(0, 14);
    rig.progress(30, 16);
    rig.answer(same_topic());
    rig.answer(Answer::Created);
    let said = rig.answer(inspected(&batch(0, 14), &["a", "b"]));
    assert_eq!(said, ["complete 0..14, 14", "commit 14 of 1@0", "discard", "release"]);
}

#[test]
fn until_end_over_nothing_but_markers_records_them() {
    let mut rig = until_10();
    assert_eq!(rig.progress(10, 0), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@0..10 empty"]);
    assert_eq!(rig.answer(Answer::Created), ["empty 0..10", "commit 10 of 1@0", "discard", "release"]);
}

#[test]
fn until_end_with_nothing_to_do_leaves_at_once() {
    let mut rig = Rig::with(|settings| settings.until = Some(at(10)));
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(10)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 10", "consume 10", "discard", "release"]);
}

/// The chain ends at 12, and so far as was looked up, the log at 10.
fn until_10_beyond_the_log() -> Rig {
    let mut rig = Rig::with(|settings| settings.until = Some(at(10)));
    rig.tell(Event::Assigned);
    rig.answer(with_log(12, log(0, 10)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: look up"]);
    rig
}

fn with_log(start: i64, log: LogRange) -> Answer {
    facts_with(|facts| (facts.genesis, facts.log) = (Some(genesis(start)), log))
}

#[test]
fn until_end_refuses_a_log_that_ends_below_the_chain() {
    let mut rig = until_10_beyond_the_log();
    rig.answer(with_log(12, log(0, 11)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["discard", "refused log_truncated"]);
}

#[test]
fn until_end_leaves_what_another_process_archived_beyond_it() {
    let mut rig = until_10_beyond_the_log();
    rig.answer(with_log(12, log(0, 12)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 12", "consume 12", "discard", "release"]);
}

#[test]
fn until_end_looks_again_while_another_process_goes_on() {
    let mut rig = until_10_beyond_the_log();
    rig.answer(with_log(13, log(0, 12)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: look up"], "13 was archived after the log ended at 12");
}

#[test]
fn until_end_goes_on_when_another_process_wins_the_slot_with_less() {
    let winner = batch(0, 4);
    let mut rig = until_10();
    rig.progress(10, 10);
    rig.closed(0, 10);
    rig.answer(same_topic());
    assert_eq!(rig.answer(Answer::Exists(Box::new(winner.clone()))), ["discard", "ask: look up"]);
    rig.answer(facts(genesis(0)));
    rig.answer(found(&winner));
    rig.answer(Answer::Entry(None));
    let said = rig.answer(inspected(&winner, &["a", "b"]));
    assert_eq!(said[2..], ["consuming 4", "consume 4"]);
    assert_eq!(rig.progress(10, 6), ["close 4 UntilEnd"]);
}
