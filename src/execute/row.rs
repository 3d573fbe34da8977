//! What is known of one row: a fold of its entries, and nothing else. A fresh run and a resumed run build it with the
//! same [`RowState::apply`]: one as it writes the entries, the other as it reads them.

use std::time::Duration;

use jiff::Timestamp;

use super::attempt::{Answer, Attempt, LeftOpen, Look, Poll, Said, Tries, Window};
use crate::domain::{AttemptTime, Cause, Class, Evidence, Identity, Outcome};
use crate::record::event::{Event, Found, Source};
use crate::record::plan::{PlanObservation, PlanRow, Verdict};

/// How many windows are kept: a row that is throttled for ten minutes has no more attempts than this.
const MOST_WINDOWS: usize = 256;

/// How many operations of one attempt get a time limit of their own. More than one is rare.
const MOST_POLLED: usize = 16;

/// What is known of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    /// What the plan says.
    pub verdict: Verdict,
    /// The identity that the plan observed; what is deleted must have it.
    pub identity: Identity,
    /// When the key pair of the plan was last seen.
    pub confirmed_at: Option<Timestamp>,
    /// Attempts so far, over all sessions.
    pub attempts: u32,
    /// Those of them that count against the limit: all but refusals before execution.
    pub spent: u32,
    /// When attempts were in progress that may have had an effect: an operation of ours can only lie inside these.
    pub windows: Vec<Window>,
    /// Whether an attempt that is over may have taken effect. Refusals before execution, refusals for good and "not found" did
    /// not; no document says that a throttled request was not executed, but a throttle does not suffice to claim that it was.
    pub acted: bool,
    /// The latest time at which the last request without any answer was signed: until its signature is too old, it may
    /// still be delivered. `None` where the last request was answered, or never left.
    pub signed_at: Option<Timestamp>,
    /// The earliest time at which this session may request the deletion, because of what another run sent.
    pub not_before: Option<Timestamp>,
    /// What another run asked for, if nothing shows how that ended: it is looked for before anything is sent (I3).
    pub left_open: Option<LeftOpen>,
    /// Whether an attempt may have taken effect since the key pair was last read.
    pub unread: bool,
    /// Refusals before execution in a row, in this session.
    pub refusals: u32,
    /// Those of them, in a row, whose connection was never made.
    pub unsent: u32,
    /// Answers in a row, in this session, that refused everyone.
    pub refused_for_all: u32,
    /// When the first of those refusals came.
    pub refused_since: Option<Timestamp>,
    /// The last attempt.
    pub last: Option<Attempt>,
    /// The last reading of the key pair since the last attempt began.
    pub look: Option<Look>,
    /// Readings in a row that showed the key pair of the plan, in this session, since the last attempt began.
    pub rereads: u32,
    /// Readings without a usable answer, in this session, since the last usable one.
    pub tries: Tries,
    /// What the operation history showed since the last attempt began.
    pub search: Option<Look>,
    /// Searches without a usable answer, in this session, since the last usable one.
    pub searches: Tries,
    /// The last poll of the last attempt's operation: the one that its answer or the history named.
    pub poll: Option<Poll>,
    /// Since when and how often the operation has been polled.
    pub polls: Tries,
    /// The operations that the last attempt's answer or the history named so far: each has its own time to end in.
    pub polled: Vec<String>,
    /// Whether a delete of this name was seen to have succeeded since the last attempt began, in the history or by
    /// polling: nothing that is seen later takes that back.
    pub delete_seen: bool,
    /// Whether entries were lost since the intent that may have asked for the key pair.
    pub lost: bool,
    /// When that was accepted, as long as no request left since: the history must have been searched after it, too, where an
    /// operation is known of an attempt that another one may have followed.
    pub lost_at: Option<Timestamp>,
    /// Whether entries were lost before the intent: a run that is not in the journal may have asked for the key pair.
    pub lost_before: bool,
    /// The outcome, once there is one.
    pub settled: Option<(Outcome, Evidence)>,
    /// The time that attempts have in the session whose entries are applied; `None` where that is not known.
    pub time: Option<AttemptTime>,
    /// Number of the intent's entry.
    pub intent_seq: u64,
}

