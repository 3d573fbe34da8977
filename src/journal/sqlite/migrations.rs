//! The schema, version by version.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The version of the schema, in `user_version`.
pub(super) const SCHEMA_VERSION: i64 = FIRST_VERSION + MIGRATIONS.len() as i64 - 1;

/// The first that there was: that of format 2.
const FIRST_VERSION: i64 = 2;

/// The migrations, in order: from one version to the next.
const MIGRATIONS: [(&str, &str); 2] = [
    ("journal", include_str!("../../../migrations/0001_journal.sql")),
    ("resolution", include_str!("../../../migrations/0002_resolution.sql")),
];

/// All migrations.
pub(super) fn migrator() -> Migrator {
    up_to(SCHEMA_VERSION)
}

/// The migrations that make the schema of this version. Of one that there never was: all.
pub(super) fn up_to(version: i64) -> Migrator {
    let count = if is_known(version) { usize::try_from(version - FIRST_VERSION + 1).ok() } else { None };
    let migrations = MIGRATIONS.iter().take(count.unwrap_or(MIGRATIONS.len())).zip(1..);
    let migration = |((name, text), number): (&(&'static str, &'static str), i64)| {
        Migration::new(number, (*name).into(), MigrationType::Simple, SqlStr::from_static(text), false)
    };
    Migrator::with_migrations(migrations.map(migration).collect())
}

/// Whether a journal may have this version.
pub(super) fn is_known(version: i64) -> bool {
    (FIRST_VERSION..=SCHEMA_VERSION).contains(&version)
}

/// The version that so many migrations make.
pub(super) fn version_of(migrations: i64) -> i64 {
    FIRST_VERSION + migrations - 1
}

/// What a connection that may not write needs to read a journal of an earlier version like one of this: the tables and views that
/// came later, as temporary ones of its own. Such a table is empty, since nothing was there that could have written to it.
pub(super) fn later_than(version: i64) -> Option<String> {
    let done = usize::try_from(version - FIRST_VERSION + 1).ok().filter(|_| is_known(version))?;
    let later = MIGRATIONS.get(done..).filter(|later| !later.is_empty())?;
    let statements = later
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter(|line| !line.starts_with("DROP VIEW") && !line.starts_with("PRAGMA"));
    let temporary = statements.map(|line| match line.strip_prefix("CREATE ") {
        Some(what) => format!("CREATE TEMP {what}\n"),
        None => format!("{line}\n"),
    });
    Some(temporary.collect())
}
