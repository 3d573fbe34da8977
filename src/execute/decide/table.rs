//! The truth table of [`decide`]: each row of `docs/RECOVERY.md` by its name, and then every state there is.

mod limits;
mod rows;
mod rules;
mod states;

use std::time::Duration;

use rows::*;

use super::*;
use crate::domain::{AttemptTime, Identity};
use crate::execute::attempt::{Answer, LeftOpen, Look, Poll, Tries, Window};
use crate::record::TargetStopReason;

const DOC: &str = include_str!("../../../docs/RECOVERY.md");

/// The rows of `docs/RECOVERY.md`, in its order: name, state, situation, step.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "the rows of the document, each on its line")]
fn table() -> Vec<(&'static str, RowState, Situation, &'static str)> {
    use Class::*;
    let plain = situation();
    let denial = |denial| Situation { denial, ..situation() };
    let refuses = Situation { answered_at: None, read_at: None, ..situation() };
    let failed = || asked(Some(OperationFailed));
    let pending = || asked(Some(Pending));
    let lost = || asked(Some(Unanswered));
    // Most rows of the table follow from several answers; this is one of them.
    let nothing_there = || asked(Some(NotFound)).after_a_loss();
    let of_another = || unasked().after_an_operation_of_another_run();
    let over = Duration::ZERO;
    let same = || lost().searched(Found::NoOperation).seen(Found::Same);
    vec![
        ("settled", RowState { settled: Some((Outcome::Gone, Evidence::Readback)), ..lost() }, plain, "nothing"),
        ("plan-skips", RowState { verdict: Verdict::Skip, ..unasked() }, plain, "skipped/note"),
        ("plan-saw-nothing", RowState { verdict: Verdict::Absent, confirmed_at: None, ..unasked() }, plain, "absent/inventory"),
        ("unasked", unasked(), plain, "send"),
        ("unasked-old", unasked().stale(), plain, "read"),
        ("unasked-same", unasked().seen(Found::Same), plain, "send"),
        ("unasked-other", unasked().seen(Found::Other), plain, "skipped/note"),
        ("unasked-not-found", unasked().seen(Found::NotFound), plain, "absent/inventory"),
        ("unasked-no-answer", unasked().stale().seen(Found::NoAnswer), plain, "read"),
        ("unasked-no-answer-too-long", unasked().stale().seen(Found::NoAnswer).in_vain(), plain, "skipped/note"),
        ("unasked-no-answer-anywhere", unasked().stale().seen(Found::NoAnswer).in_vain(), refuses, "stop/nothing_readable"),
        ("unasked-denied", unasked().stale().seen(Found::Denied), refuses, "stop/cannot_read"),
        ("unasked-denied-this-one", unasked().stale().seen(Found::Denied), plain, "skipped/note"),
        ("unasked-refused-for-all", unasked().stale().seen(Found::RefusedForAll), plain, "stop/refused_for_all"),
        ("unasked-other-run", unasked().haunted_by_another_run(SHORT), plain, "wait out"),
        ("unasked-other-run-over", unasked().haunted_by_another_run(over), plain, "search"),
        ("unasked-other-run-over-nothing", unasked().haunted_by_another_run(over).searched(Found::NoOperation).searched_now(), plain, "read"),
        ("unasked-other-run-over-nothing-same", unasked().haunted_by_another_run(over).searched(Found::NoOperation).searched_now().read_now(), plain, "send"),
        ("unasked-other-run-unclear", unasked().after_another_run(), plain, "search"),
        ("unasked-other-run-unclear-no-answer", unasked().after_another_run().searched(Found::NoAnswer), plain, "search"),
        ("unasked-other-run-unclear-no-answer-too-long", unasked().after_another_run().searched(Found::NoAnswer).searched_now().in_vain(), plain, "read"),
        ("unasked-other-run-unclear-unfinished", unasked().after_another_run().searched(Found::Unfinished), plain, "poll"),
        ("unasked-other-run-unclear-unfinished-then-ended", unasked().after_another_run().polled_to_its_end(OperationFailed).seen(Found::Same), plain, "search"),
        ("unasked-other-run-operation", of_another(), plain, "poll"),
        ("unasked-other-run-operation-still", of_another().polled(Pending), plain, "poll"),
        ("unasked-other-run-operation-refused-for-all", of_another().polled(RefusedForAll), plain, "stop/refused_for_all"),
        ("unasked-other-run-operation-ended", of_another().which_ended(OperationFailed), plain, "read"),
        ("unasked-other-run-operation-failed-same", of_another().which_ended(OperationFailed).read_now(), plain, "send"),
        ("unasked-other-run-operation-succeeded-same", of_another().which_ended(Succeeded).read_now().once(), plain, "read"),
        ("unasked-other-run-operation-succeeded-same-too-long", of_another().which_ended(Succeeded).read_now().in_vain(), plain, "skipped/note"),
        ("unasked-other-run-operation-ended-gone", of_another().which_ended(Succeeded).seen(Found::NotFound), plain, "absent/inventory"),
        ("unasked-other-run-operation-ended-other", of_another().which_ended(Succeeded).seen(Found::Other), plain, "skipped/note"),
        ("unasked-other-run-operation-too-long", of_another().too_long(), plain, "read"),
        ("unasked-other-run-operation-too-long-same", of_another().too_long().seen(Found::Same), plain, "skipped/note"),
        ("unasked-other-run-operation-too-long-gone", of_another().too_long().seen(Found::NotFound), plain, "absent/inventory"),
        ("unasked-other-run-operation-too-long-gone-lost", RowState { acted: true, ..of_another().cut_short() }.too_long().seen(Found::NotFound), plain, "search"),
        ("unasked-other-run-operation-too-long-gone-lost-searched", RowState { acted: true, ..of_another().cut_short() }.too_long().searched(Found::NoOperation).seen(Found::Other), plain, "gone/readback"),

        ("succeeded", asked(Some(Succeeded)), plain, "deleted/answer"),
        ("refused", asked(Some(Refused)), plain, "failed/answer"),
        ("refused-after-a-loss", asked(Some(Refused)).after_a_loss(), plain, "read"),
        ("refused-after-a-loss-same", asked(Some(Refused)).after_a_loss().seen(Found::Same), plain, "failed/answer"),
        ("refused-after-a-loss-gone", asked(Some(Refused)).after_a_loss().seen(Found::NotFound), plain, "search"),
        ("not-found", asked(Some(NotFound)), plain, "read"),
        ("not-found-gone", asked(Some(NotFound)).seen(Found::NotFound), plain, "absent/answer"),
        ("not-found-other", asked(Some(NotFound)).seen(Found::Other), plain, "skipped/note"),
        ("not-found-same", asked(Some(NotFound)).seen(Found::Same), plain, "send"),
        ("not-found-after-throttling-gone", asked(Some(Throttled)).answered(NotFound).seen(Found::NotFound), plain, "search"),
        ("not-found-after-throttling-no-operation", asked(Some(Throttled)).answered(NotFound).seen(Found::NotFound).searched(Found::NoOperation), plain, "absent/answer"),
        ("not-found-after-a-loss-gone", asked(Some(NotFound)).after_a_loss().seen(Found::NotFound), plain, "search"),
        ("throttled", asked(Some(Throttled)), plain, "send"),
        ("throttled-old", asked(Some(Throttled)).stale(), plain, "read"),
        ("throttled-gone", asked(Some(Throttled)).seen(Found::NotFound), plain, "search"),
        ("throttled-gone-operation", asked(Some(Throttled)).seen(Found::NotFound).searched(Found::Operation), plain, "deleted/operation"),
        ("throttled-gone-no-operation", asked(Some(Throttled)).seen(Found::NotFound).searched(Found::NoOperation), plain, "absent/inventory"),
        ("throttled-other-no-operation", asked(Some(Throttled)).seen(Found::Other).searched(Found::NoOperation), plain, "skipped/note"),
        ("throttled-ten-minutes-alone", asked(Some(Throttled)).refused_for_ten_minutes(), plain, "failed/answer"),
        ("throttled-ten-minutes-gone", asked(Some(Throttled)).refused_for_ten_minutes().seen(Found::NotFound), plain, "search"),
        ("throttled-ten-minutes-delete-seen", RowState { delete_seen: true, ..asked(Some(Throttled)).refused_for_ten_minutes() }.seen(Found::Same).in_vain(), plain, "in_doubt/tried"),
        ("throttled-ten-minutes-all", asked(Some(Throttled)).refused_for_ten_minutes(), refuses, "stop/throttled_for_long"),
        ("setup-in-progress", asked(Some(SetupInProgress)), plain, "send"),
        ("setup-in-progress-ten-minutes-alone", asked(Some(SetupInProgress)).refused_for_ten_minutes(), plain, "failed/answer"),
        ("setup-in-progress-ten-minutes-all", asked(Some(SetupInProgress)).refused_for_ten_minutes(), refuses, "stop/throttled_for_long"),
        ("not-sent", asked(Some(NotSent)), plain, "send"),
        ("not-sent-gone", asked(Some(NotSent)).seen(Found::NotFound), plain, "absent/inventory"),
        ("not-sent-other", asked(Some(NotSent)).seen(Found::Other), plain, "skipped/note"),
        ("not-sent-too-often", RowState { unsent: 3, ..asked(Some(NotSent)) }, plain, "stop/endpoint_gone"),
        ("not-sent-ten-minutes", asked(Some(NotSent)).refused_for_ten_minutes(), plain, "stop/nothing_leaves"),
        ("denied-unclear", asked(Some(Denied)), denial(Denial::Unknown), "hold"),
        ("denied-this-one", asked(Some(Denied)), denial(Denial::ThisItem), "failed/answer"),
        ("denied-this-one-after-a-loss", asked(Some(Denied)).after_a_loss(), denial(Denial::ThisItem), "read"),
        ("denied-everything", asked(Some(Denied)), denial(Denial::Everything), "stop/all_denied"),
        ("denied-earlier-session", asked(Some(Denied)).of_an_earlier_session(), plain, "send"),
        ("denied-earlier-session-gone", asked(Some(Denied)).of_an_earlier_session().seen(Found::NotFound), plain, "absent/inventory"),
        ("denied-earlier-session-other", asked(Some(Denied)).of_an_earlier_session().seen(Found::Other), plain, "skipped/note"),
        ("refused-for-all-unclear", asked(Some(RefusedForAll)), denial(Denial::Unknown), "hold"),
        ("refused-for-all", asked(Some(RefusedForAll)), denial(Denial::Everything), "stop/refused_for_all"),
        ("refused-for-all-disproved", asked(Some(RefusedForAll)), denial(Denial::ThisItem), "send"),
        ("refused-for-all-this-one", RowState { refused_for_all: 2, ..asked(Some(RefusedForAll)) }, denial(Denial::ThisItem), "failed/answer"),
        ("refused-for-all-earlier-session", asked(Some(RefusedForAll)).of_an_earlier_session(), plain, "send"),
        ("pending", pending(), plain, "poll"),
        ("pending-still", pending().polled(Pending), plain, "poll"),
        ("pending-no-answer", pending().polled(Unanswered), plain, "poll"),
        ("pending-then-succeeded", pending().polled(Succeeded), plain, "deleted/operation"),
        ("pending-then-failed", pending().polled(OperationFailed), plain, "read"),
        ("pending-then-failed-same", pending().polled(OperationFailed).seen(Found::Same), plain, "send"),
        ("pending-then-failed-same-lost", pending().polled(OperationFailed).seen(Found::Same).cut_short(), plain, "search"),
        ("pending-then-failed-same-lost-searched", pending().polled(OperationFailed).searched(Found::NoOperation).seen(Found::Same).cut_short(), plain, "send"),
        ("pending-then-failed-used-up", pending().polled(OperationFailed).seen(Found::Same).used_up(), plain, "failed/operation"),
        ("pending-then-failed-other-succeeded", pending().polled_to_its_end(Succeeded), plain, "read"),
        ("pending-then-failed-other-succeeded-gone", pending().polled_to_its_end(Succeeded).seen(Found::NotFound), plain, "search"),
        ("pending-then-failed-other-succeeded-same", pending().polled_to_its_end(Succeeded).seen(Found::Same).once(), plain, "read"),
        ("pending-then-refused-for-all", pending().polled(RefusedForAll), plain, "stop/refused_for_all"),
        ("pending-too-long", pending().too_long(), plain, "read"),
        ("pending-too-long-same", pending().too_long().seen(Found::Same), plain, "in_doubt/tried"),
        ("pending-too-long-other", pending().too_long().seen(Found::Other), plain, "gone/readback"),
        ("pending-too-long-not-found", pending().too_long().seen(Found::NotFound), plain, "gone/readback"),
        ("operation-failed", failed(), plain, "read"),
        ("operation-failed-same", failed().seen(Found::Same), plain, "send"),
        ("operation-failed-gone", failed().seen(Found::NotFound), plain, "search"),
        ("operation-failed-used-up", failed().seen(Found::Same).used_up(), plain, "failed/operation"),
        ("open-alive", asked(None).just_started(), plain, "wait"),
        ("open-dead", asked(None), plain, "search"),
        ("unanswered-alive", lost().just_started(), plain, "wait"),
        ("unanswered-dead", lost(), plain, "search"),
        ("throttled-used-up", RowState { spent: 3, ..asked(Some(Throttled)) }, plain, "read"),
        ("throttled-used-up-same", RowState { spent: 3, ..asked(Some(Throttled)) }.seen(Found::Same), plain, "failed/readback"),

        ("history-nothing", lost().searched(Found::NoOperation), plain, "read"),
        ("history-denied", lost().searched(Found::Denied), plain, "read"),
        ("history-no-answer", lost().searched(Found::NoAnswer), plain, "search"),
        ("history-no-answer-too-long", lost().searched(Found::NoAnswer).in_vain(), plain, "read"),
        ("history-no-connection-too-long", lost().searched(Found::NoAnswer).unconnected().in_vain(), refuses, "read"),
        ("history-refused-for-all", lost().searched(Found::RefusedForAll), plain, "stop/refused_for_all"),
        ("history-operation", lost().searched(Found::Operation), plain, "read"),
        ("history-operation-same", lost().searched(Found::Operation).seen(Found::Same).once(), plain, "read"),
        ("history-operation-other", lost().searched(Found::Operation).seen(Found::Other), plain, "deleted/operation"),
        ("history-operation-same-too-long", lost().searched(Found::Operation).seen(Found::Same).in_vain(), plain, "in_doubt/tried"),
        ("unfinished", lost().searched(Found::Unfinished), plain, "poll"),
        ("unfinished-still", lost().searched(Found::Unfinished).polled(Pending), plain, "poll"),
        ("unfinished-no-answer", lost().searched(Found::Unfinished).polled(Unanswered), plain, "poll"),
        ("unfinished-then-succeeded", lost().polled_to_its_end(Succeeded), plain, "search"),
        ("unfinished-then-succeeded-same", lost().polled_to_its_end(Succeeded).searched(Found::NoOperation).seen(Found::Same).once(), plain, "read"),
        ("unfinished-then-succeeded-same-too-long", lost().polled_to_its_end(Succeeded).searched(Found::NoOperation).seen(Found::Same).in_vain(), plain, "in_doubt/tried"),
        ("unfinished-then-succeeded-and-another-failed", RowState { delete_seen: true, ..lost().polled_to_its_end(OperationFailed) }.searched(Found::NoOperation).seen(Found::Same).once(), plain, "read"),
        ("unfinished-then-failed", lost().polled_to_its_end(OperationFailed), plain, "search"),
        ("unfinished-then-refused-for-all", lost().searched(Found::Unfinished).polled(RefusedForAll), plain, "stop/refused_for_all"),
        ("unfinished-too-long", lost().searched(Found::Unfinished).too_long(), plain, "read"),
        ("unfinished-too-long-same", lost().searched(Found::Unfinished).too_long().seen(Found::Same), plain, "in_doubt/tried"),
        ("unfinished-too-long-other", lost().searched(Found::Unfinished).too_long().seen(Found::Other), plain, "gone/readback"),
        ("unfinished-too-long-not-found", lost().searched(Found::Unfinished).too_long().seen(Found::NotFound), plain, "gone/readback"),

        ("same", same(), plain, "send"),
        ("same-old", same().stale(), plain, "read"),
        ("same-used-up", same().used_up(), plain, "failed/readback"),
        ("same-ghost", same().haunted(SHORT), plain, "wait out"),
        ("same-ghost-over", same().haunted(over), plain, "search"),
        ("same-ghost-over-searched", same().haunted(over).searched_now(), plain, "read"),
        ("same-ghost-over-searched-same", same().haunted(over).searched_now().read_now(), plain, "send"),
        ("other", lost().searched(Found::NoOperation).seen(Found::Other), plain, "gone/readback"),
        ("other-since", lost().searched(Found::NoOperation).seen(Found::Other).since(), plain, "search"),
        ("gone", nothing_there().seen(Found::NotFound), plain, "search"),
        ("no-answer", nothing_there().seen(Found::NoAnswer), plain, "read"),
        ("no-answer-too-long", nothing_there().seen(Found::NoAnswer).in_vain(), plain, "in_doubt/tried"),
        ("no-connection-too-long", nothing_there().seen(Found::NoAnswer).unconnected().in_vain(), refuses, "stop/endpoint_gone"),
        ("no-connection-too-long-this-one", nothing_there().seen(Found::NoAnswer).unconnected().in_vain(), plain, "in_doubt/tried"),
        ("read-denied", nothing_there().seen(Found::Denied), refuses, "stop/cannot_read"),
        ("read-denied-this-one", nothing_there().seen(Found::Denied), plain, "in_doubt/tried"),
        ("read-refused-for-all", nothing_there().seen(Found::RefusedForAll), plain, "stop/refused_for_all"),
        ("gone-since", lost().searched(Found::NoOperation).seen(Found::NotFound).since(), plain, "search"),
        ("search-operation", lost().searched(Found::Operation).seen(Found::NotFound), plain, "deleted/operation"),
        ("search-nothing", lost().searched(Found::NoOperation).seen(Found::NotFound), plain, "gone/readback"),
        ("search-denied", lost().searched(Found::Denied).seen(Found::NotFound), plain, "gone/readback"),
        ("search-unfinished", nothing_there().searched(Found::Unfinished), plain, "poll"),
        ("search-no-answer", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer), plain, "search"),
        ("search-no-answer-too-long", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer).in_vain(), plain, "gone/readback"),
        ("search-no-connection-too-long", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer).unconnected().in_vain(), refuses, "stop/endpoint_gone"),
        ("search-no-connection-too-long-this-one", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer).unconnected().in_vain(), plain, "gone/readback"),
        ("search-refused-for-all", nothing_there().seen(Found::NotFound).searched(Found::RefusedForAll), plain, "stop/refused_for_all"),
    ]
}

