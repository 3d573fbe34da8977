//! One moment of two rows of a run: what is known of each, what is true of each, and what they share.
//!
//! Time goes by in ticks, each as long as an attempt takes to be dead and as any budget: `decide` can tell no finer times
//! apart. What rows share is the production code's own [`Control`], told again what it was told in this session.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{Class, Evidence, Outcome, Settings};
use keybatch::execute::attempt::Tries;
use keybatch::execute::control::{Control, Limits};
use keybatch::execute::decide::{Denial, FEWEST_TRIES, Situation, StopCause};
use keybatch::execute::row::RowState;
use keybatch::record::event::Event;
use keybatch::record::plan::Verdict;

use super::duo_truth::Truth;
use super::node::{Link, intent};

pub(crate) const TICK: Duration = Duration::from_secs(30);

/// An observation is good for so many ticks.
pub(crate) const FRESH_TICKS: u64 = 2;

/// How far an exploration goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Of each row.
    pub(crate) attempts: [u32; 2],
    pub(crate) max_attempts: u32,
    /// Sessions after the first: after a crash, or after the run stopped.
    pub(crate) sessions: u8,
    /// Acts of others.
    pub(crate) foreign: u8,
    pub(crate) concurrency: usize,
    pub(crate) limits: Limits,
    /// The target of each row, and what the plan says.
    pub(crate) targets: [i64; 2],
    pub(crate) verdicts: [Verdict; 2],
    /// All answers, or one of each kind that rows are decided by.
    pub(crate) every_answer: bool,
    /// A target that refuses everyone: from the start, or from any moment on.
    pub(crate) refused: Option<i64>,
    pub(crate) from_the_start: bool,
}

/// What a session's rows told each other.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) enum Told {
    Answered(i64, Class, [u64; 2]),
    Read(i64, [u64; 2]),
    Settled(i64, Outcome),
    Asked,
    Entered(i64),
    Left(i64),
    Holds(i64, bool),
    Fed(i64),
    Stopped(i64, StopCause),
}

/// Where a row is in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    Waiting,
    Working,
    InFlight,
    Holding,
    Left,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) state: RowState,
    pub(crate) truth: Truth,
    pub(crate) phase: Phase,
    /// Whether it has a place among those in flight.
    pub(crate) place: bool,
    /// Whether this session has asked for it.
    pub(crate) asked: bool,
    /// Whether it was taken up while its target served it.
    pub(crate) served: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Duo {
    pub(crate) scope: Rc<Scope>,
    pub(crate) settings: Rc<Settings>,
    pub(crate) rows: [Row; 2],
    /// In ticks. Each row has a clock of its own: what one waits for may take the other as long or no time.
    pub(crate) now: [u64; 2],
    pub(crate) told: Vec<Told>,
    /// Whether the scope's target refuses everyone by now.
    pub(crate) refusing: bool,
    pub(crate) sessions: u8,
    pub(crate) foreign: u8,
    pub(crate) story: Option<Rc<Link>>,
}

