//! Reads the journal's files without SQLite, which turns EIO into its error for a damaged database (11).

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::place::wal_path;

/// Read at once: a sector.
const PIECE: usize = 512;

/// Reads the database at `path` and its log from their beginning to their end.
///
/// # Errors
/// If the disk fails. A missing file is no error.
pub fn read_through(path: &Path) -> io::Result<()> {
    for path in [path, &wal_path(path)] {
        match File::open(path) {
            // Never closed: that would release all locks that this process's connections hold on the file (fcntl(2)).
            Ok(file) => read_all(&ManuallyDrop::new(file))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_all(file: &File) -> io::Result<()> {
    let (mut piece, mut at, size) = ([0; PIECE], 0, file.metadata()?.len());
    while at < size {
        match file.read_at(&mut piece, at) {
            Ok(0) => break,
            Ok(read) => at += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_and_what_cannot_be_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        read_through(&path).unwrap();
        std::fs::write(&path, [7; 3 * PIECE + 5]).unwrap();
        read_through(&path).unwrap();
        std::fs::create_dir(wal_path(&path)).unwrap();
        assert_eq!(read_through(&path).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
