//! Continuing a run that another session began: to its end, or to abandon it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::accounts::{Connections, connect_again};
use super::admit::{opened_by, plan_of, refuse_altered, refuse_another};
use super::again::kept_world;
use super::approvals::signed_again;
use super::at_work::Session;
use super::end::Ending;
use super::error::{Refusal, Sent, SessionError};
use super::ghosts;
use super::host::Host;
use super::open::OpenJournal;
use super::opened::{Opening, session_opened};
use super::operator::Notice;
use super::order::Order;
use super::place::{Goal, Way};
use super::probe::{Probed, probe_lanes};
use super::sum_up::{Own, stored_head, sum_up};
use super::summary::{Head, State, StopWord, Summary};
use super::work::Closed;
use crate::domain::Settings;
use crate::execute::Runner;
use crate::execute::ghost::Ghosts;
use crate::journal::{JournalError, Location, Reader, RunRecord, RunState, TargetRecord};
use crate::lane::{Counts, Lane};
use crate::record::Draft;
use crate::record::event::{Event, PlanSealed, PlanSigned};
use crate::review::runs::resolve;

/// Continues an unfinished run, over `connections` if there are some.
pub(super) async fn carry_on<H: Host>(
    host: &H,
    order: &Order,
    open: OpenJournal,
    began: tokio::time::Instant,
    record: RunRecord,
    connections: Option<Connections<H::Port>>,
) -> Result<Ending, SessionError> {
    go_on_with(host, order, open, began, Resumed { record, connections, because: None }).await
}

/// A run that another session began.
pub(super) struct Resumed<L> {
    pub(super) record: RunRecord,
    /// If there are some already.
    pub(super) connections: Option<Connections<L>>,
    /// Why it is being abandoned, if it is: then nothing more is sent, and open requests are settled by reading.
    pub(super) because: Option<String>,
}

/// Continues an unfinished run: to its end, or to abandon it.
pub(super) async fn go_on_with<H: Host>(
    host: &H,
    order: &Order,
    open: OpenJournal,
    began: tokio::time::Instant,
    resumed: Resumed<H::Port>,
) -> Result<Ending, SessionError> {
    let Resumed { record, connections, because } = resumed;
    let stops = host.stops();
    // From here on, every end of this session reports on the run.
    stops.hand_over();
    let ready = tokio::select! {
        biased;
        ready = prepare(host, order, &open, &record, connections, because.is_none()) => ready,
        () = stops.asked() => return stopped_early(host, order, &open, &record).await,
    };
    let Ready { order, sealed, signed, deletes, mut settings, targets, connections, ghosts } =
        ready.map_err(|error| error.of_run(record.run))?;
    if because.is_some() {
        // There will be no other attempt: a row whose key pair is still there after its request has failed.
        settings.max_attempts = 1;
    }
    let mut opened = session_opened(Opening {
        session: host.new_id(),
        command: match (&because, &open.roster) {
            (Some(_), _) => "abandon",
            (None, Some(_)) => "work",
            (None, None) => "resume",
        },
        order: &order,
        settings: &settings,
        place: Some(&connections.place),
        sandbox: record.sandbox,
        own: &[],
    });
    connections.sign(&mut opened);
    open.remember(host, &order, &mut opened).await?;
    let mut drafts = vec![Draft::of_run(record.number(), Event::SessionOpened(opened))];
    drafts.extend(signed.map(|signed| Draft::of(Event::PlanSigned(signed))));
    let before = open.reader.counts(&record).await?;
    let stamps = match open.journal.append(drafts).await {
        // Those who share the run ended it since this one looked.
        Err(JournalError::HeadMoved { .. }) if open.roster.is_some() => {
            return finished_by_others(host, &order, &open, &record).await;
        }
        opened => opened?,
    };
    let number = stamps.first().map(|stamp| stamp.seq);
    let runner = open.roster.clone().zip(number).map(|(roster, session)| Runner::new(session, roster));
    let session = Session {
        host,
        order,
        run: record.run,
        runner,
        sandbox: record.sandbox,
        resumed: true,
        counts: Arc::new(Counts::default()),
        began,
        before,
        because,
        known: OnceLock::new(),
        settled: Arc::default(),
        took: OnceLock::new(),
        open,
        ghosts,
    };
    host.operator().notice(Notice::Continuing {
        run: record.run,
        sandbox: record.sandbox,
        accounts: &connections.accounts(),
        abandoning: session.because.is_some(),
    });
    go_on(&session, &record, &connections, (&sealed, deletes), (targets, settings)).await
}

