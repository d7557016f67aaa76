//! Making the last batch of another process, or of an earlier life, whole: R5, R6, R12.

use super::rig::*;
use crate::partition::{Answer, Errand, Replay};

fn last() -> crate::manifest::Entry {
    batch(100, 110)
}

const DONE: [&str; 4] = ["complete 100..110, 10 replayed", "commit 110 of 1@100", "consuming 110", "consume 110"];

#[test]
fn only_missing_files_are_replayed_and_uploaded_and_then_looked_at_again() {
    let mut rig = Rig::adopting(|_| {}, &last());
    assert_eq!(rig.answer(inspected(&last(), &["a"])), ["ask: replay 100..110 b"]);
    assert_eq!(rig.answer(replayed(log(0, 1000), &[("b", 5)])), ["ask: upload 100..110 b"]);
    assert_eq!(rig.answer(inspected(&last(), &["b"])), ["ask: inspect 100..110"]);
    assert_eq!(rig.answer(inspected(&last(), &["a", "b"])), DONE);
}

#[test]
fn a_file_with_another_content_is_refused_never_overwritten() {
    let mut rig = Rig::adopting(|_| {}, &last());
    assert_eq!(rig.answer(stored(&[("a", 4)], Vec::new())), ["discard", "refused file_conflict"]);
}

#[test]
fn a_file_that_is_still_missing_after_its_upload_is_replayed_again() {
    let mut rig = Rig::replaying(|_| {}, &last());
    rig.answer(replayed(log(0, 1000), &[("a", 5), ("b", 5)]));
    rig.answer(inspected(&last(), &["a"]));
    assert_eq!(rig.answer(inspected(&last(), &["a"])), ["ask: replay 100..110 b"]);
}

#[test]
fn what_compaction_took_is_resolved_by_itself_the_resolution_first() {
    let mut rig = Rig::replaying(|_| {}, &last());
    let said = rig.answer(replayed(log(0, 1000), &[("a", 3), ("b", 0)]));
    assert_eq!(said, ["ask: resolve 100.1 Compaction: a has 3 b absent"]);
    assert_eq!(rig.answer(Answer::Created), ["resolved 100", "ask: upload 100..110 a"]);
    let resolutions = vec![resolution(&last(), 1, &[("a", Some(3)), ("b", None)])];
    assert_eq!(rig.answer(stored(&[("a", 3)], Vec::new())), ["ask: inspect 100..110"]);
    assert_eq!(rig.answer(stored(&[("a", 3)], resolutions)), DONE);
}

#[test]
fn a_file_whose_records_are_all_there_is_not_resolved_beside_one_that_is() {
    let mut rig = Rig::replaying(|_| {}, &last());
    let said = rig.answer(replayed(log(0, 1000), &[("a", 5), ("b", 2)]));
    assert_eq!(said, ["ask: resolve 100.1 Compaction: b has 2"]);
    assert_eq!(rig.answer(Answer::Created), ["resolved 100", "ask: upload 100..110 a b"]);
}

#[test]
fn a_resolution_of_an_earlier_life_is_kept_to() {
    let mut rig = Rig::adopting(|_| {}, &last());
    let earlier = vec![resolution(&last(), 1, &[("b", Some(3))])];
    assert_eq!(rig.answer(stored(&[("a", 5)], earlier)), ["ask: replay 100..110 b"]);
    assert_eq!(rig.answer(replayed(log(0, 1000), &[("b", 3)])), ["ask: upload 100..110 b"]);
}

#[test]
fn when_compaction_goes_on_the_next_resolution_gets_the_next_number() {
    let mut rig = Rig::adopting(|_| {}, &last());
    let earlier = vec![resolution(&last(), 1, &[("b", Some(3))])];
    rig.answer(stored(&[("a", 5)], earlier));
    let said = rig.answer(replayed(log(0, 1000), &[("b", 1)]));
    assert_eq!(said, ["ask: resolve 100.2 Compaction: b has 1"]);
}

