//! What other processes may ask of a session at work: how far it is, and to pause, to continue, to send more slowly, to stop.
//!
//! Whoever carries the questions (a socket, a test) is the host's. Here is decided what they do: each use but a look is an entry first,
//! which is durable before the session does what it was told, and before anybody is told that it does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use tokio::sync::Mutex;

use super::at_work::Session;
use super::host::{Host, Listening};
use super::live::{AtWork, By, Told, Untold, Vouched};
use super::operator::{Notice, Operator};
use super::status::{Bearing, SessionStatus, Status, TargetStatus};
use crate::domain::{CAP_PER_S, RateCap, RunId, Settings, time_text};
use crate::execute::control::{Control, StoppedBy};
use crate::journal::{Meter, Reader, RunRecord, Scribe};
use crate::lane::{Counts, Lane};
use crate::lightsail::Lightsail;
use crate::record::control_used::ControlUsed;
use crate::record::event::{Event, Requests};

/// A session at work.
pub(super) struct Controls<L> {
    session: SessionStatus,
    began: tokio::time::Instant,
    record: RunRecord,
    reader: Reader,
    scribe: Scribe,
    control: Arc<Control>,
    /// With the targets' numbers.
    lanes: Vec<(i64, Arc<Lane<L>>)>,
    counts: Arc<Counts>,
    operator: Arc<dyn Operator>,
    /// What the session was started with.
    cap: RateCap,
    /// Whether it may be told anything: one at a time, so that what is recorded last is what holds.
    open: Mutex<bool>,
}

impl<H: Host> Session<'_, H> {
    /// This session, as other processes see it while it works on these lanes.
    pub(super) fn controls(
        &self,
        record: &RunRecord,
        settings: &Settings,
        control: &Arc<Control>,
        lanes: Vec<(i64, Arc<Lane<H::Port>>)>,
    ) -> Arc<Controls<H::Port>> {
        let who = &self.order.who;
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        let started = self.open.clock.now().saturating_sub(elapsed).unwrap_or_default();
        Arc::new(Controls {
            session: SessionStatus {
                operator: format!("{}@{}", who.user, who.host),
                pid: who.pid,
                started_at: time_text(started),
                seconds: 0.0,
                requests: Requests::default(),
                journal: self.order.journal.to_string(),
            },
            began: self.began,
            record: record.clone(),
            reader: self.open.reader.clone(),
            scribe: self.scribe(),
            control: Arc::clone(control),
            lanes,
            counts: Arc::clone(&self.counts),
            operator: Arc::clone(self.host.operator()),
            cap: settings.rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or_default(),
            open: Mutex::new(true),
        })
    }

    /// Lets others reach the session, if anybody may.
    pub(super) async fn listen(&self, controls: Option<&Arc<Controls<H::Port>>>) -> Option<Box<dyn Listening>> {
        let listening = self.host.listen(Arc::clone(controls?) as Arc<dyn AtWork>, self.open.inbox.clone());
        tokio::select! {
            biased;
            listening = listening => listening,
            // Whoever ends the session does not wait for a database that is away.
            () = self.host.stops().hurried() => None,
        }
    }
}

impl<L: Lightsail> Controls<L> {
    /// From now on the session is told nothing more; ends once it has done what it was told before.
    pub(super) async fn close(&self) {
        *self.open.lock().await = false;
    }

    fn admit(&self, told: Told) -> Result<(), Untold> {
        if told != Told::Stop && self.control.stopped().is_some() {
            return Err(Untold::Stopping);
        }
        let Told::Rate(per_s) = told else { return Ok(()) };
        let (least, most) = CAP_PER_S;
        if !(least..=most).contains(&per_s) {
            return Err(Untold::NoRate);
        }
        match self.cap {
            RateCap::PerSecond(cap) if per_s > cap => Err(Untold::AboveRate(self.cap)),
            _ => Ok(()),
        }
    }

