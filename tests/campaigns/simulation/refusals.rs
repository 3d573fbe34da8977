//! What an operator tries that must be refused: for the right reason, before anything is sent, and without a trace.

use std::sync::Arc;

use fastrand::Rng;
use keybatch::session::order::{OnDrift, Repeat};
use keybatch::session::{Ending, Refusal, Sent, SessionError};

use super::host::SimHost;
use super::ledger::Handle;
use super::paper::Paper;
use super::session::{Ended, Mark, Session};

/// What an operator tries before the session.
#[derive(Debug, Clone)]
pub(crate) enum Trial {
    /// Another run of what has a run.
    Again,
    /// A plan that was edited, by this chance.
    Edited(u64),
    /// A plan without all the approvals that are demanded.
    TooFew,
    /// With the credentials of another account.
    Stray,
    /// A plan that another run executed.
    Used(Arc<Paper>),
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Edited,
    Used,
    Unapproved,
    Stray,
}

fn is_expired(handle: &Handle, paper: &Paper) -> bool {
    handle.time.at_least() >= paper.expires_at
}

impl Session<'_> {
    /// What must be refused is refused, for the right reason, and leaves no trace.
    pub(crate) fn must_refuse(
        &self,
        (_, ended): (SimHost, Result<Ending, SessionError>),
        before: Mark,
        is_it: impl Fn(&Refusal) -> bool,
    ) {
        match ended {
            Err(error) if is_it(&error.why) => {
                if error.sent == Some(Sent::Deletes) {
                    self.breaks(format!("a refusal says that deletes were sent: {error:?}"));
                }
            }
            other => self.breaks(format!("what must be refused ended otherwise: {other:?}")),
        }
        let (entries, requests, reads) = self.mark();
        // The first session makes the journal.
        let is_made = (before.0, entries) == (0, 1);
        if (requests, reads) != (before.1, before.2) || (entries != before.0 && !is_made) {
            self.breaks("a refusal left a trace".into());
        }
    }

    /// The trial of this session. Nothing, where it would not have to be refused.
    pub(crate) async fn tries(&self, started: bool, finished: bool) -> Option<Refused> {
        let before = self.mark();
        match (&self.trial, &self.paper) {
            (Some(Trial::Again), None) if started => {
                let repeat = if finished { Repeat::Refuse } else { Repeat::Again };
                let refused = self.to_run(1, false, repeat).await;
                self.must_refuse(refused, before, |why| match why {
                    Refusal::Unfinished { .. } => !finished,
                    Refusal::AlreadyRun { .. } => finished,
                    _ => false,
                });
                None
            }
            (Some(Trial::Again), Some(paper)) if started => {
                let is_expired = is_expired(&self.handle, paper);
                let refused = self.to_run_plan(1, paper, Repeat::Refuse, OnDrift::Skip).await;
                self.must_refuse(refused, before, |why| match why {
                    Refusal::PlanExpired { .. } => is_expired,
                    Refusal::Unfinished { .. } => !finished && !is_expired,
                    Refusal::PlanUsed { .. } => finished && !is_expired,
                    _ => false,
                });
                Some(Refused::Used)
            }
            (Some(Trial::Used(paper)), _) => {
                let is_expired = is_expired(&self.handle, paper);
                let refused = self.to_run_plan(1, paper, Repeat::Refuse, OnDrift::Skip).await;
                self.must_refuse(refused, before, |why| match why {
                    Refusal::PlanExpired { .. } => is_expired,
                    Refusal::PlanUsed { .. } => !is_expired,
                    _ => false,
                });
                Some(Refused::Used)
            }
            (Some(Trial::Edited(seed)), Some(paper)) => {
                let edited = paper.edited(&mut Rng::with_seed(*seed));
                if edited == paper.bytes {
                    return None;
                }
                let refused = self.to_run_file(1, (edited, OnDrift::Skip), paper.signed.all(), Repeat::Resume).await;
                let is_it = |why: &Refusal| matches!(why, Refusal::NotThatPlan(_) | Refusal::PlanRow { .. });
                self.must_refuse(refused, before, is_it);
                Some(Refused::Edited)
            }
            (Some(Trial::TooFew), Some(paper)) if !started && !is_expired(&self.handle, paper) => {
                let (few, found) = paper.signed.too_few()?;
                let refused = self.to_run_file(1, (paper.bytes.clone(), OnDrift::Skip), few, Repeat::Refuse).await;
                let is_it = |why: &Refusal| matches!(why, Refusal::NotApproved { found: is, .. } if *is == found);
                self.must_refuse(refused, before, is_it);
                Some(Refused::Unapproved)
            }
            (Some(Trial::Stray), paper) if self.needs_default_credentials() && !finished => {
                let refused = match paper {
                    _ if started => self.to_resume(2, false).await,
                    Some(paper) if !is_expired(&self.handle, paper) => {
                        self.to_run_plan(2, paper, Repeat::Refuse, OnDrift::Skip).await
                    }
                    _ => return None,
                };
                let is_it = |why: &Refusal| match why {
                    Refusal::Bound { what, .. } => started && *what == "account",
                    Refusal::PlanBound { what, .. } => !started && *what == "account",
                    _ => false,
                };
                self.must_refuse(refused, before, is_it);
                Some(Refused::Stray)
            }
            _ => None,
        }
    }

    /// A plan that expired is refused; nothing else may begin with it.
    pub(crate) async fn is_too_late(&self, paper: &Arc<Paper>) -> bool {
        if !is_expired(&self.handle, paper) {
            return false;
        }
        let before = self.mark();
        let refused = self.to_run_plan(3, paper, Repeat::Refuse, OnDrift::Skip).await;
        self.must_refuse(refused, before, |why| matches!(why, Refusal::PlanExpired { .. }));
        true
    }

    /// How the session ended, where it was refused as it may be.
    pub(crate) fn refused(&self, error: &SessionError) -> Option<Ended> {
        let (started, reached) = {
            let sim = self.handle.sim();
            (sim.ledger.started, sim.world.unreachable.is_empty())
        };
        match (&*error.why, &self.paper) {
            // Planning needs every account; a run that continues, only one.
            (Refusal::Outside(_), _) if !reached && !started => Some(Ended::NotReached),
            (Refusal::PlanExpired { .. }, Some(paper)) if !started && is_expired(&self.handle, paper) => {
                Some(Ended::Expired)
            }
            (Refusal::Drifted { count, .. }, Some(paper)) if !started && self.on_drift == OnDrift::Refuse => {
                let expected = paper.changes(&self.handle.sim());
                if expected.is_some_and(|expected| expected != *count) || *count == 0 {
                    self.breaks(format!("{count} rows have changed, it says, and the world says {expected:?}"));
                }
                Some(Ended::Drifted)
            }
            _ => None,
        }
    }

    /// Whether a plan that has a run may be named to continue it.
    pub(crate) fn may_name(&self, paper: &Paper) -> bool {
        !is_expired(&self.handle, paper)
    }
}
