//! The file that the textfile collector of the node exporter reads.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::new_file::{directory, with_more};

/// What every such file begins with.
const BEGINNING: &[u8] = b"# HELP keybatch_";

/// The collector runs as another user.
const MODE: u32 = 0o644;

/// The file, which is replaced as a whole each time.
#[derive(Debug, Clone)]
pub(super) struct MetricsFile {
    path: PathBuf,
    /// What it is called until it is whole: nothing that a collector reads, and the same each time, so that a killed session leaves
    /// one at most.
    unfinished: PathBuf,
}

impl MetricsFile {
    /// Puts the first text there, so that a file which cannot be written is refused before anything is sent.
    ///
    /// # Errors
    /// If it cannot be written, or there is a file that is not one of metrics: it would be lost.
    pub(super) fn begin(path: &Path, text: &str) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        let path = std::path::absolute(path)?;
        if !is_ours(&path)? {
            return Err(io::Error::other("there is a file that was not written by --metrics-file"));
        }
        let hidden = directory(&path).join(format!(".{}", name.to_string_lossy()));
        let file = Self { unfinished: with_more(&hidden, ".unfinished"), path };
        file.replace(text)?;
        Ok(file)
    }

    /// Replaces it. Readers see the old text or the new one. It need not outlast a power failure, and is not synchronised: that
    /// would cost the journal's disk time.
    ///
    /// # Errors
    /// If it cannot be replaced; it is then as it was.
    pub(super) fn replace(&self, text: &str) -> io::Result<()> {
        let written = self.write(text).and_then(|()| fs::rename(&self.unfinished, &self.path));
        if written.is_err() {
            let _gone = fs::remove_file(&self.unfinished);
        }
        written
    }

    fn write(&self, text: &str) -> io::Result<()> {
        // Not through a link that somebody put there.
        match fs::remove_file(&self.unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&self.unfinished)?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text.as_bytes())
    }
}

/// Whether there is no file of that name yet, or one that an earlier session wrote. A link is followed by nothing: it would be
/// replaced, and not what it leads to.
fn is_ours(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(about) if !about.is_file() => return Ok(false),
        Ok(about) if about.len() == 0 => return Ok(true),
        Ok(_) => {}
    }
    let mut begins = [0; BEGINNING.len()];
    match File::open(path)?.read_exact(&mut begins) {
        Ok(()) => Ok(begins == BEGINNING),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_as_a_whole_readable_by_all_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keybatch.prom");
        let file = MetricsFile::begin(&path, "# HELP keybatch_x x\n").unwrap();
        file.replace("# HELP keybatch_y y\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# HELP keybatch_y y\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        MetricsFile::begin(&path, "# HELP keybatch_z z\n").unwrap();
    }

    #[test]
    fn a_file_of_something_else_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deletions.csv");
        fs::write(&path, "key_pair_name\none\n").unwrap();
        let link = directory.path().join("link.prom");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for taken in [&path, &link, &directory.path().to_owned()] {
            MetricsFile::begin(taken, "# HELP keybatch_x x\n").unwrap_err();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "key_pair_name\none\n");
    }

    #[test]
    fn what_an_unfinished_name_leads_to_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("other");
        fs::write(&other, "kept").unwrap();
        std::os::unix::fs::symlink(&other, directory.path().join(".k.prom.unfinished")).unwrap();
        MetricsFile::begin(&directory.path().join("k.prom"), "# HELP keybatch_x x\n").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    }
}
