//! Where a generation ends: R11.

use super::rig::*;
use crate::ids::Generation;
use crate::manifest::{CommitMetadata, CommitOrigin, Kind, Seal};
use crate::partition::{Answer, Committed, Event, OnTopicRecreated};

#[test]
fn a_larger_configured_generation_seals_at_the_head_and_follows_its_seal() {
    let last = batch(0, 10);
    let mut rig = Rig::with(|settings| settings.generation = Generation(2));
    rig.tell(Event::Assigned);
    rig.answer(own_commit(genesis(0), &last));
    rig.answer(found(&last));
    // the seal carries the receipt of the last batch, like every entry
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: inspect 0..10"]);
    let said = rig.answer(inspected(&last, &["a", "b"]));
    assert_eq!(said, ["ask: create 1@10..10 seal to 2@10 of X receipt 0x2"]);
    assert_eq!(rig.answer(Answer::Created), ["sealed 1, next 2", "discard", "ask: look up"]);
    rig.answer(own_commit(genesis(0), &last));
    assert_eq!(rig.answer(found(&last)), ["ask: entry 1@10"]);
    assert_eq!(rig.answer(found(&seal(10, 2, "X", 10))), ["ask: entry 2@10"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 10", "consume 10"]);
    assert_eq!(rig.machine.status().generation, Some(Generation(2)));
}

#[test]
fn without_entries_the_seal_stands_in_the_first_slot() {
    let mut rig = Rig::with(|settings| settings.generation = Generation(4));
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(5)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: create 1@5..5 seal to 4@5 of X"]);
}

#[test]
fn a_seal_is_only_written_once_the_last_batch_is_complete() {
    let last = batch(0, 10);
    let mut rig = Rig::adopting(|settings| settings.generation = Generation(2), &last);
    assert_eq!(rig.answer(inspected(&last, &["a"])), ["ask: replay 0..10 b"]);
    rig.answer(replayed(log(0, 1000), &[("b", 5)]));
    rig.answer(inspected(&last, &["b"]));
    let said = rig.answer(inspected(&last, &["a", "b"]));
    assert_eq!(said[2], "ask: create 1@10..10 seal to 2@10 of X receipt 0x2");
}

#[test]
fn a_slot_lost_by_a_seal_is_completed_and_the_next_one_tried() {
    let winner = batch(0, 10);
    let mut rig = Rig::with(|settings| settings.generation = Generation(2));
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(0)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: create 1@0..0 seal to 2@0 of X"]);
    assert_eq!(rig.answer(Answer::Exists(Box::new(winner.clone()))), ["discard", "ask: look up"]);
    rig.answer(facts(genesis(0)));
    rig.answer(found(&winner));
    assert_eq!(rig.answer(Answer::Entry(None)), ["adopted 0..10", "ask: inspect 0..10"]);
    let said = rig.answer(inspected(&winner, &["a", "b"]));
    assert_eq!(said[2], "ask: create 1@10..10 seal to 2@10 of X receipt 0x2");
}

#[test]
fn a_process_of_the_old_generation_meets_the_seal_and_follows_it() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.cut(0, 10);
    rig.answer(same_topic());
    assert_eq!(rig.answer(Answer::Exists(Box::new(seal(0, 2, "X", 0)))), ["discard", "ask: look up"]);
    rig.answer(facts(genesis(0)));
    assert_eq!(rig.answer(found(&seal(0, 2, "X", 0))), ["ask: head of 2"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: entry 2@0"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 0", "consume 0"]);
    assert_eq!(rig.machine.status().generation, Some(Generation(2)));
}

#[test]
fn a_smaller_configured_generation_follows_the_ledger() {
    let last = of(3, "X", batch(50, 60));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    let metadata = CommitMetadata { ledger: ledger(), generation: Generation(3), prev: at(50) };
    let committed = Some(Committed { offset: at(60), origin: CommitOrigin::Secor(metadata) });
    assert_eq!(rig.answer(facts_with(|facts| facts.committed = committed)), ["ask: entry 3@50"]);
    assert_eq!(rig.answer(found(&last)), ["ask: entry 3@60"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 60", "consume 60"]);
}

/// At the head behind `batch(0, 10)`, which is complete; the topic is `Y` now.
fn recreated(on_topic_recreated: OnTopicRecreated) -> (Rig, Vec<String>) {
    let last = batch(0, 10);
    let mut rig = Rig::with(|settings| settings.on_topic_recreated = on_topic_recreated);
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| (facts.committed, facts.topic_id) = (committed_by_us(&last), topic("Y"))));
    rig.answer(found(&last));
    let said = rig.answer(Answer::Entry(None));
    (rig, said)
}

#[test]
fn a_topic_that_was_created_again_is_refused() {
    let (mut rig, said) = recreated(OnTopicRecreated::Refuse);
    assert_eq!(said, ["ask: topic id"]);
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["discard", "refused topic_recreated"]);
}

#[test]
fn or_sealed_and_begun_anew_at_0() {
    let (mut rig, _) = recreated(OnTopicRecreated::NewGeneration);
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["ask: inspect 0..10"]);
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said, ["ask: create 1@10..10 seal to 2@0 of Y receipt 0x2"]);
}