impl RowState {
    /// The state right after the intent was recorded; `seen_at`: when the listing that showed the key pair was.
    #[must_use]
    pub fn new(intent_seq: u64, line: &PlanRow, seen_at: Option<Timestamp>) -> Self {
        Self {
            verdict: line.verdict,
            identity: line.observation.as_ref().map(PlanObservation::identity).unwrap_or_default(),
            confirmed_at: seen_at.filter(|_| line.observation.is_some()),
            attempts: 0,
            spent: 0,
            windows: Vec::new(),
            acted: false,
            signed_at: None,
            not_before: None,
            left_open: None,
            unread: false,
            refusals: 0,
            unsent: 0,
            refused_for_all: 0,
            refused_since: None,
            last: None,
            look: None,
            rereads: 0,
            tries: Tries::default(),
            search: None,
            searches: Tries::default(),
            poll: None,
            polls: Tries::default(),
            polled: Vec::new(),
            delete_seen: false,
            lost: false,
            lost_at: None,
            lost_before: false,
            settled: None,
            time: None,
            intent_seq,
        }
    }

    /// Applies the next entry of this row.
    pub fn apply(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match event {
            Event::AttemptStarted(started) => {
                self.spent += 1;
                self.begin(started.attempt, seq, at);
            }
            Event::AttemptFinished(finished) => {
                let operation_id = finished.operation().and_then(|operation| operation.id);
                let summary = finished.error().as_ref().map(Said::from);
                let answer = Answer { class: finished.class, at, seq, operation_id, summary, earlier_session: false };
                let silent = answer.class == Class::Unanswered && finished.exchange.http_status.is_none();
                self.finish(answer, finished.failure.cause, Duration::from_micros(finished.exchange.elapsed_us));
                self.signed_at = self.last.as_ref().filter(|_| silent).map(Attempt::signed_at);
                self.settled = finished.settled();
            }
            Event::OperationPolled(polled) => {
                let summary = polled.error().as_ref().map(Said::from);
                let (class, own) = (polled.class, !self.is_unfinished() && self.last_class() == Some(Class::Pending));
                self.poll = Some(Poll { class, from_history: !own, seq, summary });
                self.polls.add(at);
                self.delete_seen |= class == Class::Succeeded;
                let has_ended = matches!(class, Class::OperationFailed | Class::Succeeded);
                if !own && !self.is_found_unfinished() {
                    // Neither an answer nor the history of this row named it: it is one that another run left open.
                    self.left_open = (!has_ended).then(|| LeftOpen::Operation(polled.operation_id.clone()));
                    self.unread = true;
                } else if !own && has_ended {
                    // That operation has ended. The history says whether it was ours, and whether there is another.
                    self.search = None;
                }
            }
            Event::Observed(observed) => {
                if observed.found == Found::Same {
                    self.confirmed_at = Some(observed.observation.as_ref().map_or(at, |seen| seen.at));
                }
                let never_connected = observed.failure.cause == Some(Cause::ConnectFailed);
                let look = Look {
                    found: observed.found,
                    at,
                    seq,
                    operation_id: observed.operation.as_ref().and_then(|operation| operation.id.clone()),
                    summary: observed.error().as_ref().map(Said::from),
                    unconnected: observed.found == Found::NoAnswer && never_connected,
                };
                self.observe(observed.source, look);
            }
            Event::OverrideUsed(used) if used.accepts_rollback() => self.lose_tail(seq, at),
            Event::RowSettled(settled) => self.settled = Some((settled.outcome, settled.evidence)),
            _ => {}
        }
    }

    /// A request may be sent from now on.
    fn begin(&mut self, number: u32, seq: u64, at: Timestamp) {
        let time = self.time;
        self.acted = self.may_have_acted();
        self.attempts = number;
        self.unread = true;
        let dead_at = time.map(|time| at.saturating_add(time.dead_after()).unwrap_or(Timestamp::MAX));
        self.windows.push(Window { from: at, to: None, dead_at });
        let attempt = Attempt { number, started_at: at, started_seq: seq, time, answer: None };
        self.signed_at = Some(attempt.signed_at());
        self.last = Some(attempt);
        self.rereads = 0;
        (self.look, self.search, self.poll) = (None, None, None);
        (self.tries, self.searches, self.polls) = (Tries::default(), Tries::default(), Tries::default());
        self.polled.clear();
        self.delete_seen = false;
        self.lost_at = None;
        self.left_open = None;
    }

