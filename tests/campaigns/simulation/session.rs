//! One session of a life: the product's own, ordered to run, resume, abandon or resolve, and held to what it says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use keybatch::domain::{Class, Outcome, Settings};
use keybatch::execute::control::Limits;
use keybatch::policy::guard::IfInUse;
use keybatch::policy::recreated::IfRecreated;
use keybatch::session::order::{
    AbandonOrder, Approvals, Confirmation, MaxFailures, OnDrift, Order, Overrides, PlanOrder, Repeat, ResumeOrder,
    Rollback, RunOrder, RunPlanOrder, Subject, Who,
};
use keybatch::session::summary::{State, StopWord};
use keybatch::session::{self, Ending, PlanEnding, Refusal, Sent, SessionError};

use super::accounts::{ACCOUNT, Accounts, STRANGER};
use super::controls::{Controller, Used};
use super::host::SimHost;
use super::ledger::Handle;
use super::paper::{Day, Paper};
use super::plan::{Manifest, csv};
use super::refusals::{Refused, Trial};

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Finished,
    Stopped,
    /// For a look at its canary.
    Looks,
    GivenUp,
    /// Of a plan whose time was over.
    Expired,
    /// Of a plan whose rows had changed.
    Drifted,
    /// Since an account was not reached.
    NotReached,
    /// After it was said what became of a row, or it was found that this cannot be said.
    Resolved,
    Unresolvable,
    /// The journal could not be written.
    JournalFailed,
    /// Others have it.
    Locked,
    Died,
}

/// What a session is ordered to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// To run the manifest, or to resume its run.
    Work,
    /// To give the run up.
    Abandon,
    /// To say what became of a row.
    Resolve { index: usize, outcome: Outcome },
}

/// A session that is to be.
pub(crate) struct Session<'a> {
    pub(crate) number: u32,
    pub(crate) handle: Handle,
    pub(crate) settings: Settings,
    pub(crate) plan: &'a [super::plan::PlannedRow],
    pub(crate) manifest: Manifest,
    /// Whether the manifest has a finished run.
    pub(crate) is_again: bool,
    pub(crate) accounts: &'a Accounts,
    /// The plan's file, if the run is to execute one; what to do if its rows have changed; and whether it is named to continue the run.
    pub(crate) paper: Option<Arc<Paper>>,
    pub(crate) on_drift: OnDrift,
    pub(crate) by_paper: bool,
    /// What the operator first tries that must be refused.
    pub(crate) trial: Option<Trial>,
    pub(crate) verb: Verb,
    /// A signal comes after so long.
    pub(crate) stops_after: Option<Duration>,
    /// Somebody controls it, as drawn from this.
    pub(crate) controls: Option<(Rng, Arc<Mutex<Used>>)>,
    pub(crate) limits: Limits,
}

/// Sometimes the operator sets limits.
pub(crate) fn limits(rng: &mut Rng, wanted: bool) -> Limits {
    let mut some = || (wanted && rng.u32(0..8) == 0).then(|| rng.u64(1..4));
    Limits { max_deletes: some(), max_failures: some(), canary: None }
}

/// Sometimes the operator wants to look at the first rows. Drawn from a source of its own, so that all else goes on as it did.
pub(crate) fn canary(seed: u64, number: u32, wanted: bool) -> Option<u64> {
    let mut rng = Rng::with_seed(seed.rotate_left(32) ^ u64::from(number));
    (wanted && rng.u32(0..6) == 0).then(|| rng.u64(1..4))
}

/// The attempt of a session that has the credentials of another account.
const STRAY: u32 = 2;

/// What there is at a moment: entries, requests, readings.
pub(crate) type Mark = (usize, usize, u64);

