//! What is opened as a journal, and how it is made.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::super::migrations::{SCHEMA_VERSION, migrator};
use super::super::open::{APPLICATION_ID, close_writer, open_writer};
use super::super::place::wal_path;
use super::*;
use crate::journal::JournalError;

async fn database(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

async fn execute(path: &Path, statements: &str) {
    let mut connection = database(path).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// How a writer and a reader are refused.
async fn refused(path: &Path) -> [Option<String>; 2] {
    let writer = open_writer(path).await.err().map(|error| error.to_string());
    [writer, open_reader(path).await.err().map(|error| error.to_string())]
}

#[tokio::test]
async fn a_journal_is_made_privately_with_its_directories() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b/journal.db");
    let empty = directory.path().join("empty.db");
    fs::write(&empty, []).unwrap();
    fs::set_permissions(&empty, Permissions::from_mode(0o644)).unwrap();
    for path in [deep, empty] {
        write(&path, sessions()).await;
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, wal_path(&path)), (0o600, format!("{}-wal", path.display()).into()));
        assert!(!wal_path(&path).exists(), "the log is moved into the database at the end");
        // One that was opened up is not closed again behind its owner's back.
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let mut connection = open_writer(&path).await.unwrap();
        for (name, value) in [("journal_mode", "wal"), ("synchronous", "2"), ("fullfsync", "1"), ("foreign_keys", "1")]
        {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            let set: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
            assert_eq!(set, value, "{name}");
        }
        connection.close().await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}

/// A journal that was begun with pages of 4 KiB, as those of 0.1 were, keeps them.
#[tokio::test]
async fn a_journal_with_other_pages_is_written_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    execute(&path, "PRAGMA page_size = 4096; CREATE TABLE t (x); DROP TABLE t;").await;
    write(&path, sessions()).await;
    let of_new = directory.path().join("new.db");
    write(&of_new, sessions()).await;
    let pages = |path: &Path| u16::from_be_bytes(fs::read(path).unwrap()[16..18].try_into().unwrap());
    assert_eq!((pages(&path), pages(&of_new)), (4_096, 16_384));
    let mut connection = open_reader(&path).await.unwrap();
    let report: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(report, "ok");
}

#[tokio::test]
async fn nothing_but_a_journal_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let made = path("journal.db");
    write(&made, sessions()).await;
    let says = |errors: &[Option<String>; 2], what: &str| {
        assert!(
            errors.iter().all(|error| error.as_ref().is_some_and(|error| error.contains(what))),
            "{what}: {errors:?}"
        );
    };

    // Another database, which stays as it is.
    let foreign = path("foreign.db");
    execute(&foreign, "CREATE TABLE t (a); CREATE TABLE u (a)").await;
    let before = fs::read(&foreign).unwrap();
    says(&refused(&foreign).await, "not a keybatch journal");
    execute(&foreign, "PRAGMA application_id = 7; DROP TABLE t; DROP TABLE u").await;
    says(&refused(&foreign).await, "not a keybatch journal");
    assert_eq!(before[18..20], fs::read(&foreign).unwrap()[18..20], "it was put into WAL mode");

    let newer = path("newer.db");
    fs::copy(&made, &newer).unwrap();
    execute(&newer, &format!("PRAGMA user_version = {}", SCHEMA_VERSION + 1)).await;
    says(&refused(&newer).await, "newer keybatch");
    // Format 1 was never released: it is refused by name, whatever else is right with it.
    let older = path("older.db");
    fs::copy(&made, &older).unwrap();
    let first = "UPDATE entry SET body = replace(body, 'keybatch.journal/2', 'keybatch.journal/1') WHERE seq = 0";
    execute(&older, &format!("DROP TRIGGER entry_not_changed; {first}; PRAGMA user_version = 1")).await;
    says(&refused(&older).await, "has format 1, which no release wrote");
    fs::create_dir(path("directory")).unwrap();
    says(&refused(&path("directory")).await, "it is a directory");
    fs::write(path("byte"), [b'S']).unwrap();
    says(&refused(&path("byte")).await, "file is not a database");
    fs::write(path("bytes"), b"SQ").unwrap();
    // What SQLite says of it tells damage from trouble with the machine.
    says(&refused(&path("bytes")).await, "file is not a database");
    std::os::unix::fs::symlink(&made, path("link")).unwrap();
    assert!(refused(&path("link")).await[0].as_ref().is_some_and(|error| error.contains("symbolic link")));
    assert!(open_reader(&path("link")).await.is_ok());
    for missing in [path("missing"), made.join("below")] {
        assert!(matches!(open_reader(&missing).await, Err(JournalError::Missing { .. })), "{}", missing.display());
    }
    assert!(matches!(open_reader(Path::new("a\0b")).await, Err(JournalError::Unusable { .. })));
    execute(&made, "CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END").await;
    assert!(matches!(open_writer(&made).await, Err(JournalError::Changed { .. })));
    assert!(open_reader(&made).await.is_ok());
}

