//! Whether tables, indexes, triggers and views are those that keybatch makes, no more and no fewer.

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::column::get;
use super::migrations::{up_to, version_of};
use super::sql;
use crate::journal::{JournalError, SchemaDifference};

/// How the schema of `connection` differs from that of a new journal, or of one of the version that the file says.
pub(super) async fn differences(connection: &mut SqliteConnection) -> Result<Vec<SchemaDifference>, JournalError> {
    let fresh = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
    let mut fresh = fresh.connect().await.map_err(JournalError::sql)?;
    let version = version(connection).await?;
    up_to(version).run_direct(None, &mut fresh, false).await.map_err(JournalError::sql)?;
    let expected = objects(&mut fresh).await?;
    let found = objects(connection).await?;
    let difference = |(kind, name, _): &Object, how| SchemaDifference { kind: kind.clone(), name: name.clone(), how };
    let twin = |objects: &[Object], one: &Object| objects.iter().position(|other| other.0 == one.0 && other.1 == one.1);
    let mut differences = Vec::new();
    for object in &expected {
        match twin(&found, object) {
            None => differences.push(difference(object, "missing")),
            Some(index) if found[index] != *object => differences.push(difference(object, "changed")),
            Some(_) => {}
        }
    }
    let added = found.iter().filter(|object| twin(&expected, object).is_none());
    differences.extend(added.map(|object| difference(object, "added")));
    Ok(differences)
}

/// The version that the file says; of a journal whose creation was interrupted, which says none yet, the one that it has come to.
async fn version(connection: &mut SqliteConnection) -> Result<i64, JournalError> {
    let row = sqlx::query(sql::VERSION).fetch_one(&mut *connection).await.map_err(JournalError::sql)?;
    let (version, has_migrations): (i64, bool) = (get(&row, 0)?, get(&row, 1)?);
    if version != 0 || !has_migrations {
        return Ok(version);
    }
    let row = sqlx::query(sql::MIGRATED).fetch_one(connection).await.map_err(JournalError::sql)?;
    Ok(version_of(get(&row, 0)?))
}

type Object = (String, String, (String, String));

async fn objects(connection: &mut SqliteConnection) -> Result<Vec<Object>, JournalError> {
    let rows = sqlx::query(sql::SCHEMA).fetch_all(connection).await.map_err(JournalError::sql)?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?, (get(row, 2)?, get(row, 3)?)))).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::super::tests::{sessions, write};
    use super::*;

    #[tokio::test]
    async fn whatever_is_not_as_it_was_made_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        write(&path, sessions()).await;
        for (statement, told) in [
            ("", None),
            ("DROP VIEW errors", Some("the view errors was removed")),
            ("DROP TRIGGER head_not_removed", Some("the trigger head_not_removed was removed")),
            ("CREATE TABLE more (a)", Some("the table more was added")),
            ("DROP VIEW errors; CREATE VIEW errors AS SELECT 1 AS run_id", Some("the view errors was changed")),
            (
                "DROP INDEX milestone_by_run; CREATE INDEX milestone_by_run ON attempt (run_no)",
                Some("the index milestone_by_run was changed"),
            ),
        ] {
            let copy = directory.path().join("copy.db");
            std::fs::copy(&path, &copy).unwrap();
            let mut connection = SqliteConnectOptions::new().filename(&copy).connect().await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
            let found: Vec<_> =
                differences(&mut connection).await.unwrap().iter().map(SchemaDifference::told).collect();
            assert_eq!(found, Vec::from_iter(told), "{statement}");
            connection.close().await.unwrap();
        }
    }
}
