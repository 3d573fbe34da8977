//! Whether tables, indexes, triggers and views are those that keybatch makes, no more and no fewer.

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::open::migrator;
use super::sql;
use super::store::get;
use crate::journal::JournalError;

/// Something of the schema that is not as keybatch makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaDifference {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `missing`, `added` or `changed`.
    pub how: &'static str,
}

impl SchemaDifference {
    /// What happened to it, in words.
    #[must_use]
    pub fn told(&self) -> String {
        let how = if self.how == "missing" { "removed" } else { self.how };
        format!("the {} {} was {how}", self.kind, self.name)
    }
}

/// How the schema of `connection` differs from a new journal's.
pub(super) async fn differences(connection: &mut SqliteConnection) -> Result<Vec<SchemaDifference>, JournalError> {
    let fresh = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
    let mut fresh = fresh.connect().await.map_err(JournalError::sql)?;
    migrator().run(&mut fresh).await.map_err(JournalError::sql)?;
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

type Object = (String, String, (String, String));

async fn objects(connection: &mut SqliteConnection) -> Result<Vec<Object>, JournalError> {
    let rows = sqlx::query(sql::SCHEMA).fetch_all(connection).await.map_err(JournalError::sql)?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?, (get(row, 2)?, get(row, 3)?)))).collect()
}
