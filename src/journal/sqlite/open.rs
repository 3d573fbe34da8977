//! Opens journals: creates them privately, asserts the settings, migrates the schema, and refuses what cannot be trusted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::code::{broken, code, code_of};
use super::migrations::{SCHEMA_VERSION, later_than, migrator};
use super::place::{
    create_private, is_writable, log_in_use, refuse_shared_file_system, refuse_special, sync_directories,
};
use super::schema;
use crate::journal::JournalError;

/// "KBTH": marks the file as a keybatch journal.
pub(super) const APPLICATION_ID: i64 = 0x4B42_5448;

/// What the first entry of a journal of format 1 says. No release wrote one, so nothing reads it.
const FORMAT_1: &str = "keybatch.journal/1";

/// Earlier versions of SQLite have a bug: a WAL reset can corrupt the database.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// How long a statement waits for a reader that holds the database, e.g. a reviewer's shell at a checkpoint.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(all(feature = "synchronous-normal", not(debug_assertions)))]
compile_error!(
    "synchronous-normal is for the power-loss test alone: a journal that is not durable, never in a release"
);

/// How far SQLite waits for the disk, and its answer when asked for that setting. Only the power-loss test builds with another
/// one, which it must notice.
const SYNCHRONOUS: (&str, &str) = if cfg!(feature = "synchronous-normal") {
    ("PRAGMA synchronous = NORMAL", "1")
} else {
    ("PRAGMA synchronous = FULL", "2")
};

/// The page size of a new journal in bytes. Bodies of a kilobyte leave less of such a page unused than of a smaller one, and a
/// commit writes fewer of them.
const PAGE_SIZE: u32 = 16_384;

/// Statements that are kept prepared: all of ours.
const STATEMENT_CACHE: usize = 128;

/// Whether there is a table `entry`, and how many tables there are besides the migrator's.
const TABLES: &str = "SELECT count(*) FILTER (WHERE name = 'entry'), count(*) FILTER (WHERE name NOT LIKE '_sqlx%') \
     FROM sqlite_schema WHERE type = 'table'";

/// The format that the first entry names. A body that is no JSON names none.
const FIRST_FORMAT: &str = "SELECT CASE WHEN json_valid(body) THEN body ->> '$.format' END FROM entry WHERE seq = 0";

/// What a connection that writes sets beyond [`options`]; read back by [`assert_settings`].
const WRITER_SETTINGS: [&str; 4] =
    ["PRAGMA journal_mode = WAL", SYNCHRONOUS.0, "PRAGMA fullfsync = ON", "PRAGMA checkpoint_fullfsync = ON"];

/// Opens the journal at `path` for writing, and creates it if there is none. The caller holds the lock.
///
/// # Errors
/// If the file cannot be used: it is not a journal, is from a newer keybatch, on a network file system, or not writable.
pub(super) async fn open_writer(path: &Path) -> Result<SqliteConnection, JournalError> {
    refuse_shared_file_system(path)?;
    let fresh = create_private(path)?;
    let paged = options(path).page_size(PAGE_SIZE);
    let mut connection = paged.connect().await.map_err(|error| unusable(path, &error))?;
    // Before the file is changed in any way: the first of these settings is kept in it.
    if !fresh {
        check_identity(&mut connection, path, Purpose::Write).await?;
    }
    for set in WRITER_SETTINGS {
        sqlx::query(set).execute(&mut connection).await.map_err(|error| unusable(path, &error))?;
    }
    let migrator = migrator();
    migrator.run(&mut connection).await.map_err(|error| {
        let cause = match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => code(cause),
            _ => None,
        };
        refused(path, cause, format!("its schema cannot be brought up to date: {error}"))
    })?;
    // A journal with the mark has durable directories, too: a process that dies before this point leaves that to the next
    // one.
    if pragma(&mut connection, "application_id").await? != APPLICATION_ID.to_string() {
        sync_directories(path)?;
    }
    for (name, value) in [("application_id", APPLICATION_ID), ("user_version", SCHEMA_VERSION)] {
        if pragma(&mut connection, name).await? != value.to_string() {
            let set = format!("PRAGMA {name} = {value}");
            sqlx::query(sqlx::AssertSqlSafe(set)).execute(&mut connection).await.map_err(JournalError::sql)?;
        }
    }
    assert_settings(&mut connection, path).await?;
    if !fresh {
        refuse_other_schema(&mut connection).await?;
    }
    Ok(connection)
}