    async fn record(&self, used: &ControlUsed) -> Result<(), Untold> {
        self.scribe.write(Event::ControlUsed(used.clone())).await.map_err(|error| {
            // A paused session writes nothing by which it would notice.
            self.control.fail(&error);
            Untold::Journal(error)
        })
    }

    async fn obey(&self, told: Told, by: &By) -> Result<(), Untold> {
        let open = self.open.lock().await;
        if !*open {
            return Err(Untold::Ended);
        }
        self.admit(told)?;
        let (what, per_s) = told.what();
        let (uid, database_role) = match &by.vouched {
            Vouched::Kernel(uid) => (Some(*uid), None),
            Vouched::Database(role) => (None, Some(role.clone())),
        };
        let used = ControlUsed { what, per_s, by: by.user.clone(), uid, database_role };
        let gate = self.control.gate();
        match told {
            Told::Rate(per_s) => {
                self.record(&used).await?;
                self.lanes.iter().for_each(|(_, lane)| lane.pacer.hold_below(per_s));
            }
            _ => {
                gate.set(async {
                    self.record(&used).await?;
                    if told == Told::Stop {
                        self.control.stop(StoppedBy::Control, format!("stopped by {} with keybatch control", by.user));
                    }
                    let since = gate.paused_since();
                    Ok(match told {
                        Told::Pause => since.or_else(|| Some(self.scribe.now())),
                        Told::Continue => None,
                        _ => since,
                    })
                })
                .await?;
            }
        }
        self.operator.notice(Notice::Controlled { run: self.record.run, used: &used });
        Ok(())
    }

    async fn look(&self) -> Result<Status, Untold> {
        let outcomes = self.reader.counts(&self.record).await.map_err(Untold::Journal)?;
        let (paused, stops) = (self.control.gate().paused_since(), self.control.stopped());
        let bearing = match (&stops, paused) {
            (Some(_), _) => Bearing::Stopping,
            (None, Some(_)) => Bearing::Paused,
            (None, None) => Bearing::Running,
        };
        let alone = self.control.stopped_targets();
        let target = |(number, lane): &(i64, Arc<Lane<L>>)| TargetStatus {
            account: lane.target.account.clone(),
            region: lane.target.region.clone(),
            rate_per_s: rounded(lane.pacer.recent()),
            permitted_per_s: lane.pacer.rate().map(rounded),
            cap_per_s: lane.pacer.cap().filter(|cap| *cap < CAP_PER_S.1).map(rounded),
            learned_per_s: lane.pacer.learned().map(|learned| rounded(learned.rate_per_s)),
            stopped: alone.get(number).map(|stop| stop.detail.clone()),
        };
        Ok(Status {
            schema: Status::SCHEMA.to_owned(),
            run: self.record.run.to_string(),
            state: bearing,
            since: paused.filter(|_| bearing == Bearing::Paused).map(time_text),
            stopped_by: stops.map(|stop| stop.detail),
            sandbox: self.record.sandbox,
            rows: self.record.rows,
            outcomes,
            in_flight: self.control.gate().in_flight(),
            targets: self.lanes.iter().map(target).collect(),
            session: SessionStatus {
                requests: self.counts.so_far(),
                seconds: seconds(self.began.elapsed()),
                ..self.session.clone()
            },
            sessions: Vec::new(),
        })
    }
}

fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 10.0).round() / 10.0
}

/// To three digits after the point, as rates are shown.
fn rounded(per_s: f64) -> f64 {
    if per_s < 1.0 { (per_s * 1e6).round() / 1e6 } else { (per_s * 1e3).round() / 1e3 }
}

impl<L: Lightsail> AtWork for Controls<L> {
    fn run(&self) -> RunId {
        self.record.run
    }

    fn run_no(&self) -> i64 {
        self.record.run_no
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Untold>> {
        Box::pin(self.look())
    }

    fn meter(&self) -> Arc<Meter> {
        Arc::clone(self.scribe.journal.meter())
    }

    fn tell<'a>(&'a self, told: Told, by: &'a By) -> BoxFuture<'a, Result<(), Untold>> {
        Box::pin(self.obey(told, by))
    }
}
