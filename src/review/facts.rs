//! A run as a whole: who, where, against what, how far, how fast. From its entries and the reviewers' views.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::as_text::cell_json;
use super::controlled::{Told, told};
use super::gaps::Gaps;
use super::leases::how_ended;
use super::lifted::{Override, lifted};
use super::milestones::entries;
use crate::domain::{Evidence, Outcome, OutcomeCounts, time_text};
use crate::journal::JournalError;
use crate::journal::{EntryFilter, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::{Event, PlanSealed};

/// How many rows of each outcome but `deleted` are listed.
pub(super) const LISTED: u32 = 10;

/// The outcomes of which rows are listed, those first that ask most of a person.
const WORST_FIRST: [&str; 7] = ["in_doubt", "failed", "unsettled", "gone", "skipped", "not_attempted", "absent"];

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFacts {
    /// `keybatch.run/1`.
    pub schema: &'static str,
    /// Its name.
    pub run: String,
    /// Whether it was a rehearsal.
    pub sandbox: bool,
    /// planning, running, stopped, finished, abandoned.
    pub state: String,
    /// Everything that the view `runs` says of it.
    pub facts: Vec<(String, Value)>,
    /// How many rows ended how.
    pub outcomes: OutcomeCounts,
    /// What was said later of rows that the run itself left in doubt or gone: how many became what, and by which command.
    pub resolved: Vec<Resolved>,
    /// DeleteKeyPair requests that may have left.
    pub deletes_sent: u64,
    /// Other requests.
    pub reads_sent: u64,
    /// Requests of either kind that were throttled.
    pub throttled: u64,
    /// The plan, once it is sealed.
    pub plan: Option<PlanSealed>,
    /// What was confirmed, and how; once it was.
    pub confirmed: Option<(u64, String)>,
    /// The processes that worked on it.
    pub sessions: Vec<Session>,
    /// The safety rules that were lifted, and rollbacks of the journal that were accepted while the run was open.
    pub overrides: Vec<Override>,
    /// What its sessions were told while they worked.
    pub controls: Vec<Told>,
    /// The last rate of each target.
    pub rates: Vec<Rate>,
    /// The first rows of each other outcome than `deleted`, the worst outcome first.
    pub not_deleted: Vec<NotDeleted>,
    /// How many more rows of an outcome there are than are listed.
    pub not_listed: BTreeMap<String, u64>,
}

/// Rows of which something was said after the run had left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The outcome that they count as now.
    pub outcome: &'static str,
    /// By which command: `resolve` or `reconcile`.
    pub by: &'static str,
    /// How many there are.
    pub rows: u64,
}

/// One process that worked on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its number: that of the entry which opened it.
    pub number: u64,
    /// When it began.
    pub opened_at: String,
    /// When it ended; absent for one that crashed or is still running.
    pub closed_at: Option<String>,
    /// Of a runner: how its leases ended, once they have: that it left, and why, or that they lapsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases: Option<String>,
    /// `run`, `resume` or `work`.
    pub command: String,
    /// user@host.
    pub operator: String,
    /// Whose credentials.
    pub caller_arn: Option<String>,
    /// Of keybatch.
    pub version: String,
    /// The session's id.
    #[serde(rename = "session")]
    pub id: String,
}

/// The rate that a target is believed to permit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Requests per second.
    pub per_s: String,
    /// How often it changed in this run.
    pub changes: u64,
}

/// A row that did not end as `deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotDeleted {
    /// Its number.
    pub row: u64,
    /// The key pair's name.
    pub key_pair_name: String,
    /// Its outcome.
    pub outcome: String,
    /// For people.
    pub detail: Option<String>,
}

/// Collects what is known of `run`.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn facts(reader: &Reader, run: &RunRecord) -> Result<RunFacts, JournalError> {
    let mut gaps = Gaps::default();
    let facts = readable_facts(reader, run, &mut gaps).await;
    gaps.whole()?;
    let not_deleted = not_deleted(reader, run, &facts.outcomes).await?;
    let not_listed = counted(&facts.outcomes).filter_map(more_than_listed).collect();
    Ok(RunFacts { not_deleted, not_listed, ..facts })
}

