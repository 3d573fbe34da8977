//! Removes the files that readers leave beside a journal. Every connection to a journal creates the files of SQLite's
//! write-ahead log. The last connection that closes removes them, but only if it may write, and a reader's may not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _};

use super::open::{options, pragma};
use super::place::{is_writable, wal_path};
use crate::journal::JournalError;

/// How long to wait for another program that has the journal locked at that moment. The files do no harm.
const PATIENCE: Duration = Duration::from_millis(200);

/// What SQLite puts beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The files that readers are going to leave beside a journal that has none.
#[derive(Debug, Clone)]
pub struct Leftovers(PathBuf);

impl Leftovers {
    /// Of readers that open the journal at `path` from now on. `None` if any of the files is there already, because then it is
    /// somebody else's, or if this process could not remove them.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        // SQLite follows links, too.
        let path = path.canonicalize().ok()?;
        let none = BESIDE.iter().all(|suffix| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            fs::symlink_metadata(name).is_err()
        });
        let removable = is_writable(&path) && rustix::fs::access(&path, rustix::fs::Access::WRITE_OK).is_ok();
        (none && removable).then_some(Self(path))
    }

    /// Whether any of them is there.
    #[must_use]
    pub fn are_there(&self) -> bool {
        Self::of(&self.0).is_none()
    }

    /// Removes them, once these readers have been closed. A log that holds anything is a session's and stays, and so do files
    /// that another program is using.
    pub async fn remove(self) {
        if fs::metadata(wal_path(&self.0)).is_ok_and(|metadata| metadata.len() == 0)
            && let Err(error) = open_and_close(&self.0).await
        {
            tracing::debug!(%error, "the files beside the journal stay");
        }
    }
}

/// Opens the journal with the right to write, reads, and closes it: if no other connection is open, SQLite removes the files.
/// It does so under its own locks, which a session or a reader that is just opening the journal respects.
async fn open_and_close(path: &Path) -> Result<(), JournalError> {
    let mut connection = options(path).busy_timeout(PATIENCE).connect().await.map_err(JournalError::sql)?;
    let read = pragma(&mut connection, "schema_version").await;
    connection.close().await.map_err(JournalError::sql)?;
    read.map(drop)
}
