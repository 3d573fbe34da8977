//! The attempts of a run, and of those that were under way at the same time, read from the journal page by page.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::attempts::{Attempts, KnownAttempt, TooMany};
use super::join::Join;
use super::result::Scope;
use crate::domain::{AttemptTime, Class, RunId, parse_time};
use crate::journal::{AttemptRecord, JournalError, Reader, RunReader as _, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;

/// How many attempts are read at once.
const PAGE: u32 = 500;

/// How long an attempt may take where its session does not say.
const LONGEST: SignedDuration = SignedDuration::from_secs(15 * 60);

/// Why the attempts of a run cannot be held against records.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There are too many.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// What is read of an `attempt_started`.
#[derive(Debug, Deserialize)]
struct Started<'a> {
    #[serde(borrow)]
    at: Cow<'a, str>,
    session: Option<u64>,
}

/// What is read of an `attempt_finished`.
#[derive(Debug, Deserialize)]
struct Finished {
    at: String,
    class: Option<Class>,
    request_id: Option<String>,
    json: Option<String>,
    operation: Option<WithId>,
    op_created_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WithId {
    id: Option<String>,
    created_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    operation: Option<WithId>,
}

/// Reads what records are to be held against: the attempts of `record`, and those of other runs of the same kind in its time.
///
/// # Errors
/// If the journal cannot be read, or there are too many attempts.
pub async fn load(reader: &Reader, record: &RunRecord) -> Result<Join, LoadError> {
    let runs = reader.runs().await?;
    let own = window(reader, record).await?;
    let mut wanted = vec![record.clone()];
    for other in runs.iter().filter(|run| run.run != record.run && run.sandbox == record.sandbox) {
        let (from, until) = window(reader, other).await?;
        if from <= own.1 && own.0 <= until {
            wanted.push(other.clone());
        }
    }
    let mut count = 0;
    for run in &wanted {
        // Those that never left are not counted by the journal.
        count += reader.attempts(run.run_no).await?.0;
    }
    let mut attempts = Attempts::with_room(usize::try_from(count).unwrap_or(0));
    let (mut first, mut last) = (None::<Timestamp>, own.1);
    let mut scope = Scope { run: record.run, sandbox: record.sandbox, attempts: 0, window: own };
    for run in &wanted {
        let times = reader.attempt_times(run.run_no).await?;
        let mut after = (0, 0);
        loop {
            let page = reader.attempts_of(run.run_no, after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = (end.row, end.attempt);
            for attempt in &page {
                let (started, until) = push(&mut attempts, run.run, attempt, &times)?;
                if run.run == record.run {
                    first = Some(first.map_or(started, |first| first.min(started)));
                    last = last.max(until);
                }
            }
        }
        if run.run == record.run {
            scope.attempts = attempts.len();
        }
    }
    scope.window = (first.map_or(own.0, |first| first.min(own.0)), last);
    for run in &wanted {
        for stored in reader.milestones_of(run.run_no, "session_opened").await? {
            let entry = Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))?;
            let Event::SessionOpened(opened) = entry.event else { continue };
            if let (Some(account), Some(arn)) = (&opened.account, &opened.caller_arn) {
                attempts.called_by(run.run, account, arn);
            }
            opened.accounts.iter().for_each(|one| attempts.called_by(run.run, &one.account, &one.caller_arn));
        }
    }
    let known: HashSet<RunId> = runs.iter().map(|run| run.run).collect();
    Ok(Join::new(scope, attempts, known))
}

/// From when until when a run was; one that has no end goes on.
async fn window(reader: &Reader, record: &RunRecord) -> Result<(Timestamp, Timestamp), JournalError> {
    let about = reader.about(record.run_no).await?;
    let from = parse_time(&about.started_at).unwrap_or(Timestamp::MIN);
    let until = about.finished_at.as_deref().map(|at| parse_time(at).unwrap_or(Timestamp::MAX));
    Ok((from, until.unwrap_or(from)))
}

/// Adds an attempt, and returns when it began and when it was over.
fn push(
    attempts: &mut Attempts,
    run: RunId,
    record: &AttemptRecord,
    times: &HashMap<u64, AttemptTime>,
) -> Result<(Timestamp, Timestamp), LoadError> {
    let damaged = |error: serde_json::Error| {
        JournalError::damaged(format!(
            "the entries of row {}, attempt {}, cannot be read: {error}",
            record.row, record.attempt
        ))
    };
    let started: Started<'_> = serde_json::from_str(&record.started).map_err(damaged)?;
    let finished: Option<Finished> =
        record.finished.as_deref().map(serde_json::from_str).transpose().map_err(damaged)?;
    let from = parse_time(&started.at).unwrap_or(Timestamp::MIN);
    let answered = finished.as_ref().and_then(|finished| parse_time(&finished.at));
    let dead = || {
        let time = started.session.and_then(|session| times.get(&session));
        let longest = time.and_then(|time| SignedDuration::try_from(time.dead_after_start()).ok()).unwrap_or(LONGEST);
        from.saturating_add(longest).unwrap_or(Timestamp::MAX)
    };
    // Where nothing came back, its bytes may have arrived until it was dead.
    let unanswered = finished.as_ref().is_none_or(|finished| finished.class == Some(Class::Unanswered));
    let until = if unanswered { dead().max(answered.unwrap_or(from)) } else { answered.unwrap_or(from) };
    let created = finished.as_ref().and_then(|finished| {
        let in_entry = finished.operation.as_ref().and_then(|operation| operation.created_at.as_deref());
        parse_time(finished.op_created_at.as_deref().or(in_entry)?)
    });
    let own = finished.as_ref().and_then(|finished| finished.operation.as_ref()?.id.clone());
    let in_answer = || {
        let answer: Answer = serde_json::from_str(finished.as_ref()?.json.as_deref()?).ok()?;
        answer.operation?.id
    };
    let operation_id = own.or_else(in_answer);
    let class = finished.as_ref().and_then(|finished| finished.class);
    let outcome = record.outcome.as_ref().map(|(outcome, evidence)| (&**outcome, &**evidence));
    attempts.push(&KnownAttempt {
        run,
        target: (&record.target.account, &record.target.region),
        name: &record.name,
        started: from,
        until,
        created,
        request_id: finished.as_ref().and_then(|finished| finished.request_id.as_deref()),
        operation_id: operation_id.as_deref(),
        class,
        deleted: record.is_only && outcome == Some(("deleted", "operation")),
        is_doubtful: matches!(outcome, Some(("gone" | "in_doubt", _))),
    })?;
    Ok((from, until))
}
