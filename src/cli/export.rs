//! `keybatch export`: what became of each row of a run, as a file.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::files::{create, unwritten};
use super::show::sandbox_label;
use super::ui::BOM;
use super::{CliError, Context, Exit, Format};
use crate::domain::counted;
use crate::review::runs::resolve;
use crate::review::{ExportError, ExportFormat, export};

/// Export what happened to each row of a run
///
/// CSV (the default) adds columns to those of the manifest. A cell that a spreadsheet would take for a formula gets a leading
/// apostrophe, as does one that begins with an apostrophe: remove one apostrophe to get the original value.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// Write to this new file instead of standard output
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let reader = context.reader().await?;
    let run = resolve(&reader, &args.run).await?;
    let format = match context.ui.format {
        Format::Table | Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::Jsonl,
        Format::Json => ExportFormat::Json,
    };
    let mut out: Box<dyn Write + Send> = match &args.to {
        None => Box::new(std::io::stdout()),
        Some(path) => Box::new(create(path)?),
    };
    let written = |error: ExportError| match (error, &args.to) {
        (ExportError::Write(error), Some(path)) => unwritten(path, &error),
        (error, _) => error.into(),
    };
    if context.ui.bom && format == ExportFormat::Csv {
        out.write_all(BOM).map_err(|error| written(ExportError::Write(error)))?;
    }
    let mut buffered = BufWriter::with_capacity(64 * 1024, &mut out);
    let rows = export(&reader, &run, format, &mut buffered).await.map_err(written)?;
    if let Some(path) = &args.to {
        context.ui.talk(format!(
            "{}{} written to {}",
            sandbox_label(&run),
            counted(rows, "row", "rows"),
            super::shown(&path.to_string_lossy())
        ));
    }
    Ok(Exit::Success)
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Journal(error) => error.into(),
            ExportError::Write(error) => error.into(),
        }
    }
}
