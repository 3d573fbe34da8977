//! A plan's file that is executed: each of its rows is looked at and judged again, and can only lose.

use super::observe::Seen;
use super::{Joined, Judged, Planner};
use crate::policy::guard::{self, Facts};
use crate::record::event::Today;
use crate::record::plan::{Note, PlanObservation, PlanRow, Severity, Verdict};

/// The note of a row that was planned as absent, and whose key pair is there now.
pub const APPEARED: &str = "appeared";

/// The note of a row whose key pair is another one than the plan saw.
pub const DRIFT_PLAN: &str = "drift_plan";

impl<L> Planner<L> {
    /// What becomes today of a row that was `planned`.
    pub(super) fn judge_again(&self, planned: PlanRow, mut joined: Joined) -> Judged {
        let (seen, place) = joined.seen.take().map(Seen::split).unzip();
        let today = match (planned.verdict, &seen) {
            (Verdict::Skip, _) => return Judged { line: planned, place: None, today: None },
            (Verdict::Absent, None) => return Judged { line: planned, place, today: None },
            (Verdict::Absent, Some(_)) => Today { verdict: Verdict::Skip, notes: vec![appeared()], observation: seen },
            (Verdict::Delete, None) => Today { verdict: Verdict::Absent, notes: Vec::new(), observation: None },
            (Verdict::Delete, Some(now)) => self.still_there(&planned, &joined, now),
        };
        let is_same = today.verdict == planned.verdict && today.notes == planned.notes;
        Judged { line: planned, place, today: (!is_same).then_some(today) }
    }

    /// What becomes of a row that was to be deleted, and whose name a key pair has.
    fn still_there(&self, planned: &PlanRow, joined: &Joined, now: &PlanObservation) -> Today {
        let facts = Facts {
            row: joined.row,
            first: joined.first,
            name: &joined.name,
            region: &joined.region,
            account: &joined.account,
            seen: Some(now),
            ambiguous: joined.ambiguous,
            used: joined.used.clone(),
            if_in_use: self.if_in_use,
            known: &joined.known,
            if_recreated: self.if_recreated,
            limits: &self.limits,
            judged_at: self.judged_at,
        };
        let mut notes = guard::notes(&joined.body, &facts);
        let then = planned.observation.as_ref().map(PlanObservation::identity).unwrap_or_default();
        let is_same = then.same_as(&now.identity()) == Some(true);
        if !is_same {
            notes.insert(0, drift(planned.observation.as_ref(), now));
        }
        let verdict = guard::verdict(&notes, true);
        Today { verdict, notes, observation: (!is_same).then(|| now.clone()) }
    }
}

fn appeared() -> Note {
    let text = "the plan found no key pair of this name, and there is one now".to_owned();
    Note { severity: Severity::Skip, kind: APPEARED.to_owned(), text }
}

fn drift(then: Option<&PlanObservation>, now: &PlanObservation) -> Note {
    let named = |seen: &PlanObservation| {
        let created = seen.created_at.as_deref().unwrap_or("unknown");
        let fingerprint = seen.fingerprint.as_deref().unwrap_or("unknown");
        format!("created {created}, fingerprint {fingerprint}")
    };
    let text = format!(
        "the key pair is another one than the plan saw: {}; the plan saw the one {}",
        named(now),
        then.map_or("that nothing identifies".to_owned(), named)
    );
    Note { severity: Severity::Skip, kind: DRIFT_PLAN.to_owned(), text }
}
