//! Why a database server cannot keep the journal, in words for people.

use std::fmt;

/// Why a database server cannot be used for the journal. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTrouble {
    /// Nobody answers there.
    Unreachable {
        /// What was tried, and how it failed.
        reason: String,
    },
    /// It does not answer any more.
    Silent {
        /// How long an answer was waited for, in seconds.
        seconds: u64,
    },
    /// TLS, or the certificate.
    Tls {
        /// What is wrong with it.
        reason: String,
    },
    /// It does not let this user in.
    LoginRefused {
        /// The server's words.
        reason: String,
    },
    /// There is no such database.
    NoDatabase {
        /// Its name.
        name: String,
    },
    /// It is a standby, or read-only.
    NotPrimary,
    /// It is older than what is supported.
    TooOld {
        /// Its version, as in `13.4`.
        version: String,
    },
    /// Its database does not keep UTF-8.
    Encoding {
        /// What it keeps.
        encoding: String,
    },
    /// The schema `keybatch` is not there, or has no tables yet.
    NoSchema,
    /// The schema is from an older keybatch.
    OlderSchema {
        /// Its version.
        version: i64,
        /// The version that this keybatch writes.
        known: i64,
    },
    /// The schema is from a newer keybatch.
    NewerSchema {
        /// Its version.
        version: i64,
        /// The newest version that this keybatch knows.
        known: i64,
    },
    /// The user may not do what is needed.
    NoRight {
        /// The server's words.
        reason: String,
    },
    /// A commit would not be durable.
    NotDurable {
        /// The setting that stays as it is.
        reason: String,
    },
    /// Another transaction keeps the head locked.
    Busy,
    /// Its clock and this machine's are too far apart: when another session's requests are surely over could not be told.
    Clocks {
        /// How far, in seconds.
        seconds: u64,
    },
    /// Another server than the one that a runner began with is the primary now, and may lack entries of other runners.
    Promoted,
    /// It does not have entries that it had acknowledged: a standby was promoted that lacked them, or an older copy was put back.
    LostEntries {
        /// How many entries it has.
        has: u64,
        /// How many it had.
        had: u64,
    },
}

impl ServerTrouble {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "check the host, the port and the network; nothing is lost: `resume` continues the run"
            }
            Self::Silent { .. } => {
                "see whether the server and the network are well; `resume` continues the run and finds out what was written"
            }
            Self::Tls { .. } => {
                "name the certificate authority with sslrootcert or PGSSLROOTCERT; sslmode says how much is verified"
            }
            Self::LoginRefused { .. } => {
                "give the password in PGPASSWORD, a PGPASSFILE that only you can read, or a service file; never in the address"
            }
            Self::NoDatabase { .. } => "name a database that exists, or have its administrator create it",
            Self::NotPrimary => {
                "name the primary server; of several hosts in the address, the one that is the primary is used"
            }
            Self::TooOld { .. } => "use PostgreSQL 14 or later",
            Self::Encoding { .. } => "use a database that was created with the encoding UTF8",
            Self::NoSchema => "have its owner make it with `keybatch journal migrate`",
            Self::OlderSchema { .. } => "have its owner bring it up to date with `keybatch journal migrate`",
            Self::NewerSchema { .. } => "update this keybatch",
            Self::NoRight { .. } => {
                "have the schema's owner grant the role for it (contrib/postgres/roles.sql): keybatch_reviewer reads, keybatch_runner runs batches, too, and keybatch_owner migrates"
            }
            Self::NotDurable { .. } => "have the server's administrator allow it, or use another server",
            Self::Busy => "look in pg_stat_activity for a transaction of keybatch that does not end",
            Self::Clocks { .. } => {
                "set the clock of this machine or of the server (chronyc tracking shows the former's)"
            }
            Self::Promoted => {
                "start the runners again: each one refuses to go on where it finds that entries are missing"
            }
            Self::LostEntries { .. } => {
                "have the newer server put back; where it is lost for good, `resume --accept-rollback --because TEXT` continues"
            }
        }
    }
}

impl fmt::Display for ServerTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { reason } => write!(f, "the server cannot be reached: {reason}"),
            Self::Silent { seconds } => write!(f, "the server did not answer within {seconds} s"),
            Self::Tls { reason } => write!(f, "no secure connection to the server: {reason}"),
            Self::LoginRefused { reason } => write!(f, "the server refused the login: {reason}"),
            Self::NoDatabase { name } => write!(f, "the server has no database {name}"),
            Self::NotPrimary => write!(f, "the server is a standby or read-only, and a session must write"),
            Self::TooOld { version } => write!(f, "the server is PostgreSQL {version}, which is too old"),
            Self::Encoding { encoding } => write!(f, "its encoding is {encoding}, not UTF8"),
            Self::NoSchema => write!(f, "the database has no schema keybatch yet"),
            Self::OlderSchema { version, known } => {
                write!(f, "its schema has version {version}, and this keybatch writes version {known}")
            }
            Self::NewerSchema { version, known } => {
                write!(f, "it was written by a newer keybatch (schema version {version}; this one knows {known})")
            }
            Self::NoRight { reason } => write!(f, "the user lacks a right: {reason}"),
            Self::NotDurable { reason } => write!(f, "a commit would not be durable: {reason}"),
            Self::Busy => write!(f, "another transaction keeps its head locked"),
            Self::Clocks { seconds } => write!(f, "the server's clock and this machine's are {seconds} s apart"),
            Self::Promoted => write!(f, "another server was promoted, which may lack entries of other runners"),
            Self::LostEntries { has, had } => {
                write!(f, "the server lost entries that it had acknowledged: it has {has} of {had}")
            }
        }
    }
}
