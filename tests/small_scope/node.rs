//! One moment of one row: what is known of it, and what is true.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{ApiError, Cause, Class, Evidence, Exchange, Identity, Observation, Outcome, Policy};
use keybatch::execute::attempt::{Tries, Window};
use keybatch::execute::decide::{Denial, FEWEST_TRIES, REFUSAL_BUDGET, Situation};
use keybatch::execute::row::RowState;
use keybatch::journal::Entry;
use keybatch::journal::event::{Event, Found, IntentRecorded, Observed, RowSettled, Source, Verdict};

use crate::again::Run;
use crate::lost::Copied;

/// How far an exploration goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of the last run; where there are several, the first one has a single one.
    pub(crate) attempts: u32,
    pub(crate) crashes: u8,
    pub(crate) foreign: u8,
    /// Whether the target answers others usably.
    pub(crate) target_answers: bool,
    /// All answers, or one of each kind that rows are decided by.
    pub(crate) every_answer: bool,
    /// Whether a request may be delivered after its client is dead, so that its signature's life is waited for.
    pub(crate) ghosts: bool,
    /// How often an older copy of the journal is put back.
    pub(crate) losses: u8,
    /// Runs over the same name.
    pub(crate) runs: u8,
}

impl Bounds {
    /// Whether the history shows as ours what lies in the window of an attempt, and nothing else: else whatever was deleted.
    pub(crate) fn is_exact(&self) -> bool {
        self.losses > 0 || self.runs > 1
    }
}

/// What has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pair {
    Original,
    Nobody,
    Another,
}

/// An operation that is not terminal, and whether it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Pending {
    Succeeds,
    Fails,
    Never,
}

/// What is true.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) now: Timestamp,
    pub(crate) pair: Pair,
    /// Whether a request of ours deleted the original.
    pub(crate) by_us: bool,
    /// Until when an attempt may still take effect.
    pub(crate) late: Option<Timestamp>,
    /// Until when a request of which nothing came back may still be delivered.
    pub(crate) ghost: Option<Timestamp>,
    /// Whether it was one of those that deleted the original.
    pub(crate) by_ghost: bool,
    /// Whether the journal has an attempt that may have been executed, as far as it tells.
    pub(crate) acted: bool,
    /// When a delete of this name succeeded, by when its operation was created.
    pub(crate) deleted_at: Vec<Timestamp>,
    /// When the operation was created that is still to take effect.
    pub(crate) due_since: Timestamp,
    /// While which times a request of ours may have been under way, those of lost entries too.
    pub(crate) risky: Vec<(Timestamp, Timestamp)>,
    /// Requests that left, those of lost entries too.
    pub(crate) sends: u32,
    /// Whether entries were lost, and that was accepted.
    pub(crate) lost: bool,
    /// Whether the operation that the journal knows is an older one than the last: it had failed.
    pub(crate) outdated: bool,
    /// Whether another key pair had the name, where several may.
    pub(crate) was_other: bool,
    /// Whether an operation of an earlier run may still take effect.
    pub(crate) earlier_op: bool,
    pub(crate) pending: Option<Pending>,
    /// Whether that was seen to have failed.
    pub(crate) ended: bool,
    /// Whether an operation that was accepted is still to take effect.
    pub(crate) due: bool,
    /// Whether the service would not say which operations there are.
    pub(crate) unsearchable: bool,
    /// Whether the last reading that was recorded showed the original, and none of our attempts may have changed that.
    pub(crate) sure: bool,
    /// Whether any request left.
    pub(crate) sent: bool,
}

impl Truth {
    /// Whether a delete succeeded while a request of ours may have been under way.
    fn was_risky(&self) -> bool {
        self.deleted_at.iter().any(|at| self.risky.iter().any(|(from, to)| from <= at && at <= to))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) bounds: Bounds,
    pub(crate) policy: Policy,
    pub(crate) state: RowState,
    pub(crate) truth: Truth,
    pub(crate) denial: Denial,
    pub(crate) crashes: u8,
    pub(crate) foreign: u8,
    /// What another session will read of the row, where that is not what this one knows.
    pub(crate) journal: Option<Rc<RowState>>,
    /// Entries that were written, while that matters.
    pub(crate) entries: u32,
    /// The copy of the journal that may be put back, and how often one was.
    pub(crate) copy: Option<Rc<Copied>>,
    pub(crate) losses: u8,
    pub(crate) run: Run,
    /// The last attempt, as its entries say.
    pub(crate) attempt: Option<Rc<(Entry, Option<Entry>)>>,
    /// How the row came here, for whoever must find out.
    pub(crate) story: Option<Rc<Link>>,
}

/// What happened last, and what before that.
#[derive(Debug)]
pub(crate) struct Link(pub(crate) String, pub(crate) Option<Rc<Link>>);

impl Link {
    /// What happened, line by line.
    pub(crate) fn story(mut link: Option<&Self>) -> String {
        let mut lines = Vec::new();
        while let Some(Self(line, before)) = link {
            lines.push(line.as_str());
            link = before.as_deref();
        }
        lines.reverse();
        lines.join("\n")
    }
}

