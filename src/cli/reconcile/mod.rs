//! `keybatch reconcile`: holds CloudTrail's records against the attempts of a run, in both directions.

mod files;
mod missing;
mod people;
mod programs;
mod reading;

use std::path::PathBuf;

use self::files::{Files, Found};
use self::missing::{Missing, missing};
use self::reading::{Reading, read};
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::machine::Machine;
use super::options::SessionOptions;
use super::resume::missing_journal;
use super::terminal::Verb;
use super::{Context, Format};
use crate::domain::{Class, counted};
use crate::journal::{AttemptRecord, JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::{
    Contradiction, Event, Found as Seen, MOST_NAMED, Reconciled, ReconciledAttempts, Source, UnexplainedEvent,
};
use crate::review::reconcile::{LoadError, MOST_FINDINGS, Reconciliation, Shown, Standing, Unexplained, load};
use crate::review::runs;
use crate::review::trail::Glancer;
use crate::session::order::Rollback;
use crate::session::{self, Progress, Proven, ReconcileOrder, Recorded, refuse_used};

/// Compare a run with CloudTrail's records
///
/// Each DeleteKeyPair request of the run is looked for in the records, and each record of DeleteKeyPair in the run's time, accounts
/// and regions must be explained by the journal. A request that no record shows is only that: records are late or lost, and a
/// denied call's record names no key pair. keybatch sends nothing, and writes nothing without --record.
///
/// Exit codes: 0 nothing speaks against the journal; 3 a record contradicts it, or an event is not explained by it; 9 a file could
/// not be read to its end (what was read is reported).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Files or folders with records: log files as they lie in S3 (also compressed), what `aws cloudtrail lookup-events` prints,
    /// one record, a list of records, or one a line; `-` is standard input
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    cloudtrail: Vec<PathBuf>,
    /// Record what was found, and that rows which are gone or in doubt were deleted by this run where a record proves it
    #[arg(long)]
    record: bool,
    /// Ticket, for the journal
    #[arg(long, env = "KEYBATCH_TICKET", value_name = "ID")]
    ticket: Option<String>,
    /// Append the checkpoint to this file [default: the one that the run's own sessions named]
    #[arg(long, env = "KEYBATCH_CHECKPOINT_TO", value_name = "FILE")]
    checkpoint_to: Option<PathBuf>,
}

impl Args {
    /// Whether nothing is written.
    pub(super) fn only_reads(&self) -> bool {
        !self.record
    }
}

/// How many attempts are read at once.
const PAGE: u32 = 500;

/// All that there is to report.
struct Report {
    run: RunRecord,
    found: Reconciliation,
    read: Reading,
    files_sha256: String,
    missing: Vec<Missing>,
    /// The first attempts that a record contradicts, and that no record shows.
    contradicted: Vec<Attempt>,
    not_seen: Vec<Attempt>,
    proven: Vec<ProvenRow>,
}

/// An attempt with what became of it.
struct Attempt {
    number: usize,
    record: AttemptRecord,
    started_at: String,
}

/// A row that a record shows to be deleted.
struct ProvenRow {
    row: u64,
    attempt: u32,
    name: String,
    outcome: String,
    shown: Shown,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let mut options = SessionOptions {
        ticket: args.ticket.clone(),
        checkpoint_to: args.checkpoint_to.clone(),
        ..SessionOptions::default()
    };
    options.check()?;
    options.make_absolute();
    if !context.journal.exists() {
        return Err(missing_journal(&args.run));
    }
    let reader = context.reader().await?;
    let run = runs::resolve(&reader, &args.run).await?;
    let progress = Progress::of(&reader, &run).await?;
    let report = report(&args, &reader, run).await?;
    let recorded = if args.record { record(context, &options, &report, progress).await? } else { None };
    if context.ui.format == Format::Table {
        people::say(context, &report, recorded.as_ref())?;
    } else {
        programs::say(context, &reader, &report, recorded.as_ref()).await?;
    }
    let exit = if args.record && recorded.is_none() { Exit::Stopped } else { Exit::Success };
    let found = if report.found.has_findings() { Exit::SomeNotDone } else { Exit::Success };
    if report.read.fault_count > 0 {
        let count = counted(report.read.fault_count, "place", "places");
        let first = report.read.faults.first().map(|fault| format!(", first in {}: {}", fault.file, fault.why));
        context.ui.complain(
            &CliError::new(Exit::Environment, format!("{count} could not be read{}", first.unwrap_or_default()))
                .code(Code::CloudTrail)
                .hint("what could be read was compared; complete the files, and reconcile again"),
        );
        return Ok(Exit::Environment);
    }
    Ok(exit.graver(found))
}

