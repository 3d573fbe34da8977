//! Makes and migrates the schema. It needs a connection to the server itself, not through a pooler.

use super::address::Address;
use super::connect::{Purpose, connect};
use super::link::{Link, get, only};
use super::migrations::{GRANTS, MIGRATIONS, SCHEMA_VERSION};
use super::trouble::of;
use crate::journal::{JournalError, ServerTrouble};

/// How often making the schema is tried, where another process does the same.
const TRIES: u32 = 5;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '30s'; \
     SET LOCAL synchronous_commit = on; SET LOCAL client_min_messages = warning";

/// Whether the role of the schema's owner exists and this user may become it, and whether the schema is there.
const PLACE: &str = "SELECT COALESCE((SELECT pg_catalog.pg_has_role(oid, 'MEMBER') FROM pg_catalog.pg_roles \
     WHERE rolname = 'keybatch_owner'), false), \
     EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'keybatch')";

/// The version is a table of one row, whose lock keeps two migrations apart, and a view, which reviewers may read.
const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS keybatch.schema_version \
     (id integer PRIMARY KEY CHECK (id = 0), version bigint NOT NULL); \
     INSERT INTO keybatch.schema_version (id, version) VALUES (0, 0) ON CONFLICT (id) DO NOTHING; \
     CREATE OR REPLACE VIEW keybatch.schema AS SELECT version FROM keybatch.schema_version";

const LOCK_VERSION: &str = "SELECT version FROM keybatch.schema_version WHERE id = 0 FOR UPDATE";

/// Makes the schema in the database at `address`, or brings it up to date, and grants each role what it may do. Returns the version
/// that was there before, 0 for none.
///
/// # Errors
/// [`JournalError::Server`] if the server cannot be used, or this user may not do that.
pub async fn migrate(address: &Address) -> Result<i64, JournalError> {
    let mut tried = 1;
    loop {
        let (mut link, _) = connect(address, Purpose::Migrate).await?;
        match migrate_once(&mut link).await {
            // Two that make the same schema at the same moment: one is told that it is there.
            Err(JournalError::Database { .. }) if tried < TRIES => tried += 1,
            Err(error) => return Err(error),
            Ok(before) => {
                link.close().await;
                return Ok(before);
            }
        }
    }
}

async fn migrate_once(link: &mut Link) -> Result<i64, JournalError> {
    link.ask_once(BEGIN).await?;
    let rows = link.ask_once(PLACE).await?;
    let (is_member, has_schema): (bool, bool) = (get(only(&rows)?, 0)?, get(only(&rows)?, 1)?);
    if !has_schema {
        let owner = if is_member { " AUTHORIZATION keybatch_owner" } else { "" };
        link.ask_once(&format!("CREATE SCHEMA keybatch{owner}")).await?;
    }
    if is_member {
        link.ask_once("SET LOCAL ROLE keybatch_owner").await?;
    }
    link.ask_once(VERSION_TABLE).await?;
    let before: i64 = get(only(&link.ask_once(LOCK_VERSION).await?)?, 0)?;
    if before > SCHEMA_VERSION {
        let trouble = ServerTrouble::NewerSchema { version: before, known: SCHEMA_VERSION };
        return Err(of(link.address(), trouble));
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(before).unwrap_or_default()) {
        link.ask_once(migration).await?;
    }
    link.ask_once(&format!("UPDATE keybatch.schema_version SET version = {SCHEMA_VERSION} WHERE id = 0")).await?;
    link.ask_once(GRANTS).await?;
    link.ask_once("COMMIT").await?;
    // The answer to a commit does not say whether it was one.
    let after: i64 = get(only(&link.ask_once("SELECT version FROM keybatch.schema").await?)?, 0)?;
    if after == SCHEMA_VERSION { Ok(before) } else { Err(JournalError::damaged("the schema's migration was undone")) }
}
