//! A scratch database for planning: the manifest's rows and the inventory, joined on disk and not in memory, so that a
//! million rows take no more memory than a hundred. Nothing in it outlives the process.

mod statements;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use self::statements::{
    AMONG, FILL_REGION, HAS_TWINS, INDEX, JOINED, JOINED_KNOWN, JOINED_TWINS, JOINED_USED, PUT_KNOWN, PUT_ROW,
    PUT_SEEN, PUT_USED, REPLACE, SCHEMA, SUSPECTS, TWINS,
};
use super::column::{get, unsigned};
use super::open::named;
use crate::journal::JournalError;
use crate::journal::stage::{Refusing, StageRow, Staged, Staging, Twins};

/// The scratch database of one plan.
#[derive(Debug)]
pub struct SqliteStage {
    connection: SqliteConnection,
    /// The regions of rows with a name, in the order in which they first appear.
    regions: Vec<String>,
    known_regions: HashSet<String>,
    /// Whether any row names an account.
    names_account: bool,
    /// Whether any instance was put in.
    has_used: bool,
    /// Whether two rows have the same name; true until that is known.
    has_twins: bool,
    /// Whether an earlier run knows any of the names.
    has_known: bool,
}

impl SqliteStage {
    /// Creates an empty one in `directory`, under a name that nobody else uses. The file is unlinked at once, so that nothing
    /// stays behind whatever happens.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub async fn create(directory: &Path, name: &str) -> Result<Self, JournalError> {
        let path = directory.join(format!(".{name}.stage"));
        // It holds the manifest's rows: nobody else may read it, and none of it stays behind, whatever fails.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(JournalError::sql)?;
        let made = Self::make(&path).await;
        std::fs::remove_file(&path).map_err(JournalError::sql)?;
        let (regions, known_regions) = Default::default();
        Ok(Self {
            connection: made?,
            regions,
            known_regions,
            names_account: false,
            has_used: false,
            has_twins: true,
            has_known: false,
        })
    }

    async fn make(path: &Path) -> Result<SqliteConnection, JournalError> {
        let mut connection = SqliteConnectOptions::new()
            .filename(named(path))
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("cache_size", "-8192")
            .pragma("locking_mode", "EXCLUSIVE")
            .disable_statement_logging()
            .connect()
            .await
            .map_err(JournalError::sql)?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(JournalError::sql)?;
        Ok(connection)
    }

    /// Adds rows, in the order of their numbers.
    async fn put_rows(&mut self, rows: &[StageRow]) -> Result<(), JournalError> {
        for row in rows.iter().filter(|row| !row.name.is_empty()) {
            self.names_account |= row.account.is_some();
            if !self.known_regions.contains(&row.region) {
                self.known_regions.insert(row.region.clone());
                self.regions.push(row.region.clone());
            }
        }
        let records: Vec<_> =
            rows.iter().map(|row| (row.row, &row.region, &row.name, &row.account, &row.body)).collect();
        self.put(PUT_ROW, None, &serde_json::to_string(&records).unwrap_or_default()).await
    }

    /// Puts rows that name no region into `region`.
    async fn fill_region(&mut self, region: &str) -> Result<(), JournalError> {
        let query = sqlx::query(FILL_REGION).bind(region.to_owned());
        query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        for empty in self.regions.iter_mut().filter(|region| region.is_empty()) {
            region.clone_into(empty);
        }
        let mut is_first = true;
        self.regions.retain(|known| known != region || std::mem::take(&mut is_first));
        Ok(())
    }

    /// Replaces what was staged of a row.
    async fn replace(&mut self, row: u64, body: &str) -> Result<(), JournalError> {
        let query = sqlx::query(REPLACE).bind(body.to_owned()).bind(i64::try_from(row).unwrap_or(i64::MAX));
        query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(())
    }

    /// Indexes the rows by name; call this once, after the last row.
    async fn index_rows(&mut self) -> Result<(), JournalError> {
        sqlx::query(INDEX).execute(&mut self.connection).await.map_err(JournalError::sql)?;
        let row = sqlx::query(HAS_TWINS).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        self.has_twins = get(&row, 0)?;
        Ok(())
    }

    /// Adds a page of an inventory: (name, body). A body is a JSON array that begins with arn and creation time.
    async fn put_seen(&mut self, region: &str, seen: &[(String, String)]) -> Result<(), JournalError> {
        self.put(PUT_SEEN, Some(region), &serde_json::to_string(seen).unwrap_or_default()).await
    }

    /// Adds a page of instances: (key pair's name, instance's name).
    async fn put_used(&mut self, region: &str, used: &[(String, String)]) -> Result<(), JournalError> {
        self.has_used |= !used.is_empty();
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

    /// Which of an earlier run's rows are about a key pair that a row here names: takes a JSON array of (region, name, number), and
    /// returns a JSON array of the numbers. The rows must have been indexed.
    async fn among(&mut self, names: &str) -> Result<String, JournalError> {
        let query = sqlx::query(AMONG).bind(names.to_owned());
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        get(&row, 0)
    }

    /// Adds what an earlier run knows: a JSON array of (region, name, identity or null, when the run began). Earlier runs come
    /// before later ones.
    async fn put_known(&mut self, run: &str, same_manifest: bool, known: &str) -> Result<(), JournalError> {
        self.has_known |= known != "[]";
        let query = sqlx::query(PUT_KNOWN).bind(same_manifest).bind(run.to_owned()).bind(known.to_owned());
        let mut transaction = self.connection.begin().await.map_err(JournalError::sql)?;
        query.execute(&mut *transaction).await.map_err(JournalError::sql)?;
        transaction.commit().await.map_err(JournalError::sql)
    }

    async fn joined(&mut self, after: u64, limit: u32) -> Result<String, JournalError> {
        let statement = match (self.has_known, self.has_twins, self.has_used) {
            (true, ..) => JOINED_KNOWN,
            (false, true, _) => JOINED_TWINS,
            (false, false, true) => JOINED_USED,
            (false, false, false) => JOINED,
        };
        let query = sqlx::query(statement).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(get::<Option<String>>(&row, 0)?.unwrap_or_default())
    }

    async fn suspects(
        &mut self,
        after: u64,
        limit: u32,
        account: &str,
        in_use: bool,
        known: bool,
    ) -> Result<String, JournalError> {
        let may_be_any = self.names_account || (in_use && self.has_used) || (known && self.has_known);
        if !may_be_any {
            return Ok(String::new());
        }
        let query = sqlx::query(SUSPECTS).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let query = query.bind(account.to_owned()).bind(in_use).bind(known);
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(get::<Option<String>>(&row, 0)?.unwrap_or_default())
    }

    /// Rows that name the same key pair as an earlier one, after row `after`, in order.
    async fn twins(&mut self, after: u64, limit: u32) -> Result<Vec<Twins>, JournalError> {
        if !self.has_twins {
            return Ok(Vec::new());
        }
        let query = sqlx::query(TWINS).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let rows = query.fetch_all(&mut self.connection).await.map_err(JournalError::sql)?;
        let record = |row| {
            let (first, later) = ((unsigned(row, 0)?, get(row, 1)?), (unsigned(row, 2)?, get(row, 3)?));
            Ok(Twins { name: get(row, 4)?, first, later })
        };
        rows.iter().map(record).collect()
    }
}

