//! A run of some rows of an earlier one: it has all rows of that run with the outcomes that its settings name, in their order, and no
//! others.

use std::collections::{BTreeSet, HashMap};

use super::doubtful::Doubtful;
use super::rows::{Fate, Rows};
use super::trouble::Trouble;
use crate::domain::{OF, ONLY, Retriable, RunId};
use crate::record::event::SessionOpened;
use crate::record::plan::{PlanHeader, PlanManifest};

/// The rows of an earlier run that are planned again, while their intents come.
#[derive(Debug)]
pub(super) struct Retry {
    of: RunId,
    only: BTreeSet<Retriable>,
    manifest: Option<PlanManifest>,
    /// The place of the earlier run's next row in `History::rows`, and where its rows end.
    next: usize,
    end: usize,
}

/// A run whose rows may be planned again.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) is_started: bool,
    /// Whether a session of its own can still ask for rows.
    pub(super) may_ask: bool,
    /// Whether it is bound to the account and the endpoint of the session that plans its rows.
    pub(super) is_here: bool,
    pub(super) manifest: Option<PlanManifest>,
    /// Where its rows begin in `History::rows`, and how many there are.
    pub(super) first_row: usize,
    pub(super) rows: usize,
}

/// What became of the rows so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past<'a> {
    pub(super) rows: &'a Rows,
    pub(super) doubtful: &'a HashMap<usize, Doubtful>,
}

impl Retry {
    /// The rows that the settings of the session name which begins a run, if they do. `find` finds that run in this journal.
    pub(super) fn ordered_by(
        opened: &SessionOpened,
        find: impl FnOnce(RunId) -> Option<Earlier>,
    ) -> Result<Option<Self>, Trouble> {
        let (of, only) = match (opened.settings.get(OF), opened.settings.get(ONLY)) {
            (None, None) => return Ok(None),
            (Some(of), Some(only)) => (RunId::written(of), Retriable::written(only)),
            _ => return Err("its settings name one of a run and outcomes of its rows without the other".into()),
        };
        let (Some(of), Some(only)) = (of, only) else {
            return Err("its settings name rows of an earlier run as no version of keybatch does".into());
        };
        let Some(earlier) = find(of) else { return Err("it plans rows of a run again that was never begun".into()) };
        if !earlier.is_started {
            return Err("it plans rows of a run again that was never started".into());
        }
        if only.contains(&Retriable::NotAttempted) && earlier.may_ask {
            return Err("it plans rows again that their own run can still ask for".into());
        }
        if !earlier.is_here {
            return Err("it plans rows again of a run that is bound to another account or endpoint".into());
        }
        let Earlier { manifest, first_row: next, rows, .. } = earlier;
        Ok(Some(Self { of, only, manifest, next, end: next.saturating_add(rows) }))
    }

    /// The manifest is that of the earlier run, of which only these rows count.
    pub(super) fn check_manifest(&self, read: &PlanManifest) -> Result<(), Trouble> {
        let earlier = self.manifest.as_ref().map(|manifest| PlanManifest { rows: read.rows, ..manifest.clone() });
        if earlier.as_ref() == Some(read) {
            return Ok(());
        }
        Err("its manifest is not that of the run whose rows it plans again".into())
    }

    /// The next row of the plan names the key pair with this hash.
    pub(super) fn take(&mut self, name: u64, past: Past<'_>) -> Result<(), Trouble> {
        let Some(place) = self.advance(past) else {
            return Err(Trouble::Illegal(format!("run {} has no further row with such an outcome", self.of)));
        };
        if past.rows.get(place).is_some_and(|row| row.is_named(name)) {
            return Ok(());
        }
        Err(Trouble::Illegal(format!("it is not the next row of run {} with such an outcome", self.of)))
    }

    /// The plan is complete: it has all of these rows, and its header names them as the settings do.
    fn seal(&mut self, header: &PlanHeader, past: Past<'_>) -> Result<(), Trouble> {
        if self.advance(past).is_some() {
            return Err(Trouble::Illegal(format!("it leaves out a row of run {} with such an outcome", self.of)));
        }
        let said = |name: &str| header.settings.get(name).cloned();
        if (said(OF), said(ONLY)) != (Some(self.of.to_string()), Some(Retriable::joined(&self.only))) {
            return Err("its header names other rows of an earlier run than its session".into());
        }
        Ok(())
    }

    /// The place of the earlier run's next row with such an outcome.
    fn advance(&mut self, past: Past<'_>) -> Option<usize> {
        while self.next < self.end {
            let place = self.next;
            self.next += 1;
            let outcome = match past.rows.get(place)?.fate() {
                Fate::Planned(_) | Fate::Open => Some(Retriable::NotAttempted),
                Fate::Settled(kept) => {
                    let now = past.doubtful.get(&place).map_or(kept, Doubtful::counts_as);
                    Retriable::of_outcome(now)
                }
            };
            if outcome.is_some_and(|outcome| self.only.contains(&outcome)) {
                return Some(place);
            }
        }
        None
    }
}

/// The plan is complete, with these rows of an earlier run or with all of its manifest.
pub(super) fn seal(retry: Option<&mut Retry>, header: &PlanHeader, past: Past<'_>) -> Result<(), Trouble> {
    match retry {
        Some(retry) => retry.seal(header, past),
        None => refuse_claim(header),
    }
}

/// A run that makes its own plan of a whole manifest does not say that it plans rows of an earlier one again. A plan's file may: what it
/// says of another journal cannot be checked.
fn refuse_claim(header: &PlanHeader) -> Result<(), Trouble> {
    let claims = header.settings.contains_key(OF) || header.settings.contains_key(ONLY);
    if claims && header.expires_at.is_none() {
        return Err("its header names rows of an earlier run, and its session does not".into());
    }
    Ok(())
}
