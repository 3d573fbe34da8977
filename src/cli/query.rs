//! `keybatch query`: a reviewer's own SQL, or a shipped question. Both can only read.

mod refused;
mod shipped;

use std::io::Read as _;
use std::ops::ControlFlow;

use clap::builder::PossibleValuesParser;

use super::journals::complain;
use super::pager::PagerOptions;
use super::ui::{RowStream, Ui};
use super::{CliError, Code, Context, Exit};
use crate::journal::{Cell, JournalError, Visitor};
use crate::review::questions::{BoundStatement, QUESTIONS, bound};
use crate::review::{StatementError, single_query};

/// The column that names the journal of a row, where there are several.
const JOURNAL: &str = "journal";

/// A statement from standard input may have this many bytes.
const LONGEST: u64 = 1024 * 1024;

/// Query the journal in SQL, or ask a shipped question
///
/// The views are runs, intents, attempts, operations, errors, approvals, overrides, checkpoints and entries. A query
/// cannot change anything.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("asked").required(true).args(["statement", "name", "list", "schema"]),
    after_help = "Examples:
  keybatch query --list
  keybatch query --name in-doubt
  keybatch query --name deletions-for-ticket --param ticket=OPS-17
  keybatch query --schema=intents
  keybatch query \"SELECT outcome, count(*) FROM intents GROUP BY 1\"
  keybatch query - --param t=OPS-17 < mine.sql     SQL with :t in it"
)]
pub(super) struct Args {
    /// One SELECT statement; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    statement: Option<String>,
    /// Ask a shipped question
    #[arg(long, value_name = "QUESTION", value_parser = PossibleValuesParser::new(QUESTIONS), hide_possible_values = true)]
    name: Option<String>,
    /// Value of a parameter of the question, or of :NAME in the SQL; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// List the shipped questions with their parameters
    #[arg(long)]
    list: bool,
    /// Show the views with their columns and what these mean, or those of one view
    #[arg(long, value_name = "VIEW", num_args = 0..=1, require_equals = true, value_parser = PossibleValuesParser::new(shipped::view_names()))]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value may be left out")]
    schema: Option<Option<String>>,
    /// Print the SQL of the question, for other programs, instead of asking it
    #[arg(long, requires = "name")]
    sql: bool,
    #[command(flatten)]
    pub(super) pager: PagerOptions,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE, such as ticket=OPS-17"))?;
    Ok((name.trim_start_matches([':', '@', '$']).to_owned(), value.to_owned()))
}