/// Reads the files, and then once more the attempts, to name them.
async fn report(args: &Args, reader: &Reader, run: RunRecord) -> Result<Report, CliError> {
    let mut join = load(reader, &run).await?;
    let files = Files::of(&args.cloudtrail);
    let mut read_so_far = Reading::default();
    let glancer = Glancer::default();
    for found in &files.found {
        match found {
            Found::File(path) => read(path, &mut join, &glancer, &mut read_so_far),
            Found::Unreadable(path, error) => read_so_far.fault(&path.to_string_lossy(), None, error.to_string()),
        }
    }
    if read_so_far.hashes.is_empty() && read_so_far.fault_count == 0 {
        return Err(CliError::new(Exit::Environment, "there is no file of CloudTrail's records to read")
            .code(Code::CloudTrail)
            .hint(
                "in folders, files that end with .json, .jsonl, .ndjson or one of these and .gz are read; name others",
            )
            .sent(Sent::Nothing));
    }
    let found = join.finish();
    let missing = missing(&found, &read_so_far, files.passed_over);
    let mut report = Report {
        run,
        found,
        files_sha256: read_so_far.all_sha256(),
        read: read_so_far,
        missing,
        contradicted: Vec::new(),
        not_seen: Vec::new(),
        proven: Vec::new(),
    };
    name(reader, &mut report).await?;
    Ok(report)
}

