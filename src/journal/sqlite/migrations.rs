//! The schema, version by version.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The version of the schema, in `user_version`.
pub(super) const SCHEMA_VERSION: i64 = 2;

const JOURNAL_SQL: &str = include_str!("../../../migrations/0001_journal.sql");

/// The migrations, in order.
pub(super) fn migrator() -> Migrator {
    let journal = Migration::new(1, "journal".into(), MigrationType::Simple, SqlStr::from_static(JOURNAL_SQL), false);
    Migrator::with_migrations(vec![journal])
}