/// Looks what can be reached and read, and works on that.
async fn go_on<H: Host>(
    session: &Session<'_, H>,
    record: &RunRecord,
    connections: &Connections<H::Port>,
    plan: (&PlanSealed, u64),
    (targets, settings): (Vec<TargetRecord>, Settings),
) -> Result<Ending, SessionError> {
    if let Some(refusal) = session.unanchored_again().await? {
        return session.leave(refusal).await;
    }
    let (lanes, mut closed) = lanes_of(session, connections, targets, &settings).await?;
    let probed = tokio::select! {
        biased;
        probed = probe_lanes(&session.open.reader, record, &settings, &lanes) => probed?,
        () = session.host.stops().asked() => return session.leave_by_signal().await,
    };
    match probed {
        Probed::Leave(error) => return session.leave(Refusal::Plan(error)).await,
        Probed::Closed(targets) => {
            closed.extend(targets.into_iter().map(|(target_no, error)| (target_no, Closed::not_readable(&error))));
        }
    }
    session.work(settings, plan, lanes, &closed).await
}

/// The targets that are worked on, and those that are not reached, by their numbers.
type Reached<L> = (Vec<(TargetRecord, Arc<Lane<L>>)>, BTreeMap<i64, Closed>);

async fn lanes_of<H: Host>(
    session: &Session<'_, H>,
    connections: &Connections<H::Port>,
    targets: Vec<TargetRecord>,
    settings: &Settings,
) -> Result<Reached<H::Port>, SessionError> {
    let (mut lanes, mut closed) = (Vec::new(), BTreeMap::new());
    for target in targets {
        match session.lane(connections, target.target.clone(), settings).await? {
            Some(lane) => lanes.push((target, lane)),
            None => drop(closed.insert(target.target_no, Closed::not_reached(connections, &target.target))),
        }
    }
    Ok((lanes, closed))
}

/// What a session needs to continue a run.
struct Ready<L> {
    order: Order,
    sealed: PlanSealed,
    /// What the session signs, where the run is under four eyes.
    signed: Option<PlanSigned>,
    /// Key pairs that the run was begun to delete.
    deletes: u64,
    settings: Settings,
    targets: Vec<TargetRecord>,
    connections: Connections<L>,
    ghosts: Arc<Ghosts>,
}

