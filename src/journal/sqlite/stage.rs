//! A scratch database for planning: the manifest's rows and the inventory, joined on disk and not in memory, so that a
//! million rows take no more memory than a hundred. Nothing in it outlives the process.

mod statements;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use self::statements::{
    AMONG, FILL_REGION, HAS_TWINS, INDEX, JOINED, JOINED_KNOWN, JOINED_TWINS, JOINED_USED, PUT_KNOWN, PUT_ROW,
    PUT_SEEN, PUT_USED, REPLACE, SCHEMA, SUSPECTS, TWINS,
};
use super::column::{get, unsigned};
use super::open::named;
use crate::domain::Identity;
use crate::journal::JournalError;

/// The scratch database of one plan.
#[derive(Debug)]
pub struct Stage {
    connection: SqliteConnection,
    /// The regions of rows with a name, in the order in which they first appear.
    regions: Vec<String>,
    known_regions: HashSet<String>,
    /// Whether any row names an account.
    names_account: bool,
    /// Whether any instance was put in.
    has_used: bool,
    /// Whether two rows have the same name; until that is known they may.
    has_twins: bool,
    /// Whether an earlier run knows any of the names.
    has_known: bool,
}

/// A row of the manifest, as it is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRow {
    /// Its number.
    pub row: u64,
    /// Its region; empty where it names none.
    pub region: String,
    /// The key pair's name; empty for an invalid row.
    pub name: String,
    /// The account that it names.
    pub account: Option<String>,
    /// All of it, as JSON.
    pub body: String,
}

/// A row of the manifest with what is known about its key pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Joined<Row, Seen> {
    /// The row's number.
    pub row: u64,
    /// Its region.
    pub region: String,
    /// The key pair's name.
    pub name: String,
    /// What was staged of the row.
    pub body: Row,
    /// What was staged of the inventory.
    pub seen: Option<Seen>,
    /// Whether two key pairs of this name were listed.
    pub ambiguous: bool,
    /// How many instances name this key pair, and one of them.
    pub used: Option<(u64, String)>,
    /// The first row that names the same key pair; the row itself where there is no other.
    pub first: u64,
    /// What earlier runs know of this name.
    pub known: Vec<Known>,
}

/// What an earlier run knows of a name: the key pair that it was about to treat, or that there was none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Known {
    /// Whether that run was one of the same manifest.
    pub same_manifest: bool,
    /// Which key pair it saw; none where none was there.
    pub identity: Option<Identity>,
    /// The run's id.
    pub run: String,
    /// When it began.
    pub began_at: Timestamp,
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
        // It holds the manifest's rows: nobody else may read it, and nothing of it stays, whatever fails.
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
    pub async fn put_rows(&mut self, rows: &[StageRow]) -> Result<(), JournalError> {
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
    pub async fn fill_region(&mut self, region: &str) -> Result<(), JournalError> {
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
    pub async fn replace(&mut self, row: u64, body: &str) -> Result<(), JournalError> {
        let query = sqlx::query(REPLACE).bind(body.to_owned()).bind(i64::try_from(row).unwrap_or(i64::MAX));
        query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        Ok(())
    }

    /// Makes rows findable by name; call it once, after the last of them.
    pub async fn index_rows(&mut self) -> Result<(), JournalError> {
        sqlx::query(INDEX).execute(&mut self.connection).await.map_err(JournalError::sql)?;
        let row = sqlx::query(HAS_TWINS).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        self.has_twins = get(&row, 0)?;
        Ok(())
    }

    /// Adds a page of an inventory: (name, body). A body is a JSON array that begins with arn and creation time.
    pub async fn put_seen(&mut self, region: &str, seen: &[(String, String)]) -> Result<(), JournalError> {
        self.put(PUT_SEEN, Some(region), &serde_json::to_string(seen).unwrap_or_default()).await
    }

    /// Adds a page of instances: (key pair's name, instance's name).
    pub async fn put_used(&mut self, region: &str, used: &[(String, String)]) -> Result<(), JournalError> {
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

    /// Which of an earlier run's rows are about a key pair that a row here names: of a JSON array of (region, name, number) a
    /// JSON array of the numbers. The rows must have been indexed.
    pub async fn among(&mut self, names: &str) -> Result<String, JournalError> {
        let query = sqlx::query(AMONG).bind(names.to_owned());
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        get(&row, 0)
    }

    /// Adds what an earlier run knows: a JSON array of (region, name, identity or null, when the run began). Earlier runs come
    /// before later ones.
    pub async fn put_known(&mut self, run: &str, same_manifest: bool, known: &str) -> Result<(), JournalError> {
        self.has_known |= known != "[]";
        let query = sqlx::query(PUT_KNOWN).bind(same_manifest).bind(run.to_owned()).bind(known.to_owned());
        let mut transaction = self.connection.begin().await.map_err(JournalError::sql)?;
        query.execute(&mut *transaction).await.map_err(JournalError::sql)?;
        transaction.commit().await.map_err(JournalError::sql)
    }

    /// The regions that rows with a name are in, in the order in which they first appear.
    #[must_use]
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// The next rows after `after`, in order.
    pub async fn joined<Row, Seen>(&mut self, after: u64, limit: u32) -> Result<Vec<Joined<Row, Seen>>, JournalError>
    where
        Row: DeserializeOwned,
        Seen: DeserializeOwned,
    {
        let statement = match (self.has_known, self.has_twins, self.has_used) {
            (true, ..) => JOINED_KNOWN,
            (false, true, _) => JOINED_TWINS,
            (false, false, true) => JOINED_USED,
            (false, false, false) => JOINED,
        };
        let query = sqlx::query(statement).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        records(get(&row, 0)?)
    }

    /// The next rows after `after` that a guard may refuse the plan for: those of another account, with `in_use` those whose
    /// key pair instances were made with, and with `known` those whose name an earlier run knows.
    pub async fn suspects<Row, Seen>(
        &mut self,
        after: u64,
        limit: u32,
        account: &str,
        in_use: bool,
        known: bool,
    ) -> Result<Vec<Joined<Row, Seen>>, JournalError>
    where
        Row: DeserializeOwned,
        Seen: DeserializeOwned,
    {
        let may_be_any = self.names_account || (in_use && self.has_used) || (known && self.has_known);
        if !may_be_any {
            return Ok(Vec::new());
        }
        let query = sqlx::query(SUSPECTS).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let query = query.bind(account.to_owned()).bind(in_use).bind(known);
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        records(get(&row, 0)?)
    }

    /// Rows that name the same key pair as an earlier one, after row `after`, in order.
    pub async fn twins(&mut self, after: u64, limit: u32) -> Result<Vec<Twins>, JournalError> {
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

/// Reads a page of rows, which is no text at all where there are none.
fn records<Row, Seen>(page: Option<String>) -> Result<Vec<Joined<Row, Seen>>, JournalError>
where
    Row: DeserializeOwned,
    Seen: DeserializeOwned,
{
    let page = page.unwrap_or_default();
    let records = serde_json::Deserializer::from_str(&page).into_iter();
    records.collect::<Result<_, _>>().map_err(|error| JournalError::damaged(format!("a staged row: {error}")))
}

#[cfg(test)]
mod tests;
