//! What a role may do beyond what a runner needs: each of these lets it write past the journal's functions, or change what it has
//! written. A checkpoint that is kept elsewhere still convicts it; but it is better not to be able to.

use std::fmt;

use super::address::Address;
use super::connect::{Purpose, connect};
use super::link::{get, only};
use crate::journal::JournalError;

/// Something that a role can do and should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It is a superuser.
    Superuser,
    /// It owns the database, the schema or something in it, or may become such an owner.
    Owner,
    /// It may create roles, and before PostgreSQL 16 make itself a member of almost any.
    CreateRole,
    /// It may replicate, and so read and replay everything.
    Replication,
    /// It may write to tables without the journal's functions, or put triggers on them.
    Tables,
    /// It may create objects in the schema.
    Schema,
    /// It may switch triggers off for a session.
    Triggers,
    /// It may write files or run programs on the server.
    Server,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superuser => "is a superuser",
            Self::Owner => "owns the database, the schema keybatch or something in it, or may become their owner",
            Self::CreateRole => "may create roles",
            Self::Replication => "may replicate the server",
            Self::Tables => "may write to tables of the schema keybatch without its functions",
            Self::Schema => "may create objects in the schema keybatch",
            Self::Triggers => "may set session_replication_role",
            Self::Server => "may write files or run programs on the server",
        })
    }
}

/// In the order of [`POWERS`], but for the last.
const ASKED: &str = "SELECT r.rolsuper, \
     EXISTS (SELECT 1 FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database() \
             AND pg_catalog.pg_has_role(d.datdba, 'MEMBER')) \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'keybatch' \
                AND pg_catalog.pg_has_role(n.nspowner, 'MEMBER')) \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                WHERE n.nspname = 'keybatch' AND pg_catalog.pg_has_role(c.relowner, 'MEMBER')) \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
                WHERE n.nspname = 'keybatch' AND pg_catalog.pg_has_role(p.proowner, 'MEMBER')), \
     r.rolcreaterole, r.rolreplication, \
     EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'keybatch' AND c.relkind IN ('r', 'p') \
             AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')) \
     OR EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                WHERE n.nspname = 'keybatch' AND c.relkind IN ('r', 'p') \
                AND pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')), \
     EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'keybatch' \
             AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')), \
     EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS p WHERE p.rolname IN ('pg_write_server_files', 'pg_execute_server_program') \
             AND pg_catalog.pg_has_role(p.oid, 'MEMBER')), \
     EXISTS (SELECT 1 FROM pg_catalog.pg_proc AS p WHERE p.proname = 'has_parameter_privilege') \
     FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user";

const POWERS: [Power; 7] = [
    Power::Superuser,
    Power::Owner,
    Power::CreateRole,
    Power::Replication,
    Power::Tables,
    Power::Schema,
    Power::Server,
];

/// Since PostgreSQL 15; before that, only superusers may.
const PARAMETER: &str = "SELECT pg_catalog.has_parameter_privilege('session_replication_role', 'SET')";

/// What the user of this address can do and should not, as a runner or a reviewer. For the schema's owner, that is much.
///
/// # Errors
/// [`JournalError::Server`] if the server cannot be used.
pub async fn excess(address: &Address) -> Result<Vec<Power>, JournalError> {
    let (mut link, _) = connect(address, Purpose::ReadAny).await?;
    let rows = link.ask(ASKED).await?;
    let row = only(&rows)?;
    let mut found = Vec::new();
    for (place, power) in POWERS.into_iter().enumerate() {
        if get(row, place)? {
            found.push(power);
        }
    }
    if get(row, POWERS.len())? && get(only(&link.ask(PARAMETER).await?)?, 0)? {
        found.push(Power::Triggers);
    }
    link.close().await;
    Ok(found)
}
