//! `keybatch report`: what happened in a run, for people who were not there.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::for_report::{ForReport, Judged, Judging};
use super::hint::Hint;
use super::liveness::Liveness;
use super::new_file::{Unfinished, refuse_existing, unwritten};
use super::show::SANDBOX;
use super::{CliError, Code, Context, Exit, Format, scratch, shown};
use crate::journal::{JournalError, Reader, RunRecord};
use crate::review::ExportError;
use crate::review::report::{Limits, Report, RowBlocks, collect, html, json, markdown, rows, text};
use crate::review::runs::{Named, RunError, look_up, resolve};

/// Report on a run, as one HTML file that needs no network
///
/// What was asked, by whom and why, who approved it, what became of each row, what is in doubt and what to look for, which instances
/// may still accept a deleted key, the requests and rates over time, and whether the journal verifies. Of a run of more than 100,000 rows, the page
/// shows samples and counts, and says so. The journal is verified for it, as `verify` does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch report latest -o report.html
  keybatch report latest -o report.html --checkpoint mailed.txt
  keybatch report latest --format md >> \"$GITHUB_STEP_SUMMARY\"")]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// What to write [default: what FILE ends with; html without an ending; on standard output, text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ReportFormat>,
    /// Write to this new file instead of standard output (`-`)
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
    /// Files of checkpoints that were kept elsewhere, as in `verify`
    #[arg(long, value_name = "FILE", num_args = 1..)]
    checkpoint: Vec<PathBuf>,
    /// Accept only checkpoints that one of these people signed (ALLOWED SIGNERS in ssh-keygen(1)); bring your own file
    #[arg(long, env = "KEYBATCH_ALLOWED_SIGNERS", value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// One page that holds everything
    Html,
    /// Markdown, for tickets and for the summaries of pipelines
    Md,
    /// Text
    Text,
    /// One JSON object
    Json,
}

impl Args {
    /// Whether a program reads standard output.
    pub(super) fn asks_for_json(&self) -> bool {
        self.format == Some(ReportFormat::Json)
    }

    /// The file; `-` is standard output.
    fn file(&self) -> Option<&Path> {
        self.to.as_deref().filter(|to| to.as_os_str() != "-")
    }