/// A journal of an earlier version is read and verified as it is, and the next session brings it up to date.
#[tokio::test]
async fn a_journal_of_an_earlier_version_is_read_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    write(&path, sessions()).await;
    execute(&path, "DROP TABLE resolution; DROP VIEW row_outcome; DROP VIEW intents").await;
    let views = include_str!("../../../../migrations/0001_journal.sql");
    for view in ["row_outcome", "intents"] {
        let begin = views.find(&format!("CREATE VIEW {view} AS")).unwrap();
        let end = begin + views[begin..].find(";\n").unwrap();
        execute(&path, &views[begin..end]).await;
    }
    execute(&path, "DELETE FROM _sqlx_migrations WHERE version = 2; PRAGMA user_version = 2").await;
    let rows = "SELECT count(*) FILTER (WHERE resolved_by IS NULL), (SELECT sum(deleted) FROM runs) FROM intents";
    let count = async |connection: &mut SqliteConnection| {
        let row = sqlx::query(rows).fetch_one(connection).await.unwrap();
        (row.get::<i64, _>(0), row.get::<i64, _>(1))
    };
    let before = count(&mut open_reader(&path).await.unwrap()).await;
    assert!(before.0 > 0 && before.1 > 0, "{before:?}");
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    assert_eq!(snapshot.schema_differences().await.unwrap(), []);
    assert_eq!(snapshot.wrong_mark().await.unwrap(), None);
    snapshot.end().await;
    // Whoever takes the mark of an earlier version back does not hide what is there since.
    open_writer(&path).await.unwrap().close().await.unwrap();
    assert_eq!(count(&mut open_reader(&path).await.unwrap()).await, before);
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    assert_eq!(snapshot.schema_differences().await.unwrap(), []);
    snapshot.end().await;
    execute(&path, "PRAGMA user_version = 2").await;
    assert!(!Snapshot::open(&path).await.unwrap().schema_differences().await.unwrap().is_empty());
}

/// A process may die anywhere while it makes a journal.
#[tokio::test]
async fn a_journal_whose_making_was_broken_off_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    for (name, tables, mark) in [("none", false, 0), ("marked", false, APPLICATION_ID), ("tables", true, 0)] {
        let path = directory.path().join(name);
        execute(&path, &format!("PRAGMA user_version = 0; PRAGMA application_id = {mark}; VACUUM")).await;
        if tables {
            migrator().run(&mut database(&path).await).await.unwrap();
        }
        let read = open_reader(&path).await;
        assert_eq!(matches!(read, Err(JournalError::Unmade { .. })), !tables, "{name}: {read:?}");
        open_writer(&path).await.unwrap().close().await.unwrap();
        let mut connection = open_reader(&path).await.unwrap();
        let sql = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version";
        let marks = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
        assert_eq!((marks.get::<i64, _>(0), marks.get::<i64, _>(1)), (APPLICATION_ID, SCHEMA_VERSION), "{name}");
        assert!(sqlx::query("DELETE FROM rate").execute(&mut connection).await.is_err(), "a reader wrote");
    }
}

/// A process may die between two versions of the schema, too.
#[tokio::test]
async fn a_journal_that_has_come_to_one_version_of_the_schema_is_not_altered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    execute(&path, "PRAGMA user_version = 0; VACUUM").await;
    super::super::migrations::up_to(2).run(&mut database(&path).await).await.unwrap();
    let mut snapshot = Snapshot::open(&path).await.unwrap();
    assert_eq!(snapshot.schema_differences().await.unwrap(), []);
    snapshot.end().await;
    // The next one is made whole, with its version.
    migrator().run(&mut database(&path).await).await.unwrap();
    let sql = "SELECT user_version FROM pragma_user_version";
    let version: i64 = sqlx::query(sql).fetch_one(&mut database(&path).await).await.unwrap().get(0);
    assert_eq!(version, SCHEMA_VERSION);
}