/// Names the attempts that there is something to say of.
async fn name(reader: &Reader, report: &mut Report) -> Result<(), CliError> {
    let proven: std::collections::HashMap<usize, Shown> =
        report.found.proven().map(|(number, shown)| (number, shown.clone())).collect();
    let (mut contradicted, mut not_seen, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    each_attempt(reader, report, |attempt| {
        if let Some(shown) = proven.get(&attempt.number) {
            let AttemptRecord { row, attempt, name, outcome, .. } = &attempt.record;
            let outcome = outcome.as_ref().map(|(outcome, _)| outcome.clone()).unwrap_or_default();
            // A row is proven once, by its first attempt.
            if rows.last().is_none_or(|last: &ProvenRow| last.row != *row) {
                rows.push(ProvenRow {
                    row: *row,
                    attempt: *attempt,
                    name: name.clone(),
                    outcome,
                    shown: shown.clone(),
                });
            }
        }
        let list = match report.found.standing(attempt.number) {
            Standing::Contradicted => &mut contradicted,
            Standing::NotSeen => &mut not_seen,
            Standing::Confirmed | Standing::NotSent => return Ok(()),
        };
        if list.len() < MOST_FINDINGS {
            list.push(attempt);
        }
        Ok(())
    })
    .await?;
    let mut clear = Vec::new();
    for row in rows {
        if !is_still_there(reader, &report.run, row.row).await? {
            clear.push(row);
        }
    }
    (report.contradicted, report.not_seen, report.proven) = (contradicted, not_seen, clear);
    Ok(())
}

/// Whether the key pair was still there when the run last read it: then no record shows that it is deleted.
async fn is_still_there(reader: &Reader, run: &RunRecord, row: u64) -> Result<bool, CliError> {
    let mut is_there = false;
    for entry in reader.story(run.run_no, row).await? {
        let entry = Entry::parse(&entry.body).map_err(|error| JournalError::Entry(error.into()))?;
        match entry.event {
            Event::AttemptStarted(_) => is_there = false,
            Event::Observed(seen) if seen.source == Source::GetKeyPair => match seen.found {
                Seen::Same => is_there = true,
                Seen::Other | Seen::NotFound => is_there = false,
                _ => {}
            },
            _ => {}
        }
    }
    Ok(is_there)
}

/// Hands on each attempt of the run, in the order of its rows.
async fn each_attempt(
    reader: &Reader,
    report: &Report,
    mut take: impl FnMut(Attempt) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let (mut after, mut number) = ((0, 0), 0);
    loop {
        let page = reader.attempts_of(report.run.run_no, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (last.row, last.attempt);
        for record in page {
            if !report.found.is_of(number, &record.target.region, &record.name) {
                return Err(session::Unresolvable::WentOn { run: report.run.run }.into());
            }
            let started_at = at(&record.started);
            take(Attempt { number, record, started_at })?;
            number += 1;
        }
    }
    if number == report.found.scope.attempts {
        Ok(())
    } else {
        Err(session::Unresolvable::WentOn { run: report.run.run }.into())
    }
}

/// When an entry was written.
fn at(body: &str) -> String {
    #[derive(serde::Deserialize)]
    struct At {
        at: String,
    }
    serde_json::from_str(body).map(|At { at }| at).unwrap_or_default()
}

/// What came back for an attempt.
fn class_of(record: &AttemptRecord) -> Option<Class> {
    #[derive(serde::Deserialize)]
    struct Finished {
        class: Class,
    }
    serde_json::from_str(record.finished.as_deref()?).ok().map(|Finished { class }| class)
}

/// Appends what was found to the journal.
async fn record(
    context: &Context,
    options: &SessionOptions,
    report: &Report,
    progress: Progress,
) -> Result<Option<Recorded>, CliError> {
    let order = options.order(context, Rollback::default());
    refuse_used(order.checkpoint_to.as_deref(), &context.journal, &[])?;
    let proven = report.proven.iter().map(|proven| Proven {
        row: proven.row,
        event_id: proven.shown.id.clone(),
        because: format!(
            "CloudTrail's record of {} (event {}) shows that attempt {} of this run succeeded",
            proven.shown.time, proven.shown.id, proven.attempt
        ),
    });
    let order = ReconcileOrder { order, run: report.run.run, progress, told: told(report), proven: proven.collect() };
    let machine = Machine::new(context, options, Verb::Resolve, None)?;
    Ok(session::reconcile(&machine, &order).await?)
}

/// The entry that says what was found.
fn told(report: &Report) -> Reconciled {
    let found = &report.found;
    let counts = found.counts;
    let mut files = report.read.files.clone();
    files.sort_unstable_by(|one, other| (&one.sha256, &one.name).cmp(&(&other.sha256, &other.name)));
    let file_count = report.read.hashes.len() as u64;
    files.truncate(MOST_NAMED);
    let contradictions = report.contradicted.iter().take(MOST_NAMED).map(|attempt| Contradiction {
        row: attempt.record.row,
        attempt: attempt.record.attempt,
        says: found.against(attempt.number).into_iter().map(|(word, _)| word.to_owned()).collect(),
        event_id: found.shown(attempt.number).map(|shown| shown.id.clone()),
    });
    let finding = |Unexplained { why, event }: &Unexplained| UnexplainedEvent {
        event_id: event.id.clone(),
        event_time: event.time.to_string(),
        key_pair_name: event.name.clone(),
        account: event.account.clone(),
        region: event.region.clone(),
        by: event.by.clone(),
        source_ip: event.from.clone(),
        user_agent: event.user_agent.clone(),
        error_code: event.error_code.clone(),
        why: why.as_str().to_owned(),
    };
    Reconciled {
        files,
        file_count,
        files_sha256: report.files_sha256.clone(),
        from: whole(found.scope.window.0),
        until: whole(found.scope.window.1),
        records: found.tally.records,
        events: found.tally.events,
        unreadable: report.read.fault_count,
        attempts: ReconciledAttempts {
            confirmed: counts.confirmed,
            not_seen: counts.not_seen,
            contradicted: counts.contradicted,
            not_sent: counts.not_sent,
        },
        contradictions: contradictions.collect(),
        unexplained: found.unexplained_count,
        findings: found.unexplained.iter().take(MOST_NAMED).map(finding).collect(),
        resolves: 0,
        by: String::new(),
    }
}

/// A time in whole seconds.
fn whole(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Journal(error) => error.into(),
            LoadError::TooMany(error) => Self::from_error(Exit::Environment, &error),
        }
    }
}
