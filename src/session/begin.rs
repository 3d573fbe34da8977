//! The beginning of a run: its first entries, its plan, the confirmation, and on to the work.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use super::accounts::Connections;
use super::approvals::{approved, refuse_expired};
use super::at_work::Session;
use super::confirm::confirm;
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::ghosts;
use super::header::header;
use super::host::Host;
use super::open::OpenJournal;
use super::opened::{Opening, session_opened};
use super::operator::{Moment, Notice, PlanFacts, Watched, while_watched};
use super::order::{InHand, OnDrift, Repeat, RunOrder, duration_text};
use super::stage::{Staged, manifest_entry};
use crate::domain::{OutcomeCounts, RunId, Settings};
use crate::execute::control::StoppedBy;
use crate::journal::stage::Stage;
use crate::lane::Counts;
use crate::lightsail::Lightsail as _;
use crate::plan::{Changes, Plan, PlanError, Planner, Tally};
use crate::policy::Rule;
use crate::record::event::{Event, OverrideUsed, RunStarted};
use crate::record::{Draft, StopReason};

/// What a run begins with.
pub(super) struct Begun<H: Host> {
    pub(super) open: OpenJournal,
    pub(super) began: tokio::time::Instant,
    pub(super) staged: Staged,
    pub(super) connections: Connections<H::Port>,
    /// Whether a run of this manifest is finished.
    pub(super) is_again: bool,
}

pub(super) async fn begin<H: Host>(
    host: &H,
    order: &RunOrder,
    mut settings: Settings,
    run: RunId,
    begun: Begun<H>,
) -> Result<Ending, SessionError> {
    let Begun { open, began, staged, connections, is_again } = begun;
    let place = &connections.place;
    ghosts::settle_life(&order.order, place, &mut settings);
    let service = (place.endpoint.as_str(), &connections.accounts());
    let ghosts = ghosts::of_other_runs(&open.reader, &open.clock, run, service, &settings).await?;
    let mut opened = session_opened(Opening {
        session: host.new_id(),
        command: "run",
        order: &order.order,
        settings: &settings,
        place: Some(place),
        sandbox: place.is_sandbox(),
        own: &order.own(),
    });
    connections.sign(&mut opened);
    opened.run_id = Some(run.to_string());
    open.remember(host, &order.order, &mut opened).await?;
    let session = Session {
        host,
        order: order.order.clone(),
        run,
        runner: None,
        sandbox: place.is_sandbox(),
        resumed: false,
        counts: Arc::new(Counts::default()),
        began,
        before: OutcomeCounts::default(),
        because: None,
        known: OnceLock::new(),
        settled: Arc::default(),
        took: OnceLock::new(),
        open,
        ghosts,
    };
    // From here on there is something to close.
    host.stops().hand_over();
    let ingested = Event::ManifestIngested(manifest_entry(&staged.ingested));
    let mut drafts = vec![Draft::of(Event::SessionOpened(opened)), Draft::of(ingested)];
    drafts.extend(overrides(order, is_again).into_iter().map(|used| Draft::of(Event::OverrideUsed(used))));
    session.open.journal.append(drafts).await?;
    let planned = match plan(order, &session, &settings, &connections, staged).await {
        Err(error) => return Err(session.explain(error).await),
        Ok(ControlFlow::Break(ending)) => return Ok(ending),
        Ok(ControlFlow::Continue(planned)) => planned,
    };
    match execute(order, &session, settings, &connections, planned).await {
        Err(error) => Err(session.explain(error).await),
        ended => ended,
    }
}

/// A plan, and the lanes that it was made with.
struct Planned<H: Host> {
    plan: Plan,
    confirmed_by: &'static str,
    lanes: Vec<Lane<H>>,
}

type Lane<H> = Arc<crate::lane::Lane<<H as Host>::Port>>;

