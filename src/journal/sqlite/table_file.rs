//! Writes a database file of typed tables. One transaction, no log and no sync: the file gets its name only after it is whole and
//! durable, and until then nobody reads it.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::value::Bound;
use super::without_a_log::connect_without_a_log;
use crate::journal::{Cell, ColumnKind, JournalError, Reading, TableFile};

/// SQLite's limit on the columns of a table (`SQLITE_MAX_COLUMN`).
pub const MOST_COLUMNS: usize = 2_000;

/// SQLite's limit on the parameters of a statement is 32,766.
const MOST_PARAMETERS: usize = 30_000;

/// The most rows of one statement. More save no time, and each number of rows is a statement of its own.
const MOST_ROWS: usize = 64;

/// A database file that is being written.
#[derive(Debug)]
pub struct SqliteTableFile {
    connection: SqliteConnection,
}

impl SqliteTableFile {
    /// Begins in the empty file at `path`, which exists.
    ///
    /// # Errors
    /// If it cannot be written; this applies to every method here.
    pub async fn begin(path: &Path) -> Result<Self, JournalError> {
        let mut connection = connect_without_a_log(path).await?;
        sqlx::query("BEGIN").execute(&mut connection).await.map_err(JournalError::sql)?;
        Ok(Self { connection })
    }

    async fn make(
        &mut self,
        name: &str,
        columns: &[(String, ColumnKind)],
        key: Option<usize>,
    ) -> Result<(), JournalError> {
        let declared: Vec<_> =
            (0..).zip(columns).map(|(index, (name, kind))| declared(name, *kind, key == Some(index))).collect();
        let statement = format!("CREATE TABLE {} ({}) STRICT", quoted(name), declared.join(", "));
        let made = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut self.connection).await;
        made.map(drop).map_err(JournalError::sql)
    }

    async fn put(&mut self, name: &str, rows: &[Vec<Cell>]) -> Result<(), JournalError> {
        let width = rows.first().map_or(1, Vec::len).max(1);
        for rows in rows.chunks((MOST_PARAMETERS / width).clamp(1, MOST_ROWS)) {
            let one = format!("({})", vec!["?"; width].join(", "));
            let statement = format!("INSERT INTO {} VALUES {}", quoted(name), vec![one; rows.len()].join(", "));
            let query = sqlx::query(sqlx::AssertSqlSafe(statement));
            let query = rows.iter().flatten().fold(query, bind);
            query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), JournalError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(JournalError::sql)?;
        self.connection.close().await.map_err(JournalError::sql)
    }
}

impl TableFile for SqliteTableFile {
    fn table<'a>(
        &'a mut self,
        name: &'a str,
        columns: &'a [(String, ColumnKind)],
        key: Option<usize>,
    ) -> Reading<'a, ()> {
        Box::pin(self.make(name, columns, key))
    }

    fn insert<'a>(&'a mut self, name: &'a str, rows: &'a [Vec<Cell>]) -> Reading<'a, ()> {
        Box::pin(self.put(name, rows))
    }

    fn close(self: Box<Self>) -> Reading<'static, ()> {
        Box::pin((*self).finish())
    }
}

fn declared(name: &str, kind: ColumnKind, is_key: bool) -> String {
    let kind = match kind {
        ColumnKind::Text | ColumnKind::Time => "TEXT",
        ColumnKind::Integer | ColumnKind::Boolean => "INTEGER",
    };
    format!("{} {kind}{}", quoted(name), if is_key { " PRIMARY KEY" } else { "" })
}

/// A name as SQL has it, whatever it is.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn bind<'q>(query: Bound<'q>, cell: &Cell) -> Bound<'q> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Integer(number) => query.bind(*number),
        Cell::Boolean(flag) => query.bind(i64::from(*flag)),
        Cell::Real(number) => query.bind(*number),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Blob(bytes) => query.bind(bytes.clone()),
    }
}