/// As [`facts`], as far as they can be read, and without a list of rows.
pub(super) async fn readable_facts(reader: &Reader, run: &RunRecord, gaps: &mut Gaps) -> RunFacts {
    let (names, rows) = gaps.part("facts", "the view of the run", reader.runs_view()).await;
    let id = run.run.to_string();
    let row = rows.into_iter().find(|row| row.first().and_then(|cell| cell.as_text()) == Some(id.as_str()));
    let view = names.into_iter().zip(row.unwrap_or_default().iter().map(cell_json)).collect();
    let (deletes_sent, deletes_throttled) =
        gaps.part("deletes_sent", "how many requests were sent", reader.attempts(run.run_no)).await;
    let outcomes = gaps.part("outcomes", "the outcomes of the rows", reader.counts(run)).await;
    RunFacts {
        schema: "keybatch.run/1",
        run: id,
        sandbox: run.sandbox,
        state: run.state.to_string(),
        facts: view,
        outcomes,
        resolved: gaps.part("resolved", "what was said of rows later", resolved(reader, run)).await,
        deletes_sent,
        reads_sent: run.reads,
        throttled: run.reads_throttled + deletes_throttled,
        plan: gaps.part("plan", "the plan", plan(reader, run)).await,
        confirmed: gaps.part("plan", "what was confirmed", confirmed(reader, run)).await,
        sessions: gaps.part("sessions", "the sessions", sessions(reader, run)).await,
        overrides: gaps.part("overrides", "the lifted safety rules", lifted(reader, run)).await,
        controls: gaps.part("controls", "what the sessions were told", told(reader, run)).await,
        rates: gaps.part("rates", "the rates", rates(reader, run)).await,
        not_deleted: Vec::new(),
        not_listed: BTreeMap::new(),
    }
}

async fn plan(reader: &Reader, run: &RunRecord) -> Result<Option<PlanSealed>, JournalError> {
    let Some(seq) = run.sealed_seq else { return Ok(None) };
    Ok(match reader.entry(seq).await?.event {
        Event::PlanSealed(sealed) => Some(*sealed),
        _ => None,
    })
}

async fn confirmed(reader: &Reader, run: &RunRecord) -> Result<Option<(u64, String)>, JournalError> {
    let Some(seq) = run.started_seq else { return Ok(None) };
    Ok(match reader.entry(seq).await?.event {
        Event::RunStarted(started) => Some((started.deletes, started.confirmed_by)),
        _ => None,
    })
}

/// How deletions were confirmed, in words.
#[must_use]
pub fn confirmed_how(by: &str) -> String {
    match by {
        "yes" | "confirm" => format!("by --{by}"),
        "prompt" => "at the prompt".to_owned(),
        "nothing_to_delete" => "by nobody: there was nothing to delete".to_owned(),
        other => format!("by {other}"),
    }
}

/// How many such entries are read at once.
const PAGE: u32 = 1_000;

async fn resolved(reader: &Reader, run: &RunRecord) -> Result<Vec<Resolved>, JournalError> {
    let kind = Some("row_resolved".to_owned());
    let filter = EntryFilter { run: Some(run.run_no), kind, ..EntryFilter::default() };
    let Some(mut next) = reader.resolved_after(run.run_no).await? else { return Ok(Vec::new()) };
    // Of each row the latest counts.
    let mut latest = BTreeMap::new();
    loop {
        let page = reader.matching(&filter, next, PAGE).await?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        for found in page {
            let entry = Entry::parse(&found.body).map_err(|error| JournalError::Entry(error.into()))?;
            if let (Some(row), Event::RowResolved(told)) = (entry.row, entry.event) {
                let by = if told.evidence == Evidence::Cloudtrail { "reconcile" } else { "resolve" };
                latest.insert(row, (told.outcome.as_str(), by));
            }
        }
    }
    let mut counts = BTreeMap::new();
    // What was withdrawn is as the run left it.
    latest.retain(|_, (outcome, _)| *outcome != Outcome::InDoubt.as_str());
    latest.into_values().for_each(|said| *counts.entry(said).or_default() += 1);
    Ok(counts.into_iter().map(|((outcome, by), rows)| Resolved { outcome, by, rows }).collect())
}