/// What somebody added to a journal, above all a trigger, would change what is recorded.
async fn refuse_other_schema(connection: &mut SqliteConnection) -> Result<(), JournalError> {
    match schema::differences(connection).await?.iter().find(|difference| !difference.is_of_replication()) {
        None => Ok(()),
        Some(first) => Err(JournalError::Changed { what: first.told() }),
    }
}

/// What a journal is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To write, which needs a version that this keybatch knows.
    Write,
    /// To read everything in it, which needs that, too.
    Read,
    /// To read what can be read, also of a later version.
    ReadAny,
}

/// Opens the journal at `path` for reading. Needs neither the lock nor a healthy journal.
///
/// # Errors
/// If there is no file at that path, or it is not a journal.
pub async fn open_reader(path: &Path) -> Result<SqliteConnection, JournalError> {
    open_reader_for(path, Purpose::Read).await
}

/// Ends what a connection for reading holds, if it holds anything.
pub(super) async fn end_transaction(connection: &mut SqliteConnection) {
    let _none = sqlx::query("ROLLBACK").execute(connection).await;
}

/// As [`open_reader`]; for [`Purpose::ReadAny`] also a journal of a later version.
pub(super) async fn open_reader_for(path: &Path, purpose: Purpose) -> Result<SqliteConnection, JournalError> {
    match fs::metadata(path) {
        Ok(metadata) => refuse_special(path, &metadata)?,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(JournalError::Missing { path: path.to_owned(), reason: error.to_string() });
        }
        Err(error) => return Err(JournalError::Unusable { path: path.to_owned(), reason: error.to_string() }),
    }
    let read_only = options(path).read_only(true);
    let mut connection = read_only.connect().await.map_err(|error| unusable(path, &error))?;
    // In a directory that cannot be written to, the WAL's shared-memory file cannot be created. A journal whose WAL is empty can
    // then be read as an immutable file.
    if pragma(&mut connection, "schema_version").await.is_err() {
        if let Some(log) = log_in_use(path).filter(|_| !is_writable(path)) {
            let log = log.display();
            return Err(JournalError::Unusable {
                path: path.to_owned(),
                reason: format!(
                    "its newest entries are in {log}, which cannot be read from a directory that cannot be written; \
                     copy both files to a directory of your own and read them there"
                ),
            });
        }
        if log_in_use(path).is_none() {
            connection = read_only.immutable(true).connect().await.map_err(|error| unusable(path, &error))?;
        }
    }
    check_identity(&mut connection, path, purpose).await?;
    let version = pragma(&mut connection, "user_version").await?.parse().unwrap_or_default();
    if let Some(later) = later_than(version) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(later)).execute(&mut connection).await.map_err(JournalError::sql)?;
    }
    Ok(connection)
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(named(path))
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENT_CACHE)
        // Otherwise INSERT OR REPLACE would bypass the triggers.
        .pragma("recursive_triggers", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

/// The name under which SQLite opens the file at `path`. For a name that begins with `file:` it would open another file, and for
/// `:memory:` none, but never for one that begins with a dot or a slash.
pub(super) fn named(path: &Path) -> PathBuf {
    Path::new(".").join(path)
}

async fn check_identity(connection: &mut SqliteConnection, path: &Path, purpose: Purpose) -> Result<(), JournalError> {
    let writing = purpose == Purpose::Write;
    let unusable = |reason: String| JournalError::Unusable { path: path.to_owned(), reason };
    let id = pragma(connection, "application_id")
        .await
        .map_err(|error| refused(path, code_of(&error), with_cause(&error)))?;
    let version = pragma(connection, "user_version").await?;
    let row = sqlx::query(TABLES).fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
    let entries: i64 = row.try_get(0).map_err(JournalError::sql)?;
    let others: i64 = row.try_get(1).map_err(JournalError::sql)?;
    // A process that died while it made the journal leaves a database without the mark: with our tables, or with none.
    let half_made = id == "0" && (entries == 1 || others == 0);
    // But one that has entries was copied without its mark, or altered: `verify` reports that, and nothing repairs it.
    if writing && half_made && entries == 1 && has_entries(connection).await? {
        return Err(unusable(
            "it has entries, but not the mark of a journal, as in a copy made with .dump; see what verify says of it, and \
             make copies with .backup or VACUUM INTO"
                .into(),
        ));
    }
    if id != APPLICATION_ID.to_string() && !half_made {
        return Err(unusable("it is a database, but not a keybatch journal".into()));
    }
    if !writing && entries == 0 {
        return Err(JournalError::Unmade { path: path.to_owned() });
    }
    if entries == 1 && first_format(connection).await?.as_deref() == Some(FORMAT_1) {
        return Err(JournalError::OldFormat { path: path.to_owned() });
    }
    if purpose != Purpose::ReadAny && version.parse::<i64>().is_ok_and(|version| version > SCHEMA_VERSION) {
        return Err(unusable(format!(
            "it was written by a newer keybatch (journal version {version}; this one knows {SCHEMA_VERSION})"
        )));
    }
    Ok(())
}

async fn has_entries(connection: &mut SqliteConnection) -> Result<bool, JournalError> {
    let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM entry)").fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(JournalError::sql)
}

