//! What reviewers ask for: pages of the views, filtered entries, and statements of their own. Reads only.

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{Column as _, Executor as _, Row as _, Statement as _, TypeInfo as _, ValueRef as _};

use super::code::{broken, code};
use super::column::{bytes, get, number, unsigned};
use super::migrations::SCHEMA_VERSION;
use super::read::{SqliteReader, story_entry};
use super::schema;
use super::sql;
use super::value::Bound;
use crate::journal::{Cell, EntryFilter, JournalError, Matching, Reservation, ReviewRow, StoryEntry, Visitor};

/// What is said of a row later stands behind its outcome.
pub(super) const RESOLVED_AFTER: &str = "SELECT min(i.settled_seq) FROM resolution AS z \
     CROSS JOIN intent AS i ON i.run_no = z.run_no AND i.row_no = z.row_no WHERE z.run_no = ?";

impl SqliteReader {
    /// The names of the columns of the view `intents`.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn review_columns(&self) -> Result<Vec<String>, JournalError> {
        let mut connection = self.connection().await?;
        names_of(&mut connection, "SELECT * FROM intents").await
    }

    /// The next rows of a run after row `after`, in order. With an outcome, only those that have it; here `unsettled` and
    /// `not_attempted` count as outcomes.
    pub async fn review(
        &self,
        run_no: i64,
        after: u64,
        limit: u32,
        outcome: Option<&'static str>,
    ) -> Result<Vec<ReviewRow>, JournalError> {
        let after = number(after);
        let query = sqlx::query(sql::REVIEW).bind(run_no).bind(after).bind(outcome).bind(limit);
        let record = |row: &SqliteRow| {
            let cells = (2..row.len()).map(|index| cell(row, index)).collect::<Result<_, _>>()?;
            Ok(ReviewRow { row: unsigned(row, 0)?, intent: get(row, 1)?, cells })
        };
        self.all(query, record).await
    }

    /// The view `runs`: names of columns and rows.
    pub async fn runs_view(&self) -> Result<(Vec<String>, Vec<Vec<Cell>>), JournalError> {
        let names = names_of(&mut *self.connection().await?, sql::RUNS_VIEW).await?;
        Ok((names, self.all(sqlx::query(sql::RUNS_VIEW), cells).await?))
    }

    /// After which entry something was said later of a run's rows, if anything was.
    pub async fn resolved_after(&self, run_no: i64) -> Result<Option<i64>, JournalError> {
        self.one(sqlx::query(RESOLVED_AFTER).bind(run_no), |row| get(row, 0)).await
    }

    /// The entries of one kind that belong to a run as a whole, in order.
    pub async fn milestones_of(&self, run_no: i64, kind: &str) -> Result<Vec<StoryEntry>, JournalError> {
        let query = sqlx::query(sql::MILESTONES_OF_KIND).bind(run_no).bind(kind.to_owned());
        self.all(query, story_entry).await
    }

    /// The number of the first of the last `count` entries that match (0 if none does), and how many match in all.
    pub async fn last_matching(&self, filter: &EntryFilter, count: u32) -> Result<(i64, u64), JournalError> {
        let query = bind_filter(sqlx::query(sql::LAST_MATCHING).bind(i64::MIN), filter).bind(count);
        self.one(query, |row| Ok((get::<Option<i64>>(row, 0)?.unwrap_or(0), unsigned(row, 1)?))).await
    }

    /// At most `limit` rows of all runs that have this key pair's name or this number: (run, row).
    pub async fn rows_anywhere(
        &self,
        name: Option<&str>,
        row: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, JournalError> {
        let row = row.map(number);
        let query = sqlx::query(sql::ROWS_ANYWHERE).bind(name.map(str::to_owned)).bind(row).bind(limit);
        self.all(query, |row| Ok((get(row, 0)?, unsigned(row, 1)?))).await
    }

    /// The next entries from `seq` on that match, in order.
    pub async fn matching(&self, filter: &EntryFilter, seq: i64, limit: u32) -> Result<Vec<Matching>, JournalError> {
        let query = bind_filter(sqlx::query(sql::MATCHING).bind(seq), filter).bind(limit);
        let record = |row: &SqliteRow| {
            Ok(Matching {
                seq: get(row, 0)?,
                body: String::from_utf8_lossy(&bytes(row, 1)?).into_owned(),
                run_id: get(row, 2)?,
                sandbox: get(row, 3)?,
                name: get(row, 4)?,
            })
        };
        self.all(query, record).await
    }

    /// Runs a reviewer's own statement and hands its rows on as they come.
    ///
    /// The caller has made sure that it is a single statement that only reads; the connection could not write anyway.
    pub async fn query(&self, statement: &str, visitor: &mut dyn Visitor) -> Result<(), JournalError> {
        self.query_with(statement, &[], visitor).await
    }

    /// As [`SqliteReader::query`], with the texts for the statement's parameters `?1`, `?2` and so on.
    pub async fn query_with(
        &self,
        statement: &str,
        bound: &[String],
        visitor: &mut dyn Visitor,
    ) -> Result<(), JournalError> {
        let mut connection = self.connection().await?;
        sqlx::query("PRAGMA query_only = ON").execute(&mut *connection).await.map_err(statement_error)?;
        if visitor.columns(&names_of(&mut connection, statement).await?).is_break() {
            return Ok(());
        }
        let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
        let query = bound.iter().fold(query, |query, text| query.bind(text.clone()));
        let mut rows = query.fetch(&mut *connection);
        while let Some(row) = rows.try_next().await.map_err(statement_error)? {
            if visitor.row(cells(&row)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// SQLite's words against a statement, which is not run; none if it could be run.
    pub async fn refusal(&self, statement: &str) -> Result<Option<String>, JournalError> {
        let mut connection = self.connection().await?;
        Ok(match names_of(&mut connection, statement).await {
            Ok(_) => None,
            Err(JournalError::Query { reason, .. }) => Some(reason),
            Err(error) => return Err(error),
        })
    }

    /// Why what this journal shows may not be what was recorded, as far as its version and its schema tell.
    pub async fn reservations(&self) -> Result<Vec<Reservation>, JournalError> {
        let version = self.one(sqlx::query(sql::VERSION), |row| get::<i64>(row, 0)).await?;
        if version > SCHEMA_VERSION {
            return Ok(vec![Reservation::Newer { version, known: SCHEMA_VERSION }]);
        }
        let differences = schema::differences(&mut *self.connection().await?).await?;
        let first = differences.iter().find(|difference| !difference.is_of_replication());
        Ok(first.map(|first| Reservation::Changed { what: first.told() }).into_iter().collect())
    }

    /// The version of SQLite and of the schema, and how many entries and bytes there are.
    pub async fn health(&self) -> Result<(String, i64, i64, i64), JournalError> {
        self.one(sqlx::query(sql::HEALTH), |row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?))).await
    }
}

fn bind_filter<'q>(query: Bound<'q>, filter: &EntryFilter) -> Bound<'q> {
    let row = filter.row.map(number);
    let query = query.bind(filter.run).bind(filter.kind.clone()).bind(row);
    query.bind(filter.name.clone()).bind(filter.outcome.clone()).bind(filter.since.clone()).bind(filter.until.clone())
}

