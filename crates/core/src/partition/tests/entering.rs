//! From an assignment to the head: R1, R2, R8, R9.

use std::sync::Arc;

use super::rig::*;
use crate::ids::{Generation, LedgerId};
use crate::manifest::{Accepted, CommitMetadata, CommitOrigin, FORMAT_VERSION, Genesis, HoleReason, Kind};
use crate::partition::{Answer, Committed, Event, Refusal, RefusalCode};

fn foreign(offset: i64) -> Option<Committed> {
    Some(Committed { offset: at(offset), origin: CommitOrigin::Foreign })
}

#[test]
fn a_first_start_guards_the_genesis_creates_it_and_begins_at_its_start() {
    let mut rig = Rig::new();
    assert_eq!(rig.tell(Event::Assigned), ["ask: look up"]);
    assert_eq!(rig.answer(facts(None)), ["ask: head of 1"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: genesis"]);
    assert_eq!(rig.answer(Answer::Genesis(Box::new(genesis(7)))), ["ask: head of 1"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: entry 1@7"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 7", "consume 7"]);
    assert_eq!(rig.phase(), "archiving");
}

#[test]
fn a_lost_race_for_the_genesis_is_adopted_with_its_start_and_generation() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(None));
    rig.answer(Answer::Entry(None));
    let won = Genesis { generation: Generation(3), ..genesis(40) };
    assert_eq!(rig.answer(Answer::Genesis(Box::new(won))), ["ask: head of 3"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: entry 3@40"]);
}

#[test]
fn a_won_genesis_of_another_group_is_refused_like_a_found_one() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(None));
    rig.answer(Answer::Entry(None));
    let won = Genesis { group: Arc::from("others"), ..genesis(0) };
    assert_eq!(rig.answer(Answer::Genesis(Box::new(won))), ["discard", "refused other_group"]);
}

#[test]
fn a_partition_that_the_genesis_does_not_name_begins_at_0() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(Genesis { start: [(1, at(50))].into(), ..genesis(0) }));
    assert_eq!(rig.answer(Answer::Entry(None)), ["ask: entry 1@0"]);
}

