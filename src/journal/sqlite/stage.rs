//! A scratch database for planning: the manifest's rows and the inventory, joined on disk and not in memory, so that a
//! million rows take no more memory than a hundred. Nothing in it outlives the process.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::column::get;
use super::open::named;
use super::read::unsigned;
use crate::domain::Identity;
use crate::journal::JournalError;

const SCHEMA: &str = "
    CREATE TABLE row (row_no INTEGER PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL, account TEXT,
                      body TEXT NOT NULL) STRICT;
    CREATE TABLE seen (region TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
                       PRIMARY KEY (region, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE used (region TEXT NOT NULL, name TEXT NOT NULL, instances INTEGER NOT NULL, example TEXT NOT NULL,
                       PRIMARY KEY (region, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE known (region TEXT NOT NULL, name TEXT NOT NULL, same INTEGER NOT NULL, identity TEXT NOT NULL,
                        run TEXT NOT NULL, began_at TEXT NOT NULL,
                        PRIMARY KEY (region, name, same, identity)) STRICT, WITHOUT ROWID;";
const INDEX: &str = "CREATE INDEX row_by_name ON row (region, name, row_no)";
const PUT_ROW: &str = "INSERT INTO row SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 \
     FROM json_each(?)";
/// A page may repeat a key pair of the one before it; two key pairs of one name cannot be told apart by it, and stay so
/// whatever else is listed.
const PUT_SEEN: &str = "INSERT INTO seen SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true \
     ON CONFLICT (region, name) DO UPDATE SET body = CASE WHEN body = '' THEN '' \
     WHEN json_extract(body, '$[0]') IS json_extract(excluded.body, '$[0]') \
     AND json_extract(body, '$[1]') IS json_extract(excluded.body, '$[1]') \
     THEN excluded.body ELSE '' END";
const PUT_USED: &str = "INSERT INTO used SELECT ?1, value ->> 0, 1, value ->> 1 FROM json_each(?2) WHERE true \
     ON CONFLICT (region, name) DO UPDATE SET instances = instances + 1";
/// Which of these (region, name, number) the rows name, as a JSON array of the numbers.
const AMONG: &str = "SELECT json_group_array(value ->> 2) FROM json_each(?) \
     WHERE EXISTS (SELECT 1 FROM row WHERE region = value ->> 0 AND name = value ->> 1)";
/// Of an identity the latest run that knew it is kept; that nothing was there counts from the first run that found so.
const PUT_KNOWN: &str = "INSERT INTO known SELECT value ->> 0, value ->> 1, ?1, value -> 2, ?2, value ->> 3 \
     FROM json_each(?3) WHERE true ON CONFLICT (region, name, same, identity) \
     DO UPDATE SET run = excluded.run, began_at = excluded.began_at WHERE identity <> 'null'";
/// The next page of rows as one text, a JSON array a line: what was staged is JSON already, and a thousand rows that go
/// through the connection's channel one by one cost more than finding them does.
macro_rules! page_of_rows {
    ($used:literal, $first:literal, $known:literal, $joins:literal, $where:literal) => {
        concat!(
            "SELECT group_concat(record, char(10)) FROM (SELECT concat('[', r.row_no, ',', json_quote(r.region), ',', \
             json_quote(r.name), ',', r.body, ',', ifnull(nullif(s.body, ''), 'null'), ',', \
             iif(s.body = '', 'true', 'false'), ',', ",
            $used,
            ", ',', ",
            $first,
            ", ',', ",
            $known,
            ", ']') AS record FROM row AS r LEFT JOIN seen AS s ON s.region = r.region AND s.name = r.name ",
            $joins,
            " WHERE r.row_no > ?1 AND ",
            $where,
            " ORDER BY r.row_no LIMIT ?2)"
        )
    };
}
macro_rules! with_used {
    ($first:literal, $known:literal, $where:literal) => {
        page_of_rows!(
            "iif(u.instances > 0, concat('[', u.instances, ',', json_quote(u.example), ']'), 'null')",
            $first,
            $known,
            "LEFT JOIN used AS u ON u.region = r.region AND u.name = r.name",
            $where
        )
    };
}
macro_rules! with_twins {
    ($known:literal) => {
        with_used!("(SELECT min(d.row_no) FROM row AS d WHERE d.region = r.region AND d.name = r.name)", $known, "true")
    };
}
macro_rules! with_known {
    ($statement:ident $(, $more:literal)*) => {
        $statement!(
            $($more,)*
            "(SELECT concat('[', group_concat(concat('[', iif(k.same, 'true', 'false'), ',', k.identity, ',', \
             json_quote(k.run), ',', json_quote(k.began_at), ']')), ']') FROM known AS k \
             WHERE k.region = r.region AND k.name = r.name)"
        )
    };
}
macro_rules! suspects {
    ($first:literal, $known:literal) => {
        with_used!(
            $first,
            $known,
            "(r.account <> ?3 OR (?4 AND u.instances > 0) \
             OR (?5 AND EXISTS (SELECT 1 FROM known AS x WHERE x.region = r.region AND x.name = r.name)))"
        )
    };
}
/// Where nothing is used, no two rows have the same name, or no earlier run knows any of them, nobody looks for it.
const JOINED: &str = page_of_rows!("'null'", "r.row_no", "'[]'", "", "true");
const JOINED_USED: &str = with_used!("r.row_no", "'[]'", "true");
const JOINED_TWINS: &str = with_twins!("'[]'");
const JOINED_KNOWN: &str = with_known!(with_twins);
const SUSPECTS: &str = with_known!(suspects, "r.row_no");
const FILL_REGION: &str = "UPDATE row SET region = ? WHERE region = '' AND name <> ''";
const REPLACE: &str = "UPDATE row SET body = ? WHERE row_no = ?";
const HAS_TWINS: &str = "SELECT EXISTS (SELECT 1 FROM row WHERE name <> '' GROUP BY region, name HAVING count(*) > 1)";
const TWINS: &str = "SELECT a.row_no, a.body, b.row_no, b.body, b.name FROM row AS b \
     CROSS JOIN row AS a ON a.row_no = (SELECT min(d.row_no) FROM row AS d WHERE d.region = b.region AND d.name = b.name) \
     WHERE b.row_no > ? AND a.row_no <> b.row_no AND b.name <> '' ORDER BY b.row_no LIMIT ?";

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
mod tests {
    use super::*;

    async fn stage() -> Stage {
        Stage::create(&std::env::temp_dir(), &uuid::Uuid::new_v4().to_string()).await.unwrap()
    }

    fn row(row: u64, region: &str, name: &str, account: Option<&str>) -> StageRow {
        let account = account.map(str::to_owned);
        StageRow { row, region: region.into(), name: name.into(), account, body: format!(r#"{{"line":{row}}}"#) }
    }

    type Any = Joined<serde_json::Value, serde_json::Value>;

    #[tokio::test]
    async fn regions_are_in_the_order_of_their_first_rows() {
        let mut stage = stage().await;
        let rows = [("b", "x1"), ("", ""), ("", "x2"), ("a", "x3"), ("b", "x4")];
        let rows: Vec<_> = (1..).zip(rows).map(|(number, (region, name))| row(number, region, name, None)).collect();
        stage.put_rows(&rows).await.unwrap();
        assert_eq!(stage.regions(), ["b", "", "a"]);
        stage.fill_region("a").await.unwrap();
        assert_eq!(stage.regions(), ["b", "a"]);
        stage.fill_region("c").await.unwrap();
        assert_eq!(stage.regions(), ["b", "a"]);
    }

    /// Whatever there is none of is not looked for, and everything else is found all the same.
    #[tokio::test]
    async fn a_row_is_joined_with_all_that_is_known() {
        for (twins, used) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut stage = stage().await;
            let mut rows: Vec<_> =
                ["one", "two", "three"].iter().zip(1..).map(|(name, number)| row(number, "r", name, None)).collect();
            rows.extend(twins.then(|| row(4, "r", "two", Some("a"))));
            rows.push(row(5, "other", "two", None));
            stage.put_rows(&rows).await.unwrap();
            stage.index_rows().await.unwrap();
            let pairs = [("one", "[\"a\"]"), ("two", "[\"b\"]"), ("one", "[\"c\"]"), ("one", "[\"c\"]")];
            let pairs = pairs.map(|(name, body)| (name.to_owned(), body.to_owned()));
            stage.put_seen("r", &pairs[..3]).await.unwrap();
            stage.put_seen("r", &pairs[3..]).await.unwrap();
            if used {
                // A page each, and one without any.
                for instance in ["i\"1", "i2"] {
                    stage.put_used("r", &[("two".to_owned(), instance.to_owned())]).await.unwrap();
                }
                stage.put_used("r", &[]).await.unwrap();
            }
            let mut joined: Vec<Any> = stage.joined(0, 2).await.unwrap();
            joined.extend(stage.joined(2, 10).await.unwrap());
            assert!(stage.joined::<serde_json::Value, serde_json::Value>(5, 1).await.unwrap().is_empty());
            let lines: Vec<_> = joined.iter().map(|row| (row.row, row.body["line"].as_u64().unwrap())).collect();
            assert_eq!(lines, rows.iter().map(|row| (row.row, row.row)).collect::<Vec<_>>());
            let find = |number: u64| joined.iter().find(|row| row.row == number);
            let (one, two, three) = (find(1).unwrap(), find(2).unwrap(), find(3).unwrap());
            assert_eq!((one.ambiguous, &one.seen), (true, &None));
            assert_eq!((two.ambiguous, &two.seen), (false, &Some(serde_json::json!(["b"]))));
            assert_eq!((three.ambiguous, &three.seen, &three.used, three.first), (false, &None, &None, 3));
            assert_eq!(two.used, used.then(|| (2, "i\"1".to_owned())));
            assert_eq!(find(4).map(|row| row.first), twins.then_some(2));
            assert_eq!((find(5).unwrap().first, &find(5).unwrap().seen), (5, &None));
            let found = stage.twins(0, 10).await.unwrap();
            let staged = |number: u64| (number, format!(r#"{{"line":{number}}}"#));
            let expected = twins.then(|| Twins { name: "two".into(), first: staged(2), later: staged(4) });
            assert_eq!(found, Vec::from_iter(expected));
        }
    }

    /// Until it is known whether two rows have the same name, they may.
    #[tokio::test]
    async fn twins_are_found_before_rows_are_findable() {
        let mut stage = stage().await;
        stage.put_rows(&[row(1, "r", "one", None), row(2, "r", "one", None)]).await.unwrap();
        assert_eq!(stage.twins(0, 10).await.unwrap().len(), 1);
        let joined: Vec<Any> = stage.joined(1, 10).await.unwrap();
        assert_eq!(joined.iter().map(|row| (row.row, row.first)).collect::<Vec<_>>(), [(2, 1)]);
    }

    /// Else the time that planning takes would grow with the square of the rows.
    #[tokio::test]
    async fn rows_of_a_name_are_found_without_reading_all_rows() {
        use sqlx::Row as _;
        let mut stage = stage().await;
        stage.index_rows().await.unwrap();
        for (statement, searched) in [(JOINED_TWINS, "SEARCH d "), (TWINS, "SEARCH d ")] {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
            let plan = plan.fetch_all(&mut stage.connection).await.unwrap();
            let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            let found = |step: &&String| step.starts_with(searched) && step.ends_with("(region=? AND name=?)");
            let found = steps.iter().find(found);
            assert!(found.is_some_and(|step| !step.contains("AUTOMATIC")), "{statement}: {steps:#?}");
        }
    }

    #[tokio::test]
    async fn nothing_stays_behind_and_what_is_replaced_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut stage = Stage::create(directory.path(), "name").await.unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        // Nobody else may read it while it is open, and no name leads to it.
        let opened = std::fs::read_dir("/proc/self/fd").unwrap().map(|fd| fd.unwrap().path());
        let ours = opened.filter(|fd| std::fs::read_link(fd).is_ok_and(|to| to.starts_with(directory.path())));
        let modes: Vec<_> = ours.map(|fd| std::fs::metadata(fd).unwrap().permissions().mode() & 0o777).collect();
        assert_eq!(modes, [0o600]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        stage.put_rows(&[row(1, "r", "one", Some("theirs")), row(2, "r", "two", Some("ours"))]).await.unwrap();
        stage.index_rows().await.unwrap();
        stage.replace(2, r#"{"line":7}"#).await.unwrap();
        let joined: Vec<Any> = stage.joined(0, 10).await.unwrap();
        assert_eq!(joined.iter().map(|row| row.body["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 7]);
        let suspects: Vec<Any> = stage.suspects(0, 10, "ours", false, false).await.unwrap();
        assert_eq!(
            suspects.iter().map(|row| row.row).collect::<Vec<_>>(),
            [1],
            "also where every row names an account"
        );
    }

    #[tokio::test]
    async fn suspects_are_rows_of_another_account_or_in_use() {
        let mut stage = stage().await;
        let accounts = [None, Some("ours"), Some("theirs")];
        let rows: Vec<_> = accounts
            .iter()
            .zip(1..)
            .map(|(account, number)| row(number, "r", &format!("k{number}"), *account))
            .collect();
        stage.put_rows(&rows[..1]).await.unwrap();
        stage.put_used("r", &[("k1".into(), "i".into())]).await.unwrap();
        for (all, in_use, expected) in
            [(false, false, &[][..]), (false, true, &[1]), (true, false, &[3]), (true, true, &[1, 3])]
        {
            if all && !in_use {
                stage.put_rows(&rows[1..]).await.unwrap();
            }
            let found: Vec<Any> = stage.suspects(0, 10, "ours", in_use, false).await.unwrap();
            assert_eq!(found.iter().map(|row| row.row).collect::<Vec<_>>(), expected);
        }
    }
}
