//! One moment of one row: what is known of it, and what is true.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{Evidence, Exchange, Identity, Observation, Outcome, Policy};
use keybatch::execute::decide::{Denial, Situation};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    Original,
    Nobody,
    Another,
}

/// An operation that is not terminal, and whether it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// When a delete of this name succeeded.
    pub(crate) deleted_at: Vec<Timestamp>,
    pub(crate) pending: Option<Pending>,
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
pub(crate) struct Link(String, Option<Rc<Link>>);

pub(crate) fn original() -> Identity {
    Identity { arn: Some("arn:1".into()), created_at: Some("2020".into()), fingerprint: Some("aa".into()) }
}

fn intent(at: Timestamp) -> IntentRecorded {
    IntentRecorded {
        line: 2,
        key_pair_name: "key".into(),
        account: "1".into(),
        region: "r".into(),
        fields: BTreeMap::new(),
        annotations: BTreeMap::new(),
        observation: Some(Observation { identity: original(), tags: BTreeMap::new(), at }),
        verdict: Verdict::Delete,
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
            ..Policy::default()
        };
        let truth = Truth {
            now,
            pair: Pair::Original,
            by_us: false,
            late: None,
            deleted_at: Vec::new(),
            pending: None,
            sure: true,
            sent: false,
        };
        let state = RowState::new(0, &intent(now));
        let denial = Denial::Unknown;
        Self { bounds, policy, state, truth, denial, crashes: 0, foreign: 0, story: None }
    }

    /// Equal for nodes with the same future.
    pub(crate) fn key(&self) -> String {
        format!("{:?}{:?}{:?}{}{}", self.state, self.truth, self.denial, self.crashes, self.foreign)
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
        let mut lines = Vec::new();
        let mut link = self.story.as_deref();
        while let Some(Link(line, before)) = link {
            lines.push(line.as_str());
            link = before.as_deref();
        }
        lines.reverse();
        lines.join("\n")
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
        let may_come = self.truth.late.is_some();
        let holds = match outcome {
            Outcome::Deleted => gone && !self.truth.deleted_at.is_empty() && self.state.attempts > 0,
            Outcome::Gone => gone && self.state.attempts > 0,
            Outcome::Absent => gone && !self.truth.by_us && !may_come,
            Outcome::Skipped => self.state.attempts == 0 && !self.truth.sent,
            Outcome::Failed => !self.truth.by_us && !may_come,
            Outcome::InDoubt => self.state.attempts > 0,
        };
        assert!(holds, "{outcome}/{evidence:?} is not so: {:?}\n{}", self.truth, self.story());
        let settled = RowSettled { outcome, evidence, detail: None, rests_on: Vec::new() };
        self.apply(&Event::RowSettled(settled))
    }

    /// What must hold when a request leaves.
    pub(crate) fn check_sending(&self) {
        assert!(self.truth.late.is_none(), "I3: an earlier attempt may still take effect\n{}", self.story());
        assert!(self.truth.sure, "I4: nobody looked after the last attempt\n{}", self.story());
        let age = self.truth.now.duration_since(self.state.confirmed_at.unwrap());
        assert!(age <= SignedDuration::from_secs(50), "I4: what was seen is {age} old\n{}", self.story());
    }
}

/// A reading.
pub(crate) fn observed(source: Source, found: Found, at: Timestamp) -> Event {
    let seen = || Observation { identity: original(), tags: BTreeMap::new(), at };
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