async fn names_of(connection: &mut SqliteConnection, statement: &str) -> Result<Vec<String>, JournalError> {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    let prepared = connection.prepare(sqlx::SqlSafeStr::into_sql_str(statement)).await;
    let prepared = prepared.map_err(statement_error)?;
    Ok(prepared.columns().iter().map(|column| column.name().to_owned()).collect())
}

fn statement_error(error: sqlx::Error) -> JournalError {
    JournalError::Query { may_be_the_disk: broken(code(&error)) == Some(true), reason: error_text(&error) }
}

/// SQLite's own words, without the driver's around them.
fn error_text(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => database.message().to_owned(),
        None => error.to_string(),
    }
}

/// The values of a row.
pub(super) fn cells(row: &SqliteRow) -> Result<Vec<Cell>, JournalError> {
    (0..row.len()).map(|index| cell(row, index)).collect()
}

/// A value as SQLite has it, whatever the column was declared as.
fn cell(row: &SqliteRow, index: usize) -> Result<Cell, JournalError> {
    let value: SqliteValueRef<'_> = row.try_get_raw(index).map_err(JournalError::sql)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().name().to_owned();
    let unchecked = |error: sqlx::Error| JournalError::sql(error);
    Ok(match kind.as_str() {
        "INTEGER" | "BOOLEAN" => Cell::Integer(row.try_get_unchecked(index).map_err(unchecked)?),
        "REAL" => Cell::Real(row.try_get_unchecked(index).map_err(unchecked)?),
        "BLOB" => Cell::Blob(row.try_get_unchecked(index).map_err(unchecked)?),
        _ => {
            let bytes: Vec<u8> = row.try_get_unchecked(index).map_err(unchecked)?;
            Cell::Text(
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            )
        }
    })
}
