//! Collects what a report says. What cannot be read is named, and hides nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ask::{all, each, number, text};
use super::doubts::doubts;
use super::facts::{
    Approval, ByEvidence, ByTarget, Checkpoints, Control, JournalHead, OUTCOMES, POLICY, PlanFacts, Report, SCHEMA,
    TOLD, VERSION,
};
use super::in_use::in_use;
use super::later::{reconciliations, resolutions, signatures};
use super::rows::RowBlocks;
use super::traffic::{count, permitted};
use crate::domain::{OutcomeCounts, time_text};
use crate::journal::{Cell, JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;
use crate::review::controlled::controlled;
use crate::review::facts::{RunFacts, readable_facts};
use crate::review::gaps::Gaps;
use crate::review::leases::how_ended;
use crate::review::lifted::Override;
use crate::review::still_using::{TO_DO, noted_at};

/// What is counted of each row. Counted here and not by the database, which would keep every row in memory to sort them.
const COUNTED: &str = "SELECT account_id, region, outcome, evidence FROM intents WHERE run_id = ?1";

const APPROVALS: &str =
    "SELECT signer, approved_at, plan_root FROM approvals WHERE run_id = ?1 ORDER BY approved_at, signer";

const CHECKPOINTS: &str = "SELECT size, text, made_at FROM checkpoints ORDER BY seq DESC LIMIT 1";

const HOW_MANY_CHECKPOINTS: &str = "SELECT count(*) FROM checkpoints";

/// Gone, though the journal has no request: counted only where entries were lost.
const GONE_WITHOUT_REQUEST: &str =
    "SELECT count(*) FROM intents WHERE run_id = ?1 AND outcome = 'gone' AND attempts = 0";

/// Fields that say nothing where others could not be read.
const RESTS_ON: [(&str, &[&str]); 2] =
    [("gone_without_request", &["outcomes", "overrides"]), ("targets_asked", &["plan"])];

/// Collects what there is to say about `run`. `blocks` are its rows, where they were read already; the verdict is somebody else's.
pub async fn collect(reader: &Reader, run: &RunRecord, blocks: Option<&mut RowBlocks>) -> Report {
    let mut gaps = Gaps::default();
    let rows_gap = blocks.as_ref().and_then(|blocks| blocks.gap.clone());
    let known = readable_facts(reader, run, &mut gaps).await;
    let (size, root) = gaps.part("journal", "the head", reader.head()).await;
    let id = gaps.part("journal", "the journal's id", reader.journal_id()).await;
    let counted = gaps.part("evidence", "the rows by evidence", counts(reader, run)).await;
    let changes = gaps.part("traffic", "the permitted rates", permitted(reader, run)).await;
    let traffic = match blocks.and_then(RowBlocks::take_counting) {
        Some(counting) => counting,
        None => gaps.part("traffic", "the requests", count(reader, run)).await,
    };
    let (doubts, doubts_not_listed) =
        gaps.part("doubts", "the rows in doubt", doubts(reader, run, &known.outcomes)).await;
    let (in_use, in_use_not_listed) = gaps.part("in_use", "what instances use", in_use(reader, run)).await;
    let (resolutions, resolutions_not_listed) =
        gaps.part("resolutions", "what was said of each row later", resolutions(reader, run)).await;
    let asked = targets_asked(&known);
    let fact = |name: &str| known.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let rows = fact("rows").and_then(Value::as_u64).unwrap_or(run.rows);
    let mut report = Report {
        schema: SCHEMA,
        run: known.run.clone(),
        sandbox: run.sandbox,
        state: known.state.clone(),
        journal: JournalHead { id, size, root, in_database: false },
        rows,
        outcomes: known.outcomes,
        adds_up: known.outcomes.total() == rows,
        evidence: by_evidence(&counted),
        targets: by_target(&counted),
        deletes_sent: known.deletes_sent,
        reads_sent: known.reads_sent,
        throttled: known.throttled,
        traffic: traffic.end(&changes, &asked),
        targets_asked: asked.len() as u64,
        rate_cap: gaps.part("rate_cap", "the settings", rate_cap(reader, run)).await,
        plan: plan(&known),
        approvals: gaps.part("approvals", "the approvals", approvals(reader, run)).await,
        signatures: gaps.part("signatures", "the signatures under the plan", signatures(reader, run)).await,
        controls: gaps.part("controls", "the settings and stops", controls(reader, run)).await,
        resolutions,
        resolutions_not_listed,
        reconciliations: gaps.part("reconciliations", "the reconciliations", reconciliations(reader, run)).await,
        doubts,
        doubts_not_listed,
        gone_without_request: gaps
            .part("gone_without_request", "the rows that are gone", gone_without_request(reader, run, &known))
            .await,
        in_use,
        in_use_not_listed,
        in_use_as_of: gaps.part("in_use_as_of", "as of when instances are known", noted_at(reader, run)).await,
        to_do: &TO_DO,
        checkpoints: gaps.part("checkpoints", "the checkpoints", checkpoints(reader)).await,
        facts: known.facts.into_iter().collect(),
        resolved: known.resolved,
        rates: known.rates,
        sessions: known.sessions,
        overrides: known.overrides,
        version: VERSION,
        ..Report::default()
    };
    name_gaps(&mut report, gaps, rows_gap);
    report
}

/// Names what could not be read, and what says nothing because of that.
fn name_gaps(report: &mut Report, gaps: Gaps, rows: Option<String>) {
    (report.unread, report.gaps) = gaps.told();
    for (field, others) in RESTS_ON {
        if report.lacks(others) {
            report.unread.insert(field);
        }
    }
    if let Some(gap) = rows {
        report.unread.insert("rows_listed");
        report.gaps.push(gap);
    }
}

/// How many rows of a target ended so.
#[derive(Debug)]
struct Counted {
    account: String,
    region: String,
    outcome: String,
    evidence: Option<String>,
    rows: u64,
}

async fn counts(reader: &Reader, run: &RunRecord) -> Result<Vec<Counted>, JournalError> {
    let mut sums: BTreeMap<[Option<String>; 4], u64> = BTreeMap::new();
    let add = |cells: Vec<Cell>| *sums.entry([0, 1, 2, 3].map(|index| text(&cells, index))).or_default() += 1;
    each(reader, COUNTED, &[run.run.to_string()], add).await?;
    let counted = |([account, region, outcome, evidence], rows): ([Option<String>; 4], u64)| Counted {
        account: account.unwrap_or_default(),
        region: region.unwrap_or_default(),
        outcome: outcome.unwrap_or_default(),
        evidence,
        rows,
    };
    Ok(sums.into_iter().map(counted).collect())
}

fn by_evidence(counted: &[Counted]) -> Vec<ByEvidence> {
    let place = |outcome: &str| OUTCOMES.iter().position(|(known, _)| *known == outcome);
    let mut sums: BTreeMap<_, u64> = BTreeMap::new();
    for one in counted {
        *sums.entry((place(&one.outcome), one.outcome.clone(), one.evidence.clone())).or_default() += one.rows;
    }
    sums.into_iter().map(|((_, outcome, evidence), rows)| ByEvidence { outcome, evidence, rows }).collect()
}

fn by_target(counted: &[Counted]) -> Vec<ByTarget> {
    let mut targets: BTreeMap<_, OutcomeCounts> = BTreeMap::new();
    for one in counted {
        let counts = targets.entry((one.account.clone(), one.region.clone())).or_default();
        let place = match one.outcome.as_str() {
            "deleted" => &mut counts.deleted,
            "gone" => &mut counts.gone,
            "absent" => &mut counts.absent,
            "skipped" => &mut counts.skipped,
            "failed" => &mut counts.failed,
            "in_doubt" => &mut counts.in_doubt,
            "unsettled" => &mut counts.unsettled,
            _ => &mut counts.not_attempted,
        };
        *place += one.rows;
    }
    targets.into_iter().map(|((account, region), outcomes)| ByTarget { account, region, outcomes }).collect()
}

/// The targets in which the plan deletes. Rows without a usable region have one, too, but nothing is asked of it.
fn targets_asked(known: &RunFacts) -> Vec<String> {
    let Some(plan) = &known.plan else { return Vec::new() };
    let asked = plan.seal.targets.iter().filter(|target| target.deletes > 0);
    asked.map(|target| format!("{}/{}", target.account, target.region)).collect()
}

fn plan(known: &RunFacts) -> Option<PlanFacts> {
    let sealed = known.plan.as_ref()?;
    let header = &sealed.header;
    Some(PlanFacts {
        made_at: header.made_at.clone(),
        made_by: header.made_by.clone(),
        expires_at: header.expires_at.clone(),
        deletes: sealed.seal.deletes(),
        skips: sealed.seal.skips(),
        absents: sealed.seal.absents(),
        confirmed: known.confirmed.as_ref().map(|(deletes, _)| *deletes),
        confirmed_by: known.confirmed.as_ref().map(|(_, by)| by.clone()),
        policy_sha256: header.policy_sha256.clone(),
    })
}

async fn approvals(reader: &Reader, run: &RunRecord) -> Result<Vec<Approval>, JournalError> {
    let rows = all(reader, APPROVALS, &[run.run.to_string()]).await?;
    let approval = |cells: &Vec<Cell>| Approval {
        signer: text(cells, 0).unwrap_or_default(),
        at: text(cells, 1).unwrap_or_default(),
        plan_root: text(cells, 2).unwrap_or_default(),
    };
    Ok(rows.iter().map(approval).collect())
}

async fn checkpoints(reader: &Reader) -> Result<Checkpoints, JournalError> {
    let count = all(reader, HOW_MANY_CHECKPOINTS, &[]).await?.first().map(|cells| number(cells, 0)).unwrap_or_default();
    let last = all(reader, CHECKPOINTS, &[]).await?;
    let cell = |index: usize| last.first().and_then(|cells| text(cells, index));
    Ok(Checkpoints { count, last: cell(1), made_at: cell(2) })
}

async fn gone_without_request(reader: &Reader, run: &RunRecord, known: &RunFacts) -> Result<u64, JournalError> {
    if known.outcomes.gone == 0 || !known.overrides.iter().any(Override::accepts_rollback) {
        return Ok(0);
    }
    let counted = all(reader, GONE_WITHOUT_REQUEST, &[run.run.to_string()]).await?;
    Ok(counted.first().map_or(0, |cells| number(cells, 0)))
}

/// The cap that the run was started with.
async fn rate_cap(reader: &Reader, run: &RunRecord) -> Result<Option<String>, JournalError> {
    let Some(seq) = run.started_seq else { return Ok(None) };
    Ok(match reader.entry(seq).await?.event {
        Event::RunStarted(started) => started.settings.rate,
        _ => None,
    })
}

async fn controls(reader: &Reader, run: &RunRecord) -> Result<Vec<Control>, JournalError> {
    let mut controls = Vec::new();
    for kind in ["session_opened", "control_used", "lease_ended", "run_stopped", "run_abandoned"] {
        for stored in reader.milestones_of(run.run_no, kind).await? {
            let Ok(entry) = Entry::parse(&stored.body) else { continue };
            let at = time_text(entry.at);
            let control = |(name, value): (String, String)| Control { at: at.clone(), name, value };
            match entry.event {
                Event::SessionOpened(opened) => {
                    let policy = opened.policy_sha256.map(|sha256| (POLICY.to_owned(), sha256));
                    controls.extend(opened.settings.into_iter().chain(policy).map(control));
                }
                Event::RunStopped(stopped) => {
                    let detail = stopped.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                    let of = |(code, count): (&String, &u64)| format!("{code} {count}");
                    let faults = stopped.faults.iter().map(of).collect::<Vec<_>>().join(", ");
                    let faults = if faults.is_empty() { faults } else { format!(" ({faults})") };
                    controls.push(control(("stopped".to_owned(), format!("{}{detail}{faults}", stopped.why))));
                }
                Event::LeaseEnded(ended) => {
                    controls.push(control((format!("runner {}", ended.of), how_ended(&ended))));
                }
                Event::ControlUsed(used) => controls.push(control((TOLD.to_owned(), controlled(&used)))),
                Event::RunAbandoned(given_up) => {
                    let value = format!("by {}: {}", given_up.by, given_up.because);
                    controls.push(control(("abandoned".to_owned(), value)));
                }
                _ => {}
            }
        }
    }
    controls.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(controls)
}
