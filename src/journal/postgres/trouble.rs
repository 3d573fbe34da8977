//! What the driver's errors mean. The server's codes decide, never its words.

use std::fmt;

use super::address::Address;
use crate::journal::error::{Blame, Failure};
use crate::journal::{JournalError, ServerTrouble};

/// What an entry that fits nothing is answered with by `keybatch.append`.
const MISFIT: &str = "KB001";

/// What `keybatch.settings` answers where a commit would not be durable.
const NOT_DURABLE: &str = "KB002";

/// An error of the driver's, with the server's code for it.
#[derive(Debug)]
struct Failed {
    code: Option<String>,
    error: sqlx::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.as_database_error() {
            // What a statement was about stays out of it: a value could be in it.
            Some(error) => write!(f, "{} (SQLSTATE {})", error.message(), self.code.as_deref().unwrap_or("unknown")),
            None => self.error.fmt(f),
        }
    }
}

impl std::error::Error for Failed {}

impl Failure for Failed {
    fn blame(&self) -> Blame {
        match self.code.as_deref() {
            Some("53100") => Blame::FullDisk,
            Some("XX001" | "XX002") => Blame::DamageOrDisk,
            Some(code) if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Blame::Machine,
            None if matches!(self.error, sqlx::Error::Io(_)) => Blame::Machine,
            _ => Blame::Unknown,
        }
    }
}

/// The server's code for an error.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the whole transaction is to be tried again: it was rolled back for the sake of another one.
pub(super) fn is_to_be_repeated(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// The same of what became of such an error.
pub(super) fn gave_way(error: &JournalError) -> bool {
    let JournalError::Database { source, .. } = error else { return false };
    source.downcast_ref::<Failed>().is_some_and(|failed| is_to_be_repeated(&failed.error))
}

/// Whether the connection can be used further after an error.
pub(super) fn leaves_the_connection(error: &sqlx::Error) -> bool {
    let known = |code: &str| code == "55P03" || ["23", "40", "42", "KB"].iter().any(|class| code.starts_with(class));
    code(error).is_some_and(|code| known(&code))
}

/// What is wrong where a connection could not be made.
pub(super) fn refused(address: &Address, error: sqlx::Error) -> JournalError {
    let said = || error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let trouble = match (&error, code(&error).as_deref()) {
        (_, Some(code)) if code.starts_with("28") => ServerTrouble::LoginRefused { reason: said() },
        (_, Some("3D000")) => ServerTrouble::NoDatabase { name: address.database().to_owned() },
        // Too many connections, or it starts or stops.
        (_, Some(code)) if code.starts_with("53") || code.starts_with("57") => {
            ServerTrouble::Unreachable { reason: said() }
        }
        // That is how the driver hands on what TLS says.
        (sqlx::Error::Io(error), _) if error.kind() == std::io::ErrorKind::InvalidData => {
            ServerTrouble::Tls { reason: error.to_string() }
        }
        (sqlx::Error::Io(error), _) => ServerTrouble::Unreachable { reason: error.to_string() },
        (sqlx::Error::Tls(error), _) => ServerTrouble::Tls { reason: error.to_string() },
        (sqlx::Error::Configuration(error), _) => ServerTrouble::Tls { reason: error.to_string() },
        _ => return failed(address, error),
    };
    of(address, trouble)
}

/// What is wrong where a statement failed.
pub(super) fn failed(address: &Address, error: sqlx::Error) -> JournalError {
    let said = || error.as_database_error().map_or_else(String::new, |error| error.message().to_owned());
    let code = code(&error);
    let trouble = match code.as_deref() {
        Some("42501") => ServerTrouble::NoRight { reason: said() },
        Some("25006") => ServerTrouble::NotPrimary,
        Some("3F000" | "42P01" | "42883") => ServerTrouble::NoSchema,
        Some("55P03") => ServerTrouble::Busy,
        Some(NOT_DURABLE) => ServerTrouble::NotDurable { reason: said() },
        Some(MISFIT) => {
            return JournalError::damaged(format!("an entry does not fit what is recorded of its row ({})", said()));
        }
        _ => return JournalError::sql(Failed { code, error }),
    };
    of(address, trouble)
}

/// A trouble with the server at this address.
pub(super) fn of(address: &Address, trouble: ServerTrouble) -> JournalError {
    JournalError::Server { address: address.to_string(), trouble }
}