#[test]
fn a_resolution_that_another_process_wrote_first_is_looked_at() {
    let mut rig = Rig::replaying(|_| {}, &last());
    rig.answer(replayed(log(0, 1000), &[("a", 5), ("b", 2)]));
    assert_eq!(rig.answer(Answer::Taken), ["ask: inspect 100..110"]);
    let theirs = vec![resolution(&last(), 1, &[("b", Some(4))])];
    assert_eq!(rig.answer(stored(&[("b", 4)], theirs)), ["ask: replay 100..110 a"]);
}

#[test]
fn an_absent_file_that_is_there_after_all_is_settled() {
    let mut rig = Rig::adopting(|_| {}, &last());
    let absent = vec![resolution(&last(), 1, &[("b", None)])];
    assert_eq!(rig.answer(stored(&[("a", 5), ("b", 5)], absent)), DONE);
}

#[test]
fn a_log_that_gives_more_or_other_records_is_refused() {
    for records in [6, 5] {
        let mut rig = Rig::replaying(|_| {}, &last());
        let mut answer = replayed(log(0, 1000), &[("a", records), ("b", 5)]);
        if let Answer::Replayed(Replay { files, .. }) = &mut answer {
            files[0].records_digest = digest("other", records);
        }
        assert_eq!(rig.answer(answer), ["discard", "refused replay_differs"]);
    }
}

/// Fewer records would look like compaction, but they were written after the batch was cut.
#[test]
fn a_log_that_an_election_rewrote_is_refused() {
    for (epoch, refused) in [(5, false), (6, true)] {
        let mut rig = Rig::replaying(|_| {}, &with_epoch(last(), 5));
        let mut answer = replayed(log(0, 1000), &[("a", 4), ("b", 5)]);
        if let Answer::Replayed(replay) = &mut answer {
            replay.leader_epoch_max = Some(epoch);
        }
        let said = rig.answer(answer);
        assert_eq!(said == ["discard", "refused log_truncated"], refused, "{said:?}");
    }
}

#[test]
fn a_batch_beyond_the_log_end_is_refused() {
    let mut rig = Rig::replaying(|_| {}, &last());
    assert_eq!(rig.answer(replayed(log(0, 109), &[])), ["discard", "refused log_truncated"]);
}

#[test]
fn what_retention_took_is_refused_until_the_loss_is_accepted() {
    let expired = || replayed(log(105, 1000), &[("a", 5), ("b", 2)]);
    let mut rig = Rig::replaying(|_| {}, &last());
    assert_eq!(rig.answer(expired()), ["discard", "refused records_expired"]);
    assert_eq!(rig.tick(RETRY_MS), ["ask: look up"], "another process may have made it whole");

    let mut rig = Rig::replaying(|settings| settings.errand = Errand::Recover { accept_loss: false }, &last());
    assert_eq!(rig.answer(expired()), ["discard", "refused records_expired", "release"]);

    let mut rig = Rig::replaying(|settings| settings.errand = Errand::Recover { accept_loss: true }, &last());
    assert_eq!(rig.answer(expired()), ["ask: resolve 100.1 Retention: b has 2"]);
    assert_eq!(rig.answer(Answer::Created), ["resolved 100", "ask: upload 100..110 a b"]);
    rig.answer(stored(&[("a", 5), ("b", 2)], Vec::new()));
    let resolutions = vec![resolution(&last(), 1, &[("b", Some(2))])];
    let said = rig.answer(stored(&[("a", 5), ("b", 2)], resolutions));
    assert_eq!(said[1..], ["commit 110 of 1@100", "discard", "release"]);
}

#[test]
fn retention_that_took_none_of_the_missing_records_is_no_loss() {
    let mut rig = Rig::adopting(|_| {}, &last());
    rig.answer(inspected(&last(), &["a"]));
    assert_eq!(rig.answer(replayed(log(105, 1000), &[("b", 5)])), ["ask: upload 100..110 b"]);
}

#[test]
fn a_topic_that_was_replaced_under_the_replay_is_noticed() {
    let mut rig = Rig::replaying(|_| {}, &last());
    let mut answer = replayed(log(0, 1000), &[("a", 5), ("b", 5)]);
    if let Answer::Replayed(replay) = &mut answer {
        replay.topic_id = topic("Y");
    }
    assert_eq!(rig.answer(answer), ["ask: inspect 100..110"]);
    assert_eq!(rig.answer(inspected(&last(), &[])), ["ask: topic id"]);
}
