//! What a person should look for, where the journal cannot show what became of a row: which record, where, and in which time.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::suggested::{Given, Suggested, word};
use crate::domain::{AttemptTime, Class, Outcome, micros, time_text};
use crate::journal::{JournalError, Reader, RunRecord, is_sealed};
use crate::record::Entry;
use crate::record::event::{AttemptFinished, Event, Found, SessionOpened};

/// The window to look in is longer by this on both sides: the times are of this machine's clock, those of records of the service's.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5 * 60);

/// How long a signature is accepted if nothing else is known, as in the settings.
const SIGNATURE_LIFE: Duration = Duration::from_secs(5 * 60);

/// What to look for. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookFor {
    /// Where: CloudTrail's event history.
    pub place: &'static str,
    /// The source of the event.
    pub event_source: &'static str,
    /// Its name.
    pub event_name: &'static str,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The key pair's name: a denied call's record does not have it.
    pub key_pair_name: String,
    /// The ids of the requests that were answered.
    pub request_ids: Vec<String>,
    /// The operations that answers or the history named.
    pub operation_ids: Vec<String>,
    /// What the user agent of each request of the run contains.
    pub user_agent: String,
    /// The requests that may have taken effect.
    pub attempts: Vec<AttemptWindow>,
    /// From when to look (RFC 3339, UTC): before the first of these requests.
    pub from: String,
    /// Until when: no request can arrive after that.
    pub until: String,
    /// How late a record may appear, in minutes: before that, its absence shows nothing.
    pub late_minutes: u32,
    /// How long the event history keeps records, in days.
    pub kept_days: u32,
    /// Commands that look.
    pub commands: Vec<Looking>,
    /// What to do about each finding.
    pub findings: Vec<Finding>,
    /// Why none of them can be recorded, and what to do instead; absent where they can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<&'static str>,
}

/// The same of a journal that was archived.
const SEALED: &str = "the journal is sealed, because it was archived: nothing can be recorded in it. Keep what you find with the \
                      ticket. To delete a key pair that is still there, name it in a manifest for the present journal";

/// When a request may have arrived, by this machine's clock (RFC 3339, UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptWindow {
    /// Its number.
    pub attempt: u32,
    /// When its start was recorded.
    pub from: String,
    /// When it was answered; if it was not, when it was surely dead and its signature no longer accepted.
    pub until: String,
    /// The id that the service gave it, if it answered.
    pub request_id: Option<String>,
    /// Whether there was any answer.
    pub answered: bool,
    /// What the answer means, if it came when other runners had the row, or could have it: it decided nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<Class>,
}

/// A command that looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looking {
    /// What it shows.
    pub shows: String,
    /// To paste into a shell.
    pub command: String,
}

/// A finding, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was found.
    pub found: String,
    /// What became of the row then; absent where keybatch itself must settle it.
    pub outcome: Option<&'static str>,
    /// To paste into a shell; absent where nothing can be recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// The row's story so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) row: u64,
    pub(super) entries: &'a [Entry],
    /// What it counts as.
    pub(super) outcome: Option<Outcome>,
}

/// What to look for; nothing where the journal shows what became of the row, or nothing was asked for.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) async fn look_for(
    reader: &Reader,
    run: &RunRecord,
    told: Told<'_>,
    given: &Given,
) -> Result<Option<LookFor>, JournalError> {
    if !matches!(told.outcome, None | Some(Outcome::InDoubt | Outcome::Gone)) {
        return Ok(None);
    }
    let Some((line, planned_at)) = told.entries.iter().find_map(|entry| match &entry.event {
        Event::IntentRecorded(intent) => Some((&intent.line, entry.at)),
        _ => None,
    }) else {
        return Ok(None);
    };
    let attempts = attempts(told.entries, &times(reader, run).await?);
    if attempts.is_empty() && told.outcome.is_none() {
        return Ok(None);
    }
    // Without a request, entries were lost: it was sent between the plan and the outcome.
    let last = told.entries.last().map_or(planned_at, |entry| entry.at);
    let from = attempts.iter().map(|attempt| attempt.from).min().unwrap_or(planned_at);
    let until = attempts.iter().map(|attempt| attempt.until).max().unwrap_or(last);
    let from = from.saturating_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::MIN);
    let until = until.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
    let mut operation_ids: Vec<_> = told.entries.iter().filter_map(operation_of).collect();
    operation_ids.dedup();
    let (run_id, is_sealed) = (run.run.to_string(), is_sealed(reader).await?);
    Ok(Some(LookFor {
        place: "CloudTrail event history",
        event_source: "lightsail.amazonaws.com",
        event_name: "DeleteKeyPair",
        account: line.account.clone(),
        region: line.region.clone(),
        key_pair_name: line.name.clone(),
        request_ids: attempts.iter().filter_map(|attempt| attempt.request_id.clone()).collect(),
        commands: commands(&line.region, &line.name, (from, until), &operation_ids),
        operation_ids,
        user_agent: format!("app/keybatch-{run_id}"),
        attempts: attempts.into_iter().map(AttemptWindow::from).collect(),
        from: to_the_second(from),
        until: to_the_second(until),
        late_minutes: 15,
        kept_days: 90,
        findings: findings(&run_id, told.row, told.outcome, (!is_sealed).then_some(given)),
        sealed: is_sealed.then_some(SEALED),
    }))
}

