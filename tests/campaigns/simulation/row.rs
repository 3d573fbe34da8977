//! A row of the journal in memory, by a naive reading of its entries.

use keybatch::domain::{Evidence, Identity, Outcome, Target};
use keybatch::policy::recreated::RECREATED;
use keybatch::record::Entry;
use keybatch::record::event::{Event, Found, IntentRecorded, Source};
use keybatch::record::plan::{PlanObservation, Severity, Verdict};

/// A row, as its entries say.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) intent: usize,
    pub(crate) name: String,
    pub(crate) identity: Option<Identity>,
    /// Left alone, since somebody re-created it.
    pub(crate) left_alone: bool,
    pub(crate) verdict: Verdict,
    pub(crate) target: Target,
    pub(crate) observed_at: Option<jiff::Timestamp>,
    pub(crate) attempts: Vec<Attempt>,
    /// Readings of the key pair.
    pub(crate) looks: Vec<(usize, Source, Found)>,
    /// Searches of the operation history.
    pub(crate) searches: Vec<(usize, Found)>,
    pub(crate) settled: Option<(Outcome, Evidence)>,
    /// The session that settled it.
    pub(crate) settled_by: Option<u64>,
    /// What a person said became of it, last.
    pub(crate) resolved: Option<Outcome>,
    /// The entries that accept a loss of entries while the row had no outcome.
    pub(crate) lost: Vec<(usize, jiff::Timestamp)>,
    /// Attempts whose answer a runner told that did not have the row any more.
    pub(crate) late: Vec<u32>,
    entries: Vec<usize>,
}

/// An attempt, as its entries say.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) seq: usize,
    pub(crate) number: u32,
    pub(crate) at: jiff::Timestamp,
    /// The session that began it.
    pub(crate) session: Option<u64>,
    /// What came back, and when that was written down.
    pub(crate) finished: Option<(keybatch::domain::Class, jiff::Timestamp)>,
    pub(crate) finished_seq: Option<usize>,
}

/// A row that was skipped because its key pair was re-created.
pub(crate) fn is_left_alone(intent: &IntentRecorded) -> bool {
    let today = intent.today.as_ref().filter(|today| today.observation.is_none());
    let notes = today.map_or(&intent.line.notes, |today| &today.notes);
    notes.iter().any(|note| note.kind == RECREATED && note.severity != Severity::Warn)
}

impl Row {
    /// Of an intent, in the entry of this number, whose key pair was listed at that time.
    pub(crate) fn new(seq: usize, intent: &IntentRecorded, observed_at: Option<jiff::Timestamp>) -> Self {
        Self {
            intent: seq,
            name: intent.line.name.clone(),
            identity: intent.line.observation.as_ref().map(PlanObservation::identity),
            left_alone: is_left_alone(intent),
            verdict: intent.verdict(),
            target: Target { account: intent.line.account.clone(), region: intent.line.region.clone() },
            observed_at,
            attempts: Vec::new(),
            looks: Vec::new(),
            searches: Vec::new(),
            settled: None,
            settled_by: None,
            resolved: None,
            lost: Vec::new(),
            late: Vec::new(),
            entries: vec![seq],
        }
    }

    /// What it counts as.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.resolved.or(self.settled.map(|(outcome, _)| outcome))
    }

    /// One more entry about it.
    pub(crate) fn learn(&mut self, seq: usize, entry: &Entry) {
        self.entries.push(seq);
        self.take(seq, entry, &entry.event);
        if self.settled.is_some() {
            self.settled_by = self.settled_by.or(entry.session);
        }
    }

    /// Whether another session settled it than the one that asked last.
    pub(crate) fn is_adopted(&self) -> bool {
        self.settled_by.is_some() && self.attempts.last().is_some_and(|last| last.session != self.settled_by)
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.entries.len() > 1
    }

    pub(crate) fn entries(&self) -> &[usize] {
        &self.entries
    }

    fn take(&mut self, seq: usize, entry: &Entry, event: &Event) {
        match event {
            Event::AttemptStarted(started) => {
                self.attempts.push(Attempt {
                    seq,
                    number: started.attempt,
                    at: entry.at,
                    session: entry.session,
                    finished: None,
                    finished_seq: None,
                });
            }
            Event::AttemptFinished(finished) => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.finished = Some((finished.class, entry.at));
                    attempt.finished_seq = Some(seq);
                }
                self.settled = finished.settled();
            }
            Event::Observed(seen) if seen.source == Source::GetOperationsForResource => {
                self.searches.push((seq, seen.found));
            }
            Event::Observed(seen) => {
                self.looks.push((seq, seen.source, seen.found));
            }
            Event::AnswerLate(late) => self.late.push(late.attempt),
            Event::RowResolved(told) => self.resolved = Some(told.outcome),
            Event::RowSettled(settled) => self.settled = Some((settled.outcome, settled.evidence)),
            _ => {}
        }
    }
}
