//! A reviewer's own statement. It runs in a transaction that cannot write and is taken back afterwards, with the views in reach by
//! their bare names. The statement goes through the protocol that takes
//! a single one at a time, which is safe here even behind a pooler: it keeps to one connection within a transaction.

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, Postgres, Row as _};

use super::ask::LONG_PATIENCE;
use super::cell::Kind;
use super::line::Outcome;
use super::statement::{Statement, renamed};
use super::talk::{Failed, Talk, within};
use crate::journal::{JournalError, Visitor};

/// `pg_temp` is named so that it comes last: another client's table behind the same pooler cannot stand for a view.
const SEARCH: &str = "SELECT pg_catalog.set_config('search_path', 'keybatch, pg_temp', true)";

/// To go on after words against a statement.
const MARK: &str = "SAVEPOINT asked";
const BACK: &str = "ROLLBACK TO SAVEPOINT asked";

/// The names of the columns of a statement, which is not run.
pub(super) async fn names(talk: &mut Talk, statement: &str) -> Result<Outcome<Vec<String>>, JournalError> {
    plain(talk, SEARCH).await?;
    let columns = columns(talk, &renamed(statement), &[]).await?;
    Ok(match columns {
        Ok(columns) => Outcome::Answered(columns.into_iter().map(|(name, _)| name).collect()),
        Err(refused) => Outcome::Refused(refused),
    })
}

/// Whether a statement could be run.
pub(super) async fn check(talk: &mut Talk, statement: &str) -> Result<Outcome<()>, JournalError> {
    plain(talk, SEARCH).await?;
    let statement = renamed(statement);
    let bound = vec![String::new(); statement.parameters];
    Ok(match columns(talk, &statement, &bound).await? {
        Ok(_) => Outcome::Answered(()),
        Err(refused) => Outcome::Refused(refused),
    })
}

/// Runs a statement and hands its rows on as they come.
pub(super) async fn run(
    talk: &mut Talk,
    statement: &str,
    bound: &[String],
    visitor: &mut dyn Visitor,
) -> Result<Outcome<()>, JournalError> {
    plain(talk, SEARCH).await?;
    let statement = renamed(statement);
    let columns = match columns(talk, &statement, bound).await? {
        Ok(columns) => columns,
        Err(refused) => return Ok(Outcome::Refused(refused)),
    };
    let (names, kinds): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    if visitor.columns(&names).is_break() {
        return Ok(Outcome::Enough(()));
    }
    let text = written(&statement, &kinds);
    let mut rows = query(&text, bound).fetch(talk.connection());
    loop {
        let row = match within(LONG_PATIENCE, rows.try_next()).await {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Outcome::Answered(())),
            Err(failed) => {
                drop(rows);
                return words(talk, failed).map(Outcome::Refused);
            }
        };
        let cells = kinds.iter().enumerate().map(|(index, kind)| kind.cell(&row, index)).collect::<Result<_, _>>()?;
        if visitor.row(cells).is_break() {
            return Ok(Outcome::Enough(()));
        }
    }
}

type Columns = Vec<(String, Kind)>;

/// The columns of a statement: PostgreSQL reads and plans it, and does not run it, because nothing can be joined with it. The
/// inner error: its words against the statement.
async fn columns(
    talk: &mut Talk,
    statement: &Statement,
    bound: &[String],
) -> Result<Result<Columns, JournalError>, JournalError> {
    plain(talk, MARK).await?;
    let text = format!("SELECT q.* FROM (SELECT 1) AS one LEFT JOIN (\n{}\n) AS q ON false", statement.text);
    let refused = match within(LONG_PATIENCE, query(&text, bound).fetch_one(talk.connection())).await {
        Ok(row) => {
            let column = |column: &sqlx::postgres::PgColumn| (column.name().to_owned(), Kind::of(column));
            return Ok(Ok(row.columns().iter().map(column).collect()));
        }
        Err(failed) => words(talk, failed)?,
    };
    plain(talk, BACK).await?;
    // Its words may be about what was put around it. So it is asked once more about the statement alone.
    let text = format!("EXPLAIN {}", statement.text);
    let alone = within(LONG_PATIENCE, query(&text, bound).fetch_all(talk.connection())).await;
    let refused = match alone {
        Ok(_) => refused,
        Err(failed) => words(talk, failed)?,
    };
    plain(talk, BACK).await?;
    Ok(Err(refused))
}

/// The statement, with those columns as text that the driver cannot read.
fn written(statement: &Statement, kinds: &[Kind]) -> String {
    if !kinds.iter().any(|kind| kind.is_written()) {
        return statement.text.clone();
    }
    let cast = |(number, kind): (usize, &Kind)| {
        if kind.is_written() { format!("q.c{number}::text") } else { format!("q.c{number}") }
    };
    let names: Vec<_> = (0..kinds.len()).map(|number| format!("c{number}")).collect();
    let values: Vec<_> = kinds.iter().enumerate().map(cast).collect();
    format!("SELECT {} FROM (\n{}\n) AS q ({})", values.join(", "), statement.text, names.join(", "))
}

fn query<'q>(text: &str, bound: &[String]) -> Query<'q, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(text.to_owned()));
    bound.iter().fold(query, |query, text| query.bind(text.clone())).persistent(false)
}

/// Runs a statement of ours.
async fn plain(talk: &mut Talk, statement: &'static str) -> Result<(), JournalError> {
    let run = talk.run(statement).await;
    run.map_err(|failed| talk.error(failed))
}

/// What the database says against a statement, without the driver's words around it.
fn words(talk: &Talk, failed: Failed) -> Result<JournalError, JournalError> {
    match failed.refusal() {
        Some((reason, may_be_the_disk)) => Ok(JournalError::Query { reason, may_be_the_disk }),
        None => Err(talk.error(failed)),
    }
}