/// An attempt that may have taken effect.
struct Asked {
    attempt: u32,
    from: Timestamp,
    until: Timestamp,
    request_id: Option<String>,
    answered: bool,
    late: Option<Class>,
}

impl From<Asked> for AttemptWindow {
    fn from(asked: Asked) -> Self {
        let Asked { attempt, from, until, request_id, answered, late } = asked;
        let (from, until) = (time_text(micros(from)), time_text(micros(until)));
        Self { attempt, from, until, request_id, answered, late }
    }
}

/// How long a request of a session may be under way, and its signature be accepted, by the session's number.
type Times = HashMap<u64, (AttemptTime, Duration)>;

async fn times(reader: &Reader, run: &RunRecord) -> Result<Times, JournalError> {
    let mut times = Times::new();
    for stored in reader.milestones_of(run.run_no, "session_opened").await? {
        let entry = Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))?;
        if let (Event::SessionOpened(opened), Some(time)) = (&entry.event, entry.event.attempt_time()) {
            times.insert(entry.seq, (time, life(opened)));
        }
    }
    Ok(times)
}

/// How long the service accepts the signatures of a session, as its settings say.
fn life(opened: &SessionOpened) -> Duration {
    let named = opened.settings.get("signature_life").map(String::as_str).unwrap_or_default();
    let (digits, unit): (_, fn(u64) -> Duration) = match named.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis),
        None => (named.strip_suffix('s').unwrap_or_default(), Duration::from_secs),
    };
    digits.parse().map_or(SIGNATURE_LIFE, unit)
}

fn attempts(entries: &[Entry], times: &Times) -> Vec<Asked> {
    let mut attempts: Vec<Asked> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::AttemptStarted(started) => {
                let known = entry.session.and_then(|session| times.get(&session)).copied();
                let (time, life) = known.unwrap_or((AttemptTime::DEFAULT, SIGNATURE_LIFE));
                let dead = time.dead_after_start().max(time.start_limit() + time.grace() + life);
                let until = entry.at.saturating_add(dead).unwrap_or(Timestamp::MAX);
                let attempt = started.attempt;
                attempts.push(Asked { attempt, from: entry.at, until, request_id: None, answered: false, late: None });
            }
            Event::AnswerLate(late) => {
                let Some(asked) = attempts.iter_mut().rev().find(|asked| asked.attempt == late.attempt) else {
                    continue;
                };
                asked.request_id.clone_from(&late.exchange.request_id);
                asked.late = Some(late.class);
                if late.class != Class::Unanswered || late.exchange.http_status.is_some() {
                    (asked.until, asked.answered) = (entry.at, true);
                }
            }
            Event::AttemptFinished(finished) => {
                let is_it = |asked: &&mut Asked| asked.attempt == finished.attempt;
                let Some(asked) = attempts.iter_mut().rev().find(is_it) else { continue };
                asked.request_id.clone_from(&finished.exchange.request_id);
                if is_answered(finished) {
                    (asked.until, asked.answered) = (entry.at, true);
                }
                if finished.class.is_refusal_before_execution() {
                    attempts.retain(|asked| asked.attempt != finished.attempt);
                }
            }
            _ => {}
        }
    }
    attempts
}

