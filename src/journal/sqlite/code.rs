//! What SQLite's result codes say about an error. Its words are never used.

use sqlx::migrate::MigrateError;

use crate::journal::JournalError;
use crate::journal::error::{Blame, Failure};

/// SQLITE_CORRUPT: what was read makes no sense. A disk that answers EIO looks the same.
const CORRUPT: u32 = 11;

/// SQLITE_FULL.
const FULL: u32 = 13;

/// SQLITE_NOTADB.
const NOT_A_DATABASE: u32 = 26;

/// SQLITE_IOERR_SHMSIZE: no room for the shared memory beside the database.
const NO_SHARED_MEMORY: u32 = 4_874;

/// SQLITE_IOERR_SHORT_READ: a file that ends in the middle.
const SHORT_READ: u32 = 522;

/// PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL, NOLFS.
const OF_THE_MACHINE: [u32; 11] = [3, 5, 6, 7, 8, 9, 10, FULL, 14, 15, 22];

/// SQLite's extended result code, if it is an error of SQLite.
pub(super) fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn driver(error: &JournalError) -> Option<&sqlx::Error> {
    let JournalError::Database { source, .. } = error else { return None };
    source.downcast_ref()
}

/// The same for an error of the journal.
pub(super) fn code_of(error: &JournalError) -> Option<u32> {
    code(driver(error)?)
}

/// Whether a code says that the bytes are not a sound database, and if so, whether the disk may have been unreadable instead.
pub(super) fn broken(code: Option<u32>) -> Option<bool> {
    match code? & 0xFF {
        CORRUPT => Some(true),
        NOT_A_DATABASE => Some(false),
        _ => None,
    }
}

impl Failure for sqlx::Error {
    fn blame(&self) -> Blame {
        match code(self) {
            Some(FULL | NO_SHARED_MEMORY) => Blame::FullDisk,
            Some(code) if broken(Some(code)) == Some(true) => Blame::DamageOrDisk,
            Some(code) if is_code_of_the_machine(code) => Blame::Machine,
            None if matches!(self, Self::Io(_)) => Blame::Machine,
            _ => Blame::Unknown,
        }
    }
}

impl Failure for MigrateError {}

/// The same for what SQLite's check of a database reports: it names the code of an error that kept it from reading.
pub(super) fn is_said_of_the_machine(said: &str) -> bool {
    let code = said.rsplit_once("error code=").and_then(|(_, code)| code.trim_end().parse().ok());
    code.is_some_and(is_code_of_the_machine)
}

fn is_code_of_the_machine(code: u32) -> bool {
    code != SHORT_READ && OF_THE_MACHINE.contains(&(code & 0xFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_and_what_is_no_database_are_known_by_their_codes() {
        assert_eq!(
            [None, Some(11), Some(267), Some(26), Some(14)].map(broken),
            [None, Some(true), Some(true), Some(false), None]
        );
    }

    #[test]
    fn damage_is_told_from_trouble() {
        assert!(is_said_of_the_machine(
            "*** in database main *** Tree 5 page 5: unable to get the page. error code=8458"
        ));
        assert!(is_said_of_the_machine("unable to get the page. error code=266\n"));
        for damage in ["unable to get the page. error code=11", "error code=522", "row 1 missing from index", ""] {
            assert!(!is_said_of_the_machine(damage), "{damage}");
        }
    }
}
