//! To execute a plan's file: exactly what was reviewed, or less.
//!
//! The file is checked and copied before anything is sent. Then each key pair is looked at again; a row whose key pair is another one
//! now is skipped, or the run is refused. A plan is executed once in a journal.

use std::io::BufRead;
use std::path::Path;

use super::accounts::{Connections, connect};
use super::again::{at_rest, learn_past};
use super::approvals::{approved, refuse_expired};
use super::begin::{Begun, begin};
use super::carry_on::{already_finished, carry_on};
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::open::OpenJournal;
use super::order::{InHand, Order, Repeat, RunOrder, RunPlanOrder, Subject};
use super::place::{Goal, Way};
use super::run::in_journal_of_run;
use super::stage::Staged;
use crate::domain::{RunId, Settings, Target};
use crate::journal::{Reader, RunRecord, RunState};
use crate::plan::stage::StageError;
use crate::plan::stage_file::{StagedPlan, stage_plan};
use crate::record::event::Event;
use crate::record::plan::PlanHeader;

/// What a plan is read from.
pub type PlanInput = Box<dyn BufRead + Send>;

/// Executes the plan that is read from `input`.
///
/// # Errors
/// As [`Refusal`] says.
pub async fn run_plan<H: Host>(host: &H, order: &RunPlanOrder, input: PlanInput) -> Result<Ending, SessionError> {
    in_journal_of_run(host, &order.order, async |open| Box::pin(work(host, order, input, open)).await).await
}

async fn work<H: Host>(
    host: &H,
    order: &RunPlanOrder,
    input: PlanInput,
    open: OpenJournal,
) -> Result<Ending, SessionError> {
    let (began, run, journal) = (tokio::time::Instant::now(), RunId(host.new_id()), &order.order.journal);
    let directory = journal.directory();
    let mut stage = host.stage(directory, run).await?;
    let StagedPlan { header, seal, ingested } =
        stage_plan(&mut stage, input, &order.order.accounts).await.map_err(refused)?;
    stage.index_rows().await?;
    let now = open.now().await?;
    refuse_expired(&header, now).map_err(|error| error.sent(Sent::Nothing))?;
    order.order.policy.refuse_plan_of_another(header.policy_sha256.as_deref())?;
    refuse_another_ticket(&header, &order.order)?;
    match used(&open.reader, &header.plan_id).await? {
        Some((record, _)) if record.state.is_unfinished() && order.repeat == Repeat::Resume => {
            return carry_on(host, &order.order, open, began, record, None).await;
        }
        Some((record, _)) if record.state == RunState::Finished && order.repeat == Repeat::Resume => {
            return already_finished(host, &order.order, &open, &record).await;
        }
        Some((record, archive)) => return Err(already(&record, archive).sent(Sent::Nothing)),
        None => {}
    }
    let order = order_of(order, header.clone(), seal);
    if let Some(in_hand) = &order.plan {
        // Before anything is sent, and once more when the run begins.
        approved(host, in_hand, now).map_err(|error| error.sent(Sent::Nothing))?;
    }
    let settings = order.order.overrides.over(Settings::default());
    let targets = stage.targets();
    let region = targets.first().map(|target| target.region.as_str());
    let way = Way { goal: Goal::Service, account: None, run, region, bound: None, settings: &settings };
    let needed = needed(&order, &targets);
    let mut connections = connect(host, way, &needed, &order.order.accounts).await?;
    refuse_another(&header, &connections)?;
    connections.refuse_unreached()?;
    order.refuse_unanswerable()?;
    stage.settle_home(&connections.place.caller.account, &connections.accounts()).await?;
    learn_past(&mut stage, Some(&open.reader), &ingested.sha256, &connections).await?;
    let staged = Staged { stage, ingested };
    begin(host, &order, settings, run, Begun { open, began, staged, connections, is_again: false }).await
}

/// The targets of the rows, and the accounts that the plan was made in: it needs each of them, also where all rows are skipped.
fn needed(order: &RunOrder, targets: &[Target]) -> Vec<Target> {
    let callers = order.plan.iter().flat_map(|plan| &plan.header.callers);
    let key = |account: &String| Some(account.clone()).filter(|account| order.order.accounts.contains(account));
    let of_caller = callers.map(|caller| key(&caller.account).unwrap_or_default());
    let whole = of_caller.map(|account| Target { account, region: String::new() });
    targets.iter().cloned().chain(whole).collect()
}

