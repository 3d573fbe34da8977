//! A scratch database for planning: the manifest's rows and the inventory, joined on disk and not in memory, so that a
//! million rows take no more memory than a hundred. Nothing in it outlives the process.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::store::get;
use crate::journal::JournalError;

const SCHEMA: &str = "
    CREATE TABLE row (row_no INTEGER PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TABLE seen (region TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
                       PRIMARY KEY (region, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE used (region TEXT NOT NULL, name TEXT NOT NULL, instances INTEGER NOT NULL, example TEXT NOT NULL,
                       PRIMARY KEY (region, name)) STRICT, WITHOUT ROWID;";
const INDEX: &str = "CREATE INDEX row_by_name ON row (region, name, row_no)";
const PUT_ROW: &str = "INSERT INTO row SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
/// A page may repeat a key pair of the one before it; two key pairs of one name cannot be told apart by it, and stay so
/// whatever else is listed.
const PUT_SEEN: &str = "INSERT INTO seen SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true \
     ON CONFLICT (region, name) DO UPDATE SET body = CASE WHEN body = '' THEN '' \
     WHEN json_extract(body, '$.arn') IS json_extract(excluded.body, '$.arn') \
     AND json_extract(body, '$.created_at') IS json_extract(excluded.body, '$.created_at') \
     THEN excluded.body ELSE '' END";
const PUT_USED: &str = "INSERT INTO used SELECT ?1, value ->> 0, 1, value ->> 1 FROM json_each(?2) WHERE true \
     ON CONFLICT (region, name) DO UPDATE SET instances = instances + 1";
const REGIONS: &str = "SELECT region, count(*) FROM row WHERE name <> '' GROUP BY region ORDER BY min(row_no)";
const JOINED: &str = "SELECT r.row_no, r.region, r.name, r.body, s.body, u.instances, u.example, \
     (SELECT min(d.row_no) FROM row AS d WHERE d.region = r.region AND d.name = r.name) \
     FROM row AS r LEFT JOIN seen AS s ON s.region = r.region AND s.name = r.name \
     LEFT JOIN used AS u ON u.region = r.region AND u.name = r.name \
     WHERE r.row_no > ? ORDER BY r.row_no LIMIT ?";
const SUSPECTS: &str = "SELECT r.row_no, r.region, r.name, r.body, s.body, u.instances, u.example, r.row_no \
     FROM row AS r LEFT JOIN seen AS s ON s.region = r.region AND s.name = r.name \
     LEFT JOIN used AS u ON u.region = r.region AND u.name = r.name \
     WHERE r.row_no > ? AND (json_extract(r.body, '$.account') <> ? OR (? AND u.instances > 0)) \
     ORDER BY r.row_no LIMIT ?";
const FILL_REGION: &str = "UPDATE row SET region = ? WHERE region = '' AND name <> ''";
const REPLACE: &str = "UPDATE row SET body = ? WHERE row_no = ?";
const TWINS: &str = "SELECT a.row_no, a.body, b.row_no, b.body, b.name FROM row AS b \
     CROSS JOIN row AS a ON a.row_no = (SELECT min(d.row_no) FROM row AS d WHERE d.region = b.region AND d.name = b.name) \
     WHERE b.row_no > ? AND a.row_no <> b.row_no AND b.name <> '' ORDER BY b.row_no LIMIT ?";

/// The scratch database of one plan.
#[derive(Debug)]
pub struct Stage {
    connection: SqliteConnection,
}

/// A row of the manifest with what is known about its key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The row's number.
    pub row: u64,
    /// Its region.
    pub region: String,
    /// The key pair's name.
    pub name: String,
    /// What was staged of the row.
    pub body: String,
    /// What was staged of the inventory; empty where two key pairs of this name were listed.
    pub seen: Option<String>,
    /// How many instances name this key pair, and one of them.
    pub used: Option<(u64, String)>,
    /// The first row that names the same key pair; the row itself where there is no other.
    pub first: u64,
}

/// Two rows that name the same key pair: the first one that does, and a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twins {
    /// The key pair's name.
    pub name: String,
    /// The first row's number and what was staged of it.
    pub first: (u64, String),
    /// The later row's.
    pub later: (u64, String),
}

impl Stage {
    /// Makes an empty one in `directory`, under a name that nobody else uses. The file is unlinked at once: whatever
    /// happens, nothing stays behind.
    ///
    /// # Errors
    /// Where the directory cannot be written; so for every method here.
    pub async fn create(directory: &Path, name: &str) -> Result<Self, JournalError> {
        let path = directory.join(format!(".{name}.stage"));
        let mut connection = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("cache_size", "-8192")
            .pragma("locking_mode", "EXCLUSIVE")
            .disable_statement_logging()
            .connect()
            .await
            .map_err(JournalError::sql)?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(JournalError::sql)?;
        std::fs::remove_file(&path).map_err(JournalError::sql)?;
        Ok(Self { connection })
    }

    /// Adds rows: (number, region, name, body), in the order of their numbers.
    pub async fn put_rows(&mut self, rows: &[(u64, String, String, String)]) -> Result<(), JournalError> {
        self.put(PUT_ROW, None, &serde_json::to_string(rows).unwrap_or_default()).await
    }

    /// Puts rows that name no region into `region`; returns how many there were.
    pub async fn fill_region(&mut self, region: &str) -> Result<u64, JournalError> {
        let query = sqlx::query(FILL_REGION).bind(region.to_owned());
        let done = query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(done.rows_affected())
    }

    /// Replaces what was staged of a row.
    pub async fn replace(&mut self, row: u64, body: &str) -> Result<(), JournalError> {
        let query = sqlx::query(REPLACE).bind(body.to_owned()).bind(i64::try_from(row).unwrap_or(i64::MAX));
        query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(())
    }

    /// Makes rows findable by name; call it once, after the last of them.
    pub async fn index_rows(&mut self) -> Result<(), JournalError> {
        sqlx::query(INDEX).execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(())
    }

    /// Adds a page of an inventory: (name, body).
    pub async fn put_seen(&mut self, region: &str, seen: &[(String, String)]) -> Result<(), JournalError> {
        self.put(PUT_SEEN, Some(region), &serde_json::to_string(seen).unwrap_or_default()).await
    }

    /// Adds a page of instances: (key pair's name, instance's name).
    pub async fn put_used(&mut self, region: &str, used: &[(String, String)]) -> Result<(), JournalError> {
        self.put(PUT_USED, Some(region), &serde_json::to_string(used).unwrap_or_default()).await
    }

    async fn put(&mut self, statement: &'static str, region: Option<&str>, json: &str) -> Result<(), JournalError> {
        let mut query = sqlx::query(statement);
        if let Some(region) = region {
            query = query.bind(region.to_owned());
        }
        let mut transaction = self.connection.begin().await.map_err(JournalError::sql)?;
        query.bind(json.to_owned()).execute(&mut *transaction).await.map_err(JournalError::sql)?;
        transaction.commit().await.map_err(JournalError::sql)
    }

    /// The regions that rows with a name are in, with their numbers of rows, in the order in which they first appear.
    pub async fn regions(&mut self) -> Result<Vec<(String, u64)>, JournalError> {
        let rows = sqlx::query(REGIONS).fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        rows.iter().map(|row| Ok((get(row, 0)?, number(get(row, 1)?)))).collect()
    }

    /// The next rows after `after`, in order.
    pub async fn joined(&mut self, after: u64, limit: u32) -> Result<Vec<Joined>, JournalError> {
        let query = sqlx::query(JOINED).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let rows = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        rows.iter().map(joined).collect()
    }

    /// The next rows after `after` that a guard may refuse the plan for: those of another account, and with `in_use`
    /// those whose key pair instances were made with.
    pub async fn suspects(
        &mut self,
        after: u64,
        limit: u32,
        account: &str,
        in_use: bool,
    ) -> Result<Vec<Joined>, JournalError> {
        let query = sqlx::query(SUSPECTS).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(account.to_owned());
        let query = query.bind(in_use).bind(limit);
        let rows = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        rows.iter().map(joined).collect()
    }

    /// Rows that name the same key pair as an earlier one, after row `after`, in order.
    pub async fn twins(&mut self, after: u64, limit: u32) -> Result<Vec<Twins>, JournalError> {
        let query = sqlx::query(TWINS).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let rows = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        let record = |row| {
            let (first, later) = ((number(get(row, 0)?), get(row, 1)?), (number(get(row, 2)?), get(row, 3)?));
            Ok(Twins { name: get(row, 4)?, first, later })
        };
        rows.iter().map(record).collect()
    }
}

fn joined(row: &sqlx::sqlite::SqliteRow) -> Result<Joined, JournalError> {
    let used: Option<i64> = get(row, 5)?;
    let example: Option<String> = get(row, 6)?;
    Ok(Joined {
        row: number(get(row, 0)?),
        region: get(row, 1)?,
        name: get(row, 2)?,
        body: get(row, 3)?,
        seen: get(row, 4)?,
        used: used.map(number).zip(example),
        first: number(get(row, 7)?),
    })
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
