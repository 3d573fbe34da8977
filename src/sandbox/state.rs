//! A state directory: a world that survives its process.
//!
//! `world.json` is the world at first and never changes; `record.jsonl` is everything since. Both are plain text for
//! people and programs to read. The record is locked while a sandbox has it.

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
    /// There is a world in it already.
    #[error("{} already holds a sandbox world", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another sandbox has it.
    #[error("{} is in use by another sandbox", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// Its world is not accepted.
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
    /// Makes the directory and puts the world into it.
    ///
    /// # Errors
    /// Refuses a directory that holds a world already; an interrupted attempt leaves none.
    pub fn create(dir: &Path, world: World) -> Result<Self, StateDirError> {
        let io = |source| StateDirError::Io { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let record = lock(dir)?;
        let path = dir.join(WORLD);
        if path.try_exists().map_err(io)? {
            return Err(StateDirError::Exists { dir: dir.to_owned() });
        }
        // Written beside its place and moved there: half a world is never found.
        let draft = dir.join("world.json.new");
        let mut file = BufWriter::new(File::create(&draft).map_err(io)?);
        serde_json::to_writer(&mut file, &world).map_err(|error| io(error.into()))?;
        file.write_all(b"\n").and_then(|()| file.flush()).map_err(io)?;
        std::fs::rename(&draft, &path).map_err(io)?;
        Ok(Self { world, record, record_path: dir.join(RECORD) })
    }

    /// Takes a directory up again that [`StateDir::create`] made.
    ///
    /// # Errors
    /// The directory has no world, or another sandbox has it.
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
