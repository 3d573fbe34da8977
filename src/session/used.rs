//! Files that a session works with: what is appended to one of them would spoil it.

use crate::journal::Location;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{Refusal, Sent, SessionError};

/// The files of a journal, by the suffix of their name, and what messages call them.
const OF_THE_JOURNAL: [(&str, &str); 5] = [
    ("", "the journal itself"),
    ("-wal", "a file of the journal"),
    ("-shm", "a file of the journal"),
    ("-journal", "a file of the journal"),
    (".lock", "the lock file of the journal"),
];

/// Refuses a file of checkpoints that is one of those which the session works with, by whatever name: what is appended
/// there would spoil the journal, or be taken for rows. `read` are files that the session reads, with what they are.
///
/// # Errors
/// The refusal.
pub fn refuse_used(path: Option<&Path>, journal: &Location, read: &[(&Path, &str)]) -> Result<(), SessionError> {
    let Some(path) = path else { return Ok(()) };
    let of_the_journal = OF_THE_JOURNAL.into_iter().filter_map(|(suffix, what)| {
        let mut name = journal.file()?.as_os_str().to_owned();
        name.push(suffix);
        Some((PathBuf::from(name), what))
    });
    let read = read.iter().map(|(path, what)| (path.to_path_buf(), *what));
    match of_the_journal.chain(read).find(|(used, _)| is_same(path, used)) {
        None => Ok(()),
        Some((_, what)) => {
            let refusal = Refusal::FileInUse { what: what.to_owned(), path: path.to_owned() };
            Err(SessionError::new(refusal).sent(Sent::Nothing))
        }
    }
}

/// Whether both are the same file, or would be once they are made.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| std::path::absolute(path).map(|path| made_at(&path, MAX_LINKS));
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => place(one).is_ok_and(|one| place(other).is_ok_and(|other| one == other)),
    }
}

/// Links that lead nowhere yet are followed so far, as Linux does.
const MAX_LINKS: u32 = 40;

/// Where the file of that absolute path is, or would be made: its directories may be missing, too.
fn made_at(path: &Path, links: u32) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let Some(parent) = path.parent() else { return path.to_owned() };
    let parent = made_at(parent, links);
    match path.file_name().map(|name| parent.join(name)) {
        // The path ends with `..`, after a directory that is missing.
        None => parent.parent().unwrap_or(&parent).to_owned(),
        Some(place) => match place.read_link() {
            Ok(target) if links > 0 => made_at(&parent.join(target), links - 1),
            _ => place,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_any_of_its_names() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("there"), "").unwrap();
        std::fs::hard_link(at("there"), at("hard")).unwrap();
        symlink("there", at("soft")).unwrap();
        symlink("new/../not-there", at("dangling")).unwrap();
        symlink("round", at("round")).unwrap();
        symlink(directory.path(), at("self")).unwrap();
        for (one, other) in [
            ("there", "hard"),
            ("there", "soft"),
            ("hard", "soft"),
            ("self/there", "there"),
            ("not-there", "dangling"),
            ("not-there", "self/self/not-there"),
            ("new/newer/not-there", "self/new/./newer/x/../not-there"),
            ("round", "round"),
        ] {
            assert!(is_same(&at(one), &at(other)) && is_same(&at(other), &at(one)), "{one}, {other}");
        }
        for (one, other) in [("there", "not-there"), ("new/not-there", "not-there"), ("round", "there")] {
            assert!(!is_same(&at(one), &at(other)) && !is_same(&at(other), &at(one)), "{one}, {other}");
        }
    }
}
