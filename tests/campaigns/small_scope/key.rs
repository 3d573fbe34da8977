//! When two moments of one row are the same, and which deletes count as its own.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use jiff::Timestamp;
use keybatch::execute::attempt::{LeftOpen, Look, Tries, Window};
use keybatch::execute::decide::{FEWEST_TRIES, REFUSAL_BUDGET};
use keybatch::execute::ghost::held_until;
use keybatch::execute::row::RowState;
use keybatch::record::Entry;

use super::node::Node;

impl Node {
    /// Equal for nodes with the same future: of a time only how long ago it is, as far as a limit lies beyond that.
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash_state(&self.state, &mut hasher);
        self.hash_truth(&mut hasher);
        (format!("{:?}", self.denial), self.crashes, self.foreign, self.losses).hash(&mut hasher);
        if self.may_reopen()
            && let Some(journal) = &self.journal
        {
            self.hash_state(journal, &mut hasher);
        }
        if let Some(copy) = &self.copy {
            self.hash_state(&copy.state, &mut hasher);
            (copy.sends < self.truth.sends).hash(&mut hasher);
        }
        (self.run, self.before.len(), self.key_pair, self.asks_for_an_earlier_one()).hash(&mut hasher);
        if !self.is_of_last_run() {
            self.hash_before(&mut hasher);
        }
        hasher.finish()
    }

    /// What the runs after this one will know.
    fn hash_before(&self, hasher: &mut DefaultHasher) {
        let attempt = |attempt: &Option<Rc<(Entry, Option<Entry>)>>| {
            let (started, finished) = attempt.as_deref()?;
            let life = self.settings.signature_life;
            let until = held_until((started, finished.as_ref(), None), life, self.truth.now);
            until.map(|until| until.duration_since(self.truth.now).as_secs().max(-1))
        };
        attempt(&self.attempt).hash(hasher);
        for before in self.before.iter() {
            let is_last = matches!(&before.open, Some(LeftOpen::Operation(id)) if *id == self.truth.operation);
            (attempt(&before.attempt), format!("{:?}", before.open), is_last, before.seen).hash(hasher);
        }
    }

    fn hash_state(&self, state: &RowState, hasher: &mut DefaultHasher) {
        let truth = &self.truth;
        let ago = |then: Timestamp, most: i64| truth.now.duration_since(then).as_secs().min(most + 1);
        let longest = i64::try_from(self.settings.operation_timeout.as_secs()).unwrap();
        let tries = |tries: Tries| (tries.count.min(FEWEST_TRIES), tries.since.map(|since| ago(since, longest)));
        (state.attempts, state.spent, state.unread, state.unsent, state.refused_for_all.min(2)).hash(hasher);
        state.windows.iter().any(|window| window.to.is_none()).hash(hasher);
        let refused = state.refused_since.map(|then| ago(then, REFUSAL_BUDGET.as_secs()));
        (state.confirmed_at.map(|then| ago(then, longest)), refused).hash(hasher);
        state
            .last
            .as_ref()
            .map(|last| {
                let answer = last.answer.as_ref();
                let answer = answer.map(|answer| (answer.class, answer.earlier_session, ago(answer.at, longest)));
                (answer, ago(last.started_at, longest))
            })
            .hash(hasher);
        let found = [&state.look, &state.search].map(|look| look.as_ref().map(|look| (look.found, look.unconnected)));
        (found, state.poll.as_ref().map(|poll| poll.class)).hash(hasher);
        [state.tries, state.searches, state.polls].map(tries).hash(hasher);
        let from_history = state.poll.as_ref().map(|poll| poll.from_history);
        (state.polled.len(), state.delete_seen, from_history).hash(hasher);
        format!("{:?}", state.left_open).hash(hasher);
        let until = |then: Timestamp| then.duration_since(truth.now).as_secs();
        let held = state.held_until(self.settings.signature_life).map(|then| until(then).max(-1));
        (held, state.may_have_acted()).hash(hasher);
        let seen_since =
            |look: &Look| state.held_until(self.settings.signature_life).is_some_and(|then| look.at >= then);
        (state.search.as_ref().map(seen_since), state.windows.is_empty()).hash(hasher);
        if self.bounds.is_exact() {
            let windows =
                state.windows.iter().map(|window| (self.may_hold_ours(window), until(self.end(window)).max(-1)));
            (windows.collect::<Vec<_>>(), state.lost, state.settled.is_some(), state.verdict as u8).hash(hasher);
        }
    }

    fn hash_truth(&self, hasher: &mut DefaultHasher) {
        let truth = &self.truth;
        let until = |then: Timestamp| then.duration_since(truth.now).as_secs();
        (truth.ghost.map(until), truth.by_ghost, truth.acted).hash(hasher);
        let late = truth.late.map(until);
        (truth.pair, truth.by_us, late, truth.deleted_at.is_empty(), truth.pending).hash(hasher);
        (truth.ended, truth.due, truth.unsearchable, truth.sure, truth.sent).hash(hasher);
        if self.bounds.is_exact() {
            let risky = truth.risky.iter().map(|(_, to)| until(*to).max(-1)).max();
            (truth.was_risky(), risky, truth.lost, truth.outdated, truth.was_other, truth.earlier_op).hash(hasher);
            let is_since = |until| self.state.confirmed_at >= Some(until);
            truth.haunted_until.map(|then| (until(then).max(-1), is_since(then))).hash(hasher);
            let inside = |window: &Window| (window.from..=self.end(window)).contains(&truth.due_since);
            truth.due.then(|| self.state.windows.iter().map(inside).collect::<Vec<_>>()).hash(hasher);
        }
    }

    /// Until when an operation in this window counts as ours.
    fn end(&self, window: &Window) -> Timestamp {
        window.to.or(window.dead_at).unwrap_or_else(|| window.from + self.settings.attempt_time().dead_after())
    }

    fn may_hold_ours(&self, window: &Window) -> bool {
        self.truth.deleted_at.iter().any(|at| (window.from..=self.end(window)).contains(at))
    }

    /// Whether the history shows a delete that succeeded, and that counts as ours.
    pub(crate) fn shows_ours(&self) -> bool {
        if self.bounds.is_exact() {
            self.state.windows.iter().any(|window| self.may_hold_ours(window))
        } else {
            !self.truth.deleted_at.is_empty()
        }
    }
}
