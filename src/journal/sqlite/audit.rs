//! What `verify` reads of a journal: one snapshot of it, in pages that are cheap to fetch. It only reads. The journal may be
//! damaged, so nothing is taken for granted.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::code::is_said_of_the_machine;
use super::column::{bytes, get};
use super::migrations::{SCHEMA_VERSION, is_known};
use super::open::{APPLICATION_ID, end_transaction, named, open_reader};
use super::schema;
use super::sql;
use crate::journal::{EntryPage, JournalError, SchemaDifference, StoredHead, WrongMark};

/// How many bytes of bodies a page should hold: enough to make the cost of a statement small.
const PAGE_BYTES: usize = 96 * 1024;

/// How many entries a page holds at most: even if they suddenly are as large as entries can be, a page is some 20 MB.
const PAGE_ENTRIES: usize = 256;

/// How many entries the first page holds, before anything is known about their size.
const FIRST_PAGE: usize = 16;

/// A journal open for `verify`. Everything between [`begin`](Self::begin) and [`end`](Self::end) sees the same state
/// of it, whatever a running session adds meanwhile.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) connection: SqliteConnection,
    limit: usize,
}

impl Snapshot {
    /// Opens the journal at `path` read-only.
    ///
    /// # Errors
    /// If there is no file, or it is not a journal; `Database` if it is damaged.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let mut connection = open_reader(path).await?;
        // A comparison of large tables must not happen in memory.
        sqlx::query("PRAGMA temp_store = FILE").execute(&mut connection).await.map_err(JournalError::sql)?;
        Ok(Self { connection, limit: FIRST_PAGE })
    }

    /// Attaches the database at `path` under the name `replayed`.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn attach(&mut self, path: &Path) -> Result<(), JournalError> {
        let query = sqlx::query("ATTACH DATABASE ? AS replayed").bind(named(path).to_string_lossy().into_owned());
        query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(())
    }

    /// From here on, the snapshot shows one unchanging state of the journal; begun again, a later one.
    pub async fn begin(&mut self) -> Result<(), JournalError> {
        end_transaction(&mut self.connection).await;
        sqlx::query("BEGIN").execute(&mut self.connection).await.map_err(JournalError::sql)?;
        // A transaction sees the state of its first read.
        let first = sqlx::query("SELECT count(*) FROM main.sqlite_schema").fetch_one(&mut self.connection).await;
        first.map(drop).map_err(JournalError::sql)
    }

    /// Releases the journal.
    pub async fn end(self) {
        drop(self.connection.close().await);
    }

    /// What SQLite's own check reports: the first thing that is wrong with the database, and whether the machine failed instead
    /// of the data being damaged.
    pub async fn integrity(&mut self) -> Result<Option<(String, bool)>, JournalError> {
        let row = sqlx::query("PRAGMA main.integrity_check(1)").fetch_one(&mut self.connection).await;
        let said: String = row.map_err(JournalError::sql).and_then(|row| get(&row, 0))?;
        let of_the_machine = is_said_of_the_machine(&said);
        Ok((said != "ok").then_some((said, of_the_machine)))
    }

    /// How the schema differs from a new journal's.
    pub async fn schema_differences(&mut self) -> Result<Vec<SchemaDifference>, JournalError> {
        schema::differences(&mut self.connection).await
    }

    /// A mark of the file that differs from the one it was created with. The marks are set before the first entry is written, so a
    /// journal without entries may lack them.
    pub async fn wrong_mark(&mut self) -> Result<Option<WrongMark>, JournalError> {
        let sql = "SELECT (SELECT application_id FROM pragma_application_id), \
             (SELECT user_version FROM pragma_user_version), EXISTS (SELECT 1 FROM main.entry)";
        let row = sqlx::query(sql).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        if !get::<bool>(&row, 2)? {
            return Ok(None);
        }
        let version: i64 = get(&row, 1)?;
        let expected = if is_known(version) { version } else { SCHEMA_VERSION };
        let marks = [("application_id", APPLICATION_ID, get(&row, 0)?), ("user_version", expected, version)];
        let dumped = marks.iter().all(|(.., found)| *found == 0);
        let wrong = marks.into_iter().find(|(_, expected, found)| expected != found);
        Ok(wrong.map(|(name, expected, found)| WrongMark { name, expected, found, dumped }))
    }

    /// The head; none if there is no entry yet.
    pub async fn head(&mut self) -> Result<Option<StoredHead>, JournalError> {
        let found = sqlx::query(sql::HEAD).fetch_optional(&mut self.connection).await.map_err(JournalError::sql)?;
        let head = |row: SqliteRow| {
            let (root, frontier) = (bytes(&row, 1)?, bytes(&row, 2)?);
            Ok(StoredHead { size: get(&row, 0)?, root, frontier, checkpoint: (get(&row, 3)?, get(&row, 4)?) })
        };
        found.map(head).transpose()
    }

    /// How many heads there are. The table permits one; SQLite's own check does not notice if it was made to accept another.
    pub async fn heads(&mut self) -> Result<i64, JournalError> {
        self.count("main", "head").await
    }

    /// The next entries from `seq` on; an empty page after the last one.
    pub async fn page(&mut self, seq: i64) -> Result<EntryPage, JournalError> {
        let limit = i64::try_from(self.limit).unwrap_or(1);
        let query = sqlx::query(sql::ENTRY_PAGE).bind(seq).bind(limit);
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        let page = match page_of(&row)? {
            Some(page) => page,
            // Something is wrong: a gap, or a missing value.
            None => self.page_by_rows(seq, limit).await?,
        };
        // The next page is to hold about PAGE_BYTES, and no more than twice as many entries as this one.
        let entries = page.len().max(1);
        let average = (page.bytes() / entries).max(1);
        self.limit = (PAGE_BYTES / average).clamp(1, (entries * 2).min(PAGE_ENTRIES));
        Ok(page)
    }

    /// A single entry, to find where a damaged journal becomes unreadable.
    pub async fn single(&mut self, seq: i64) -> Result<EntryPage, JournalError> {
        self.page_by_rows(seq, 1).await
    }

    async fn page_by_rows(&mut self, seq: i64, limit: i64) -> Result<EntryPage, JournalError> {
        let query = sqlx::query(sql::ENTRIES_FROM).bind(seq).bind(limit);
        let rows = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        let mut page = EntryPage::default();
        for row in &rows {
            page.push(get(row, 0)?, &bytes(row, 1)?, &bytes(row, 2)?);
        }
        Ok(page)
    }

    /// The first row of `table` in which the journal and the attached replay differ: as the journal has it, and as the entries
    /// say it should be, each as JSON; none if there is no such row.
    pub async fn first_difference(
        &mut self,
        table: &'static str,
    ) -> Result<Option<(Option<String>, Option<String>)>, JournalError> {
        let columns = self.columns(table).await?;
        if !self.has(table).await? {
            // Its version did not know the table, and no entry may say what it would hold.
            return self.pair(lone_sql(table, &columns)).await;
        }
        let sql = difference_sql(table, &columns, "main", "replayed");
        if let Some(pair) = self.pair(sql).await? {
            return Ok(Some(pair));
        }
        // All rows that are here are also there. If there are no more there, none is missing here.
        if self.count("main", table).await? == self.count("replayed", table).await? {
            return Ok(None);
        }
        let sql = difference_sql(table, &columns, "replayed", "main");
        Ok(self.pair(sql).await?.map(|(there, here)| (here, there)))
    }

    async fn pair(&mut self, sql: String) -> Result<Option<(Option<String>, Option<String>)>, JournalError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut self.connection).await;
        row.map_err(JournalError::sql)?.map(|row| Ok((get(&row, 0)?, get(&row, 1)?))).transpose()
    }

    async fn count(&mut self, schema: &'static str, table: &'static str) -> Result<i64, JournalError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {schema}.{table}"));
        let row = sqlx::query(sql).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        get(&row, 0)
    }

    async fn has(&mut self, table: &'static str) -> Result<bool, JournalError> {
        let query = sqlx::query("SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?)");
        let row = query.bind(table).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        get(&row, 0)
    }

    /// (name, whether it belongs to the key).
    async fn columns(&mut self, table: &'static str) -> Result<Vec<(String, bool)>, JournalError> {
        let query = sqlx::query("SELECT name, pk > 0 FROM pragma_table_info(?, 'replayed') ORDER BY cid").bind(table);
        let rows = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| Ok((get(row, 0)?, get::<i64>(row, 1)? != 0))).collect()
    }
}