    fn format(&self, context: &Context) -> Result<ReportFormat, CliError> {
        let asked = matches!(context.ui.format, Format::Json | Format::Jsonl).then_some(ReportFormat::Json);
        let by_name = self.file().map(|file| {
            let ending = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            match ending.to_ascii_lowercase().as_str() {
                "" | "html" | "htm" => Ok(ReportFormat::Html),
                "md" | "markdown" => Ok(ReportFormat::Md),
                "txt" | "text" => Ok(ReportFormat::Text),
                "json" => Ok(ReportFormat::Json),
                // A day, for example.
                digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(ReportFormat::Html),
                other => Err(CliError::new(Exit::Usage, format!("a report cannot be written as .{}", shown(other)))
                    .hint("name a file that ends with .html, .md, .txt or .json, or say what it is with --format")),
            }
        });
        match (self.format, by_name) {
            (Some(format), _) => Ok(format),
            (None, Some(by_name)) => by_name,
            (None, None) => Ok(asked.unwrap_or(ReportFormat::Text)),
        }
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let format = args.format(context)?;
    if let Some(path) = args.file() {
        refuse_existing(path)?;
    }
    let verdict = ForReport::read(&args.checkpoint, args.allowed_signers.as_ref(), context).await?;
    let before = Liveness::of(&context.journal).await;
    let (report, rows) = match found(args, context).await? {
        // Reading and verifying are two readers of the same state of the journal, and take about the same time.
        Ok(reader) => {
            let judging = verdict.begin(Some(reader.clone())).await;
            match resolve(&reader, &args.run).await {
                Ok(run) => read(&reader, &run, format, judging, context).await?,
                Err(RunError::Journal(error)) => (unread(args, error, judging).await, None),
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => (unread(args, error, verdict.begin(None).await).await, None),
    };
    let report = name_interrupted(report, [before, Liveness::of(&context.journal).await]);
    write(args.file(), format, &report, rows)?;
    if let Some(path) = args.file() {
        let label = if report.sandbox { SANDBOX } else { "" };
        context.ui.talk(format!("{label}report written to {}", shown(&path.to_string_lossy())));
    }
    match exit(&report) {
        // Standard output has one object already.
        Err(error) if format == ReportFormat::Json && args.file().is_none() => {
            context.ui.complain(&error);
            Ok(error.exit)
        }
        ended => ended,
    }
}

/// The journal, open, with the run in it; or why not even the runs can be read. A file that is no journal is refused.
async fn found(args: &Args, context: &Context) -> Result<Result<Reader, JournalError>, CliError> {
    let reader = match context.any_reader().await {
        Ok(reader) => reader,
        Err(
            error @ (JournalError::Missing { .. }
            | JournalError::Unusable { .. }
            | JournalError::Unmade { .. }
            | JournalError::OldFormat { .. }),
        ) => return Err(error.into()),
        Err(error) => return Ok(Err(error)),
    };
    match resolve(&reader, &args.run).await {
        Ok(_) => Ok(Ok(reader)),
        Err(RunError::Journal(error)) => Ok(Err(error)),
        Err(error @ RunError::Unknown { .. }) => Err(unknown(&reader, &args.run, error).await),
        Err(error) => Err(error.into()),
    }
}

/// The error for what names no run. A row's number or a key pair's name, which `show` takes in its place, is said to be one.
async fn unknown(reader: &Reader, wanted: &str, error: RunError) -> CliError {
    let Ok(Named::Rows(rows)) = look_up(reader, wanted).await else { return error.into() };
    let Some((run, row)) = rows.last() else { return error.into() };
    let id = run.run.to_string();
    let message =
        format!("{} names no run; it names row {row} of run {id}, and a report is about a run", shown(wanted));
    CliError::new(Exit::Usage, message)
        .code(Code::RunUnknown)
        .hint(Hint::command("the report on that run: ", ["report", &id]))
        .hint(Hint::command("what happened to the key pair: ", ["show", wanted]))
}

/// What can be said where the run cannot be read.
async fn unread(args: &Args, error: JournalError, judging: Judging) -> Report {
    let mut report = Report::of_unread(&args.run, error, None);
    judged(&mut report, judging.end(None).await);
    report
}

/// The rows of a page.
type Rows = Option<(RowBlocks, File)>;

/// Reads everything, and waits for the verdict.
async fn read(
    reader: &Reader,
    run: &RunRecord,
    format: ReportFormat,
    judging: Judging,
    context: &Context,
) -> Result<(Report, Rows), CliError> {
    let mut rows = rows_of(reader, run, format, context).await?;
    let mut report = collect(reader, run, rows.as_mut().map(|(blocks, _)| blocks)).await;
    report.journal.in_database = context.journal.address().is_some();
    judged(&mut report, judging.end(Some(&run.run.to_string())).await);
    Ok((report, rows))
}

/// Adds the verdict; where there is none, the reason.
fn judged(report: &mut Report, judged: Judged) {
    match judged {
        Ok(mut verdict) => {
            let (verified, shown) = (verdict.entries, report.journal.size);
            if verdict.sound && verified != shown && !report.unread.contains("journal") {
                verdict.warnings.push(format!(
                    "{verified} entries were verified, and this report shows {shown}: the journal grew meanwhile"
                ));
            }
            report.verification = Some(verdict);
        }
        Err(why) => {
            report.gaps.push(why);
            report.unread.insert("verification");
        }
    }
}

/// The rows, for a page that holds them.
async fn rows_of(reader: &Reader, run: &RunRecord, format: ReportFormat, context: &Context) -> Result<Rows, CliError> {
    if format != ReportFormat::Html {
        return Ok(None);
    }
    let file = spool(context)?;
    let mut writer = BufWriter::with_capacity(64 * 1024, file);
    let blocks = rows(reader, run, &mut writer, Limits::default()).await?;
    let file = writer.into_inner().map_err(|error| ExportError::Write(error.into_error()))?;
    Ok(Some((blocks, file)))
}

/// Writes the report. A file gets its name once it is whole.
fn write(file: Option<&Path>, format: ReportFormat, report: &Report, rows: Rows) -> Result<(), CliError> {
    let Some(path) = file else { return Ok(write_to(io::stdout(), format, report, rows)?) };
    let it = |error: io::Error| unwritten(path, &error);
    let mut unfinished = Unfinished::beside(path).map_err(it)?;
    write_to(&mut unfinished.file, format, report, rows).map_err(it)?;
    unfinished.keep(path).map_err(it)
}

fn write_to(out: impl Write, format: ReportFormat, report: &Report, rows: Rows) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    match (format, rows) {
        (ReportFormat::Html, Some((blocks, mut file))) => {
            file.rewind()?;
            html(report, &blocks, &mut BufReader::new(file), &mut out)?;
        }
        (ReportFormat::Html, None) => html(report, &RowBlocks::default(), &mut io::empty(), &mut out)?,
        (ReportFormat::Md, _) => out.write_all(markdown(report).as_bytes())?,
        (ReportFormat::Json, _) => out.write_all(json(report).as_bytes())?,
        (ReportFormat::Text, _) => out.write_all(text(report).as_bytes())?,
    }
    out.flush()
}

/// Names a run whose session has no end, but that no process was working on before it was read or after, as `runs` and `show` do.
fn name_interrupted(mut report: Report, [before, after]: [Liveness; 2]) -> Report {
    let named = before.state(&report.state);
    if named == after.state(&report.state) {
        let named = named.to_owned();
        report.facts.entry("state").and_modify(|state| *state = named.clone().into());
        report.state = named;
    }
    report
}

/// A report on a journal that does not verify, or that cannot be read to its end, is made, and is no success.
fn exit(report: &Report) -> Result<Exit, CliError> {
    if report.verification.as_ref().is_some_and(|verdict| !verdict.sound) {
        return Ok(Exit::NotVerified);
    }
    match report.gaps.first() {
        None => Ok(Exit::Success),
        Some(gap) => Err(CliError::new(Exit::Environment, format!("the report is not complete: {gap}"))
            .code(Code::JournalUnusable)
            .hint(Hint::command("see what is wrong with the journal: ", ["verify"]))),
    }
}

/// A file without a name, which holds the rows until the page's beginning is known.
fn spool(context: &Context) -> Result<File, CliError> {
    let path = scratch::directory(context)?.join(format!("keybatch-{}", uuid::Uuid::new_v4()));
    let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let unnamed = opened.and_then(|file| std::fs::remove_file(&path).map(|()| file));
    unnamed.map_err(|error| {
        CliError::new(Exit::Environment, format!("cannot create a temporary file: {error}"))
            .hint("set TMPDIR to a writable directory")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::report::Verification;

    fn verdict(sound: bool, entries: u64) -> Verification {
        Verification {
            verdict: String::new(),
            sound,
            detail: String::new(),
            entries,
            root: String::new(),
            first_bad: None,
            proved_up_to: None,
            deletions: 0,
            deletions_covered: 0,
            end_covered: false,
            findings: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The code, and what is said beside the report.
    fn end(report: &Report) -> (u8, String) {
        match exit(report) {
            Ok(exit) => (exit.code(), String::new()),
            Err(error) => (error.exit.code(), error.message),
        }
    }

    #[test]
    fn a_part_that_cannot_be_read_exits_with_9_and_a_journal_that_does_not_verify_with_7() {
        let mut report = Report::default();
        judged(&mut report, Ok(verdict(true, 0)));
        assert_eq!(end(&report), (0, String::new()));
        report.gaps.push("the plan could not be read: the disk".to_owned());
        let said = "the report is not complete: the plan could not be read: the disk";
        assert_eq!(end(&report), (9, said.to_owned()));
        judged(&mut report, Ok(verdict(false, 0)));
        assert_eq!(end(&report).0, 7, "that is graver");
    }

    #[test]
    fn a_journal_that_could_not_be_verified_has_a_report_that_says_so_and_exits_with_9() {
        let mut report = Report::default();
        judged(&mut report, Err("the journal could not be verified: it is gone".to_owned()));
        assert_eq!(end(&report).0, 9);
        assert!(report.unread.contains("verification") && report.verification.is_none());
        for said in [markdown(&report), text(&report)] {
            assert!(said.contains("it is gone") && said.contains("not verified"), "{said}");
        }
    }

    #[test]
    fn what_was_verified_at_another_head_than_is_shown_says_so() {
        let mut report = Report::default();
        judged(&mut report, Ok(verdict(true, 7)));
        let warnings = &report.verification.as_ref().unwrap().warnings;
        assert_eq!(warnings, &["7 entries were verified, and this report shows 0: the journal grew meanwhile"]);
    }

    #[tokio::test]
    async fn a_run_is_interrupted_if_nobody_worked_on_it_before_it_was_read_and_after() {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal.db");
        std::fs::write(&journal, b"").unwrap();
        let free = Liveness::of(&crate::journal::Location::from(&journal)).await;
        let lock = crate::journal::Lock::take(&journal).unwrap();
        let held = Liveness::of(&crate::journal::Location::from(&journal)).await;
        drop(lock);
        let state = |seen: [Liveness; 2]| {
            let mut report = Report { state: "running".to_owned(), ..Report::default() };
            report.facts.insert("state".to_owned(), "running".into());
            let report = name_interrupted(report, seen);
            assert_eq!(report.facts["state"], report.state.as_str());
            report.state
        };
        assert_eq!(state([free, free]), "interrupted");
        for one_works in [[held, held], [held, free], [free, held]] {
            assert_eq!(state(one_works), "running", "it worked when the journal was read, or may have");
        }
        let unread = Report::of_unread("x", JournalError::Missing { path: journal, reason: String::new() }, None);
        assert_eq!(name_interrupted(unread, [free, free]).state, "unreadable");
    }
}