/// The format that the first entry names, if there is one that can be read. Damage is for `verify` to find.
async fn first_format(connection: &mut SqliteConnection) -> Result<Option<String>, JournalError> {
    let row = sqlx::query(FIRST_FORMAT).fetch_optional(connection).await;
    Ok(row.ok().flatten().and_then(|row| row.try_get(0).ok()))
}

/// Reads back what was set: a setting that did not take effect is a reason to stop, not to hope.
async fn assert_settings(connection: &mut SqliteConnection, path: &Path) -> Result<(), JournalError> {
    let application_id = APPLICATION_ID.to_string();
    let expected = [
        ("journal_mode", "wal"),
        ("synchronous", SYNCHRONOUS.1),
        ("fullfsync", "1"),
        ("checkpoint_fullfsync", "1"),
        ("foreign_keys", "1"),
        ("recursive_triggers", "1"),
        ("trusted_schema", "0"),
        ("temp_store", "2"),
        ("application_id", application_id.as_str()),
    ];
    for (name, expected) in expected {
        let found = pragma(connection, name).await?;
        if found != expected {
            return Err(JournalError::Unusable {
                path: path.to_owned(),
                reason: format!("SQLite's setting {name} is {found}, not {expected}"),
            });
        }
    }
    let version: String = sqlx::query("SELECT sqlite_version()")
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(JournalError::sql)?;
    if !recent_enough(&version) {
        return Err(JournalError::Unusable {
            path: path.to_owned(),
            reason: format!("SQLite {version} is older than 3.51.3, which a journal needs"),
        });
    }
    Ok(())
}

fn recent_enough(version: &str) -> bool {
    version.split('.').map_while(|part| part.parse::<u32>().ok()).ge(OLDEST_SQLITE)
}

/// The value of a PRAGMA, as text.
pub(super) async fn pragma(connection: &mut SqliteConnection, name: &'static str) -> Result<String, JournalError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {name}")))
        .fetch_one(connection)
        .await
        .map_err(JournalError::sql)?;
    let text = row.try_get::<String, _>(0);
    text.or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string())).map_err(JournalError::sql)
}

