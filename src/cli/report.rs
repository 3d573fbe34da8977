//! `keybatch report`: what happened in a run, for people who were not there.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::files::{create, unwritten};
use super::show::sandbox_label;
use super::verify::ForReport;
use super::{CliError, Code, Context, Exit, Format, scratch, shown};
use crate::journal::{Reader, RunRecord};
use crate::review::ExportError;
use crate::review::report::{Report, RowBlocks, Verification, collect, html, json, markdown, rows, text};
use crate::review::runs::resolve;

/// Report on a run, as one HTML file that needs no network
///
/// What was asked, by whom and why, who approved it, what became of each row, what is in doubt and what to look for, which instances
/// still carry a deleted key, the requests and rates over time, and whether the journal verifies. Of a run of more than 100,000 rows, the page
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
    /// What to write [default: what FILE ends with, else html; on standard output, text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ReportFormat>,
    /// Write to this new file instead of standard output
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
    fn format(&self, context: &Context) -> ReportFormat {
        let by_name = self.to.as_deref().and_then(Path::extension).and_then(|extension| extension.to_str());
        let asked = matches!(context.ui.format, Format::Json | Format::Jsonl).then_some(ReportFormat::Json);
        self.format.unwrap_or_else(|| match by_name.map(str::to_ascii_lowercase).as_deref() {
            Some("md" | "markdown") => ReportFormat::Md,
            Some("txt" | "text") => ReportFormat::Text,
            Some("json") => ReportFormat::Json,
            Some(_) => ReportFormat::Html,
            None if self.to.is_some() => ReportFormat::Html,
            None => asked.unwrap_or(ReportFormat::Text),
        })
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let reader = context.any_reader().await?;
    let run = resolve(&reader, &args.run).await?;
    let format = args.format(context);
    let brings = ForReport { checkpoint: args.checkpoint.clone(), signers: args.allowed_signers.clone() };
    let (id, own) = (run.run.to_string(), context.clone());
    // Reading and verifying are two readers of the same journal, and take about the same time.
    let judging = tokio::spawn(async move { brings.judge(&id, &own).await });
    let read = rows_of(&reader, &run, format, context).await?;
    let verdict = judging.await.map_err(|error| CliError::from_error(Exit::Unexpected, &error))??;
    let mut out: Box<dyn Write + Send> = match &args.to {
        None => Box::new(io::stdout()),
        Some(path) => Box::new(create(path)?),
    };
    let mut out = BufWriter::with_capacity(64 * 1024, &mut out);
    let (report, gap) =
        made(&reader, &run, format, read, verdict, &mut out).await.map_err(|error| match (error, &args.to) {
            (ExportError::Write(error), Some(path)) => unwritten(path, &error),
            (error, _) => error.into(),
        })?;
    if let Some(path) = &args.to {
        context.ui.talk(format!("{}report written to {}", sandbox_label(&run), shown(&path.to_string_lossy())));
    }
    exit(&report, gap.as_deref())
}

/// What is read before the page begins.
type Read = Option<(RowBlocks, File)>;

/// The rows, for a page that holds them.
async fn rows_of(reader: &Reader, run: &RunRecord, format: ReportFormat, context: &Context) -> Result<Read, CliError> {
    if format != ReportFormat::Html {
        return Ok(None);
    }
    let file = spool(context)?;
    let mut writer = BufWriter::with_capacity(64 * 1024, file);
    let blocks = rows(reader, run, &mut writer).await?;
    let file = writer.into_inner().map_err(|error| ExportError::Write(error.into_error()))?;
    Ok(Some((blocks, file)))
}

/// Writes the report; also says where reading its rows broke off.
async fn made(
    reader: &Reader,
    run: &RunRecord,
    format: ReportFormat,
    read: Read,
    verdict: Verification,
    out: &mut (impl Write + Send),
) -> Result<(Report, Option<String>), ExportError> {
    let mut gap = None;
    let report = match read {
        Some((mut blocks, mut file)) => {
            let report = collect(reader, run, Some(&mut blocks), Some(verdict)).await?;
            gap = blocks.gap().map(str::to_owned);
            file.rewind()
                .and_then(|()| html(&report, &blocks, &mut BufReader::new(file), out))
                .map_err(ExportError::Write)?;
            report
        }
        None => {
            let report = collect(reader, run, None, Some(verdict)).await?;
            let written = match format {
                ReportFormat::Md => markdown(&report),
                ReportFormat::Json => json(&report),
                ReportFormat::Text | ReportFormat::Html => text(&report),
            };
            out.write_all(written.as_bytes()).map_err(ExportError::Write)?;
            report
        }
    };
    out.flush().map_err(ExportError::Write)?;
    Ok((report, gap))
}

/// A report on a journal that does not verify, or that cannot be read to its end, is made, and is no success.
fn exit(report: &Report, gap: Option<&str>) -> Result<Exit, CliError> {
    if report.verification.as_ref().is_some_and(|verdict| !verdict.sound) {
        return Ok(Exit::NotVerified);
    }
    match report.gaps.iter().map(String::as_str).chain(gap).next() {
        None => Ok(Exit::Success),
        Some(gap) => Err(CliError::new(Exit::Environment, format!("the report is not complete: {gap}"))
            .code(Code::JournalUnusable)
            .hint("see what is wrong with the journal: keybatch verify")),
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
