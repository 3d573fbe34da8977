//! One moment of one row: what is known of it, and what is true.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{Cause, Evidence, Failure, Identity, Observation, Outcome, Settings};
use keybatch::execute::decide::{Denial, Situation};
use keybatch::execute::row::RowState;
use keybatch::record::Entry;
use keybatch::record::event::{Event, Found, Observed, RowSettled, Source};
use keybatch::record::plan::{PlanObservation, PlanRow, Verdict};

use super::again::{Before, Run};
use super::lost::Copied;
use super::truth::{Pair, Truth};

/// How far an exploration goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of the last run; where there are several, each one before has a single one.
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

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) bounds: Bounds,
    pub(crate) settings: Settings,
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
    /// What the runs before left.
    pub(crate) before: Rc<Vec<Before>>,
    /// Which key pair this run is about, counted from the first run's.
    pub(crate) key_pair: i8,
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
pub(crate) fn intent(verdict: Verdict) -> PlanRow {
    let observation = Some(PlanObservation::default());
    PlanRow { observation, ..PlanRow::of(1, "key".into(), "1".into(), "r".into(), verdict) }
}

impl Node {
    /// The plan is sealed, and nothing was sent.
    pub(crate) fn first(bounds: Bounds) -> Self {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let settings = Settings {
            max_attempts: 2,
            attempt_timeout: Duration::from_secs(15),
            settle_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(60),
            // Older than this after two rounds of looking; where another run is waited for, longer than that takes.
            max_observation_age: Duration::from_secs(if bounds.runs > 1 { 150 } else { 50 }),
            signature_life: Duration::from_secs(if bounds.ghosts { 90 } else { 0 }),
            ..Settings::default()
        };
        let state = RowState::new(0, &intent(Verdict::Delete), Some(now));
        let denial = Denial::Unknown;
        Self {
            bounds,
            settings,
            state,
            truth: Truth::at(now),
            denial,
            crashes: 0,
            foreign: 0,
            journal: None,
            entries: 0,
            copy: None,
            losses: 0,
            run: Run::First,
            before: Rc::default(),
            key_pair: 0,
            attempt: None,
            story: None,
        }
    }

    /// Whether another session may still take the run up.
    pub(crate) fn may_reopen(&self) -> bool {
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
        let goes_on = (self.may_lose() && self.copy.is_some()) || !self.is_of_last_run();
        self.is_settled() && !goes_on && self.run != Run::Between
    }

    /// Whether no other run follows.
    pub(crate) fn is_of_last_run(&self) -> bool {
        self.before.len() + 1 >= usize::from(self.bounds.runs)
    }

    /// Whether the operation that the run would ask for is another one than that of the last request.
    pub(crate) fn asks_for_an_earlier_one(&self) -> bool {
        self.bounds.runs > 1 && self.state.operation_id().is_some_and(|id| id != self.truth.operation)
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
        let entry =
            || Entry { seq: 0, at: self.truth.now, session: None, run: None, row: Some(1), event: event.clone() };
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
        let may_come = (truth.late.is_some() && truth.sent) || (truth.due && truth.sent && !truth.unsearchable);
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
        assert!(self.run != Run::Barred, "I4: it was re-created since the run before\n{}", self.story());
        assert!(self.truth.late.is_none(), "I3: an earlier attempt may still take effect\n{}", self.story());
        let ghost = self.truth.ghost.is_some_and(|until| self.truth.now < until);
        assert!(!ghost, "I4: an earlier request may still be delivered\n{}", self.story());
        let may_come = self.truth.due && !self.truth.unsearchable;
        assert!(!may_come, "I3: an operation of an earlier attempt may still take effect\n{}", self.story());
        assert!(self.truth.sure, "I4: nobody looked after the last attempt\n{}", self.story());
        let confirmed = self.state.confirmed_at.unwrap();
        let haunted = self.truth.haunted_until.is_some_and(|until| confirmed < until);
        assert!(!haunted, "I4: not read since an earlier run's request could still be delivered\n{}", self.story());
        let age = self.truth.now.duration_since(confirmed);
        let most = SignedDuration::try_from(self.settings.max_observation_age).unwrap();
        assert!(age <= most, "I4: what was seen is {age} old\n{}", self.story());
    }
}

/// A reading.
pub(crate) fn observed(source: Source, found: Found, at: Timestamp) -> Event {
    let seen = || Observation { identity: Identity::default(), tags: BTreeMap::new(), at };
    let observation = (found == Found::Same).then(seen);
    Event::Observed(Box::new(Observed { observation, ..Observed::of(source, found) }))
}

/// The same in vain: no usable answer, or no connection.
pub(crate) fn in_vain(source: Source, connected: bool, at: Timestamp) -> Event {
    let mut event = observed(source, Found::NoAnswer, at);
    if let Event::Observed(seen) = &mut event {
        seen.failure = Failure::because((!connected).then_some(Cause::ConnectFailed));
    }
    event
}
