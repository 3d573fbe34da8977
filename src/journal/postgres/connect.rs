//! Makes connections, and asks at each what kind of server it is.

use jiff::{SignedDuration, Timestamp};
use sqlx::ConnectOptions as _;

use super::address::Address;
use super::link::{Link, get, only};
use super::migrations::SCHEMA_VERSION;
use super::trouble::{of, refused};
use crate::domain::{Clock as _, SystemClock};
use crate::journal::{JournalError, ServerTrouble};

/// The oldest PostgreSQL that is supported, as `server_version_num` has it.
const OLDEST: i64 = 140_000;

/// Asked of a server at each connection: any may be another one than before.
const ABOUT: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
     pg_catalog.current_setting('server_version_num')::pg_catalog.int8, pg_catalog.current_setting('server_version'), \
     pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('fsync') = 'on', \
     (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8, \
     pg_catalog.to_regclass('keybatch.schema') IS NOT NULL, pg_catalog.current_setting('synchronous_standby_names')";

const VERSION: &str = "SELECT version FROM keybatch.schema";

/// The history that a server is on: it changes when a standby is promoted. Not every service lets it be asked.
const TIMELINE: &str = "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To write, which needs the primary and the schema that this keybatch writes.
    Write,
    /// To ask sessions at work, which needs the same, but no clock that is right.
    Ask,
    /// To read, also an older schema; also from a standby, but for a session, which waits for a server.
    Read,
    /// To read what can be read, also of a newer schema.
    ReadAny,
    /// To make or change the schema.
    Migrate,
}

/// What a server said of itself when it was connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Which of the address's hosts it is.
    pub host: String,
    /// Its version, as in `15.18`.
    pub version: String,
    /// Whether it is the primary.
    pub is_primary: bool,
    /// Whether it waits for its disk at all. A service that keeps its log elsewhere may say no.
    pub syncs: bool,
    /// Which standbys a commit waits for, in the server's words; `None` for none. An administrator can end such a wait, and then the
    /// commit is there, but perhaps on no standby.
    pub waits_for: Option<String>,
    /// How far its clock is ahead of this machine's.
    pub skew: SignedDuration,
    /// The version of the schema; `None` if there is none.
    pub schema: Option<i64>,
    /// Its timeline, in hexadecimal; `None` of a standby, and where it may not be asked.
    pub timeline: Option<String>,
}

/// Connects to the first server of an address that is fit for the purpose.
///
/// # Errors
/// [`JournalError::Server`] if there is none.
pub(super) async fn connect(address: &Address, purpose: Purpose) -> Result<(Link, Server), JournalError> {
    // The driver does not say which file it could not read.
    if let Some(reason) = address.unreadable() {
        return Err(of(address, ServerTrouble::Tls { reason }));
    }
    let servers = address.servers().map_err(|error| refused(address, error))?;
    let several = servers.len() > 1;
    let (mut reasons, mut standby) = (Vec::new(), None);
    for (host, options) in servers {
        let connecting = tokio::time::timeout(address.connect_timeout(), options.connect());
        let made = match connecting.await {
            Ok(made) => made.map_err(|error| refused(address, error)),
            Err(_) => {
                let reason = format!("no connection within {} s", address.connect_timeout().as_secs());
                Err(of(address, ServerTrouble::Unreachable { reason }))
            }
        };
        let asked = match made {
            Ok(connection) => about(Link::new(connection, address.clone()), host.clone(), purpose).await,
            Err(error) => Err(error),
        };
        match asked {
            Err(JournalError::Server { trouble: ServerTrouble::Unreachable { reason }, .. }) => {
                reasons.push(if several { format!("{host}: {reason}") } else { reason });
            }
            Err(error @ JournalError::Server { trouble: ServerTrouble::NotPrimary, .. }) => standby = Some(error),
            Err(error @ JournalError::Server { trouble: ServerTrouble::Silent { .. }, .. }) if several => {
                reasons.push(format!("{host}: {error}"));
            }
            answer => return answer,
        }
    }
    match standby {
        Some(error) if reasons.is_empty() => Err(error),
        Some(_) => {
            reasons.push("the others are standbys".into());
            Err(of(address, ServerTrouble::Unreachable { reason: reasons.join("; ") }))
        }
        None => Err(of(address, ServerTrouble::Unreachable { reason: reasons.join("; ") })),
    }
}