/// Every check that may refuse to continue the run, and the connection. Sends nothing but reads, and writes nothing.
async fn prepare<H: Host>(
    host: &H,
    order: &Order,
    open: &OpenJournal,
    record: &RunRecord,
    connections: Option<Connections<H::Port>>,
    deletes: bool,
) -> Result<Ready<H::Port>, SessionError> {
    refuse_altered(host, &open.reader).await?;
    let order = open.carried_on(&**host.operator(), order, record).await?;
    let (sealed, started) = plan_of(&open.reader, record).await?;
    // Giving a run up deletes nothing, so no policy stands in its way, and nobody signs for it.
    if deletes {
        order.policy.refuse_another(sealed.header.policy_sha256.as_deref())?;
    }
    let signed = match deletes {
        true => signed_again(host, &open.reader, record.run_no, &sealed).await,
        false => Ok(None),
    };
    let signed = signed.map_err(|error| error.sent(Sent::Nothing))?;
    let settings = order.overrides.over(started.settings.clone());
    let kept = kept_world(&open.reader, &order.journal, record).await?;
    let goal = kept.as_deref().map_or(Goal::Service, Goal::OldWorld);
    let targets = open.reader.targets(record.run_no).await?;
    // Invalid rows have a target without a region, which cannot be asked.
    let region = targets.iter().map(|target| target.target.region.as_str()).find(|region| !region.is_empty());
    let connections = match connections {
        Some(connections) => connections,
        None => {
            let opened = opened_by(&open.reader, record).await?;
            let bound = record.endpoint.as_deref();
            let way = Way { goal, account: None, run: record.run, region, bound, settings: &settings };
            connect_again(host, way, (record, &opened), &targets, &order.accounts).await?
        }
    };
    refuse_another(record, &connections.place)?;
    let place = (connections.place.endpoint.as_str(), &connections.accounts());
    let ghosts = ghosts::of_other_runs(&open.reader, &open.clock, record.run, place, &settings).await?;
    Ok(Ready { order, sealed, signed, deletes: started.deletes, settings, targets, connections, ghosts })
}

/// A signal came before the session wrote anything: the run stays as it is.
async fn stopped_early<H: Host>(
    host: &H,
    order: &Order,
    open: &OpenJournal,
    record: &RunRecord,
) -> Result<Ending, SessionError> {
    host.operator().notice(Notice::StoppedBeforeWork);
    let (by, head) = (Some(StopWord::Signal), stored_head(&open.reader).await);
    let before = open.reader.counts(record).await?;
    let own = Own { before, is_closed: true, ..Own::default() };
    let summary = sum_up(&order.journal, &open.reader, record, State::Stopped, by, own, head).await?;
    open.close(host).await?;
    Ok(Ending::summed(summary))
}

/// A finished run stays as it is (I6): report again how it ended.
pub(super) async fn already_finished<H: Host>(
    host: &H,
    order: &Order,
    open: &OpenJournal,
    record: &RunRecord,
) -> Result<Ending, SessionError> {
    let (mut reader, mut journal, mut is_archived) = (&open.reader, order.journal.clone(), false);
    // It may be in a journal that was archived; no two runs have one id.
    for archived in open.reader.archived() {
        if archived.runs().await?.iter().any(|other| other.run == record.run) {
            let id = archived.journal_id().await?.unwrap_or_default();
            (reader, journal, is_archived) = (archived, host.archived_at(&order.journal, &id).into(), true);
        }
    }
    let summary = summary_of_finished((&journal, reader), record, Head::default()).await?;
    let head = Head::from(&open.close(host).await?);
    host.operator().notice(Notice::AlreadyFinished);
    Ok(Ending::summed(Summary { head, is_archived, ..summary }))
}

/// The run was finished between the look at it and the entry that would have opened this session, so there is nothing to close.
async fn finished_by_others<H: Host>(
    host: &H,
    order: &Order,
    open: &OpenJournal,
    record: &RunRecord,
) -> Result<Ending, SessionError> {
    let record = resolve(&open.reader, &record.run.to_string()).await?;
    if record.state != RunState::Finished {
        return Err(SessionError::from(JournalError::HeadMoved { size: open.reader.head().await?.0 }));
    }
    let head = stored_head(&open.reader).await;
    let summary = summary_of_finished((&order.journal, &open.reader), &record, head).await?;
    host.operator().notice(Notice::AlreadyFinished);
    Ok(Ending::summed(summary))
}

/// What there is to say about a run to which this session adds nothing.
async fn summary_of_finished(
    (journal, reader): (&Location, &Reader),
    record: &RunRecord,
    head: Head,
) -> Result<Summary, JournalError> {
    let own = Own { before: reader.counts(record).await?, is_closed: true, ..Own::default() };
    sum_up(journal, reader, record, State::Finished, None, own, head).await
}