/// Either all of the schema is there or none of it, whatever breaks off its making.
#[tokio::test]
async fn a_journal_is_made_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    // In the way of the last thing that is made.
    execute(&path, "CREATE VIEW entries AS SELECT 1 AS one").await;
    let refused = refused(&path).await[0].clone();
    assert!(refused.as_ref().is_some_and(|said| said.contains("cannot be brought up to date")), "{refused:?}");
    let mut connection = database(&path).await;
    let names = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE name NOT LIKE '%sqlx%'");
    let names: Vec<String> = names.fetch_all(&mut connection).await.unwrap();
    assert_eq!(names, ["entries"]);
    connection.close().await.unwrap();
}

/// Journals have it in them: by another number, they would be brought up to date once more.
#[tokio::test]
async fn the_first_migration_keeps_its_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let mut connection = open_writer(&path).await.unwrap();
    let sql = "SELECT version, description FROM _sqlx_migrations ORDER BY version LIMIT 1";
    let first = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    assert_eq!((first.get::<i64, _>(0), first.get::<String, _>(1)), (1, "journal".to_owned()));
    connection.close().await.unwrap();
}

/// Where SQLite cannot make its own files, a journal without a log is read all the same; not one whose log cannot be
/// read, which would be an older state of it.
#[tokio::test]
async fn a_journal_is_read_where_nothing_can_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let all = write(&path, sessions()).await;
    // SQLite follows no link to a log, so it can neither open nor make this one.
    std::os::unix::fs::symlink("nowhere", wal_path(&path)).unwrap();
    let reader = SqliteReader::open(&path).await.unwrap();
    assert_eq!(reader.head().await.unwrap().0, all.len() as u64);
    let mut connection = open_reader(&path).await.unwrap();
    assert!(sqlx::query("DELETE FROM rate").execute(&mut connection).await.is_err(), "a reader wrote");
    connection.close().await.unwrap();
    fs::remove_file(wal_path(&path)).unwrap();
    fs::create_dir(wal_path(&path)).unwrap();
    assert!(open_reader(&path).await.is_err());
}

#[tokio::test]
async fn a_reader_sees_what_is_written_after_it_was_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    open_writer(&path).await.unwrap().close().await.unwrap();
    assert!(!wal_path(&path).exists());
    let reader = SqliteReader::open(&path).await.unwrap();
    let all = write(&path, sessions()).await;
    assert_eq!(reader.head().await.unwrap().0, all.len() as u64);
}

/// Closing alone would report success.
#[tokio::test]
async fn a_log_that_cannot_be_moved_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    for damaged in [false, true] {
        let mut connection = open_writer(&path).await.unwrap();
        let sql = "INSERT OR REPLACE INTO rate VALUES ('e', '1', 'r', '2', ?, 1)";
        sqlx::query(sql).bind(damaged).execute(&mut connection).await.unwrap();
        if damaged {
            fs::File::options().write(true).open(wal_path(&path)).unwrap().set_len(40).unwrap();
        }
        assert_eq!(close_writer(connection).await.is_err(), damaged);
    }
}

#[tokio::test]
async fn why_a_journal_cannot_be_made_is_told() {
    // Nobody can make a file there.
    let refused = refused(Path::new("/sys/journal.db")).await[0].clone().unwrap();
    assert!(refused.contains("cannot be created") && !refused.contains("No such file"), "{refused}");
}

#[tokio::test]
async fn errors_of_the_machine_are_told_by_their_kind() {
    let database = |source: sqlx::Error| JournalError::sql(source);
    let directory = tempfile::tempdir().unwrap();
    let missing = SqliteConnectOptions::new().filename(directory.path().join("missing"));
    assert!(database(missing.connect().await.unwrap_err()).is_of_the_machine());
    let mut connection = SqliteConnection::connect(":memory:").await.unwrap();
    let wrong = sqlx::query("SELECT * FROM nowhere").execute(&mut connection).await;
    assert!(!database(wrong.unwrap_err()).is_of_the_machine());
    assert!(database(sqlx::Error::Io(std::io::Error::other("disk"))).is_of_the_machine());
    assert!(!database(sqlx::Error::RowNotFound).is_of_the_machine());
    assert!(!JournalError::damaged("a page").is_of_the_machine());
    assert!(!JournalError::sql(std::io::Error::other("disk")).is_of_the_machine());
}