async fn about(mut link: Link, host: String, purpose: Purpose) -> Result<(Link, Server), JournalError> {
    let limit = link.address().connect_timeout();
    let clock = SystemClock::start();
    let before = clock.now();
    let rows = link.ask_within(limit, ABOUT).await?;
    let after = clock.now();
    let row = only(&rows)?;
    let refuse = |trouble| Err(of(link.address(), trouble));
    let is_primary = !get::<bool>(row, 0)?;
    let version: String = get(row, 2)?;
    if get::<i64>(row, 1)? < OLDEST {
        return refuse(ServerTrouble::TooOld { version });
    }
    let encoding: String = get(row, 3)?;
    if encoding != "UTF8" {
        return refuse(ServerTrouble::Encoding { encoding });
    }
    // What a session reads has to have what it wrote: a standby may lag behind.
    let is_session = purpose == Purpose::Read && !link.address().patience().is_zero();
    if !is_primary && (is_session || matches!(purpose, Purpose::Write | Purpose::Ask | Purpose::Migrate)) {
        return refuse(ServerTrouble::NotPrimary);
    }
    let here = before.checked_add(after.duration_since(before) / 2).unwrap_or(after);
    let there = Timestamp::from_microsecond(get(row, 5)?).map_err(|error| JournalError::damaged(error.to_string()))?;
    let skew = there.duration_since(here);
    // What the question and its answer took may have been on one side alone.
    let unsure = after.duration_since(before) / 2;
    if purpose == Purpose::Write && is_too_far(skew, unsure) {
        return refuse(ServerTrouble::Clocks { seconds: skew.abs().as_secs().unsigned_abs() });
    }
    let (syncs, has_schema) = (get(row, 4)?, get::<bool>(row, 6)?);
    let waits_for = Some(get::<String>(row, 7)?).filter(|names| !names.is_empty());
    let schema = if has_schema { Some(get::<i64>(only(&link.ask_within(limit, VERSION).await?)?, 0)?) } else { None };
    check(link.address(), schema, purpose)?;
    let timeline = if is_primary { timeline(&mut link).await? } else { None };
    let server = Server { host, version, is_primary, syncs, waits_for, skew, schema, timeline };
    Ok((link, server))
}

/// How far the clock of a machine that writes may be from the server's. Entries have the time of the machine that writes them, and a session
/// on another one judges by them when a request is surely over (I3). It begins 20 s after the last entry at the earliest, and
/// the grace that it gives each request is longer than twice this.
const FARTHEST: SignedDuration = SignedDuration::from_secs(2);

fn is_too_far(skew: SignedDuration, unsure: SignedDuration) -> bool {
    skew.abs() > FARTHEST.saturating_add(unsure)
}

fn check(address: &Address, schema: Option<i64>, purpose: Purpose) -> Result<(), JournalError> {
    let known = SCHEMA_VERSION;
    match (schema, purpose) {
        (_, Purpose::Migrate) if schema.is_none_or(|version| version <= known) => Ok(()),
        (Some(version), Purpose::Read) if version <= known => Ok(()),
        (Some(_), Purpose::ReadAny) => Ok(()),
        (Some(version), _) if version == known => Ok(()),
        (Some(version), _) if version < known => Err(of(address, ServerTrouble::OlderSchema { version, known })),
        (Some(version), _) => Err(of(address, ServerTrouble::NewerSchema { version, known })),
        (None, _) => Err(of(address, ServerTrouble::NoSchema)),
    }
}

async fn timeline(link: &mut Link) -> Result<Option<String>, JournalError> {
    match link.ask_once(TIMELINE).await {
        Ok(rows) => Ok(Some(get(only(&rows)?, 0)?)),
        // It says nothing, and all else works.
        Err(_) if link.is_alive() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEMANTICS: P147
    #[test]
    fn a_machine_whose_clock_is_far_from_the_servers_does_not_write() {
        let ms = SignedDuration::from_millis;
        for (skew, took, too_far) in
            [(0, 0, false), (2_000, 0, false), (-2_001, 0, true), (2_400, 500, false), (-3_600_000, 900, true)]
        {
            assert_eq!(is_too_far(ms(skew), ms(took)), too_far, "{skew} ms, {took} ms unsure");
        }
    }
}