#[test]
fn a_restart_with_an_untouched_archive_asks_three_things() {
    let last = batch(100, 200);
    let mut rig = Rig::new();
    assert_eq!(rig.tell(Event::Assigned), ["ask: look up"]);
    assert_eq!(rig.answer(own_commit(genesis(0), &last)), ["ask: entry 1@100"]);
    assert_eq!(rig.answer(found(&last)), ["ask: entry 1@200"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 200", "consume 200"]);
}

#[test]
fn a_stale_commit_of_ours_is_walked_on_from() {
    let (proved, next, empty) = (batch(0, 100), batch(100, 200), entry(200, 230, Kind::Empty));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(own_commit(genesis(0), &proved));
    assert_eq!(rig.answer(found(&proved)), ["ask: entry 1@100"]);
    assert_eq!(rig.answer(found(&next)), ["ask: entry 1@200"]);
    assert_eq!(rig.answer(found(&empty)), ["ask: entry 1@230"]);
    // the empty entry proves the batch before it complete: nothing is looked at
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 230", "consume 230"]);
}

#[test]
fn the_last_batch_behind_a_stale_commit_is_made_whole_first() {
    let (proved, last) = (batch(0, 100), batch(100, 200));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(own_commit(genesis(0), &proved));
    rig.answer(found(&proved));
    rig.answer(found(&last));
    assert_eq!(rig.answer(Answer::Entry(None)), ["adopted 100..200", "ask: inspect 100..200"]);
    let done = ["complete 100..200, 100 replayed", "commit 200 of 1@100", "consuming 200", "consume 200"];
    assert_eq!(rig.answer(inspected(&last, &["a", "b"])), done);
}

#[test]
fn a_lost_group_is_found_again_from_the_ledger() {
    let last = batch(100, 200);
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    assert_eq!(rig.answer(facts(genesis(0))), ["ask: head of 1"]);
    assert_eq!(rig.answer(found(&last)), ["ask: entry 1@200"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["adopted 100..200", "ask: inspect 100..200"]);
}

#[test]
fn a_foreign_commit_older_or_newer_changes_nothing_and_is_reported() {
    let last = batch(100, 200);
    for offset in [0, 150, 200, 900] {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        let said = rig.answer(facts_with(|facts| facts.committed = foreign(offset)));
        assert_eq!(said, [format!("foreign commit {offset}"), "ask: head of 1".to_owned()]);
        assert_eq!(rig.answer(found(&last)), ["ask: entry 1@200"]);
        rig.answer(Answer::Entry(None));
        let said = rig.answer(inspected(&last, &["a", "b"]));
        assert_eq!(said.last().map(String::as_str), Some("consume 200"));
    }
}

#[test]
fn what_cannot_belong_together_is_refused() {
    let other_ledger = CommitMetadata {
        ledger: LedgerId(Arc::from("ffffffffffffffffffffffffffffffff")),
        generation: Generation(1),
        prev: at(0),
    };
    let cases = [
        (
            "other_ledger",
            facts_with(|facts| {
                facts.committed = Some(Committed { offset: at(5), origin: CommitOrigin::Secor(other_ledger.clone()) });
            }),
        ),
        ("bad_entry", facts(Genesis { ledger: other_ledger.ledger.clone(), ..genesis(0) })),
        ("bad_entry", facts(Genesis { topic: Arc::from("views"), ..genesis(0) })),
        ("other_group", facts(Genesis { group: Arc::from("others"), ..genesis(0) })),
        ("other_cluster", facts(Genesis { cluster: Arc::from("elsewhere"), ..genesis(0) })),
    ];
    for (code, answer) in cases {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        assert_eq!(rig.answer(answer), ["discard".to_owned(), format!("refused {code}")]);
    }
}

#[test]
fn another_group_and_cluster_go_on_once_accepted() {
    let accepted = |group: Option<&str>, cluster: Option<&str>| Accepted {
        version: FORMAT_VERSION,
        ledger: ledger(),
        group: group.map(str::to_owned),
        cluster: cluster.map(str::to_owned),
    };
    let moved = Genesis { group: Arc::from("others"), cluster: Arc::from("elsewhere"), ..genesis(0) };
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    let said = rig.answer(facts_with(|facts| {
        facts.genesis = Some(moved);
        facts.accepted = vec![accepted(Some("backup"), None), accepted(None, Some("cluster"))];
    }));
    assert_eq!(said, ["ask: head of 1"]);
}

#[test]
fn an_own_commit_must_find_its_entry() {
    let proved = batch(100, 200);
    for answer in [Answer::Entry(None), found(&batch(100, 150))] {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        rig.answer(own_commit(genesis(0), &proved));
        assert_eq!(rig.answer(answer), ["discard", "refused ledger_lost_entries"]);
    }
}

#[test]
fn entries_without_a_genesis_are_looked_at_twice_then_refused() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(None));
    assert_eq!(rig.answer(found(&batch(0, 10))), ["ask: look up"]);
    assert_eq!(rig.answer(facts(None)), ["discard", "refused ledger_lost_entries"]);
}

#[test]
fn a_topic_that_another_process_begins_meanwhile_is_no_lost_genesis() {
    let first = batch(0, 10);
    for (begun, then) in [(facts(None), "ask: head of 1"), (own_commit(genesis(0), &first), "ask: entry 1@0")] {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        rig.answer(facts(None));
        assert_eq!(rig.answer(found(&first)), ["ask: look up"]);
        let begun = if begun == facts(None) { facts(genesis(0)) } else { begun };
        assert_eq!(rig.answer(begun), [then]);
    }
}

#[test]
fn an_own_commit_without_a_genesis_is_looked_at_twice_then_refused() {
    let commit = || facts_with(|facts| (facts.genesis, facts.committed) = (None, committed_by_us(&batch(0, 10))));
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    assert_eq!(rig.answer(commit()), ["ask: look up"]);
    assert_eq!(rig.answer(commit()), ["discard", "refused ledger_lost_entries"]);
}

#[test]
fn an_entry_that_does_not_fit_its_slot_is_refused() {
    let good = batch(100, 200);
    let bad = [
        ("start", crate::manifest::Entry { start: at(90), ..good.clone() }),
        ("end", crate::manifest::Entry { end: at(100), ..good.clone() }),
        ("generation", of(2, "X", good.clone())),
        ("topic id", of(1, "Y", good.clone())),
        ("topic", crate::manifest::Entry { topic: Arc::from("views"), ..good.clone() }),
        ("partition", crate::manifest::Entry { partition: 1, ..good.clone() }),
        ("ledger", crate::manifest::Entry { ledger: LedgerId(Arc::from("other")), ..good.clone() }),
        ("seal with a length", crate::manifest::Entry { end: at(101), ..seal(100, 2, "X", 100) }),
        ("seal that leads back", seal(100, 1, "X", 100)),
    ];
    for (what, entry) in bad {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        rig.answer(own_commit(genesis(0), &batch(0, 100)));
        rig.answer(found(&batch(0, 100)));
        assert_eq!(rig.answer(found(&entry)), ["discard", "refused bad_entry"], "{what}");
    }
}

#[test]
fn the_entry_of_an_own_commit_and_the_head_are_checked_too() {
    let proved = batch(100, 200);
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(own_commit(genesis(0), &proved));
    assert_eq!(rig.answer(found(&of(2, "X", proved))), ["discard", "refused bad_entry"]);

    for head in [of(2, "X", batch(100, 200)), seal(100, 1, "X", 100)] {
        let mut rig = Rig::new();
        rig.tell(Event::Assigned);
        rig.answer(facts(genesis(0)));
        assert_eq!(rig.answer(found(&head)), ["discard", "refused bad_entry"]);
    }
}

#[test]
fn what_the_world_refuses_is_refused_and_looked_at_again() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    let unknown = Refusal::new(RefusalCode::BadEntry, "of a kind that is not known");
    assert_eq!(rig.answer(Answer::Refuse(unknown.clone())), ["discard", "refused bad_entry"]);
    assert_eq!(rig.machine.status().refusal, Some(unknown));
    assert_eq!(rig.tick(RETRY_MS - 1), [""; 0]);
    assert_eq!(rig.tick(1), ["ask: look up"]);
    assert_eq!(rig.answer(facts(genesis(0))), ["ask: head of 1"]);
}

#[test]
fn a_stale_answer_is_ignored() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    let stale = rig.ask_id;
    rig.answer(facts(genesis(0)));
    let before = rig.machine.clone();
    assert_eq!(rig.tell(Event::Answer(stale, facts(None))), [""; 0]);
    assert_eq!(rig.machine, before);
    rig.answer(Answer::Entry(None));
    let once = rig.ask_id;
    rig.answer(Answer::Entry(None));
    let before = rig.machine.clone();
    assert_eq!(rig.tell(Event::Answer(once, Answer::Entry(None))), [""; 0], "an answer counts once");
    assert_eq!(rig.machine, before);
}

#[test]
fn a_hole_at_the_head_is_walked_over() {
    let mut rig = Rig::new();
    rig.tell(Event::Assigned);
    rig.answer(facts(genesis(0)));
    assert_eq!(rig.answer(found(&hole(0, 30, HoleReason::Retention))), ["ask: entry 1@30"]);
    assert_eq!(rig.answer(Answer::Entry(None)), ["consuming 30", "consume 30"]);
}
