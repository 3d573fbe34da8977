//! `keybatch query`: a reviewer's own SQL, which can only read.

use std::ops::ControlFlow;

use super::ui::{RowStream, Ui};
use super::{CliError, Code, Context, Exit};
use crate::journal::{Cell, Visitor};
use crate::review::{StatementError, single_query};

/// Query the journal in SQL
///
/// The views are runs, intents, attempts, operations, errors, approvals, overrides, checkpoints and entries. A query
/// cannot change anything.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One SELECT statement
    #[arg(value_name = "SQL")]
    statement: String,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let statement = single_query(&args.statement)?;
    let reader = context.reader().await?;
    let mut result = Answer { ui: &context.ui, stream: None, ended: Ok(()) };
    reader.query(statement, &mut result).await?;
    result.ended?;
    if let Some(stream) = result.stream {
        stream.end()?;
    }
    Ok(Exit::Success)
}

struct Answer<'a> {
    ui: &'a Ui,
    stream: Option<RowStream>,
    /// Why nothing more can be written.
    ended: Result<(), CliError>,
}

impl Answer<'_> {
    fn written(&mut self, written: Result<(), CliError>) -> ControlFlow<()> {
        let go_on = if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        self.ended = written;
        go_on
    }
}

impl Visitor for Answer<'_> {
    fn columns(&mut self, names: &[String]) -> ControlFlow<()> {
        let written = self.ui.stream(names).map(|stream| self.stream = Some(stream));
        self.written(written.map_err(CliError::from))
    }

    fn row(&mut self, cells: Vec<Cell>) -> ControlFlow<()> {
        let written = self.stream.as_mut().map_or(Ok(()), |stream| stream.row(&cells));
        self.written(written.map_err(CliError::from))
    }
}

impl From<StatementError> for CliError {
    fn from(error: StatementError) -> Self {
        Self::from_error(Exit::Usage, &error).code(Code::Statement)
    }
}