#[test]
fn a_seal_for_a_new_topic_leads_to_the_configured_generation_if_that_is_larger() {
    let mut rig = Rig::with(|settings| {
        (settings.generation, settings.on_topic_recreated) = (Generation(5), OnTopicRecreated::NewGeneration);
    });
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.topic_id = topic("Y")));
    rig.answer(Answer::Entry(None));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["ask: create 1@0..0 seal to 5@0 of Y"]);
}

#[test]
fn leader_epochs_are_remembered_over_a_seal_but_not_into_another_topic() {
    for (seal, then) in [(seal(10, 2, "X", 10), "consume 10 epoch 7"), (seal(10, 2, "Y", 0), "consume 0")] {
        let last = with_epoch(batch(0, 10), 7);
        let Kind::Seal(Seal { next }) = &seal.kind else { unreachable!("a seal") };
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        let committed = committed_by_us(&last);
        rig.answer(facts_with(|facts| (facts.committed, facts.topic_id) = (committed, next.topic_id.clone())));
        rig.answer(found(&last));
        rig.answer(found(&seal));
        assert_eq!(rig.answer(Answer::Entry(None)).last().map(String::as_str), Some(then));
    }
}

#[test]
fn the_seal_names_the_topic_id_of_now_not_of_the_look() {
    let (mut rig, _) = recreated(OnTopicRecreated::NewGeneration);
    rig.answer(Answer::TopicId(topic("Z")));
    let said = rig.answer(inspected(&batch(0, 10), &["a", "b"]));
    assert_eq!(said, ["ask: create 1@10..10 seal to 2@0 of Z receipt 0x2"]);
}

#[test]
fn facts_that_are_older_than_the_chain_are_looked_up_again() {
    // another process has sealed for topic Y and gone on, while this one still believes in X
    let mut rig = Rig::with(|settings| settings.on_topic_recreated = OnTopicRecreated::NewGeneration);
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(0)));
    rig.answer(found(&seal(10, 2, "Y", 0)));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: topic id"]);
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["ask: look up"]);
}

#[test]
fn what_the_last_batch_of_a_replaced_topic_lacks_is_resolved_as_absent() {
    let last = batch(0, 10);
    let mut rig = Rig::with(|settings| settings.on_topic_recreated = OnTopicRecreated::NewGeneration);
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.topic_id = topic("Y")));
    rig.answer(found(&last));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(inspected(&last, &["a"])), ["ask: topic id"]);
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["ask: resolve 0.1 TopicReplaced: b absent"]);
    assert_eq!(rig.answer(Answer::Created), ["resolved 0", "ask: inspect 0..10"]);
    let said = rig.answer(stored(&[("a", 5)], vec![resolution(&last, 1, &[("b", None)])]));
    assert_eq!(said, ["complete 0..10, 10 replayed", "commit 10 of 1@0", "ask: topic id"]);
    let said = rig.answer(Answer::TopicId(topic("Y")));
    assert_eq!(said, ["ask: create 1@10..10 seal to 2@0 of Y receipt 0x1"]);
}

#[test]
fn nothing_is_resolved_for_a_topic_that_only_the_facts_call_replaced() {
    let last = of(2, "Y", batch(0, 10));
    let mut rig = Rig::with(|settings| settings.on_topic_recreated = OnTopicRecreated::NewGeneration);
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(0)));
    rig.answer(found(&seal(10, 2, "Y", 0)));
    rig.answer(found(&last));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(inspected(&last, &[])), ["ask: topic id"]);
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["ask: look up"]);
}

#[test]
fn a_replaced_topic_with_an_incomplete_batch_is_refused_unless_allowed() {
    let last = batch(0, 10);
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.topic_id = topic("Y")));
    rig.answer(found(&last));
    rig.answer(Answer::Entry(None));
    rig.answer(inspected(&last, &["a"]));
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["discard", "refused topic_recreated"]);
}

#[test]
fn records_of_a_topic_that_was_replaced_never_reach_a_manifest() {
    let mut rig = Rig::consuming(0);
    rig.progress(10, 10);
    rig.cut(0, 10);
    assert_eq!(rig.answer(Answer::TopicId(topic("Y"))), ["discard", "ask: look up"]);
}

#[test]
fn a_broker_without_topic_ids_is_taken_as_it_is() {
    for (in_genesis, now) in [(None, None), (topic("X"), None), (None, topic("X"))] {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        let mut without = genesis(0);
        without.topic_id.clone_from(&in_genesis);
        rig.answer(facts_with(|facts| (facts.genesis, facts.topic_id) = (Some(without), now.clone())));
        rig.answer(Answer::Entry(None));
        assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 0", "consume 0"]);
        rig.progress(10, 10);
        rig.cut(0, 10);
        assert_eq!(rig.answer(Answer::TopicId(now)), ["ask: create 1@0..10 batch"]);
    }
}

#[test]
fn a_seal_keeps_the_topic_id_that_a_broker_does_not_tell() {
    let mut rig = Rig::with(|settings| settings.generation = Generation(2));
    rig.tell(Event::Assigned);
    rig.answer(facts_with(|facts| facts.topic_id = None));
    rig.answer(Answer::Entry(None));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: create 1@0..0 seal to 2@0 of X"]);
}
