//! `keybatch export`: what became of each row of a run, as a file.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;

use super::export_head::Names;
use super::format::{FileFormat, Output, OutputParser};
use super::log::OUTCOMES;
use super::moment::{Moment, moment};
use super::new_file::{Unfinished, directory, refuse_existing, unwritten, with_more};
use super::show::sandbox_label;
use super::ui::BOM;
use super::{CliError, Context, Exit, Format, shown};
use crate::domain::{Clock as _, SystemClock, counted};
use crate::journal::{RunRecord, open};
use crate::review::runs::resolve;
use crate::review::{
    ExportError, Exported, RowFilter, Sink, Source, Stopped, csv, database, export, json, jsonl, parquet, workbook,
};

/// Export what happened to each row of a run
///
/// CSV (the default) adds columns to those of the manifest. A cell that a spreadsheet would take for a formula gets a leading
/// apostrophe, as does one that begins with an apostrophe: remove one apostrophe to get the original value. parquet, sqlite and xlsx
/// have the same columns, with values as they are.
///
/// The rows are those at one head of the journal, also while a run goes on. With -o, a checkpoint of that head is written to
/// FILE.checkpoint. This command does not verify the journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch export latest                                       the outcome of each row, as CSV
  keybatch export latest --output parquet -o rows.parquet      for DuckDB, pandas or Polars
  keybatch export latest --outcome failed,in_doubt --output xlsx -o rest.xlsx")]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Format of the export [default: csv]
    #[arg(long, env = "KEYBATCH_OUTPUT", value_name = "FORMAT", value_parser = OutputParser { of_export: true })]
    output: Option<Output>,
    /// Write to this new file instead of standard output
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
    /// Only rows with one of these outcomes
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', value_parser = PossibleValuesParser::new(OUTCOMES))]
    outcome: Vec<String>,
    /// Only rows settled since a time (2026-11-29T08:00:00Z), a day in UTC (2026-11-29), or a duration ago (90m); a row that is not
    /// settled counts by its last request
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only rows settled before a time, written as for --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Only rows that name this key pair
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Args {
    fn output(&self) -> Output {
        match self.output {
            None | Some(Output::Data(Format::Table)) => Output::Data(Format::Csv),
            Some(output) => output,
        }
    }

    fn filter(&self) -> RowFilter {
        let now = SystemClock::start().now();
        let at = |moment: Option<Moment>| moment.map(|moment| moment.at(now));
        let (since, until) = (at(self.since), at(self.until));
        RowFilter { outcomes: self.outcome.clone(), since, until, name: self.name.clone() }
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let output = args.output();
    // As everywhere, `-` is standard output.
    let file = args.to.as_ref().filter(|to| to.as_os_str() != "-");
    if let (Output::File(format), None) = (output, file) {
        let word = format.word();
        return Err(CliError::new(Exit::Usage, format!("--output {word} writes a file, not standard output"))
            .hint(format!("name a new file: -o rows.{word}")));
    }
    if let Some(path) = file {
        refuse_existing(path)?;
    }
    let reader = context.any_reader().await?;
    reader.hold_still().await?;
    let names = match file {
        Some(to) => Some(Names::of(to, &reader).await?),
        None => None,
    };
    let run = resolve(&reader, &args.run).await?;
    let source = Source::of(&reader, &run, args.filter(), env!("CARGO_PKG_VERSION")).await?;
    match &names {
        None => to_standard_output(&source, output, context).await,
        Some(names) => to_file(&source, output, names, &run, context).await,
    }
}

async fn to_standard_output(source: &Source, output: Output, context: &Context) -> Result<Exit, CliError> {
    let mut out = buffered(std::io::stdout());
    begin_with_bom(&mut out, output, context)?;
    let exported = export(source, &mut *text(output.data(), out)).await?;
    match &exported.stopped {
        None => Ok(Exit::Success),
        Some(stopped) => Err(incomplete(stopped)),
    }
}

async fn to_file(
    source: &Source,
    output: Output,
    names: &Names<'_>,
    run: &RunRecord,
    context: &Context,
) -> Result<Exit, CliError> {
    let to = names.to;
    let it = |error: std::io::Error| unwritten(to, &error);
    let unfinished = Unfinished::beside(to).map_err(it)?;
    let mut out = buffered(unfinished.file.try_clone().map_err(it)?);
    begin_with_bom(&mut out, output, context)?;
    let mut sink: Box<dyn Sink> = match output {
        Output::Data(format) => text(format, out),
        Output::File(FileFormat::Parquet) => parquet(out),
        Output::File(FileFormat::Xlsx) => workbook(out, directory(to)),
        Output::File(FileFormat::Database) => database(open::table_file(&unfinished.path).await?),
    };
    let exported = export(source, &mut *sink).await.map_err(|error| match error {
        ExportError::Write(error) => it(error),
        error => error.into(),
    })?;
    drop(sink);
    if output == Output::File(FileFormat::Database) {
        unfinished.seal().map_err(it)?;
    }
    if let Some(stopped) = &exported.stopped {
        let partial = with_more(to, ".partial");
        unfinished.keep(&partial).map_err(|error| unwritten(&partial, &error))?;
        let rows = counted(exported.rows, "row is", "rows are");
        let partial = shown(&partial.to_string_lossy());
        return Err(incomplete(stopped).hint(format!("the {rows} before that in {partial}")));
    }
    names.keep(source.checkpoint.as_ref(), unfinished)?;
    say(&exported, source, to, run, context);
    Ok(Exit::Success)
}

fn say(exported: &Exported, source: &Source, to: &Path, run: &RunRecord, context: &Context) {
    let file = shown(&to.to_string_lossy());
    let rows = counted(exported.rows, "row", "rows");
    let sheets = if exported.sheets > 1 { format!(" on {} sheets", exported.sheets) } else { String::new() };
    let head = match &source.checkpoint {
        Some(head) => format!(", at the head of {} entries: {file}.checkpoint", head.size),
        None => "; the journal's head cannot be read, so no checkpoint is beside it".to_owned(),
    };
    context.ui.talk(format!("{}{rows} written to {file}{sheets}{head}", sandbox_label(run)));
}

fn text<'w>(format: Format, out: impl Write + Send + 'w) -> Box<dyn Sink + 'w> {
    match format {
        Format::Table | Format::Csv => csv(out),
        Format::Jsonl => jsonl(out),
        Format::Json => json(out),
    }
}

fn buffered<W: Write>(out: W) -> BufWriter<W> {
    BufWriter::with_capacity(64 * 1024, out)
}

fn begin_with_bom(out: &mut impl Write, output: Output, context: &Context) -> Result<(), CliError> {
    if context.ui.bom && output == Output::Data(Format::Csv) {
        out.write_all(BOM)?;
    }
    Ok(())
}

/// The error for rows that the journal does not show.
fn incomplete(stopped: &Stopped) -> CliError {
    let error = CliError::from(stopped.error.clone());
    let place = match stopped.after {
        0 => "before the first row".to_owned(),
        row => format!("after row {row}"),
    };
    CliError { message: format!("the export stops {place}: {}", error.message), ..error }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Journal(error) => error.into(),
            ExportError::Write(error) => error.into(),
            error => Self::from_error(Exit::Usage, &error)
                .hint("no file was left; csv, jsonl and parquet hold any number of columns and cells of any length"),
        }
    }
}