/// The order of a run of this plan: what decides on its rows is the plan's, or stricter.
fn order_of(order: &RunPlanOrder, header: PlanHeader, seal: crate::record::plan::PlanSeal) -> RunOrder {
    let RunPlanOrder { order, if_in_use, if_recreated, repeat, confirmation, on_drift, approvals } = order.clone();
    let planned = Subject::of_plan(&header);
    let subject = Subject {
        if_in_use: planned.if_in_use.max(if_in_use),
        if_recreated: planned.if_recreated.max(if_recreated),
        ..planned
    };
    let mut order = RunOrder { order, subject, repeat, confirmation, plan: None };
    order.order.ticket = order.order.ticket.or_else(|| header.ticket.clone());
    order.order.policy = order.order.policy.of_plan(&header.settings);
    order.order.reason = order.order.reason.or_else(|| header.reason.clone());
    let approvals = approvals.under(&order.order.policy.limits);
    RunOrder { plan: Some(Box::new(InHand { header, seal, on_drift, approvals })), ..order }
}

fn refused(error: StageError) -> SessionError {
    match error {
        StageError::Plan(fault) => SessionError::new(Refusal::NotThatPlan(fault)),
        StageError::PlanRow { line, what } => SessionError::new(Refusal::PlanRow { line, what }),
        StageError::Stage(error) => error.into(),
        error => SessionError::new(Refusal::ManifestUnreadable(error)),
    }
    .sent(Sent::Nothing)
}

/// The run of this journal, or of one that was archived before it, that executed the plan, if one did: one that was never started did not.
async fn used<'a>(reader: &'a Reader, plan_id: &str) -> Result<Option<(RunRecord, Option<&'a Path>)>, SessionError> {
    // One of an archive is over, and its rows are in another file.
    for reader in reader.archived().iter().chain([reader]) {
        if let Some(record) = used_in(reader, plan_id).await? {
            return Ok(Some((record, reader.place())));
        }
    }
    Ok(None)
}

async fn used_in(reader: &Reader, plan_id: &str) -> Result<Option<RunRecord>, SessionError> {
    for record in reader.runs().await? {
        let Some(sealed) = record.sealed_seq.filter(|_| record.started_seq.is_some()) else { continue };
        let Event::PlanSealed(sealed) = reader.entry(sealed).await?.event else { continue };
        if sealed.header.plan_id == plan_id {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

fn already(record: &RunRecord, archive: Option<&Path>) -> SessionError {
    let run = record.run;
    let refusal = if record.state.is_unfinished() {
        Refusal::Unfinished { run, state: at_rest(&record.state).to_owned() }
    } else {
        Refusal::PlanUsed { run, archive: archive.map(Path::to_owned) }
    };
    SessionError::new(refusal).of_run(run)
}

/// Those who approved a plan have seen its ticket, and their signatures cover it.
fn refuse_another_ticket(header: &PlanHeader, order: &Order) -> Result<(), SessionError> {
    match (&header.ticket, &order.ticket) {
        (Some(of_plan), Some(named)) if of_plan != named => {
            let (expected, found) = (of_plan.clone(), named.clone());
            Err(SessionError::new(Refusal::PlanBound { what: "ticket", expected, found }).sent(Sent::Nothing))
        }
        _ => Ok(()),
    }
}

/// A plan is bound to its accounts and endpoint. Another caller of the same account may execute it.
fn refuse_another<L>(header: &PlanHeader, connections: &Connections<L>) -> Result<(), SessionError> {
    let (place, accounts) = (&connections.place, connections.accounts());
    let refuse = |what, expected: &str, found: &str| {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        Err(SessionError::new(Refusal::PlanBound { what, expected, found }).sent(Sent::Reads))
    };
    if header.endpoint != place.endpoint {
        return refuse("endpoint", &header.endpoint, &place.endpoint);
    }
    if let Some(other) = header.callers.iter().find(|caller| !accounts.contains(caller.account.as_str())) {
        return refuse("account", &other.account, &place.caller.account);
    }
    Ok(())
}