/// An error with what SQLite says about it: damage, or trouble with the machine.
fn with_cause(error: &JournalError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn unusable(path: &Path, error: &sqlx::Error) -> JournalError {
    refused(path, code(error), error.to_string())
}

/// Why SQLite does not open it: because of its bytes, or for another reason.
fn refused(path: &Path, code: Option<u32>, reason: String) -> JournalError {
    let path = path.to_owned();
    match broken(code) {
        Some(may_be_the_disk) => JournalError::Broken { path, reason, may_be_the_disk },
        None => JournalError::Unusable { path, reason },
    }
}

/// Ends a writer's connection in order. It moves the write-ahead log into the database and checks that, because closing reports
/// success even if the move failed.
///
/// # Errors
/// If the log could not be moved. What was acknowledged is durable nevertheless: it stays in the log.
pub(super) async fn close_writer(mut connection: SqliteConnection) -> Result<(), JournalError> {
    move_log(&mut connection).await?;
    connection.close().await.map_err(JournalError::sql)
}

/// Copies the write-ahead log into the database as far as readers permit, and waits for none.
pub(super) async fn copy_log(connection: &mut SqliteConnection) -> Result<(), JournalError> {
    let done = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await;
    done.map(drop).map_err(JournalError::sql)
}

/// Moves the write-ahead log into the database. If a reader holds it, it stays beside the database.
async fn move_log(connection: &mut SqliteConnection) -> Result<(), JournalError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await;
    let busy: i64 = row.and_then(|row| row.try_get(0)).map_err(JournalError::sql)?;
    if busy != 0 {
        tracing::debug!("a reader holds the journal: its write-ahead log stays beside it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `.cargo/config.toml` asks for: without it, everything works the same, and more slowly.
    #[tokio::test]
    async fn connections_do_not_share_a_cache_or_a_count_of_memory() {
        let mut connection = SqliteConnection::connect(":memory:").await.unwrap();
        let options = sqlx::query_scalar::<_, String>("PRAGMA compile_options");
        let options = options.fetch_all(&mut connection).await.unwrap();
        assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
        assert!(options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"), "{options:?}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(recent_enough("3.51.3") && recent_enough("3.100.0") && recent_enough("4.0"));
        assert!(!recent_enough("3.51.2") && !recent_enough("3.9.9") && !recent_enough("3.51") && !recent_enough(""));
    }

    #[tokio::test]
    async fn a_setting_that_did_not_take_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let mut connection = open_writer(&path).await.unwrap();
        let set = async |connection: &mut SqliteConnection, name: &str, value: &str| {
            let set = format!("PRAGMA {name} = {value}");
            sqlx::query(sqlx::AssertSqlSafe(set)).execute(connection).await.unwrap();
        };
        for (name, other, told) in [
            ("synchronous", "NORMAL", "is 1, not 2"),
            ("fullfsync", "OFF", "is 0, not 1"),
            ("checkpoint_fullfsync", "OFF", "is 0, not 1"),
            ("foreign_keys", "OFF", "is 0, not 1"),
            ("recursive_triggers", "OFF", "is 0, not 1"),
            ("trusted_schema", "ON", "is 1, not 0"),
            ("temp_store", "FILE", "is 1, not 2"),
            ("application_id", "7", "is 7, not 1262638152"),
            ("journal_mode", "DELETE", "is delete, not wal"),
        ] {
            let before = pragma(&mut connection, name).await.unwrap();
            set(&mut connection, name, other).await;
            let refused = assert_settings(&mut connection, &path).await.unwrap_err().to_string();
            assert!(refused.contains(&format!("SQLite's setting {name} {told}")), "{name} = {other}: {refused}");
            set(&mut connection, name, &before).await;
            assert_settings(&mut connection, &path).await.unwrap();
        }
    }

    #[tokio::test]
    async fn every_statement_can_be_prepared() {
        use sqlx::Executor as _;
        let directory = tempfile::tempdir().unwrap();
        let mut connection = open_writer(&directory.path().join("journal.db")).await.unwrap();
        for sql in super::super::sql::all() {
            let prepared = connection.prepare(sqlx::SqlStr::from_static(sql)).await;
            assert!(prepared.is_ok(), "{sql}: {:?}", prepared.err());
        }
    }
}