/// A step as `docs/RECOVERY.md` writes it.
fn word(step: Step) -> String {
    match step {
        Step::Done => "nothing".into(),
        Step::Send { .. } => "send".into(),
        Step::Read { .. } => "read".into(),
        Step::Search { .. } => "search".into(),
        Step::Poll { .. } => "poll".into(),
        Step::WaitUntil(_) => "wait".into(),
        Step::WaitOut(_) => "wait out".into(),
        Step::Hold => "hold".into(),
        Step::Settle(outcome, evidence) => format!("{outcome}/{}", evidence.as_str()),
        Step::Stop(cause) => format!("stop/{}", TargetStopReason::from(cause)),
    }
}

/// The rows of the document's tables: the name in the first cell, the step in the last, both in backquotes.
fn documented() -> Vec<(String, String)> {
    let quoted = |cell: &str| cell.trim().strip_prefix('`')?.split_once('`').map(|(name, _)| name.to_owned());
    DOC.lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'))
        .filter_map(|line| Some((quoted(line.split('|').next()?)?, quoted(line.split('|').next_back()?)?)))
        .collect()
}

// SEMANTICS: P1
// SEMANTICS: P18
#[test]
fn each_row_of_the_table_yields_its_step() {
    for (name, row, situation, expected) in table() {
        assert_eq!(word(decide(&row, &settings(), &situation)), expected, "{name}: {row:#?}");
    }
}

// SEMANTICS: P1
#[test]
fn the_table_is_the_one_in_the_document() {
    let tested: Vec<_> = table().into_iter().map(|(name, .., step)| (name.to_owned(), step.to_owned())).collect();
    assert_eq!(documented(), tested);
}