impl Staging for SqliteStage {
    fn put_rows<'a>(&'a mut self, rows: &'a [StageRow]) -> Staged<'a, ()> {
        Box::pin(self.put_rows(rows))
    }

    fn fill_region<'a>(&'a mut self, region: &'a str) -> Staged<'a, ()> {
        Box::pin(self.fill_region(region))
    }

    fn replace<'a>(&'a mut self, row: u64, body: &'a str) -> Staged<'a, ()> {
        Box::pin(self.replace(row, body))
    }

    fn index_rows(&mut self) -> Staged<'_, ()> {
        Box::pin(self.index_rows())
    }

    fn put_seen<'a>(&'a mut self, region: &'a str, seen: &'a [(String, String)]) -> Staged<'a, ()> {
        Box::pin(self.put_seen(region, seen))
    }

    fn put_used<'a>(&'a mut self, region: &'a str, used: &'a [(String, String)]) -> Staged<'a, ()> {
        Box::pin(self.put_used(region, used))
    }

    fn among<'a>(&'a mut self, names: &'a str) -> Staged<'a, String> {
        Box::pin(self.among(names))
    }

    fn put_known<'a>(&'a mut self, run: &'a str, same_manifest: bool, known: &'a str) -> Staged<'a, ()> {
        Box::pin(self.put_known(run, same_manifest, known))
    }

    fn regions(&self) -> &[String] {
        &self.regions
    }

    fn joined(&mut self, after: u64, limit: u32) -> Staged<'_, String> {
        Box::pin(self.joined(after, limit))
    }

    fn suspects<'a>(&'a mut self, after: u64, limit: u32, refusing: Refusing<'a>) -> Staged<'a, String> {
        let Refusing { account, in_use, known } = refusing;
        Box::pin(self.suspects(after, limit, account, in_use, known))
    }

    fn twins(&mut self, after: u64, limit: u32) -> Staged<'_, Vec<Twins>> {
        Box::pin(self.twins(after, limit))
    }
}

#[cfg(test)]
mod tests;
