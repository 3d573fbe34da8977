//! Every state that a row can be in, as far as a decision can tell two apart.

use super::*;

const FOUND: [Found; 10] = [
    Found::Same,
    Found::Other,
    Found::NotFound,
    Found::Operation,
    Found::Unfinished,
    Found::NoOperation,
    Found::Listed,
    Found::NoAnswer,
    Found::Denied,
    Found::RefusedForAll,
];

const CLASSES: [Class; 11] = [
    Class::Succeeded,
    Class::Pending,
    Class::OperationFailed,
    Class::NotFound,
    Class::Throttled,
    Class::NotSent,
    Class::SetupInProgress,
    Class::Refused,
    Class::Denied,
    Class::RefusedForAll,
    Class::Unanswered,
];

/// Which of the nine bits of a [`State`] are set: with `KEYBATCH_CAMPAIGNS=whole`, as in the gate, all combinations; else up to
/// one, and all or all but one, which takes a twentieth of the time.
fn combinations() -> Vec<u32> {
    #[expect(clippy::disallowed_methods, reason = "how far a test goes is for its caller to say")]
    let is_whole = std::env::var("KEYBATCH_CAMPAIGNS").is_ok_and(|text| text == "whole");
    (0..1_u32 << 9).filter(|bits| is_whole || !(2..=7).contains(&bits.count_ones())).collect()
}

