//! The projections that a replay has rebuilt, for a store that cannot look into a scratch database by itself.

use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};

use super::open::named;
use super::replay::Replay;
use super::review::cells;
use crate::journal::projections::{Rebuilt, Table};
use crate::journal::{Cell, JournalError, Reading};

/// A second connection to the scratch database of a replay.
#[derive(Debug)]
struct Beside(SqliteConnection);

/// Prepares a replay, and what reads it once it is finished: see [`Scratch`](crate::journal::projections::Scratch).
///
/// # Errors
/// If the directory cannot be written.
pub fn scratch<'a>(
    directory: &'a Path,
    name: &'a str,
) -> Reading<'a, (Box<dyn crate::journal::Replay>, Box<dyn Rebuilt>)> {
    Box::pin(async move {
        let mut replay = Replay::create(directory, name).await?;
        let beside = open(replay.path()).await;
        replay.hide().await?;
        Ok((Box::new(replay) as Box<dyn crate::journal::Replay>, Box::new(beside?) as Box<dyn Rebuilt>))
    })
}

async fn open(path: &Path) -> Result<Beside, JournalError> {
    let options = SqliteConnectOptions::new().filename(named(path)).disable_statement_logging();
    let mut connection = options.connect().await.map_err(JournalError::sql)?;
    // SQLite opens the file only now, while it still has its name.
    let first = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await;
    first.map_err(JournalError::sql)?;
    Ok(Beside(connection))
}

impl Beside {
    async fn read(
        &mut self,
        table: &Table,
        after: Option<&[Cell]>,
        limit: u32,
    ) -> Result<Vec<Vec<Cell>>, JournalError> {
        let key = table.columns[..table.key].join(", ");
        let places = vec!["?"; table.key].join(", ");
        let from = if after.is_some() { format!("WHERE ({key}) > ({places})") } else { String::new() };
        let columns = table.columns.join(", ");
        let statement = format!("SELECT {columns} FROM {} {from} ORDER BY {key} LIMIT {limit}", table.name);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
        for cell in after.unwrap_or_default() {
            query = match cell {
                Cell::Integer(number) => query.bind(*number),
                Cell::Text(text) => query.bind(text.clone()),
                _ => query.bind(None::<i64>),
            };
        }
        let rows: Vec<SqliteRow> = query.fetch_all(&mut self.0).await.map_err(JournalError::sql)?;
        rows.iter().map(cells).collect()
    }
}

impl Rebuilt for Beside {
    fn rows<'a>(
        &'a mut self,
        table: &'static Table,
        after: Option<&'a [Cell]>,
        limit: u32,
    ) -> Reading<'a, Vec<Vec<Cell>>> {
        Box::pin(self.read(table, after, limit))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;
    use crate::journal::PROJECTIONS;
    use crate::journal::projections::TABLES;

    #[tokio::test]
    async fn the_tables_are_those_of_the_migrations() {
        let directory = tempfile::tempdir().unwrap();
        let replay = Replay::create(directory.path(), "t").await.unwrap();
        let mut beside = open(replay.path()).await.unwrap();
        assert_eq!(TABLES.each_ref().map(|table| table.name), PROJECTIONS);
        for table in &TABLES {
            let query = sqlx::query("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid").bind(table.name);
            let rows = query.fetch_all(&mut beside.0).await.unwrap();
            let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(names, table.columns);
            let keys: Vec<i64> = rows.iter().map(|row| row.get(1)).filter(|place| *place > 0).collect();
            assert_eq!(keys, Vec::from_iter(1..=i64::try_from(table.key).unwrap()), "{}", table.name);
            assert!(rows[..table.key].iter().all(|row| row.get::<i64, _>(1) > 0), "{}", table.name);
        }
    }
}