impl Args {
    /// Whether the journal is read.
    pub(super) fn reads_journal(&self) -> bool {
        !self.list && self.schema.is_none() && !self.sql
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    if args.list {
        return shipped::list(&context.ui);
    }
    if let Some(view) = &args.schema {
        return shipped::schema(&context.ui, view.as_deref());
    }
    let Some(name) = &args.name else {
        if args.sql {
            let why = "--sql prints the SQL of a shipped question, and none is named";
            return Err(
                CliError::new(Exit::Usage, why).hint("name one: --name QUESTION; keybatch query --list lists them")
            );
        }
        let text = statement(args)?;
        let single = single_query(&text)?;
        let bound = bound(single, &args.parameters, &[]).map_err(|error| shipped::refused(&error, None))?;
        let (_, exit) = ask(context, single, &bound).await?;
        return Ok(exit);
    };
    let question = shipped::named(name)?;
    let sql = if context.journal.address().is_some() { question.postgres } else { question.sql };
    if args.sql {
        context.ui.data(&format!("{sql}\n"))?;
        return Ok(Exit::Success);
    }
    let given = shipped::given(&question, &args.parameters, context).await?;
    let (rows, exit) = ask(context, sql, &shipped::bind(&question, sql, &given)?).await?;
    if rows == 0 && !given.iter().any(|(name, _)| name == "sandbox") {
        context.ui.talk("no rows; rehearsals do not count here: --param sandbox=yes includes them");
    }
    Ok(exit)
}

/// The statement that was typed, or handed over on standard input.
fn statement(args: &Args) -> Result<String, CliError> {
    let typed = args.statement.clone().unwrap_or_default();
    if typed != "-" {
        return Ok(typed);
    }
    let mut text = String::new();
    let unreadable =
        |why: String| CliError::new(Exit::Usage, format!("no statement can be read: {why}")).code(Code::Statement);
    let read = std::io::stdin().take(LONGEST + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > LONGEST => Err(unreadable(format!("it is longer than {LONGEST} bytes"))),
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// Asks the journal, or each of several, and prints the answer as it comes; returns how many rows it had. `original` is the statement
/// as it was written, with the names of its parameters. Of several journals, one that cannot be read hides none of the others.
async fn ask(context: &Context, original: &str, statement: &BoundStatement) -> Result<(u64, Exit), CliError> {
    let mut answer = Answer { ui: &context.ui, stream: None, journal: None, rows: 0, ended: Ok(()) };
    let mut exit = Exit::Success;
    let Some(many) = &context.many else {
        let asked = ask_one(context, original, statement, &mut answer).await;
        return answer.end(asked).map(|rows| (rows, exit));
    };
    for path in many.iter() {
        answer.journal = Some(path.to_string_lossy().into_owned());
        let own = context.of_journal(path);
        match ask_one(&own, original, statement, &mut answer).await {
            Ok(()) => {}
            // What is wrong with the statement is wrong in each of them; where nobody reads on, nothing more is to be asked.
            Err(error) if error.exit != Exit::Environment => return answer.end(Err(error)).map(|rows| (rows, exit)),
            Err(error) => exit = exit.graver(complain(&context.ui, path, error)),
        }
    }
    answer.end(Ok(())).map(|rows| (rows, exit))
}

async fn ask_one(
    context: &Context,
    original: &str,
    statement: &BoundStatement,
    answer: &mut Answer<'_>,
) -> Result<(), CliError> {
    let reader = context.any_reader().await?;
    let before = answer.rows;
    let asked = reader.query_with(&statement.sql, &statement.values, answer).await;
    std::mem::replace(&mut answer.ended, Ok(()))?;
    let rows = answer.rows - before;
    match asked {
        Ok(()) => Ok(()),
        Err(JournalError::Query { reason, may_be_the_disk: false }) => {
            Err(refused::refused(&reader, original, &reason, rows).await)
        }
        Err(error) if error.may_be_the_disk() => Err(refused::stopped(&error, rows)),
        Err(error) => Err(error.into()),
    }
}

struct Answer<'a> {
    ui: &'a Ui,
    stream: Option<RowStream>,
    /// The journal that the next rows are from, where there are several.
    journal: Option<String>,
    rows: u64,
    /// Why nothing more can be written.
    ended: Result<(), CliError>,
}

impl Answer<'_> {
    fn written(&mut self, written: Result<(), CliError>) -> ControlFlow<()> {
        let go_on = if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        self.ended = written;
        go_on
    }

    /// Ends the output. What was printed before an error stays, and the error says that it is not all.
    fn end(self, asked: Result<(), CliError>) -> Result<u64, CliError> {
        match (self.stream, asked) {
            (Some(stream), Ok(())) => stream.end()?,
            (Some(stream), Err(error)) => {
                stream.break_off()?;
                return Err(error);
            }
            (None, asked) => asked?,
        }
        Ok(self.rows)
    }
}

impl Visitor for Answer<'_> {
    fn columns(&mut self, names: &[String]) -> ControlFlow<()> {
        if self.stream.is_some() {
            return ControlFlow::Continue(());
        }
        let of_journal = self.journal.is_some().then(|| JOURNAL.to_owned());
        let names = distinct(names.iter().cloned().chain(of_journal));
        let written = self.ui.stream(&names).map(|stream| self.stream = Some(stream));
        self.written(written.map_err(CliError::from))
    }

    fn row(&mut self, mut cells: Vec<Cell>) -> ControlFlow<()> {
        self.rows += 1;
        cells.extend(self.journal.clone().map(Cell::Text));
        let written = self.stream.as_mut().map_or(Ok(()), |stream| stream.row(&cells));
        self.written(written.map_err(CliError::from))
    }
}

/// The names of columns, each once: an object of JSON has one value for a name.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !all.contains(name));
        all.push(free.unwrap_or_default());
    }
    all
}

impl From<StatementError> for CliError {
    fn from(error: StatementError) -> Self {
        Self::from_error(Exit::Usage, &error).code(Code::Statement)
    }
}
