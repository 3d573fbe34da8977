//! What must hold of every step, in every state that a row can be in.

use super::states::{every_state, is_unknown};
use super::*;

/// What must hold of a step whatever led to it; the text names the rule that is broken.
#[expect(clippy::too_many_lines, reason = "the rules of each step, one beside the other")]
fn broken_rule(row: &RowState, situation: &Situation, step: Step) -> Option<&'static str> {
    use Evidence as E;
    use Outcome as O;
    let found = row.look.as_ref().map(|look| look.found);
    let searched = row.search.as_ref().map(|look| look.found);
    let polled = row.poll.as_ref().map(|poll| poll.class);
    let answer = row.last.as_ref().and_then(|last| last.answer.as_ref());
    let class = answer.map(|answer| answer.class);
    let now_answered = answer.is_some_and(|answer| !answer.earlier_session);
    let asked = row.attempts > 0;
    let lives = found == Some(Found::Same);
    let not_there = matches!(found, Some(Found::NotFound | Found::Other));
    let operation_failed = class == Some(Class::OperationFailed) || polled == Some(Class::OperationFailed);
    let unknown = is_unknown(row);
    let unfinished = row.is_unfinished();
    let unsearched = row.left_open.is_some() && searched.is_none();
    let may_come = unfinished || row.delete_seen || unsearched || (unknown && searched.is_none());
    let used_up = row.spent >= settings().max_attempts;
    let in_vain = row.tries.since == Some(ago(LONG));
    let cut_off = |look: &Option<Look>, in_vain| {
        let unconnected = look.as_ref().is_some_and(|look| look.found == Found::NoAnswer && look.unconnected);
        unconnected && in_vain && situation.read_at.is_none()
    };
    let unreadable = cut_off(&row.look, in_vain);
    let unsearchable = cut_off(&row.search, row.searches.since == Some(ago(LONG)));
    let fresh = row.confirmed_at == Some(ago(SHORT));
    let refusal = class.is_some_and(Class::is_refusal_before_execution);
    let acted = asked && (class.is_none_or(acts) || row.windows.iter().any(|window| window.to.is_none()));
    let haunted = row.held_until(settings().signature_life).is_some_and(|until| row.confirmed_at < Some(until));
    let rules: &[(&'static str, bool)] = &match step {
        Step::Done => [("done only when settled", row.settled.is_some()), OK, OK, OK],
        Step::Send { .. } => [
            ("no request while an attempt may have taken effect unseen", !row.unread && !not_there),
            (
                "no request while an operation or a ghost may still take effect, or unsearched for one",
                !may_come && !haunted,
            ),
            ("no request on an old observation, and none beyond the attempts", fresh && !used_up),
            (
                "a further request only after a refusal before execution or a look at the same",
                !asked || refusal || lives,
            ),
        ],
        Step::Settle(O::Deleted, E::Answer) => [("deleted by an answer", class == Some(Class::Succeeded)), OK, OK, OK],
        Step::Settle(O::Deleted, evidence) => {
            let own = row.poll.as_ref().is_some_and(|poll| poll.class == Class::Succeeded && !poll.from_history);
            let shown = own || (searched == Some(Found::Operation) && not_there);
            [("deleted by an operation", shown && evidence == E::Operation), OK, OK, OK]
        }
        Step::Settle(O::Gone, evidence) => [
            ("gone only after an attempt that may have done it", acted),
            ("gone only where it was seen not to be there", not_there && evidence == E::Readback),
            ("gone only where no operation of ours was found", searched != Some(Found::Operation)),
            (
                "not there only where the history could be asked, or would not be",
                !unsearchable || class == Some(Class::Pending),
            ),
        ],
        Step::Settle(O::Absent, E::Answer) => [
            ("absent by an answer only where it said so", class == Some(Class::NotFound)),
            ("an answer is believed only once it was read back", found == Some(Found::NotFound)),
            ("absent only where nothing sent may have done it", !acted && searched != Some(Found::Operation)),
            OK,
        ],
        Step::Settle(O::Absent, evidence) => [
            (
                "absent only where it was seen, and nothing sent may have done it",
                row.verdict == Verdict::Absent || (found == Some(Found::NotFound) && !acted),
            ),
            ("absent by the inventory", evidence == E::Inventory),
            OK,
            OK,
        ],
        Step::Settle(O::Skipped, evidence) => [
            (
                "skipped after an attempt only where another has the name, and nothing sent may have done that",
                !asked || row.verdict == Verdict::Skip || (found == Some(Found::Other) && !acted),
            ),
            ("skipped by a note", evidence == E::Note),
            (
                "skipped while it is there only where an operation of others may still delete it",
                row.verdict == Verdict::Skip || !lives || unfinished || row.delete_seen,
            ),
            OK,
        ],
        Step::Settle(O::Failed, E::Answer) => [
            (
                "failed by an answer only where it refused",
                matches!(
                    class,
                    Some(
                        Class::Refused
                            | Class::Denied
                            | Class::RefusedForAll
                            | Class::Throttled
                            | Class::SetupInProgress
                    )
                ),
            ),
            (
                "never failed where it was seen not to be there",
                !not_there || class == Some(Class::Refused) || class == Some(Class::Denied),
            ),
            (
                "denied only where others are not",
                !matches!(class, Some(Class::Denied | Class::RefusedForAll)) || situation.denial == Denial::ThisItem,
            ),
            ("failed only where no operation may still take effect", !unfinished),
        ],
        Step::Settle(O::Failed, evidence) => [
            ("failed by a look only where it was seen to be there, attempts used up", lives && used_up),
            ("failed by an operation only where one failed", evidence == E::Readback || operation_failed),
            ("failed only where no operation may still take effect", !may_come || unsearched),
            OK,
        ],
        Step::Settle(O::InDoubt, evidence) => [
            ("in doubt only after an attempt", asked && evidence == E::Tried),
            (
                "in doubt only after looking",
                (lives && (class == Some(Class::Pending) || unfinished))
                    || (lives && row.delete_seen && in_vain)
                    || (found == Some(Found::NoAnswer) && in_vain)
                    || (found == Some(Found::Denied) && situation.read_at.is_some()),
            ),
            ("in doubt only where somebody could be asked", !unreadable),
            OK,
        ],
        Step::Stop(StopCause::RefusedForAll) => {
            let anywhere = [found, searched].contains(&Some(Found::RefusedForAll));
            let everyone = class == Some(Class::RefusedForAll) && situation.denial == Denial::Everything;
            let by_answer = everyone && now_answered;
            [
                ("stops where everyone is refused", anywhere || by_answer || polled == Some(Class::RefusedForAll)),
                OK,
                OK,
                OK,
            ]
        }
        Step::Stop(StopCause::AllDenied) => {
            let denied = class == Some(Class::Denied) && situation.denial == Denial::Everything;
            [("stops where everything is denied", denied && now_answered), OK, OK, OK]
        }
        Step::Stop(StopCause::EndpointGone) => {
            let unsent = class == Some(Class::NotSent) && row.unsent >= 3;
            let unseen = (asked || unfinished || row.delete_seen) && (unreadable || (unsearchable && not_there));
            [("stops where no connection can be made", unsent || unseen), OK, OK, OK]
        }
        Step::Stop(StopCause::NothingLeaves) => {
            let long = row.refused_since.is_some_and(|since| now().duration_since(since) >= REFUSAL_BUDGET);
            [("stops where no request leaves", class == Some(Class::NotSent) && long), OK, OK, OK]
        }
        Step::Stop(StopCause::ThrottledForLong) => {
            let refused = matches!(class, Some(Class::Throttled | Class::SetupInProgress));
            [("stops where everything is throttled", refused && situation.answered_at.is_none()), OK, OK, OK]
        }
        Step::Stop(StopCause::CannotRead) => {
            [("stops where it may not read", found == Some(Found::Denied)), OK, OK, OK]
        }
        Step::Stop(StopCause::Doubtful) => [("no row shows that others end in doubt", false), OK, OK, OK],
        Step::Stop(StopCause::NothingReadable) => [
            ("stops where nothing is readable", found == Some(Found::NoAnswer) && in_vain && !asked),
            ("stops only where nobody is answered", situation.answered_at.is_none()),
            OK,
            OK,
        ],
        Step::Read { .. } => [
            ("reads only what is to be deleted", row.verdict == Verdict::Delete),
            (
                "reads only after searching where nothing told what became of the last attempt",
                !unknown || searched.is_some(),
            ),
            OK,
            OK,
        ],
        Step::Search { .. } => {
            let again = searched != Some(Found::NoOperation) || haunted;
            let wanted = asked && (not_there || (unknown && again));
            let of_others = row.left_open.is_some() && again;
            [("searches only for what is not there, or may still come", wanted || of_others), OK, OK, OK]
        }
        Step::Poll { .. } => {
            let is_pending = class == Some(Class::Pending) || unfinished;
            [("polls only what is not terminal", is_pending && found.is_none()), OK, OK, OK]
        }
        Step::WaitUntil(at) => [
            (
                "waits only for what may still take effect",
                asked && (class.is_none() || class == Some(Class::Unanswered)),
            ),
            ("waits for a time to come", at > situation.now),
            OK,
            OK,
        ],
        Step::WaitOut(at) => [
            ("waits out only what may still be delivered", at > situation.now && haunted),
            ("waits out only what is to be asked for", lives || !asked),
            OK,
            OK,
        ],
        Step::Hold => {
            let told = matches!(class, Some(Class::Denied | Class::RefusedForAll));
            let unclear = told && situation.denial == Denial::Unknown;
            [("holds only for what neighbours can tell", unclear && now_answered), OK, OK, OK]
        }
    };
    let settled = ("a settled row is left alone", row.settled.is_none() || step == Step::Done);
    rules.iter().chain([&settled]).find(|(_, holds)| !holds).map(|(rule, _)| *rule)
}

const OK: (&str, bool) = ("", true);

// SEMANTICS: P1
// SEMANTICS: P19
// SEMANTICS: P20
// SEMANTICS: P25
#[test]
fn no_state_at_all_leads_to_a_forbidden_step() {
    let settings = settings();
    let (mut states, mut steps) = (0_u64, std::collections::BTreeMap::<String, u64>::new());
    every_state(|row, situation| {
        let step = decide(row, &settings, situation);
        if let Some(rule) = broken_rule(row, situation, step) {
            panic!("{rule}: {step:?} in {situation:?} of {row:#?}");
        }
        states += 1;
        *steps.entry(word(step)).or_default() += 1;
    });
    let said = format!("{states} states, {} different steps", steps.len());
    assert!(states > 100_000, "{said}");
    // Every step of the table is reached, and nothing beyond it.
    let mut expected: Vec<_> = table().into_iter().map(|(.., step)| step.to_owned()).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(steps.keys().cloned().collect::<Vec<_>>(), expected, "{said}");
    // For the curious: cargo test no_state_at_all -- --nocapture
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{said}");
}