/// Whether the service answered: then the request is not under way any more.
fn is_answered(finished: &AttemptFinished) -> bool {
    finished.class != Class::Unanswered || finished.exchange.http_status.is_some()
}

fn operation_of(entry: &Entry) -> Option<String> {
    match &entry.event {
        Event::AttemptFinished(finished) => finished.operation()?.id,
        Event::AnswerLate(late) => late.operation()?.id,
        Event::Observed(seen) if matches!(seen.found, Found::Operation | Found::Unfinished) => {
            seen.operation.as_ref()?.id.clone()
        }
        _ => None,
    }
}

fn commands(region: &str, name: &str, (from, until): (Timestamp, Timestamp), operation_ids: &[String]) -> Vec<Looking> {
    let (region, name) = (word(region), word(name));
    let (from, until) = (to_the_second(from), to_the_second(until));
    let mut commands = vec![
        Looking {
            shows: "all deletions of key pairs in that time; find the one with such a request id or user agent"
                .to_owned(),
            command: format!(
                "aws cloudtrail lookup-events --region {region} --lookup-attributes \
                 AttributeKey=EventName,AttributeValue=DeleteKeyPair --start-time {from} --end-time {until}"
            ),
        },
        Looking {
            shows: "whether the key pair is there now".to_owned(),
            command: format!("aws lightsail get-key-pair --region {region} --key-pair-name {name}"),
        },
    ];
    commands.extend(operation_ids.iter().map(|id| Looking {
        shows: "what became of the operation".to_owned(),
        command: format!("aws lightsail get-operation --region {region} --operation-id {}", word(id)),
    }));
    commands
}

/// What to do about each finding; commands only with what was given, because in a sealed journal they would be refused.
fn findings(run: &str, row: u64, outcome: Option<Outcome>, given: Option<&Given>) -> Vec<Finding> {
    let Some(outcome) = outcome else {
        let found = "before anything can be said, keybatch must settle the row itself".to_owned();
        let command = given.map(|given| Suggested::new(["resume", run]).line(given));
        return vec![Finding { found, outcome: None, command }];
    };
    outcome.may_become(outcome).iter().filter_map(|wanted| finding(run, row, *wanted, given)).collect()
}

fn finding(run: &str, row: u64, wanted: Outcome, given: Option<&Given>) -> Option<Finding> {
    let (found, because) = match wanted {
        Outcome::Deleted => (
            "a record without an error has such a request id or user agent: our request deleted it",
            "CloudTrail event EVENT_ID",
        ),
        Outcome::Absent => (
            "a record from before our first request shows that somebody else had deleted it",
            "deleted by CALLER before, CloudTrail event EVENT_ID",
        ),
        Outcome::Failed => (
            "the key pair that the plan saw is still there (same arn and creation time), and no request can arrive any more",
            "get-key-pair shows the same arn",
        ),
        Outcome::Gone => (
            "the key pair is not there, and no record shows who deleted it",
            "get-key-pair: not found; no CloudTrail record",
        ),
        Outcome::Skipped | Outcome::InDoubt => return None,
    };
    let row = format!("row:{row}");
    let resolve = Suggested::new(["resolve", run, &row, "--outcome", wanted.as_str(), "--because", because]);
    let command = given.map(|given| resolve.line(given));
    Some(Finding { found: found.to_owned(), outcome: Some(wanted.as_str()), command })
}

/// A time as the AWS CLI takes it.
fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_said_of_a_row_is_what_resolve_takes() {
        for outcome in [Outcome::InDoubt, Outcome::Gone] {
            let said: Vec<_> = findings("r", 7, Some(outcome), Some(&Given::default()))
                .into_iter()
                .filter_map(|finding| finding.outcome)
                .collect();
            let possible: Vec<_> = outcome.may_become(outcome).iter().map(|outcome| outcome.as_str()).collect();
            assert_eq!(said, possible);
        }
        let given = Given::default();
        let of_open = |given| findings("r", 7, None, given).remove(0).command;
        assert_eq!(of_open(Some(&given)).as_deref(), Some("keybatch resume r"));
        assert_eq!(of_open(None), None);
    }
}