pub(crate) fn at(tick: u64) -> Timestamp {
    let seconds = i64::try_from(tick * TICK.as_secs()).unwrap();
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// How many ticks ago; everything above the longest budget is the same.
fn age(now: u64, then: Timestamp) -> u64 {
    let seconds = at(now).duration_since(then).as_secs();
    u64::try_from(seconds / 30).unwrap().min(FRESH_TICKS + 1)
}

impl Duo {
    pub(crate) fn first(scope: Scope) -> Self {
        let settings = Settings {
            max_attempts: scope.max_attempts,
            // With its grace exactly a tick.
            attempt_timeout: TICK * 5 / 6,
            settle_timeout: TICK,
            operation_timeout: TICK,
            max_observation_age: TICK * u32::try_from(FRESH_TICKS).unwrap() + TICK / 2,
            // What a request does that comes long after its death is gone through with one row.
            signature_life: Duration::ZERO,
            concurrency: u32::try_from(scope.concurrency).unwrap(),
            ..Settings::default()
        };
        assert_eq!(settings.attempt_time().dead_after(), TICK);
        let row = |verdict| Row {
            state: RowState::new(0, &intent(verdict), Some(at(0))),
            truth: Truth::default(),
            phase: Phase::Waiting,
            place: false,
            asked: false,
            served: false,
        };
        let rows = scope.verdicts.map(row);
        let (scope, settings) = (Rc::new(scope), Rc::new(settings));
        let (told, refusing) = (Vec::new(), scope.refused.is_some() && scope.from_the_start);
        Self { scope, settings, rows, now: [0; 2], told, refusing, sessions: 0, foreign: 0, story: None }
    }

    /// What the rows share, as the production code has it, in the time of one of them.
    pub(crate) fn control(&self, row: usize) -> Control {
        let control = Control::new(self.scope.limits);
        for told in &self.told {
            match *told {
                Told::Answered(target, class, ticks) => control.answered(target, class, at(ticks[row])),
                Told::Read(target, ticks) => control.was_read(target, at(ticks[row])),
                Told::Settled(target, outcome) => {
                    if let Some(cause) = control.settled(target, outcome) {
                        control.stop_target(target, cause, "");
                    }
                }
                Told::Asked => drop(control.may_ask()),
                Told::Entered(target) => control.entered(target),
                Told::Left(target) => control.left(target),
                Told::Holds(target, begins) => control.holds(target, begins),
                Told::Fed(target) => control.fed(target),
                Told::Stopped(target, cause) => control.stop_target(target, cause, ""),
            }
        }
        control
    }

    pub(crate) fn situation(&self, control: &Control, row: usize) -> Situation {
        let target = self.scope.targets[row];
        let (answered_at, read_at) = control.answers(target);
        Situation { now: at(self.now[row]), denial: self.denial(control, row), answered_at, read_at }
    }

    /// How the row's last answer is to be understood.
    pub(crate) fn denial(&self, control: &Control, row: usize) -> Denial {
        let answer = self.rows[row].state.last.as_ref().and_then(|last| last.answer.as_ref());
        match answer.filter(|answer| answer.class == Class::RefusedForAll) {
            Some(answer) => control.refusal(self.scope.targets[row], answer.at),
            None => control.denial(self.scope.targets[row]),
        }
    }

    /// Equal for moments with the same future. The rows are alike, so their order does not matter where their targets are
    /// the same.
    pub(crate) fn key(&self) -> u64 {
        let mut rows = [0, 1].map(|row| {
            let mut hasher = DefaultHasher::new();
            self.hash_row(row, &mut hasher);
            let target = self.scope.targets[row];
            let control = self.control(row);
            let (answered_at, read_at) = control.answers(target);
            // How long ago something was answered is asked after ten minutes of refusals only, which are not in this world.
            let ages = (answered_at.is_some(), read_at.map(|then| age(self.now[row], then).min(1)));
            let stops = control.is_stopping(target);
            (ages, self.told_of(target), format!("{:?}", self.denial(&control, row)), stops).hash(&mut hasher);
            let refused = self.scope.refused.map(|refused| (refused == target, self.refusing, self.rows[row].served));
            refused.hash(&mut hasher);
            hasher.finish()
        });
        rows.sort_unstable();
        let mut hasher = DefaultHasher::new();
        let count = |wanted: fn(&Told) -> bool| self.told.iter().filter(|told| wanted(told)).count();
        let asked = count(|told| matches!(told, Told::Asked));
        let failed = count(|told| matches!(told, Told::Settled(_, Outcome::Failed | Outcome::InDoubt)));
        (rows, self.sessions, self.foreign, self.control(0).stopped().is_some()).hash(&mut hasher);
        (asked, self.scope.limits.max_failures.map(|_| failed)).hash(&mut hasher);
        hasher.finish()
    }

    /// What the target's answers have shown, as far as a denial is understood by it.
    fn told_of(&self, target: i64) -> (usize, usize, bool, bool) {
        let of_it = || {
            self.told.iter().filter_map(move |told| match told {
                Told::Answered(one, class, _) if *one == target => Some(*class),
                _ => None,
            })
        };
        let denied = of_it().filter(|class| *class == Class::Denied).count();
        let is_silent = |class: &Class| {
            matches!(
                class,
                Class::Throttled | Class::NotSent | Class::Unanswered | Class::RefusedForAll | Class::Denied
            )
        };
        let fed = self.told.iter().any(|told| matches!(told, Told::Fed(one) if *one == target));
        let refused = of_it().filter(|class| *class == Class::RefusedForAll).count();
        (denied, refused, of_it().any(|class| !is_silent(&class)), fed)
    }

    /// What is known and true of a row, as far as anything follows from it.
    fn hash_row(&self, row: usize, hasher: &mut DefaultHasher) {
        let Row { state, truth, phase, place, asked, served: _ } = &self.rows[row];
        if let Some((outcome, _)) = state.settled {
            // Nothing more follows from it.
            (true, outcome.as_str()).hash(hasher);
            return;
        }
        let limits = &self.scope.limits;
        let places = self.scope.concurrency < 2;
        (phase, self.scope.attempts[row], places && *place, limits.max_deletes.is_some() && *asked).hash(hasher);
        let class = state.last.as_ref().map(|last| last.answer.as_ref().map(|answer| answer.class));
        let polls = state.is_unfinished() || class == Some(Some(Class::Pending));
        let polled = polls.then(|| state.operation_id()).flatten();
        truth.hash_at(self.now[row], polled, hasher);
        // Of a time that something took, only whether it was a tick.
        let ago = |then: Option<Timestamp>| then.map(|then| age(self.now[row], then).min(1));
        let tries = |tries: Tries| (tries.count.min(3), ago(tries.since));
        let confirmed = state.confirmed_at.map(|then| age(self.now[row], then));
        (state.attempts, state.spent, state.unread, state.unsent, confirmed, state.rereads.min(FEWEST_TRIES))
            .hash(hasher);
        state.windows.iter().any(|window| window.to.is_none()).hash(hasher);
        (state.windows.is_empty(), state.may_have_acted(), state.refused_for_all.min(2)).hash(hasher);
        let last = state.last.as_ref().map(|last| {
            let earlier = last.answer.as_ref().is_some_and(|answer| answer.earlier_session);
            let stops = matches!(class.flatten(), Some(Class::Denied | Class::RefusedForAll));
            (class, stops && earlier, ago(Some(last.started_at)))
        });
        last.hash(hasher);
        let found = [&state.look, &state.search].map(|look| look.as_ref().map(|look| (look.found, look.unconnected)));
        (found, polls.then(|| state.poll.as_ref().map(|poll| poll.class))).hash(hasher);
        (tries(state.tries), tries(state.searches), polls.then(|| tries(state.polls))).hash(hasher);
        let from_history = state.poll.as_ref().map(|poll| poll.from_history);
        (state.polled.len(), state.delete_seen, from_history).hash(hasher);
    }

    pub(crate) fn tell(mut self, told: Told) -> Self {
        self.told.push(told);
        self
    }

    pub(crate) fn said(mut self, what: impl FnOnce() -> String) -> Self {
        self.story = Some(Rc::new(Link(what(), self.story.take())));
        self
    }

    pub(crate) fn story(&self) -> String {
        Link::story(self.story.as_deref())
    }

    /// Something must hold.
    pub(crate) fn must(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{:?}\n{}", self.rows, self.story());
    }

    pub(crate) fn places_taken(&self) -> usize {
        self.rows.iter().filter(|row| row.place).count()
    }

    /// Time goes by for a row. What was late and did not come never comes.
    pub(crate) fn later(mut self, row: usize, ticks: u64) -> Self {
        self.now[row] += ticks;
        self.rows[row].truth.passes(self.now[row]);
        self
    }

    /// What a look or a poll told becomes durable. Where that is nothing, it goes on until the time for it is over: a
    /// usable answer before that is the same as one at once, and a crash forgets what was in vain.
    pub(crate) fn told_by(mut self, row: usize, in_vain: bool, event: impl Fn(Timestamp) -> Event) -> Self {
        let now = at(self.now[row]);
        for _ in 0..if in_vain { 3 } else { 1 } {
            self.rows[row].state.apply(0, now, &event(now));
        }
        if in_vain { self.later(row, 1) } else { self }
    }

    /// A row reaches its outcome.
    pub(crate) fn settle(mut self, row: usize, outcome: Outcome, evidence: Evidence) -> Self {
        self = self.said(|| format!("row {row} is settled {outcome}/{evidence:?}"));
        let (state, truth) = (&self.rows[row].state, &self.rows[row].truth);
        let why = format!("I5: {outcome}/{evidence:?} is not so");
        self.must(truth.allows(outcome, state), &why);
        self.must(state.settled.is_none(), "I10: a row has two outcomes");
        let one = &mut self.rows[row];
        one.state.settled = Some((outcome, evidence));
        (one.phase, one.place) = (Phase::Left, false);
        let target = self.scope.targets[row];
        self.tell(Told::Settled(target, outcome)).tell(Told::Left(target))
    }

    /// Whether the row's target refuses everyone.
    pub(crate) fn is_refused(&self, row: usize) -> bool {
        self.refusing && self.scope.refused == Some(self.scope.targets[row])
    }

    /// A target that refuses everyone stops alone: its rows stay without an outcome, and those of the other one get theirs.
    pub(crate) fn check_alone(&self) {
        for (row, (one, target)) in self.rows.iter().zip(self.scope.targets).enumerate() {
            let stopped = self.told.iter().any(|told| matches!(told, Told::Stopped(by, _) if *by == target));
            if self.is_refused(row) {
                self.must(one.served || one.state.settled.is_none(), "a row that was never served has an outcome");
                self.must(one.state.settled.is_some() || stopped, "a target refuses everyone and does not stop");
            } else {
                let at_edge = one.state.attempts >= self.scope.attempts[row];
                let explained = one.state.settled.is_some() || at_edge || stopped;
                self.must(explained, "a row is left although its own target served everyone");
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rows.iter().all(|row| row.state.settled.is_some())
    }

    /// How old what a request rests on is.
    pub(crate) fn observed_ago(&self, row: usize) -> SignedDuration {
        at(self.now[row]).duration_since(self.rows[row].state.confirmed_at.unwrap_or(Timestamp::MIN))
    }
}

/// What must hold when a request leaves.
pub(crate) fn check_sending(duo: &Duo, row: usize) {
    let truth = &duo.rows[row].truth;
    duo.must(duo.rows[row].state.verdict == Verdict::Delete, "the plan does not say to delete it");
    duo.must(truth.late.is_none(), "I3: an earlier attempt may still take effect");
    duo.must(!truth.may_come(), "I3: an operation of an earlier attempt may still take effect");
    duo.must(truth.sure, "I4: nobody looked after the last attempt");
    let most = (TICK * u32::try_from(FRESH_TICKS + 1).unwrap()).as_secs();
    duo.must(duo.observed_ago(row).as_secs() < i64::try_from(most).unwrap(), "I4: what was seen is too old");
    duo.must(duo.rows[row].state.spent < duo.scope.max_attempts, "P17: more attempts than are permitted");
    duo.must(duo.places_taken() <= duo.scope.concurrency, "more in flight than may be");
    let asked = duo.told.iter().filter(|told| matches!(told, Told::Asked)).count() as u64;
    duo.must(duo.scope.limits.max_deletes.is_none_or(|most| asked <= most), "P37: more are asked for than may be");
    let stopped = duo.told.iter().any(|told| matches!(told, Told::Stopped(one, _) if *one == duo.scope.targets[row]));
    duo.must(!stopped, "a request leaves after its target stopped");
    let failed = duo.told.iter().filter(|told| matches!(told, Told::Settled(_, Outcome::Failed | Outcome::InDoubt)));
    let most = duo.scope.limits.max_failures.unwrap_or(u64::MAX);
    duo.must((failed.count() as u64) < most, "P38: a request leaves after as many failures as may be");
}
