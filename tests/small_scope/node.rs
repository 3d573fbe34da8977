//! One moment of one row: what is known of it, and what is true.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{ApiError, Cause, Class, Evidence, Exchange, Identity, Observation, Outcome, Policy};
use keybatch::execute::attempt::Tries;
use keybatch::execute::decide::{Denial, FEWEST_TRIES, REFUSAL_BUDGET, Situation};
use keybatch::execute::row::RowState;
use keybatch::journal::event::{Event, Found, IntentRecorded, Observed, RowSettled, Source, Verdict};

/// How far an exploration goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) attempts: u32,
    pub(crate) crashes: u8,
    pub(crate) foreign: u8,
    /// Whether the target answers others usably.
    pub(crate) target_answers: bool,
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
    /// When a delete of this name succeeded.
    pub(crate) deleted_at: Vec<Timestamp>,
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

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) bounds: Bounds,
    pub(crate) policy: Policy,
    pub(crate) state: RowState,
    pub(crate) truth: Truth,
    pub(crate) denial: Denial,
    pub(crate) crashes: u8,
    pub(crate) foreign: u8,
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
            signature_life: Duration::from_secs(90),
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
            pending: None,
            ended: false,
            due: false,
            unsearchable: false,
            sure: true,
            sent: false,
        };
        let state = RowState::new(0, &intent(Verdict::Delete, now));
        let denial = Denial::Unknown;
        Self { bounds, policy, state, truth, denial, crashes: 0, foreign: 0, story: None }
    }

    /// Equal for nodes with the same future: of a time only how long ago it is, as far as a limit lies beyond that.
    pub(crate) fn key(&self) -> u64 {
        let Self { state, truth, .. } = self;
        let mut hasher = DefaultHasher::new();
        let ago = |then: Timestamp, most: i64| truth.now.duration_since(then).as_secs().min(most + 1);
        let longest = i64::try_from(self.policy.operation_timeout.as_secs()).unwrap();
        let tries = |tries: Tries| (tries.count.min(FEWEST_TRIES), tries.since.map(|since| ago(since, longest)));
        (state.attempts, state.spent, state.unread, state.unsent, state.refused_for_all.min(2)).hash(&mut hasher);
        state.windows.iter().any(|window| window.to.is_none()).hash(&mut hasher);
        let refused = state.refused_since.map(|then| ago(then, REFUSAL_BUDGET.as_secs()));
        (state.confirmed_at.map(|then| ago(then, longest)), refused).hash(&mut hasher);
        state
            .last
            .as_ref()
            .map(|last| {
                let answer = last.answer.as_ref();
                let answer = answer.map(|answer| (answer.class, answer.earlier_session, ago(answer.at, longest)));
                (answer, ago(last.started_at, longest))
            })
            .hash(&mut hasher);
        let found = [&state.look, &state.search].map(|look| look.as_ref().map(|look| (look.found, look.unconnected)));
        (found, state.poll.as_ref().map(|poll| poll.class)).hash(&mut hasher);
        [state.tries, state.searches, state.polls].map(tries).hash(&mut hasher);
        let from_history = state.poll.as_ref().map(|poll| poll.from_history);
        (state.polled.len(), state.delete_seen, from_history).hash(&mut hasher);
        let until = |then: Timestamp| then.duration_since(truth.now).as_secs();
        let held = state.held_until(self.policy.signature_life).map(|then| until(then).max(-1));
        (held, truth.ghost.map(until), truth.by_ghost, truth.acted, state.may_have_acted()).hash(&mut hasher);
        let seen_since = |look: &keybatch::execute::attempt::Look| {
            state.held_until(self.policy.signature_life).is_some_and(|then| look.at >= then)
        };
        (state.search.as_ref().map(seen_since), state.windows.is_empty()).hash(&mut hasher);
        let late = truth.late.map(until);
        (truth.pair, truth.by_us, late, truth.deleted_at.is_empty(), truth.pending).hash(&mut hasher);
        (truth.ended, truth.due, truth.unsearchable, truth.sure, truth.sent).hash(&mut hasher);
        (format!("{:?}", self.denial), self.crashes, self.foreign).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.state.settled.is_some()
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
        self
    }

    /// Becomes durable.
    pub(crate) fn apply(mut self, event: &Event) -> Self {
        self.state.apply(0, self.truth.now, event);
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

    /// The session ends; another takes the row up at once.
    pub(crate) fn reopened(mut self) -> Self {
        self.state.reopen(self.truth.now);
        self.denial = Denial::Unknown;
        self.told("another session")
    }

    /// A request of ours takes effect on whatever has the name.
    pub(crate) fn execute(&mut self) {
        match self.truth.pair {
            Pair::Original => self.truth.by_us = true,
            // The gap that cannot be closed: it took the name after the last reading.
            Pair::Another => {}
            Pair::Nobody => return,
        }
        self.truth.pair = Pair::Nobody;
        self.truth.deleted_at.push(self.truth.now);
    }

    /// The outcome, held against the truth. What is still on its way will come.
    pub(crate) fn settle(self, outcome: Outcome, evidence: Evidence) -> Self {
        let gone = self.truth.pair != Pair::Original;
        let may_come = self.truth.late.is_some() || (self.truth.due && !self.truth.unsearchable);
        let holds = match outcome {
            Outcome::Deleted => gone && !self.truth.deleted_at.is_empty() && self.state.attempts > 0,
            Outcome::Gone => gone && self.truth.acted,
            Outcome::Absent => gone && !self.truth.by_us && !may_come,
            Outcome::Skipped => {
                let was_changed = self.truth.pair == Pair::Another && !self.truth.by_us && !self.truth.acted;
                was_changed || (self.state.attempts == 0 && !self.truth.sent)
            }
            // It is waited for before another attempt, not before the last one is told to have failed: the docs say so.
            Outcome::Failed => self.truth.unsearchable || ((!self.truth.by_us || self.truth.by_ghost) && !may_come),
            Outcome::InDoubt => self.state.attempts > 0,
        };
        assert!(holds, "{outcome}/{evidence:?} is not so: {:?}\n{}", self.truth, self.story());
        let settled = RowSettled { outcome, evidence, detail: None, rests_on: Vec::new() };
        self.apply(&Event::RowSettled(settled))
    }

    /// What must hold when a request leaves.
    pub(crate) fn check_sending(&self) {
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
