//! Positions outside the log: R10. Never guess, never trim.

use super::rig::*;
use crate::ids::Generation;
use crate::manifest::HoleReason;
use crate::partition::{Answer, Errand, Event};

/// At the head behind `batch(0, 10)`, which is complete, with a log that begins at 30.
fn overtaken(errand: Errand) -> (Rig, Vec<String>) {
    let last = batch(0, 10);
    let mut rig = Rig::with(|settings| settings.errand = errand);
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| (facts.committed, facts.log) = (committed_by_us(&last), log(30, 1000))));
    rig.answer(found(&last));
    let said = rig.answer(Answer::Entry(None));
    (rig, said)
}

/// Assigned to a chain without entries from 0, with a log that begins at 30.
fn fresh() -> Rig {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.log = log(30, 1000)));
    rig.answer(Answer::Entry(None));
    rig
}

#[test]
fn a_fresh_start_that_retention_overtakes_records_the_hole_by_itself() {
    let mut rig = fresh();
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@0..30 hole Retention"]);
    assert_eq!(rig.answer(Answer::Created), ["hole 0..30", "commit 30 of 1@0", "consuming 30", "consume 30"]);
    // and again, as long as nothing has been archived
    assert_eq!(rig.tell(Event::OutOfRange(log(40, 1000))), ["discard", "ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@30..40 hole Retention"]);
}

#[test]
fn a_hole_is_not_recorded_for_a_topic_that_was_replaced_meanwhile() {
    let mut rig = fresh();
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["discard", "ask: look up"]);
}

#[test]
fn a_chain_with_entries_is_refused_until_the_loss_is_accepted() {
    assert_eq!(overtaken(Errand::Archive).1, ["discard", "refused records_expired"]);
    let (_, said) = overtaken(Errand::Recover { accept_loss: false });
    assert_eq!(said, ["discard", "refused records_expired", "release"]);
    let (mut rig, said) = overtaken(Errand::Recover { accept_loss: true });
    assert_eq!(said, ["ask: inspect 0..10"]);
    rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@10..30 hole AcceptedLoss receipt 0x2"]);
    assert_eq!(rig.answer(Answer::Created), ["hole 10..30", "commit 30 of 1@10", "discard", "release"]);
}

#[test]
fn an_errand_of_recovery_stops_at_the_head() {
    let last = batch(0, 10);
    let mut rig = Rig::adopting(|settings| settings.errand = Errand::Recover { accept_loss: false }, &last);
    let said = rig.answer(inspected(&last, &["a", "b"]));
    assert_eq!(said, ["complete 0..10, 10 replayed", "commit 10 of 1@0", "discard", "release"]);
}

#[test]
fn who_had_archived_before_a_seal_is_not_fresh_behind_it() {
    // found from the head, where the entries before the seal are never read
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.log = log(30, 1000)));
    assert_eq!(rig.answer(found(&seal(10, 2, "X", 10))), ["ask: head of 2"]);
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["discard", "refused records_expired"]);
}

#[test]
fn who_had_not_archived_before_a_seal_is_still_fresh() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.log = log(30, 1000)));
    rig.answer(found(&seal(0, 2, "X", 0)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 2@0..30 hole Retention"]);
}

#[test]
fn a_new_topic_behind_a_seal_is_fresh() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| (facts.log, facts.topic_id) = (log(30, 1000), topic("Y"))));
    rig.answer(found(&seal(10, 2, "Y", 0)));
    rig.answer(Answer::Entry(None));
    rig.answer(Answer::Entry(None));
    let said = rig.answer(Answer::TopicId(topic("Y")));
    assert_eq!(said, ["ask: create 2@0..30 hole Retention"]);
}

#[test]
fn a_topic_id_that_the_broker_began_to_tell_makes_no_fresh_start() {
    let mut without = genesis(0);
    without.topic_id = None;
    let mut last = batch(0, 10);
    last.topic_id = None;
    let mut rig = Rig::with(|settings| settings.generation = Generation(2));
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| {
        (facts.genesis, facts.committed, facts.log) = (Some(without), committed_by_us(&last), log(30, 1000));
    }));
    rig.answer(found(&last));
    let mut sealed = seal(10, 2, "X", 10);
    sealed.topic_id = None;
    assert_eq!(rig.answer(found(&sealed)), ["ask: entry 2@10"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["discard", "refused records_expired"]);
}

#[test]
fn retention_that_overtakes_a_running_process_cuts_first() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    assert_eq!(rig.tell(Event::OutOfRange(log(30, 1000))), ["close 0 LogStart"]);
    rig.closed(0, 10);
    rig.answer(same_topic());
    rig.answer(Answer::Created);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said[2..], ["discard", "discard", "refused records_expired"]);
}

#[test]
fn and_says_first_where_the_position_was() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 0);
    assert_eq!(rig.tell(Event::OutOfRange(log(30, 1000))), ["ask: topic id"]);
    assert_eq!(rig.answer(same_topic()), ["ask: create 1@0..10 empty"]);
    let said = rig.answer(Answer::Created);
    assert_eq!(said, ["empty 0..10", "commit 10 of 1@0", "discard", "discard", "refused records_expired"]);
}

#[test]
fn during_an_upload_retention_waits_for_its_end() {
    let mut rig = Rig::uploading(0, 10);
    assert_eq!(rig.tell(Event::OutOfRange(log(30, 1000))), [""; 0]);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said.last().map(String::as_str), Some("refused records_expired"));
}

#[test]
fn a_log_start_that_the_position_has_passed_after_all_is_looked_up_again() {
    let mut rig = Rig::uploading(0, 10);
    rig.tell(Event::OutOfRange(log(30, 1000)));
    rig.progress(35, 0);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said[2..], ["discard", "ask: look up"]);
}

#[test]
fn a_position_beyond_the_log_end_is_refused_on_the_brokers_word_only() {
    let last = batch(0, 10);
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| (facts.committed, facts.log) = (committed_by_us(&last), log(0, 5))));
    rig.answer(found(&last));
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 10", "consume 10"]);
    assert_eq!(rig.tell(Event::OutOfRange(log(0, 5))), ["discard", "refused log_truncated"]);
    assert_eq!(rig.tick(RETRY_MS), ["ask: look up"]);
}

#[test]
fn a_position_that_is_in_the_log_after_all_is_looked_up_again() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    assert_eq!(rig.tell(Event::OutOfRange(log(0, 10))), ["discard", "ask: look up"]);
}

#[test]
fn out_of_range_means_nothing_when_nothing_is_consumed() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    assert_eq!(rig.tell(Event::OutOfRange(log(30, 1000))), [""; 0]);
}

#[test]
fn a_replay_that_retention_overtakes_begins_again_with_the_log_of_now() {
    let mut rig = Rig::replaying(|_| {}, &batch(0, 10));
    assert_eq!(rig.tell(Event::OutOfRange(log(5, 1000))), ["discard", "ask: look up"]);
}

#[test]
fn a_hole_that_loses_its_slot_gives_way() {
    let mut rig = fresh();
    rig.answer(Answer::Entry(None));
    rig.answer(same_topic());
    assert_eq!(rig.answer(Answer::Exists(Box::new(batch(0, 20)))), ["discard", "ask: look up"]);
    rig.answer(facts_with(|facts| facts.log = log(30, 1000)));
    assert_eq!(rig.answer(found(&hole(0, 30, HoleReason::Retention))), ["ask: entry 1@30"]);
}