async fn plan<H: Host>(
    order: &RunOrder,
    session: &Session<'_, H>,
    settings: &Settings,
    connections: &Connections<H::Port>,
    mut staged: Staged,
) -> Result<ControlFlow<Ending, Planned<H>>, SessionError> {
    let mut lanes = Vec::new();
    for target in staged.stage.targets() {
        lanes.extend(session.lane(connections, target, settings).await?);
    }
    let made_at = session.open.clock.now();
    let planner = Planner {
        scribe: session.scribe(),
        header: match &order.plan {
            Some(plan) => plan.header.clone(),
            None => header(&order.order, &order.subject, session.host.new_id(), made_at, connections, &staged.ingested),
        },
        accounts: connections.accounts().into_iter().map(str::to_owned).collect(),
        home: connections.place.caller.account.clone(),
        lanes: lanes.clone(),
        if_in_use: order.subject.if_in_use.max(order.order.policy.limits.if_in_use),
        if_recreated: order.subject.if_recreated,
        limits: match &order.plan {
            // Its columns were judged when it was made; it need not have all of them any more.
            Some(_) => order.order.policy.limits.without(Rule::RequiredColumns),
            None => order.order.policy.limits.clone(),
        },
        judged_at: made_at,
        skip_invalid: order.subject.skip_invalid,
        without_annotations: order.subject.without_annotations,
        patience: settings.settle_timeout,
        tally: Arc::<Tally>::default(),
    };
    let confirmed = confirmed(order, session, &planner, staged.ingested.rows, &mut staged.stage, connections).await?;
    Ok(match confirmed {
        ControlFlow::Continue((plan, confirmed_by)) => ControlFlow::Continue(Planned { plan, confirmed_by, lanes }),
        ControlFlow::Break(ending) => ControlFlow::Break(ending),
    })
}

/// The approvals of a plan that was made before, if it may still be executed: the confirmation may have taken long.
///
/// Whether it expired, the latest of three clocks decides: this machine's, that of the service's answers, and that of the journal.
async fn ready<H: Host>(
    session: &Session<'_, H>,
    in_hand: &InHand,
    lanes: &[Lane<H>],
) -> Result<Vec<Event>, SessionError> {
    let now = session.open.now().await.map_err(SessionError::from)?;
    let of_service = |lane: &Lane<H>| {
        let (date, ago) = lane.port.service_date()?;
        date.checked_add(ago).ok()
    };
    let latest = lanes.iter().filter_map(of_service).max().unwrap_or(now).max(now);
    refuse_expired(&in_hand.header, latest)?;
    approved(session.host, in_hand, now)
}

async fn execute<H: Host>(
    order: &RunOrder,
    session: &Session<'_, H>,
    settings: Settings,
    connections: &Connections<H::Port>,
    planned: Planned<H>,
) -> Result<Ending, SessionError> {
    let Planned { plan, confirmed_by, lanes } = planned;
    let started = RunStarted {
        plan_root: plan.sealed.seal.root.clone(),
        deletes: plan.deletes(),
        confirmed_by: confirmed_by.to_owned(),
        settings: settings.clone(),
    };
    let mut drafts = Vec::new();
    if let Some(in_hand) = &order.plan {
        match ready(session, in_hand, &lanes).await {
            Ok(approved) => drafts.extend(approved.into_iter().map(Draft::of)),
            Err(error) => return Err(session.give_up(StopReason::Refused, error.sent(Sent::Reads)).await),
        }
    }
    drafts.push(Draft::of(Event::RunStarted(started)));
    session.open.journal.append(drafts).await?;
    let runs = session.open.reader.runs().await?;
    let run_no = runs.iter().find(|record| record.run == session.run).map_or(0, |record| record.run_no);
    let targets = session.open.reader.targets(run_no).await?;
    let lanes: HashMap<_, _> = lanes.iter().map(|lane| (&lane.target, lane)).collect();
    let mut work = Vec::new();
    for target in targets {
        let known = lanes.get(&target.target).map(|lane| Arc::clone(lane));
        // Rows that name no usable region have a target all the same; nothing is asked of it.
        let lane = match known {
            Some(lane) => Some(lane),
            None => session.lane(connections, target.target.clone(), &settings).await?,
        };
        work.extend(lane.map(|lane| (target, lane)));
    }
    session.work(settings, (&plan.sealed, plan.deletes()), work, &BTreeMap::new()).await
}