/// A row of a table as JSON.
fn json_of(columns: &[(String, bool)], alias: &str) -> String {
    let fields: Vec<_> = columns.iter().map(|(name, _)| format!("'{name}', {alias}.{name}")).collect();
    format!("json_object({})", fields.join(", "))
}

/// The first row of a table that only the replay has.
fn lone_sql(table: &str, columns: &[(String, bool)]) -> String {
    format!("SELECT NULL, {} FROM replayed.{table} AS a LIMIT 1", json_of(columns, "a"))
}

/// The rows of `here` that are not in `there`, or not the same, by key: no temporary table is needed for that.
fn difference_sql(table: &str, columns: &[(String, bool)], here: &str, there: &str) -> String {
    let condition = |key: bool, operator: &str| {
        let wanted = columns.iter().filter(|(_, is_key)| *is_key == key);
        wanted.map(|(name, _)| format!("b.{name} {operator} a.{name}")).collect::<Vec<_>>()
    };
    let keys = condition(true, "=").join(" AND ");
    let missing = columns.iter().find(|(_, key)| *key).map_or("rowid", |(name, _)| name);
    let mut differs = condition(false, "IS NOT");
    differs.push(format!("b.{missing} IS NULL"));
    format!(
        "SELECT {}, CASE WHEN b.{missing} IS NULL THEN NULL ELSE {} END FROM {here}.{table} AS a \
         LEFT JOIN {there}.{table} AS b ON {keys} WHERE {} LIMIT 1",
        json_of(columns, "a"),
        json_of(columns, "b"),
        differs.join(" OR ")
    )
}

/// The page that is in one row; none if its parts do not fit together.
fn page_of(row: &SqliteRow) -> Result<Option<EntryPage>, JournalError> {
    let count: i64 = get(row, 0)?;
    if count == 0 {
        return Ok(Some(EntryPage::default()));
    }
    let (first, last): (i64, i64) = (get(row, 1)?, get(row, 2)?);
    let lengths: Option<String> = get(row, 3)?;
    let (bodies, leaves) = (bytes(row, 4)?, bytes(row, 5)?);
    let lengths: Option<Vec<usize>> =
        lengths.unwrap_or_default().split(' ').map(|length| length.parse::<usize>().ok()).collect();
    let count = usize::try_from(count).unwrap_or(0);
    let Some(lengths) = lengths.filter(|lengths| lengths.len() == count) else { return Ok(None) };
    let ends: Vec<usize> = lengths
        .iter()
        .scan(0_usize, |end, length| {
            *end += length;
            Some(*end)
        })
        .collect();
    let fits = last.checked_sub(first).and_then(|span| usize::try_from(span).ok()) == Some(count - 1)
        && ends.last() == Some(&bodies.len())
        && leaves.len() == 32 * count;
    Ok(fits.then(|| EntryPage::new((first..=last).collect(), bodies, ends, leaves)))
}

#[cfg(test)]
mod tests;