/// Calls `visit` with every state that [`RowState::apply`] can lead to, as far as [`decide`] can tell two apart.
pub(super) fn every_state(mut visit: impl FnMut(&RowState, &Situation)) {
    let combinations = combinations();
    for settled in [None, Some((Outcome::Deleted, Evidence::Answer))] {
        for verdict in [Verdict::Delete, Verdict::Skip, Verdict::Absent] {
            for attempts in 0..=2 {
                for (class, earlier) in classes(attempts) {
                    for seen in std::iter::once(None).chain(FOUND.map(Some)) {
                        for &bits in &combinations {
                            let bit = |n: u32| bits & (1 << n) != 0;
                            let base = State { settled, verdict, attempts, class, earlier, seen, bit: &bit };
                            let rows = base.row().into_iter().flat_map(|row| with_pasts(&row));
                            let rows = rows.flat_map(|row| with_searches_and_polls(&row)).flat_map(with_ghosts);
                            for row in rows.flat_map(with_what_others_left_open) {
                                for denial in [Denial::Unknown, Denial::ThisItem, Denial::Everything] {
                                    for lives in [None, Some(now())] {
                                        let (answered_at, read_at) = (lives, lives);
                                        visit(&row, &Situation { denial, answered_at, read_at, ..situation() });
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The classes of a last answer, `None` for an open attempt; whether an earlier session got it.
fn classes(attempts: u32) -> Vec<(Option<Class>, bool)> {
    if attempts == 0 {
        return vec![(None, false)];
    }
    let answered = CLASSES.into_iter().flat_map(|class| [(Some(class), false), (Some(class), true)]);
    std::iter::once((None, false)).chain(answered).collect()
}

struct State<'a> {
    settled: Option<(Outcome, Evidence)>,
    verdict: Verdict,
    attempts: u32,
    class: Option<Class>,
    earlier: bool,
    seen: Option<Found>,
    bit: &'a dyn Fn(u32) -> bool,
}

impl State<'_> {
    /// `None` where no order of entries leads there, or where it is the same as another one.
    fn row(&self) -> Option<RowState> {
        let bit = self.bit;
        let [stale, spent_all, in_vain, too_long, too_often, too_late, alive, unread, unconnected] =
            [0, 1, 2, 3, 4, 5, 6, 7, 8].map(bit);
        let refusal = self.class.is_some_and(Class::is_refusal_before_execution);
        // A refusal gives its attempt back, reading the same key pair makes up for an unread one, and nothing was
        // unread, spent or refused before the first attempt. After a refusal, an operation that is found leaves it unread.
        // What is spent may be more than what a later session permits.
        let impossible = (unread && (self.attempts == 0 || self.seen == Some(Found::Same)))
            || (spent_all && self.attempts == 0)
            || ((too_often || too_late) && !refusal)
            || (too_long && self.class != Some(Class::Pending))
            || (alive && (self.attempts == 0 || refusal))
            || (unconnected && self.seen != Some(Found::NoAnswer));
        if impossible {
            return None;
        }
        let mut row = if self.attempts == 0 { unasked() } else { asked(self.class) };
        row.settled = self.settled;
        row.verdict = self.verdict;
        row.attempts = self.attempts;
        row.spent = if spent_all { settings().max_attempts } else { row.spent };
        row.unread = unread;
        row.refusals = if too_often { settings().max_attempts } else { row.refusals };
        row.refused_since = if too_late { Some(ago(LONG)) } else { row.refused_since };
        row.confirmed_at = Some(ago(if stale { LONG } else { SHORT }));
        row.look = self.seen.and_then(a_look).map(|look| Look { unconnected, ..look });
        let since = if in_vain { LONG } else { SHORT };
        row.tries = Tries { since: Some(ago(since)), count: if in_vain { FEWEST_TRIES } else { 1 } };
        if too_long {
            row.polls = Tries { since: Some(ago(LONG)), count: FEWEST_TRIES };
        }
        row.unsent = if self.class == Some(Class::NotSent) { row.refusals } else { 0 };
        if let Some(last) = &mut row.last {
            last.started_at = ago(if alive { SHORT } else { LONG });
            if let Some(answer) = &mut last.answer {
                answer.earlier_session = self.earlier;
            }
        }
        Some(row)
    }
}

/// What came before the last attempt: nothing that left a trace, a throttled one, or one that was never answered.
fn with_pasts(row: &RowState) -> Vec<RowState> {
    let mut rows = vec![row.clone()];
    if row.attempts > 1 && !row.acted && last_class(row).is_some() {
        for to in [None, Some(ago(LONG))] {
            let mut past = row.clone();
            past.windows.insert(0, Window { from: ago(LONG), to, dead_at: None });
            past.acted = to.is_none();
            rows.push(past);
        }
    }
    rows
}

/// What was sent before may still be delivered, or has ceased to be so after the key pair was seen.
fn with_ghosts(row: RowState) -> Vec<RowState> {
    let seen = row.look.as_ref().is_some_and(|look| look.found == Found::Same);
    let until = [SHORT, Duration::ZERO];
    let ghosts = match (row.attempts, is_unknown(&row) && seen) {
        (0, _) => until.map(|until| row.clone().haunted_by_another_run(until)).to_vec(),
        (_, true) => until.map(|until| row.clone().haunted(until)).to_vec(),
        _ => Vec::new(),
    };
    std::iter::once(row).chain(ghosts).collect()
}

/// What another run began: a request, of which the history may say more, or an operation; either before the first attempt, or after
/// one that was throttled.
fn with_what_others_left_open(row: RowState) -> Vec<RowState> {
    let answer = row.last.as_ref().and_then(|last| last.answer.as_ref());
    let throttled = answer.is_some_and(|answer| answer.class == Class::Throttled && !answer.earlier_session);
    let is_open = row.settled.is_none() && row.verdict == Verdict::Delete && row.search.is_none() && row.poll.is_none();
    let found = row.look.as_ref().map(|look| look.found);
    let is_reading = !matches!(found, Some(Found::Operation | Found::Unfinished | Found::NoOperation | Found::Listed));
    if !is_open || !is_reading || !(row.attempts == 0 || (row.attempts == 1 && throttled)) {
        return vec![row];
    }
    let mut rows = Vec::new();
    for found in [Found::Unfinished, Found::NoOperation, Found::NoAnswer, Found::Denied, Found::RefusedForAll] {
        let searched = row.clone().after_another_run().searched(found);
        if found == Found::NoAnswer {
            let searches = Tries { since: Some(ago(LONG)), count: FEWEST_TRIES };
            rows.push(RowState { searches, ..searched.clone() });
        }
        rows.push(searched);
    }
    let known = RowState { unread: found != Some(Found::Same), ..row.clone().after_an_operation_of_another_run() };
    for class in [Class::Pending, Class::Unanswered, Class::RefusedForAll] {
        rows.push(known.clone().polled(class));
    }
    for class in [Class::OperationFailed, Class::Succeeded] {
        rows.push(known.clone().which_ended(class));
    }
    rows.extend([known.clone().too_long(), known, row.clone().after_another_run(), row]);
    rows
}

/// The history is searched for what is not there, and before all else where nothing told what became of the last attempt;
/// polled are operations that are not terminal, which an answer or the history named.
fn with_searches_and_polls(row: &RowState) -> Vec<RowState> {
    let class = last_class(row);
    let mut rows = vec![row.clone()];
    if row.attempts > 0
        && (is_unknown(row)
            || row.look.as_ref().is_some_and(|look| matches!(look.found, Found::NotFound | Found::Other)))
    {
        let found = FOUND.into_iter().filter(|found| !matches!(found, Found::Same | Found::Other | Found::Listed));
        for found in found {
            let searched = RowState { search: a_look(found), ..row.clone() };
            if matches!(found, Found::NoAnswer | Found::Unfinished) {
                let (searches, polls) =
                    (Tries { since: Some(ago(LONG)), count: FEWEST_TRIES }, row.clone().too_long().polls);
                let in_vain = RowState { searches, polls, ..searched.clone() };
                if found == Found::NoAnswer {
                    let search = a_look(found).map(|look| Look { unconnected: true, ..look });
                    rows.push(RowState { search, ..in_vain.clone() });
                }
                rows.push(in_vain);
            }
            rows.push(searched);
        }
    }
    let states = [Class::Succeeded, Class::OperationFailed, Class::Pending, Class::Unanswered, Class::RefusedForAll];
    let pollable = rows.iter().filter(|row| class == Some(Class::Pending) || row.is_unfinished());
    // The end of one that the history named ends the search that found it.
    let ends = [Class::OperationFailed, Class::Succeeded];
    let can_be = |row: &RowState| !(row.is_unfinished() && ends.contains(&row.poll.as_ref().unwrap().class));
    let polled: Vec<_> = pollable
        .flat_map(|row| states.map(|class| RowState { poll: a_poll(class, row.is_unfinished()), ..row.clone() }))
        .filter(can_be)
        .collect();
    rows.extend(polled);
    let ended: Vec<_> = rows
        .iter()
        .filter(|row| row.attempts > 0 && row.poll.is_none() && !row.is_unfinished())
        // It was unread since then, and is until the key pair is seen.
        .filter(|row| row.unread || row.look.is_some())
        .flat_map(|row| ends.map(|class| RowState { poll: a_poll(class, true), ..row.clone() }))
        .collect();
    rows.extend(ended);
    // What was seen once stays seen, whatever the history and the polls say later.
    let shown = |row: &RowState| {
        row.search.as_ref().is_some_and(|look| look.found == Found::Operation)
            || row.poll.as_ref().is_some_and(|poll| poll.class == Class::Succeeded)
    };
    let seen: Vec<_> = rows.iter().filter(|row| row.poll.is_some() || row.search.is_some()).cloned().collect();
    rows.iter_mut().for_each(|row| row.delete_seen = shown(row));
    rows.extend(seen.into_iter().map(|row| RowState { delete_seen: true, ..row }));
    rows
}

pub(super) fn last_class(row: &RowState) -> Option<Class> {
    row.last.as_ref().and_then(|last| last.answer.as_ref()).map(|answer| answer.class)
}

/// Whether nothing told what became of the last attempt.
pub(super) fn is_unknown(row: &RowState) -> bool {
    row.attempts > 0 && matches!(last_class(row), None | Some(Class::Unanswered))
}