/// The plan, sealed, and by what it was confirmed; or how the session ends without one.
async fn confirmed<H: Host>(
    order: &RunOrder,
    session: &Session<'_, H>,
    planner: &Planner<H::Port>,
    rows: u64,
    stage: &mut Stage,
    connections: &Connections<H::Port>,
) -> Result<ControlFlow<Ending, (Plan, &'static str)>, SessionError> {
    let operator = session.host.operator();
    // A plan that a person must confirm is recorded only after that: declining leaves no plan behind.
    // So is one that was made before: it may be refused, now that it was compared with what is there.
    let drafts = order.asks() || order.plan.is_some();
    let watched = Watched::Planning { rows, sandbox: session.sandbox, tally: Arc::clone(&planner.tally) };
    let planned =
        async { if drafts { planner.draft(stage, |line| Ok(line.leaf()?)).await } else { planner.plan(stage).await } };
    let plan = match to_its_end(session, while_watched(&**operator, watched, planned)).await? {
        ControlFlow::Continue(plan) => plan,
        ControlFlow::Break(ending) => return Ok(ControlFlow::Break(ending)),
    };
    if !drafts {
        show_sealed(session).await?;
    }
    if let Some(error) = order.plan.as_deref().and_then(|in_hand| refusal(in_hand, &plan)) {
        return Err(session.give_up(StopReason::Refused, error.sent(Sent::Reads)).await);
    }
    let facts = PlanFacts { plan: &plan, place: &connections.place, canary: order.order.canary };
    operator.notice(Notice::Planned(&facts));
    let confirmed = tokio::select! {
        biased;
        confirmed = confirm(&**operator, order.confirmation, &facts) => confirmed,
        () = session.host.stops().asked() => {
            let stopped = session.stop_planning(StoppedBy::Signal, "by a signal, before the plan was confirmed".into());
            return stopped.await.map(ControlFlow::Break);
        }
    };
    let confirmed_by = match confirmed {
        Ok(Some(confirmed_by)) => confirmed_by,
        Ok(None) => return session.decline().await.map(ControlFlow::Break),
        Err(error) => return Err(session.give_up(StopReason::Refused, error).await),
    };
    if !drafts {
        return Ok(ControlFlow::Continue((plan, confirmed_by)));
    }
    let plan = match to_its_end(session, planner.seal(stage, &plan)).await? {
        ControlFlow::Continue(plan) => plan,
        ControlFlow::Break(ending) => return Ok(ControlFlow::Break(ending)),
    };
    operator.notice(Notice::Sealed(&plan));
    show_sealed(session).await?;
    Ok(ControlFlow::Continue((plan, confirmed_by)))
}

/// Why a plan that was made before is not executed, now that it was compared with what is there.
fn refusal(in_hand: &InHand, plan: &Plan) -> Option<SessionError> {
    if plan.sealed.seal != in_hand.seal {
        return Some(SessionError::new(Refusal::Plan(PlanError::Changed)));
    }
    let Changes { count, first } = plan.changes.clone();
    let is_refused = in_hand.on_drift == OnDrift::Refuse && count > 0;
    is_refused.then(|| SessionError::new(Refusal::Drifted { count, first }))
}

/// Plans, unless something ends the session first; then the run is closed.
async fn to_its_end<H: Host>(
    session: &Session<'_, H>,
    planned: impl Future<Output = Result<Plan, PlanError>>,
) -> Result<ControlFlow<Ending, Plan>, SessionError> {
    let planned = tokio::select! {
        biased;
        planned = planned => planned,
        limit = session.over() => {
            let detail = format!("while planning, because --max-duration {} has elapsed", duration_text(limit));
            return session.stop_planning(StoppedBy::MaxDuration, detail).await.map(ControlFlow::Break);
        }
        () = session.host.stops().asked() => {
            let stopped = session.stop_planning(StoppedBy::Signal, "by a signal, while planning".into());
            return stopped.await.map(ControlFlow::Break);
        }
    };
    match planned {
        Ok(plan) => Ok(ControlFlow::Continue(plan)),
        Err(PlanError::Journal(error)) => Err(error.into()),
        Err(error) => {
            let why = if matches!(error, PlanError::Refused { .. }) { StopReason::Refused } else { StopReason::Failed };
            let error = SessionError::new(Refusal::Plan(error)).sent(Sent::Reads);
            Err(session.give_up(why, error).await)
        }
    }
}

async fn show_sealed<H: Host>(session: &Session<'_, H>) -> Result<(), SessionError> {
    let checkpoint = session.open.journal.checkpoint().await?;
    session.host.operator().notice(Notice::Checkpoint(Moment::Sealed, &checkpoint));
    let refusal = match session.open.unsigned() {
        Some(why) => Some(Refusal::SealNotSigned { why }),
        None => session.unanchored("the checkpoint of the sealed plan").await,
    };
    match refusal {
        None => Ok(()),
        Some(refusal) => {
            let error = SessionError::new(refusal).sent(Sent::Reads);
            Err(session.give_up(StopReason::Failed, error).await)
        }
    }
}

fn overrides(order: &RunOrder, is_again: bool) -> Vec<OverrideUsed> {
    let used = [
        (order.subject.skip_invalid, "skip-invalid"),
        (order.subject.allow_default_key_pair, "allow-default-key-pair"),
        (order.repeat == Repeat::Again && is_again, "again"),
    ];
    let entry = |which: &str| OverrideUsed {
        which: which.into(),
        by: order.order.who.user.clone(),
        why: order.order.reason.clone(),
        lost: Vec::new(),
    };
    let flags = used.iter().filter(|(used, _)| *used).map(|(_, which)| entry(which));
    flags.chain(order.order.policy.overrides(&order.order.who.user)).collect()
}