/// A row of the plan. Nothing is decided upon what its identity is, only whether it is the same.
pub(crate) fn intent(verdict: Verdict, at: Timestamp) -> IntentRecorded {
    IntentRecorded {
        line: 2,
        key_pair_name: "key".into(),
        account: "1".into(),
        region: "r".into(),
        fields: BTreeMap::new(),
        annotations: BTreeMap::new(),
        observation: Some(Observation { identity: Identity::default(), tags: BTreeMap::new(), at }),
        verdict,
        expected_fingerprint: None,
        notes: Vec::new(),
    }
}

impl Node {
    /// The plan is sealed, and nothing was sent.
    pub(crate) fn first(bounds: Bounds) -> Self {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let policy = Policy {
            max_attempts: 2,
            attempt_timeout: Duration::from_secs(15),
            settle_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(60),
            // Older than this after two rounds of looking.
            max_observation_age: Duration::from_secs(50),
            signature_life: Duration::from_secs(if bounds.ghosts { 90 } else { 0 }),
            ..Policy::default()
        };
        let truth = Truth {
            now,
            pair: Pair::Original,
            by_us: false,
            late: None,
            ghost: None,
            by_ghost: false,
            acted: false,
            deleted_at: Vec::new(),
            due_since: now,
            risky: Vec::new(),
            sends: 0,
            lost: false,
            outdated: false,
            was_other: false,
            earlier_op: false,
            pending: None,
            ended: false,
            due: false,
            unsearchable: false,
            sure: true,
            sent: false,
        };
        let state = RowState::new(0, &intent(Verdict::Delete, now));
        let denial = Denial::Unknown;
        Self {
            bounds,
            policy,
            state,
            truth,
            denial,
            crashes: 0,
            foreign: 0,
            journal: None,
            entries: 0,
            copy: None,
            losses: 0,
            run: Run::First,
            attempt: None,
            story: None,
        }
    }

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
        self.run.hash(&mut hasher);
        hasher.finish()
    }

    fn hash_state(&self, state: &RowState, hasher: &mut DefaultHasher) {
        let truth = &self.truth;
        let ago = |then: Timestamp, most: i64| truth.now.duration_since(then).as_secs().min(most + 1);
        let longest = i64::try_from(self.policy.operation_timeout.as_secs()).unwrap();
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
        let until = |then: Timestamp| then.duration_since(truth.now).as_secs();
        let held = state.held_until(self.policy.signature_life).map(|then| until(then).max(-1));
        (held, state.may_have_acted()).hash(hasher);
        let seen_since = |look: &keybatch::execute::attempt::Look| {
            state.held_until(self.policy.signature_life).is_some_and(|then| look.at >= then)
        };
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
            let inside = |window: &Window| (window.from..=self.end(window)).contains(&truth.due_since);
            truth.due.then(|| self.state.windows.iter().map(inside).collect::<Vec<_>>()).hash(hasher);
        }
    }

    /// Until when an operation in this window counts as ours.
    fn end(&self, window: &Window) -> Timestamp {
        window.to.or(window.dead_at).unwrap_or_else(|| window.from + self.policy.attempt_time().dead_after())
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

    /// Whether another session may still take the run up.
    fn may_reopen(&self) -> bool {
        self.crashes < self.bounds.crashes || self.may_lose()
    }

    /// Whether a copy of the journal may still be taken or put back.
    pub(crate) fn may_lose(&self) -> bool {
        self.losses < self.bounds.losses
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.state.settled.is_some()
    }

    /// Whether nothing that matters can follow.
    pub(crate) fn is_over(&self) -> bool {
        let goes_on = (self.may_lose() && self.copy.is_some()) || (self.run == Run::First && self.bounds.runs > 1);
        self.is_settled() && !goes_on && self.run != Run::Between
    }

    pub(crate) fn situation(&self) -> Situation {
        let lately = self.bounds.target_answers.then_some(self.truth.now);
        Situation { now: self.truth.now, denial: self.denial, answered_at: lately, read_at: lately }
    }

    pub(crate) fn told(mut self, what: impl Into<String>) -> Self {
        self.story = Some(Rc::new(Link(what.into(), self.story.take())));
        self
    }

    fn story(&self) -> String {
        Link::story(self.story.as_deref())
    }

    pub(crate) fn later(mut self, by: Duration) -> Self {
        self.truth.now = self.truth.now.checked_add(SignedDuration::try_from(by).unwrap()).unwrap();
        self.truth.late = self.truth.late.filter(|late| *late > self.truth.now);
        self
    }

    /// Becomes durable.
    pub(crate) fn apply(mut self, event: &Event) -> Self {
        self.state.apply(0, self.truth.now, event);
        if let Some(journal) = &mut self.journal {
            Rc::make_mut(journal).apply(0, self.truth.now, event);
        }
        self.entries += 1;
        if self.bounds.runs > 1 {
            self.note_attempt(event);
        }
        if let Event::Observed(seen) = event
            && seen.source == Source::GetKeyPair
        {
            match seen.found {
                Found::Same => self.truth.sure = true,
                Found::Other | Found::NotFound => self.truth.sure = false,
                _ => {}
            }
        }
        self
    }

    /// What the journal says of the row.
    pub(crate) fn journal(&self) -> &RowState {
        self.journal.as_deref().unwrap_or(&self.state)
    }

    /// The session ends; another takes the row up at once, with what the journal says of it.
    pub(crate) fn reopened(mut self) -> Self {
        if let Some(journal) = &self.journal {
            self.state = RowState::clone(journal);
        } else if self.crashes + 1 < self.bounds.crashes || self.may_lose() {
            self.journal = Some(Rc::new(self.state.clone()));
        }
        self.state.reopen(self.truth.now);
        self.denial = Denial::Unknown;
        self.told("another session")
    }

    fn note_attempt(&mut self, event: &Event) {
        let entry = || Entry { seq: 0, at: self.truth.now, run: None, row: Some(1), event: event.clone() };
        match (event, &self.attempt) {
            (Event::AttemptStarted(_), _) => self.attempt = Some(Rc::new((entry(), None))),
            (Event::AttemptFinished(_), Some(begun)) => {
                self.attempt = Some(Rc::new((begun.0.clone(), Some(entry()))));
            }
            _ => {}
        }
    }

    /// A request, whose operation was created then, takes effect on whatever has the name. As long as this run has sent
    /// nothing, it is one of an earlier run.
    pub(crate) fn execute(&mut self, created: Timestamp) {
        match self.truth.pair {
            Pair::Original => self.truth.by_us |= self.truth.sent,
            // The gap that cannot be closed: it took the name after the last reading.
            Pair::Another => {}
            Pair::Nobody => return,
        }
        self.truth.pair = Pair::Nobody;
        self.truth.deleted_at.push(created);
    }

    /// The outcome, held against the truth. What is still on its way will come.
    pub(crate) fn settle(self, outcome: Outcome, evidence: Evidence) -> Self {
        let exact = self.bounds.is_exact();
        let truth = &self.truth;
        let (gone, tried) = (truth.pair != Pair::Original, self.state.attempts > 0 || truth.lost);
        let may_come = (truth.late.is_some() && truth.sent) || (truth.due && !truth.unsearchable);
        // Where entries were lost, they may have asked for it: that is nobody's word for its never having been asked for.
        let holds = match outcome {
            Outcome::Deleted => gone && tried && !truth.deleted_at.is_empty() && (!exact || truth.was_risky()),
            Outcome::Gone => gone && truth.acted,
            Outcome::Absent => gone && !truth.by_us && !may_come && !truth.lost,
            Outcome::Skipped => {
                let other = truth.pair == Pair::Another || (gone && truth.was_other);
                let was_changed = other && !truth.by_us && !truth.acted;
                was_changed || (!tried && !truth.sent)
            }
            // It is waited for before another attempt, not before the last one is told to have failed: the docs say so.
            Outcome::Failed => truth.unsearchable || ((!truth.by_us || truth.by_ghost) && !may_come),
            Outcome::InDoubt => tried,
        };
        assert!(holds, "{outcome}/{evidence:?} is not so: {:?}\n{}", self.truth, self.story());
        let settled = RowSettled { outcome, evidence, detail: None, rests_on: Vec::new() };
        self.apply(&Event::RowSettled(settled))
    }

    /// What must hold when a request leaves.
    pub(crate) fn check_sending(&self) {
        assert!(self.run != Run::Barred, "I4: it was re-created since the first run\n{}", self.story());
        assert!(self.truth.late.is_none(), "I3: an earlier attempt may still take effect\n{}", self.story());
        let ghost = self.truth.ghost.is_some_and(|until| self.truth.now < until);
        assert!(!ghost, "I4: an earlier request may still be delivered\n{}", self.story());
        let may_come = self.truth.due && !self.truth.unsearchable;
        assert!(!may_come, "I3: an operation of an earlier attempt may still take effect\n{}", self.story());
        assert!(self.truth.sure, "I4: nobody looked after the last attempt\n{}", self.story());
        let age = self.truth.now.duration_since(self.state.confirmed_at.unwrap());
        assert!(age <= SignedDuration::from_secs(50), "I4: what was seen is {age} old\n{}", self.story());
    }
}

/// A reading.
pub(crate) fn observed(source: Source, found: Found, at: Timestamp) -> Event {
    let seen = || Observation { identity: Identity::default(), tags: BTreeMap::new(), at };
    Event::Observed(Box::new(Observed {
        source,
        found,
        requests: 1,
        throttled: 0,
        account: None,
        region: None,
        observation: (found == Found::Same).then(seen),
        operation: None,
        error: None,
        exchange: Exchange::default(),
    }))
}

/// The same in vain: no usable answer, or no connection.
pub(crate) fn in_vain(source: Source, connected: bool, at: Timestamp) -> Event {
    let mut event = observed(source, Found::NoAnswer, at);
    if let Event::Observed(seen) = &mut event {
        seen.error = (!connected).then(|| ApiError::nothing(Class::NotSent, Cause::ConnectFailed));
    }
    event
}
