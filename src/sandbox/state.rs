//! A state directory: a world that survives its process.
//!
//! `world.json` is the initial world and never changes; `record.jsonl` is everything since. Both are plain text that people
//! and programs can read. The record is locked while a sandbox uses it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::world::{World, WorldError};

const WORLD: &str = "world.json";
const RECORD: &str = "record.jsonl";

/// A directory that holds a world and its record, and the lock on it.
#[derive(Debug)]
pub struct StateDir {
    pub(super) world: World,
    pub(super) record: File,
    pub(super) record_path: PathBuf,
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It already holds a world.
    #[error("{} already holds a sandbox world", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another sandbox uses it.
    #[error("{} is in use by another sandbox", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// Its world is invalid.
    #[error("{} holds no usable sandbox world", dir.display())]
    World {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: WorldError,
    },
    /// Reading or writing failed.
    #[error("the sandbox state in {} cannot be read or written", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StateDir {
    /// Creates the directory and writes the world into it.
    ///
    /// # Errors
    /// If the directory already holds a world. An interrupted attempt leaves none.
    pub fn create(dir: &Path, world: World) -> Result<Self, StateDirError> {
        let io = |source| StateDirError::Io { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let record = lock(dir)?;
        let path = dir.join(WORLD);
        if path.try_exists().map_err(io)? {
            return Err(StateDirError::Exists { dir: dir.to_owned() });
        }
        // Written beside its place and moved there, so that nobody finds half a world.
        let draft = dir.join("world.json.new");
        let mut file = BufWriter::new(File::create(&draft).map_err(io)?);
        serde_json::to_writer(&mut file, &world).map_err(|error| io(error.into()))?;
        file.write_all(b"\n").and_then(|()| file.flush()).map_err(io)?;
        std::fs::rename(&draft, &path).map_err(io)?;
        Ok(Self { world, record, record_path: dir.join(RECORD) })
    }

    /// Opens a directory that [`StateDir::create`] made.
    ///
    /// # Errors
    /// If the directory has no world, or another sandbox uses it.
    pub fn open(dir: &Path) -> Result<Self, StateDirError> {
        let world =
            World::load(&dir.join(WORLD)).map_err(|source| StateDirError::World { dir: dir.to_owned(), source })?;
        Ok(Self { world, record: lock(dir)?, record_path: dir.join(RECORD) })
    }
}

fn lock(dir: &Path) -> Result<File, StateDirError> {
    let io = |source| StateDirError::Io { dir: dir.to_owned(), source };
    let record = OpenOptions::new().read(true).append(true).create(true).open(dir.join(RECORD)).map_err(io)?;
    match record.try_lock() {
        Ok(()) => Ok(record),
        Err(TryLockError::WouldBlock) => Err(StateDirError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}
