//! Archiving a journal: the file keeps its entries under another name and can only be read, and a new journal that names it takes
//! its place.
//!
//! Whenever this is interrupted, the journal's place has either the old journal or the new one, each of them complete: the new
//! one is made beside it, and takes the place in one step (`rename`), after the old one has its second name (`link`).

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::{ConnectOptions as _, Connection as _};

use super::open::{options, pragma};
use super::store::SqliteStore;
use crate::domain::Clock;
use crate::journal::{Journal, JournalError};
use crate::record::event::Previous;

/// What SQLite and keybatch may put beside a journal.
const BESIDE: [&str; 5] = ["", "-wal", "-shm", "-journal", ".lock"];

/// Where the archived journal with this id lies, of the journal at `path`: `journal.db` becomes `journal-ID.db`, beside it.
#[must_use]
pub fn archive_path(path: &Path, id: &str) -> PathBuf {
    // An id is not ours to trust: it comes from a journal.
    let id: String = id.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{id}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Puts a new journal with the id `new_id`, which continues `previous`, in the place of the journal at `path`, which is that and is
/// closed. The caller holds its lock. Returns where the old one is now.
///
/// # Errors
/// If the old journal is in use, or a file cannot be written. Then the old journal is where it was.
pub async fn archive(
    path: &Path,
    previous: Previous,
    new_id: String,
    clock: Arc<dyn Clock>,
) -> Result<PathBuf, JournalError> {
    let archive = archive_path(path, &previous.id);
    refuse_taken(path, &archive)?;
    leave_log(path).await?;
    let new = beside(path, ".new");
    for suffix in BESIDE {
        match fs::remove_file(beside(&new, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&new, "replaced", &error)),
            _ => {}
        }
    }
    Journal::found(SqliteStore::open(&new, clock).await?, new_id, previous).await?;
    let synced = File::open(&new).and_then(|file| file.sync_all());
    synced.map_err(|error| unusable(&new, "synchronised", &error))?;
    match fs::hard_link(path, &archive) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_taken(path, &archive)?,
        linked => linked.map_err(|error| unusable(&archive, "made", &error))?,
    }
    // The second name is durable before the first one is given away.
    sync_directory(path)?;
    fs::rename(&new, path).map_err(|error| unusable(path, "replaced", &error))?;
    sync_directory(path)?;
    let sealed = fs::set_permissions(&archive, Permissions::from_mode(0o400));
    sealed.and_then(|()| File::open(&archive)?.sync_all()).map_err(|error| unusable(&archive, "sealed", &error))?;
    Ok(archive)
}

/// Gives up the write-ahead log, so that one file is the whole journal, also for readers that may not write beside it.
///
/// # Errors
/// If another program has the journal open.
pub async fn leave_log(path: &Path) -> Result<(), JournalError> {
    let in_use = |why: String| JournalError::Unusable {
        path: path.to_owned(),
        reason: format!("another program has it open: {why}"),
    };
    let mut connection = options(path).connect().await.map_err(JournalError::sql)?;
    let left = sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut connection).await;
    let mode = pragma(&mut connection, "journal_mode").await;
    connection.close().await.map_err(JournalError::sql)?;
    left.map_err(|error| in_use(error.to_string()))?;
    match mode?.as_str() {
        "delete" => Ok(()),
        other => Err(in_use(format!("its write-ahead log cannot be left ({other})"))),
    }
}

/// Another file must not lie where the archive is to be; the journal itself may, after an interruption.
fn refuse_taken(path: &Path, archive: &Path) -> Result<(), JournalError> {
    let inode = |file: &Path| fs::symlink_metadata(file).map(|found| (found.dev(), found.ino()));
    match inode(archive) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if inode(path).is_ok_and(|own| own == found) => Ok(()),
        Ok(_) => Err(JournalError::Unusable { path: archive.to_owned(), reason: "another file is there".into() }),
        Err(error) => Err(unusable(archive, "made", &error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync_directory(path: &Path) -> Result<(), JournalError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.map_err(|error| unusable(parent, "synchronised", &error))
}

fn unusable(path: &Path, done: &str, error: &io::Error) -> JournalError {
    JournalError::Unusable { path: path.to_owned(), reason: format!("it cannot be {done}: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_lies_beside_its_journal_whatever_its_id_says() {
        let of = |path: &str, id: &str| archive_path(Path::new(path), id).display().to_string();
        assert_eq!(of("/a/journal.db", "0198-c0de"), "/a/journal-0198-c0de.db");
        assert_eq!(of("journal", "x"), "journal-x");
        assert_eq!(of("/a/j.x.db", "../../etc"), "/a/j.x-etc.db");
    }
}
