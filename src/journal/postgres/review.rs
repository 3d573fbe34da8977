//! What reviewers ask for: pages of the views, filtered entries, and statements of their own. Reads only.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::ask::Ask;
use super::cell::Kind;
use super::line::Outcome;
use super::link::{get, unsigned};
use super::migrations::SCHEMA_VERSION;
use super::read::{PostgresReader, story_entry};
use super::reading as sql;
use super::{objects, own};
use crate::journal::{Cell, EntryFilter, JournalError, Matching, Reservation, ReviewRow, StoryEntry, Visitor};

impl PostgresReader {
    /// After which entry something was said later of a run's rows, if anything was.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn resolved_after(&self, run_no: i64) -> Result<Option<i64>, JournalError> {
        self.one(&Ask::of(sql::RESOLVED_AFTER).with(run_no), |row| get(row, 0)).await
    }

    /// The entries that belong to a run as a whole, in order.
    pub async fn milestones(&self, run_no: i64) -> Result<Vec<StoryEntry>, JournalError> {
        self.all(&Ask::of(sql::MILESTONES).with(run_no), story_entry).await
    }

    /// The entries of one kind that belong to a run as a whole, in order.
    pub async fn milestones_of(&self, run_no: i64, kind: &str) -> Result<Vec<StoryEntry>, JournalError> {
        self.all(&Ask::of(sql::MILESTONES_OF_KIND).with(run_no).with(kind), story_entry).await
    }

    /// The rows of a run that name this key pair.
    pub async fn rows_of_name(&self, run_no: i64, name: &str) -> Result<Vec<u64>, JournalError> {
        let ask = Ask::of(sql::ROWS_OF_NAME).with(run_no).with(name).patiently();
        self.all(&ask, |row| unsigned(row, 0)).await
    }

    /// At most `limit` rows of all runs that have this key pair's name or this number: (run, row).
    pub async fn rows_anywhere(
        &self,
        name: Option<&str>,
        row: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, JournalError> {
        let ask = Ask::of(sql::ROWS_ANYWHERE).with(name).with(row).with(limit).patiently();
        self.all(&ask, |row| Ok((get(row, 0)?, unsigned(row, 1)?))).await
    }

    /// The number of the first of the last `count` entries that match (0 if none does), and how many match in all.
    pub async fn last_matching(&self, filter: &EntryFilter, count: u32) -> Result<(i64, u64), JournalError> {
        let ask = filtered(sql::LAST_MATCHING, i64::MIN, filter, count.max(1));
        let answer = |row: &PgRow| Ok((get::<Option<i64>>(row, 0)?.unwrap_or(0), unsigned(row, 1)?));
        let (first, matching) = self.one(&ask, answer).await?;
        Ok((if count == 0 { 0 } else { first }, matching))
    }

    /// The next entries from `seq` on that match, in order.
    pub async fn matching(&self, filter: &EntryFilter, seq: i64, limit: u32) -> Result<Vec<Matching>, JournalError> {
        let record = |row: &PgRow| {
            Ok(Matching {
                seq: get(row, 0)?,
                body: get(row, 1)?,
                run_id: get(row, 2)?,
                sandbox: get::<Option<i64>>(row, 3)?.map(|sandbox| sandbox != 0),
                name: get(row, 4)?,
            })
        };
        self.all(&filtered(sql::MATCHING, seq, filter, limit), record).await
    }

    /// The names of the columns of the view `intents`.
    pub async fn review_columns(&self) -> Result<Vec<String>, JournalError> {
        self.names(sql::INTENTS_VIEW).await
    }

    async fn names(&self, statement: &str) -> Result<Vec<String>, JournalError> {
        let mut aside = self.line.aside().await?;
        let outcome = own::names(aside.talk(), statement).await?;
        aside.end(outcome).await
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
        let ask = Ask::of(sql::REVIEW).with(run_no).with(after).with(outcome).with(limit).patiently();
        let record = |row: &PgRow| {
            let cells = cells(row)?.split_off(2);
            Ok(ReviewRow { row: unsigned(row, 0)?, intent: get(row, 1)?, cells })
        };
        self.all(&ask, record).await
    }

    /// The view `runs`: names of columns and rows.
    pub async fn runs_view(&self) -> Result<(Vec<String>, Vec<Vec<Cell>>), JournalError> {
        let names = self.names(sql::RUNS_VIEW).await?;
        Ok((names, self.all(&Ask::of(sql::RUNS_VIEW).patiently(), cells).await?))
    }

    /// Runs a reviewer's own statement and hands its rows on as they come.
    ///
    /// The caller has made sure that it is a single statement that only reads; its transaction could not write anyway.
    pub async fn query(&self, statement: &str, visitor: &mut dyn Visitor) -> Result<(), JournalError> {
        self.query_with(statement, &[], visitor).await
    }

    /// As [`PostgresReader::query`], with the texts for the statement's parameters `?1`, `?2` and so on.
    pub async fn query_with(
        &self,
        statement: &str,
        bound: &[String],
        visitor: &mut dyn Visitor,
    ) -> Result<(), JournalError> {
        let mut aside = self.line.aside().await?;
        let outcome = own::run(aside.talk(), statement, bound, visitor).await?;
        aside.end(outcome).await
    }

    /// PostgreSQL's words against a statement, which is not run; none if it could be run.
    pub async fn refusal(&self, statement: &str) -> Result<Option<String>, JournalError> {
        let mut aside = self.line.aside().await?;
        let outcome = own::check(aside.talk(), statement).await?;
        match aside.end(outcome).await {
            Ok(()) => Ok(None),
            Err(JournalError::Query { reason, .. }) => Ok(Some(reason)),
            Err(error) => Err(error),
        }
    }

    /// Why what this journal shows may not be what was recorded, as far as its version and its schema tell.
    pub async fn reservations(&self) -> Result<Vec<Reservation>, JournalError> {
        let version = self.one(&Ask::of(sql::VERSION), |row| get::<i64>(row, 0)).await?;
        if version > SCHEMA_VERSION {
            return Ok(vec![Reservation::Newer { version, known: SCHEMA_VERSION }]);
        }
        let mut aside = self.line.aside().await?;
        let rows = aside.talk().rows(&Ask::of(objects::LISTING)).await;
        let rows = rows.map_err(|failed| aside.talk().error(failed))?;
        let rows = aside.end(Outcome::Answered(rows)).await?;
        let found: Vec<_> = rows.iter().map(objects::read).collect::<Result<_, _>>()?;
        let first = objects::differences(&found).into_iter().next();
        Ok(first.map(|first| Reservation::Changed { what: first.told() }).into_iter().collect())
    }

    /// The version of PostgreSQL and of the schema, and how many entries and bytes there are.
    pub async fn health(&self) -> Result<(String, i64, i64, i64), JournalError> {
        self.one(&Ask::of(sql::HEALTH), |row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?))).await
    }
}

fn filtered(statement: &'static str, seq: i64, filter: &EntryFilter, limit: u32) -> Ask {
    let ask = Ask::of(statement).with(seq).with(filter.run).with(filter.kind.as_deref()).with(filter.row);
    let ask = ask.with(filter.name.as_deref()).with(filter.outcome.as_deref());
    ask.with(filter.since.as_deref()).with(filter.until.as_deref()).with(limit).patiently()
}

/// The values of a row of a view.
fn cells(row: &PgRow) -> Result<Vec<Cell>, JournalError> {
    row.columns().iter().enumerate().map(|(index, column)| Kind::of(column).cell(row, index)).collect()
}
