//! Which files hold CloudTrail's records.

use std::fs;
use std::path::{Path, PathBuf};

/// How deep folders are searched: a trail's are account, service, region, year, month and day, below a bucket and prefixes.
const DEEPEST: usize = 32;

/// What a name ends with where it is read without being named itself.
const ENDINGS: [&str; 6] = [".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz"];

/// A place that holds records, and why it cannot be read where that is so.
#[derive(Debug)]
pub(super) enum Found {
    File(PathBuf),
    /// A folder, or a file that is not there.
    Unreadable(PathBuf, std::io::Error),
}

/// Files, and how many others stand beside them in the folders.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) found: Vec<Found>,
    pub(super) passed_over: u64,
}

impl Files {
    /// The files that are named, and those in the folders that are named, in the order of their names. Links to folders are
    /// followed only where they are named.
    pub(super) fn of(named: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in named {
            match fs::metadata(path) {
                _ if path.as_os_str() == "-" => files.found.push(Found::File(path.clone())),
                Ok(metadata) if metadata.is_dir() => files.folder(path, 0),
                Ok(_) => files.found.push(Found::File(path.clone())),
                Err(error) => files.found.push(Found::Unreadable(path.clone(), error)),
            }
        }
        files
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        let listed = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => return self.found.push(Found::Unreadable(folder.to_owned(), error)),
        };
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().to_lowercase();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth < DEEPEST {
                self.folder(&path, depth + 1);
            } else if !is_folder && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                self.found.push(Found::File(path));
            } else {
                self.passed_over += 1;
            }
        }
    }
}