async fn sessions(reader: &Reader, run: &RunRecord) -> Result<Vec<Session>, JournalError> {
    let mut sessions = Vec::new();
    let mut numbers = Vec::new();
    for entry in entries(reader, run, "session_opened").await? {
        let Event::SessionOpened(opened) = entry.event else { continue };
        numbers.push(entry.seq);
        sessions.push(Session {
            number: entry.seq,
            opened_at: time_text(entry.at),
            closed_at: None,
            leases: None,
            command: opened.command,
            operator: format!("{}@{}", opened.user, opened.host),
            caller_arn: opened.caller_arn,
            version: opened.version,
            id: opened.session_id,
        });
    }
    for entry in entries(reader, run, "session_closed").await? {
        let of = numbers.iter().position(|number| Some(*number) == entry.session);
        if let Some(session) = of.and_then(|index| sessions.get_mut(index)) {
            session.closed_at = Some(time_text(entry.at));
        }
    }
    for entry in entries(reader, run, "lease_ended").await? {
        let Event::LeaseEnded(ended) = entry.event else { continue };
        let of = numbers.iter().position(|number| *number == ended.of);
        if let Some(session) = of.and_then(|index| sessions.get_mut(index)) {
            session.leases.get_or_insert_with(|| how_ended(&ended));
        }
    }
    Ok(sessions)
}

async fn rates(reader: &Reader, run: &RunRecord) -> Result<Vec<Rate>, JournalError> {
    let mut rates: Vec<Rate> = Vec::new();
    for entry in entries(reader, run, "rate_changed").await? {
        let Event::RateChanged(changed) = entry.event else { continue };
        let known = rates.iter_mut().find(|rate| rate.account == changed.account && rate.region == changed.region);
        match known {
            Some(rate) => {
                rate.per_s = changed.to_per_s;
                rate.changes += 1;
            }
            None => rates.push(Rate {
                account: changed.account,
                region: changed.region,
                per_s: changed.to_per_s,
                changes: 1,
            }),
        }
    }
    Ok(rates)
}

async fn not_deleted(
    reader: &Reader,
    run: &RunRecord,
    outcomes: &OutcomeCounts,
) -> Result<Vec<NotDeleted>, JournalError> {
    let names = reader.review_columns().await?;
    let cell = |row: &crate::journal::ReviewRow, name: &str| {
        let index = names.iter().position(|known| known == name)?;
        row.cells.get(index)?.as_text().map(str::to_owned)
    };
    let mut listed = Vec::new();
    for (outcome, _) in counted(outcomes).filter(|(_, count)| *count > 0) {
        let rows = reader.review(run.run_no, 0, LISTED, Some(outcome)).await?;
        listed.extend(rows.iter().map(|row| NotDeleted {
            row: row.row,
            key_pair_name: cell(row, "key_pair_name").unwrap_or_default(),
            outcome: cell(row, "outcome").unwrap_or_default(),
            detail: cell(row, "detail").or_else(|| cell(row, "error_message")),
        }));
    }
    Ok(listed)
}

/// The listed outcomes with their counts.
fn counted(counts: &OutcomeCounts) -> impl Iterator<Item = (&'static str, u64)> {
    let counts = *counts;
    WORST_FIRST.into_iter().map(move |outcome| (outcome, counts.of(outcome)))
}

fn more_than_listed((outcome, count): (&'static str, u64)) -> Option<(String, u64)> {
    let more = count.saturating_sub(u64::from(LISTED));
    (more > 0).then(|| (outcome.to_owned(), more))
}