impl Session<'_> {
    pub(crate) fn host(&self, attempt: u32) -> SimHost {
        let account = if attempt == STRAY { STRANGER } else { ACCOUNT };
        let controller = self.controls.as_ref().map(|(rng, used)| Controller {
            handle: self.handle.clone(),
            rng: rng.clone(),
            is_capped: self.settings.rate.as_deref() == Some("20/s"),
            used: Arc::clone(used),
        });
        SimHost::new(self.handle.clone(), self.number * 4 + attempt, account, self.stops_after, controller)
    }

    pub(crate) fn needs_default_credentials(&self) -> bool {
        !self.accounts.is_configured(ACCOUNT) && self.plan.iter().any(|row| row.account == ACCOUNT)
    }

    pub(crate) fn order(&self, accept: bool) -> Order {
        let settings = &self.settings;
        Order {
            journal: PathBuf::from("journal.db").into(),
            accounts: self.accounts.configured(),
            who: Who { host: "host".into(), user: "user".into(), pid: self.number + 1, ..Who::default() },
            overrides: Overrides {
                max_attempts: Some(settings.max_attempts),
                attempt_timeout: Some(settings.attempt_timeout),
                settle_timeout: Some(settings.settle_timeout),
                operation_timeout: Some(settings.operation_timeout),
                max_observation_age: Some(settings.max_observation_age),
                signature_life: Some(settings.signature_life),
                concurrency: Some(settings.concurrency),
                rate: settings.rate.clone(),
            },
            max_deletes: self.limits.max_deletes,
            max_failures: self.limits.max_failures.map(MaxFailures::Rows),
            canary: self.limits.canary,
            rollback: Rollback { accept, because: accept.then(|| "the copy is lost".into()) },
            ..Order::default()
        }
    }

    pub(crate) async fn to_run(
        &self,
        attempt: u32,
        accept: bool,
        repeat: Repeat,
    ) -> (SimHost, Result<Ending, SessionError>) {
        let order = RunOrder {
            order: self.order(accept),
            subject: self.subject(),
            repeat,
            // What none of which exists is not confirmed by a plain yes.
            confirmation: Confirmation::Ask { possible: true },
            plan: None,
        };
        let input = Box::new(std::io::Cursor::new(csv(self.plan, self.accounts, self.manifest.number)));
        let host = self.host(attempt);
        let ended = session::run(&host, &order, input).await;
        (host, ended)
    }

    pub(crate) async fn to_run_plan(
        &self,
        attempt: u32,
        paper: &Paper,
        repeat: Repeat,
        on_drift: OnDrift,
    ) -> (SimHost, Result<Ending, SessionError>) {
        self.to_run_file(attempt, (paper.bytes.clone(), on_drift), paper.signed.all(), repeat).await
    }

    pub(crate) async fn to_run_file(
        &self,
        attempt: u32,
        (bytes, on_drift): (Vec<u8>, OnDrift),
        approvals: Approvals,
        repeat: Repeat,
    ) -> (SimHost, Result<Ending, SessionError>) {
        let order = RunPlanOrder {
            order: self.order(false),
            if_in_use: IfInUse::Warn,
            if_recreated: IfRecreated::Warn,
            repeat,
            confirmation: Confirmation::Ask { possible: true },
            on_drift,
            approvals,
        };
        let host = self.host(attempt);
        let ended = session::run_plan(&host, &order, Box::new(std::io::Cursor::new(bytes))).await;
        (host, ended)
    }

    /// Plans, and returns the file. Whether the planner has the journal depends only on whether a file is there.
    pub(crate) async fn to_plan(&self, knows: bool, expires: Duration) -> Vec<u8> {
        let there = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let journal = if knows { there } else { "no journal" };
        let order = PlanOrder {
            order: Order { journal: PathBuf::from(journal).into(), ..self.order(false) },
            subject: self.subject(),
            expires: Some(expires),
            directory: PathBuf::new(),
            as_run: None,
        };
        self.handle.sim().world.is_eve = true;
        let input = Box::new(std::io::Cursor::new(csv(self.plan, self.accounts, self.manifest.number)));
        let before = self.mark();
        let mut file = Vec::new();
        let ended = session::plan(&self.host(0), &order, input, &mut file).await;
        if !matches!(ended, Ok(PlanEnding::Made(_))) || self.mark() != (before.0, before.1, self.mark().2) {
            self.breaks(format!("nothing could be planned, or not without a trace: {ended:?}"));
        }
        file
    }

    fn subject(&self) -> Subject {
        Subject { manifest: "m.csv".into(), if_recreated: self.manifest.if_recreated, ..Subject::default() }
    }

    pub(crate) async fn to_resume(&self, attempt: u32, accept: bool) -> (SimHost, Result<Ending, SessionError>) {
        let run = self.handle.sim().ledger.runs.last().map(|run| run.run.to_string());
        let order = ResumeOrder { order: self.order(accept), run };
        let host = self.host(attempt);
        let ended = session::resume(&host, &order).await;
        (host, ended)
    }

    pub(crate) fn mark(&self) -> Mark {
        let sim = self.handle.sim();
        (sim.ledger.bodies.len(), sim.world.requests.len(), sim.world.reads)
    }

    pub(crate) fn breaks(&self, what: String) {
        self.handle.sim().world.breaks(what);
    }

    /// Runs it; says also what was refused before.
    pub(crate) async fn run(&self) -> (Ended, Option<Refused>) {
        let (started, finished, lost) = {
            let mut sim = self.handle.sim();
            sim.world.is_eve = true;
            (sim.ledger.started, sim.ledger.finished, sim.ledger.is_older)
        };
        match self.verb {
            Verb::Abandon => return (self.gives_up().await, None),
            Verb::Resolve { index, outcome } => return (self.resolves(index, outcome).await, None),
            Verb::Work => {}
        }
        let refused = if lost {
            // I12: not before that is accepted.
            let before = self.mark();
            let refused = self.to_resume(1, false).await;
            self.must_refuse(refused, before, |why| matches!(why, Refusal::LostEntries(_)));
            None
        } else {
            self.tries(started, finished).await
        };
        (self.works(started, lost).await, refused)
    }

    async fn works(&self, started: bool, lost: bool) -> Ended {
        let (entries, requests, _) = self.mark();
        let (host, ended) = match &self.paper {
            Some(paper) if !started => {
                if self.is_too_late(paper).await {
                    return Ended::Expired;
                }
                let ended = self.to_run_plan(0, paper, Repeat::Refuse, self.on_drift).await;
                let sim = &mut *self.handle.sim();
                if self.on_drift == OnDrift::Refuse
                    && sim.ledger.started
                    && sim.days.iter().any(|day| *day != Day::Same)
                {
                    sim.world.breaks(format!("rows have changed, and the run begins: {:?}", sim.days));
                }
                ended
            }
            Some(paper) if !lost && self.by_paper && self.may_name(paper) => {
                self.to_run_plan(0, paper, Repeat::Resume, self.on_drift).await
            }
            _ if started => self.to_resume(0, lost).await,
            _ => {
                let repeat = if self.is_again { Repeat::Again } else { Repeat::Refuse };
                self.to_run(0, lost, repeat).await
            }
        };
        let sent = {
            let sim = self.handle.sim();
            let mut own = sim.world.requests[requests..].iter();
            own.any(|request| request.delivered != Some(Class::NotSent))
        };
        self.judge_canary(entries, &ended);
        self.judge(&host, ended, sent)
    }

    /// No target has more rows begun than its canary permits. A session stops for a look only if one has as many, and others left.
    fn judge_canary(&self, before: usize, ended: &Result<Ending, SessionError>) {
        let mut begun: BTreeMap<_, (u64, bool)> = BTreeMap::new();
        for row in &self.handle.sim().ledger.rows {
            let (asked, is_left) = begun.entry(row.target.clone()).or_default();
            *asked += u64::from(row.attempts.iter().any(|attempt| attempt.seq >= before));
            *is_left |= row.settled.is_none();
        }
        let most = self.limits.canary;
        if begun.values().any(|(asked, _)| most.is_some_and(|most| *asked > most)) {
            self.breaks(format!("P75: more are asked for than the canary permits: {begun:?}"));
        }
        let Ok(Ending::Summed(summary)) = ended else { return };
        let looks = begun.values().any(|(asked, is_left)| Some(*asked) == most && *is_left);
        if summary.stopped_by == Some(StopWord::Canary) && !looks {
            self.breaks(format!("P75: it stops for a look at nothing: {begun:?}"));
        }
    }

    /// Nothing is sent, and the run is closed unless something is still open.
    async fn gives_up(&self) -> Ended {
        let (run, requests) = {
            let sim = self.handle.sim();
            (sim.ledger.runs.last().map(|run| run.run.to_string()).unwrap_or_default(), sim.world.requests.len())
        };
        let order = AbandonOrder { order: self.order(false), run, because: "another manifest is right".into() };
        let host = self.host(0);
        let ended = session::abandon(&host, &order).await;
        if self.mark().1 != requests {
            self.breaks("a delete leaves while the run is being given up".into());
        }
        match ended {
            Ok(Ending::Summed(summary)) if summary.state == Some(State::Abandoned) => Ended::GivenUp,
            Ok(_) => Ended::Stopped,
            Err(error) => {
                let refusal = &*error.why;
                if !matches!(refusal, Refusal::Unrecordable { .. } | Refusal::Journal(_) | Refusal::NotAbandoned) {
                    self.breaks(format!("a run could not be given up: {error:?}"));
                }
                if error.sent == Some(Sent::Deletes) {
                    self.breaks("deletes were sent, it says, while the run was being given up".into());
                }
                Ended::JournalFailed
            }
        }
    }

    pub(crate) fn judge(&self, host: &SimHost, ended: Result<Ending, SessionError>, sent: bool) -> Ended {
        match ended {
            Ok(Ending::Summed(summary)) => {
                let rows = self.handle.sim().ledger.rows.len() as u64;
                if summary.outcomes.total() != rows || summary.rows != rows {
                    self.breaks(format!("I10: {rows} rows, and the summary says {:?}", summary.outcomes));
                }
                if *host.script.unexplained.lock().unwrap() {
                    self.breaks("rows are left, and no reason to stop is given".into());
                }
                match summary.state {
                    Some(State::Finished) => Ended::Finished,
                    _ if summary.stopped_by == Some(StopWord::Canary) => Ended::Looks,
                    _ => Ended::Stopped,
                }
            }
            Err(error) => {
                if let Some(ended) = self.refused(&error).filter(|_| !sent) {
                    return ended;
                }
                let by_the_journal = matches!(&*error.why, Refusal::Unrecordable { .. } | Refusal::Journal(_));
                if !by_the_journal {
                    self.breaks(format!("a session was refused: {error:?}"));
                }
                if sent != (error.sent == Some(Sent::Deletes)) {
                    self.breaks(format!("deletes were sent: {sent}, and the error says {:?}", error.sent));
                }
                // I9: what is said of the run is what the journal has.
                if let Some(summary) = error.summary {
                    let is_finished = self.handle.sim().ledger.finished;
                    let says = summary.state == Some(State::Finished);
                    if says != is_finished || (!says && summary.stopped_by != Some(StopWord::Journal)) {
                        self.breaks(format!("I9: finished: {is_finished}, and the summary says {:?}", summary.state));
                    }
                }
                Ended::JournalFailed
            }
        }
    }
}
