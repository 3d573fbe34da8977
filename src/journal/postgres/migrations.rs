//! The schema of a journal in PostgreSQL, as the statements that make it.

/// The migrations, oldest first. One is never edited once it has landed.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_journal.sql"),
    include_str!("../../../migrations/postgres/0002_append.sql"),
    include_str!("../../../migrations/postgres/0003_views.sql"),
    include_str!("../../../migrations/postgres/0004_runners.sql"),
];

/// The version of the schema that this keybatch writes: how many migrations there are.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// What each role may do, where the roles of contrib/postgres/roles.sql exist.
pub(super) const GRANTS: &str = include_str!("../../../migrations/postgres/grants.sql");
