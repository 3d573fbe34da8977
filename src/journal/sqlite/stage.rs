//! A scratch database for planning: the manifest's rows and the inventory, joined on disk and not in memory, so that a
//! million rows take no more memory than a hundred. Nothing in it outlives the process.

mod statements;

use std::collections::{BTreeSet, HashSet};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use self::statements::{
    AMONG, FILL_REGION, HAS_TWINS, INDEX, JOINED, JOINED_KNOWN, JOINED_TWINS, JOINED_USED, PUT_KNOWN, PUT_ROW,
    PUT_SEEN, PUT_USED, REPLACE, SCHEMA, SETTLE_HOME, SUSPECTS, TWINS,
};
use super::column::{get, unsigned};
use super::without_a_log::connect_without_a_log;
use crate::domain::Target;
use crate::journal::JournalError;
use crate::journal::stage::{Refusing, StageRow, Staged, Staging, Twins};

/// The scratch database of one plan.
#[derive(Debug)]
pub struct SqliteStage {
    connection: SqliteConnection,
    /// The targets of rows with a name, in the order in which they first appear.
    targets: Vec<Target>,
    known_targets: HashSet<Target>,
    /// The target of the last row, which is mostly that of the next one, too.
    last: Option<Target>,
    /// The account of rows whose target has none, once it is known.
    home: String,
    /// Accounts that rows name and that are not reached.
    strange: Vec<String>,
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
        let (targets, known_targets) = Default::default();
        Ok(Self {
            connection: made?,
            targets,
            known_targets,
            last: None,
            home: String::new(),
            strange: Vec::new(),
            names_account: false,
            has_used: false,
            has_twins: true,
            has_known: false,
        })
    }

    async fn make(path: &Path) -> Result<SqliteConnection, JournalError> {
        let mut connection = connect_without_a_log(path).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(JournalError::sql)?;
        Ok(connection)
    }

    /// Adds rows, in the order of their numbers.
    async fn put_rows(&mut self, rows: &[StageRow]) -> Result<(), JournalError> {
        for row in rows.iter().filter(|row| !row.name.is_empty()) {
            self.names_account |= row.named.is_some();
            let is_last = |last: &Target| last.account == row.account && last.region == row.region;
            if !self.last.as_ref().is_some_and(is_last) {
                let target = Target { account: row.account.clone(), region: row.region.clone() };
                if self.known_targets.insert(target.clone()) {
                    self.targets.push(target.clone());
                }
                self.last = Some(target);
            }
        }
        let records: Vec<_> =
            rows.iter().map(|row| (row.row, &row.account, &row.region, &row.name, &row.named, &row.body)).collect();
        self.put(PUT_ROW, None, &serde_json::to_string(&records).unwrap_or_default()).await
    }

    /// Puts rows that name no region into `region`.
    async fn fill_region(&mut self, region: &str) -> Result<(), JournalError> {
        let query = sqlx::query(FILL_REGION).bind(region.to_owned());
        query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
        for target in self.targets.iter_mut().filter(|target| target.region.is_empty()) {
            region.clone_into(&mut target.region);
        }
        self.forget_repetitions();
        Ok(())
    }

    /// Of targets that have become the same, the first one stays.
    fn forget_repetitions(&mut self) {
        let mut known = HashSet::new();
        self.targets.retain(|target| known.insert(target.clone()));
    }

    /// Rows in `home` are in the same targets as those that name no account. Rows of accounts that are not `reached` are in none.
    async fn settle_home(&mut self, home: &str, reached: &BTreeSet<&str>) -> Result<(), JournalError> {
        home.clone_into(&mut self.home);
        let is_strange =
            |target: &Target| !(["", home].contains(&&*target.account) || reached.contains(&*target.account));
        let strange: BTreeSet<_> = self.targets.iter().filter(|target| is_strange(target)).collect();
        self.strange = strange.into_iter().map(|target| target.account.clone()).collect();
        self.targets.retain(|target| !is_strange(target));
        if self.targets.iter().any(|target| target.account == home) {
            let query = sqlx::query(SETTLE_HOME).bind(home.to_owned());
            query.execute(&mut self.connection).await.map_err(JournalError::sql)?;
            self.targets.iter_mut().filter(|target| target.account == home).for_each(|target| target.account.clear());
            self.forget_repetitions();
            self.look_for_twins().await?;
        }
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
        self.look_for_twins().await
    }

    async fn look_for_twins(&mut self) -> Result<(), JournalError> {
        let row = sqlx::query(HAS_TWINS).fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        self.has_twins = get(&row, 0)?;
        Ok(())
    }

    /// Adds a page of an inventory: (name, body). A body is a JSON array that begins with arn and creation time.
    async fn put_seen(&mut self, target: &Target, seen: &[(String, String)]) -> Result<(), JournalError> {
        self.put(PUT_SEEN, Some(target), &serde_json::to_string(seen).unwrap_or_default()).await
    }

    /// Adds a page of instances: (key pair's name, instance's name).
    async fn put_used(&mut self, target: &Target, used: &[(String, String)]) -> Result<(), JournalError> {
        self.has_used |= !used.is_empty();
        self.put(PUT_USED, Some(target), &serde_json::to_string(used).unwrap_or_default()).await
    }

    async fn put(&mut self, statement: &'static str, target: Option<&Target>, json: &str) -> Result<(), JournalError> {
        let mut query = sqlx::query(statement);
        if let Some(Target { account, region }) = target {
            query = query.bind(account.clone()).bind(region.clone());
        }
        let mut transaction = self.connection.begin().await.map_err(JournalError::sql)?;
        query.bind(json.to_owned()).execute(&mut *transaction).await.map_err(JournalError::sql)?;
        transaction.commit().await.map_err(JournalError::sql)
    }

    /// Which of an earlier run's rows are about a key pair that a row here names: takes a JSON array of (account, region, name,
    /// number), and returns a JSON array of the numbers. The rows must have been indexed.
    async fn among(&mut self, names: &str) -> Result<String, JournalError> {
        let query = sqlx::query(AMONG).bind(names.to_owned()).bind(self.home.clone());
        let row = query.fetch_one(&mut self.connection).await.map_err(JournalError::sql)?;
        get(&row, 0)
    }

    /// Adds what an earlier run knows: a JSON array of (account, region, name, identity or null, when the run began). Earlier
    /// runs come before later ones.
    async fn put_known(&mut self, run: &str, same_manifest: bool, known: &str) -> Result<(), JournalError> {
        self.has_known |= known != "[]";
        let query = sqlx::query(PUT_KNOWN).bind(same_manifest).bind(run.to_owned()).bind(known.to_owned());
        let query = query.bind(self.home.clone());
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

    async fn suspects(&mut self, after: u64, limit: u32, refusing: Refusing) -> Result<String, JournalError> {
        let Refusing { in_use, known } = refusing;
        let may_be_any = self.names_account || (in_use && self.has_used) || (known && self.has_known);
        if !may_be_any {
            return Ok(String::new());
        }
        let query = sqlx::query(SUSPECTS).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
        let query = query.bind(self.home.clone()).bind(in_use).bind(known);
        let query = query.bind(serde_json::to_string(&self.strange).unwrap_or_default());
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

    fn settle_home<'a>(&'a mut self, home: &'a str, reached: &'a BTreeSet<&'a str>) -> Staged<'a, ()> {
        Box::pin(self.settle_home(home, reached))
    }

    fn put_seen<'a>(&'a mut self, target: &'a Target, seen: &'a [(String, String)]) -> Staged<'a, ()> {
        Box::pin(self.put_seen(target, seen))
    }

    fn put_used<'a>(&'a mut self, target: &'a Target, used: &'a [(String, String)]) -> Staged<'a, ()> {
        Box::pin(self.put_used(target, used))
    }

    fn among<'a>(&'a mut self, names: &'a str) -> Staged<'a, String> {
        Box::pin(self.among(names))
    }

    fn put_known<'a>(&'a mut self, run: &'a str, same_manifest: bool, known: &'a str) -> Staged<'a, ()> {
        Box::pin(self.put_known(run, same_manifest, known))
    }

    fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn joined(&mut self, after: u64, limit: u32) -> Staged<'_, String> {
        Box::pin(self.joined(after, limit))
    }

    fn suspects(&mut self, after: u64, limit: u32, refusing: Refusing) -> Staged<'_, String> {
        Box::pin(self.suspects(after, limit, refusing))
    }

    fn twins(&mut self, after: u64, limit: u32) -> Staged<'_, Vec<Twins>> {
        Box::pin(self.twins(after, limit))
    }
}

#[cfg(test)]
mod tests;