    /// Entries were lost that may have asked for the key pair: as if that had been done once more, without an answer, when the
    /// loss was accepted. It is no attempt of the journal, and has no number. What is known of an operation stays known.
    fn lose_tail(&mut self, seq: u64, at: Timestamp) {
        if self.settled.is_some() || self.verdict != Verdict::Delete {
            return;
        }
        (self.lost, self.acted, self.unread) = (true, true, true);
        (self.signed_at, self.lost_at) = (Some(at), Some(at));
        // It is not known whether there was such a request, so no operation is claimed as its effect.
        self.windows.push(Window { from: at, to: None, dead_at: Some(Timestamp::MIN) });
        if self.last_class() == Some(Class::Pending) || self.is_found_unfinished() {
            self.look = None;
            return;
        }
        let number = self.attempts;
        self.last = Some(Attempt { number, started_at: at, started_seq: seq, time: None, answer: None });
        self.rereads = 0;
        (self.look, self.search, self.poll) = (None, None, None);
        (self.tries, self.searches, self.polls) = (Tries::default(), Tries::default(), Tries::default());
        self.polled.clear();
    }

    fn finish(&mut self, answer: Answer, cause: Option<Cause>, elapsed: Duration) {
        self.acted |=
            matches!(answer.class, Class::Succeeded | Class::Pending | Class::OperationFailed | Class::Unanswered);
        if answer.class.is_refusal_before_execution() {
            // As if it had never been sent: it used up no attempt, and nothing new is to be looked for.
            self.spent = self.spent.saturating_sub(1);
            let window = self.windows.pop();
            // That a throttled request was not executed is the usual contract, but not documented here.
            if let (Class::Throttled, Some(window)) = (answer.class, window) {
                self.windows.push(Window { to: Some(answer.at), ..window });
                // Never one whose effect is unknown: it must be looked for.
                if self.windows.len() > MOST_WINDOWS
                    && let Some(oldest) = self.windows.iter().position(|window| window.to.is_some())
                {
                    self.windows.remove(oldest);
                }
            }
            self.unread = false;
            self.refusals += 1;
            self.refused_since.get_or_insert(answer.at);
        } else {
            self.refusals = 0;
            self.refused_since = None;
        }
        self.refused_for_all = if answer.class == Class::RefusedForAll { self.refused_for_all + 1 } else { 0 };
        self.unsent = match (answer.class, cause) {
            (Class::NotSent, Some(Cause::StartedLate)) => self.unsent,
            (Class::NotSent, _) => self.unsent + 1,
            _ => 0,
        };
        if matches!(answer.class, Class::NotFound | Class::Refused | Class::OperationFailed) {
            // This attempt itself had no effect; an earlier one may have.
            self.windows.pop();
        }
        if answer.class == Class::Pending {
            // One request is one operation: where the answer named it, no other one is ours.
            let window = self.windows.pop().filter(|_| answer.operation_id.is_none());
            self.windows.extend(window.map(|window| Window { to: Some(answer.at), ..window }));
            self.begin_polls(answer.at, answer.operation_id.as_deref());
        }
        if let Some(last) = &mut self.last {
            last.started_at = last.started_at.max(answer.at.saturating_sub(elapsed).unwrap_or(Timestamp::MIN));
            last.answer = Some(answer);
        }
    }

    fn observe(&mut self, source: Source, look: Look) {
        let searched = source == Source::GetOperationsForResource;
        // The operation that deleted it was seen, and it is shown all the same: one of the two is not up to date.
        let contradicts = look.found == Found::Same && self.delete_seen;
        let tries = if searched { &mut self.searches } else { &mut self.tries };
        if look.found == Found::NoAnswer || contradicts {
            tries.add(look.at);
        } else {
            *tries = Tries::default();
        }
        if searched {
            self.delete_seen |= look.found == Found::Operation;
            // It was there before this search. Only a later reading can show what happened since.
            self.look = self.look.take().filter(|look| look.found != Found::Same);
            if look.found == Found::Unfinished {
                // As if the answer had named it. What was seen before says nothing of what it will do.
                (self.look, self.poll, self.unread) = (None, None, true);
                self.begin_polls(look.at, look.operation_id.as_deref());
            }
            self.search = Some(look);
            return;
        }
        if look.found == Found::Same {
            self.unread = false;
            self.rereads += 1;
        }
        self.look = Some(look);
    }

