//! `keybatch query`: a reviewer's own SQL, which can only read.

use super::ui::{RowStream, Ui};
use super::{CliError, Code, Context, Exit};
use crate::journal::sqlite::{Cell, SqliteReader, Visitor};
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
    let reader = SqliteReader::open(&context.journal).await?;
    let mut result = Answer { ui: &context.ui, stream: None };
    reader.query(statement, &mut result).await?;
    if let Some(stream) = result.stream {
        stream.end()?;
    }
    Ok(Exit::Success)
}

struct Answer<'a> {
    ui: &'a Ui,
    stream: Option<RowStream>,
}

impl Visitor<CliError> for Answer<'_> {
    fn columns(&mut self, names: &[String]) -> Result<(), CliError> {
        self.stream = Some(self.ui.stream(names)?);
        Ok(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), CliError> {
        match &mut self.stream {
            Some(stream) => Ok(stream.row(&cells)?),
            None => Ok(()),
        }
    }
}

impl From<StatementError> for CliError {
    fn from(error: StatementError) -> Self {
        Self::from_error(Exit::Usage, &error).code(Code::Statement)
    }
}