    /// An operation that has not ended was named at `at`. One that was named before gets no new time, and goes on with what
    /// the latest one has: a history that goes on showing it does not make it any younger.
    pub(super) fn begin_polls(&mut self, at: Timestamp, id: Option<&str>) {
        let id = id.unwrap_or_default();
        if self.polled.len() < MOST_POLLED && !self.polled.iter().any(|polled| polled == id) {
            self.polled.push(id.to_owned());
            self.polls = Tries { since: Some(at), count: 0 };
        }
        self.polls.since.get_or_insert(at);
    }

    /// Whether anything was sent that may have taken effect.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        self.acted || self.last.as_ref().is_some_and(|last| last.answer.is_none())
    }

    /// Whether nothing said what became of the last attempt.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.last.is_some() && matches!(self.last_class(), None | Some(Class::Unanswered))
    }

    /// What came back for the last attempt; `None` where there was none, or nothing came.
    #[must_use]
    pub fn last_class(&self) -> Option<Class> {
        Some(self.last.as_ref()?.answer.as_ref()?.class)
    }

    /// Until when no request may leave, since one of which nothing came back may still be delivered: by this run, whose
    /// signatures are accepted for `life`, or by another one.
    #[must_use]
    pub fn held_until(&self, life: Duration) -> Option<Timestamp> {
        let signed_at = self.signed_at.filter(|_| !life.is_zero());
        let own = signed_at.map(|at| at.saturating_add(life).unwrap_or(Timestamp::MAX));
        own.max(self.not_before)
    }

    /// Another session continues the row at `now`: time budgets begin anew, and what stopped the earlier session may no
    /// longer apply.
    pub fn reopen(&mut self, now: Timestamp) {
        // Another key pair may have taken the name in the meantime.
        self.confirmed_at = None;
        self.look = self.look.take().filter(|look| self.last.is_some() && look.found != Found::Same);
        self.unread |= self.last.is_some();
        (self.tries, self.searches) = (Tries::default(), Tries::default());
        self.rereads = 0;
        (self.refusals, self.unsent, self.refused_since) = (0, 0, None);
        self.refused_for_all = 0;
        if self.polls.since.is_some() {
            self.polls = Tries { since: Some(now), count: 0 };
        }
        // What lies in the future was written under another clock: from now on is late enough.
        self.signed_at = self.signed_at.map(|at| at.min(now));
        self.lost_at = self.lost_at.map(|at| at.min(now));
        if let Some(last) = &mut self.last {
            last.started_at = last.started_at.min(now);
            if let Some(answer) = &mut last.answer {
                answer.earlier_session = true;
            }
        }
        for look in [&mut self.look, &mut self.search] {
            if look
                .as_ref()
                .is_some_and(|look| matches!(look.found, Found::NoAnswer | Found::Denied | Found::RefusedForAll))
            {
                *look = None;
            }
        }
        if self.poll.as_ref().is_some_and(|poll| !matches!(poll.class, Class::Succeeded | Class::OperationFailed)) {
            self.poll = None;
        }
    }

    /// The numbers of the entries that say what is known now, ascending: what an outcome rests on.
    #[must_use]
    pub fn rests_on(&self) -> Vec<u64> {
        let last = self.last.as_ref();
        let answer = last.and_then(|last| last.answer.as_ref());
        let mut seqs: Vec<u64> = [
            Some(self.intent_seq),
            last.map(|last| last.started_seq),
            answer.map(|answer| answer.seq),
            self.look.as_ref().map(|look| look.seq),
            self.search.as_ref().map(|look| look.seq),
            self.poll.as_ref().map(|poll| poll.seq),
        ]
        .into_iter()
        .flatten()
        .collect();
        seqs.sort_unstable();
        seqs
    }
}

#[cfg(test)]
pub(super) mod tests;
