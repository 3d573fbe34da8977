//! Several journals at once: named one by one, or as the directory that holds them. One that cannot be read hides none of the others.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{CliError, Code, Environment, Exit, Ui, shown};
use crate::journal::{Address, Location, is_address};

/// Where SQLite keeps the mark of a journal, and the mark.
const MARK: (usize, &[u8; 4]) = (68, b"KBTH");

/// Where the journal is that is named, or where it is by default. A command that is about none needs none.
///
/// # Errors
/// If an address cannot be understood, or nothing says where the journal is.
pub(super) fn location(
    named: Option<&PathBuf>,
    is_about_a_journal: bool,
    environment: &Environment,
) -> Result<Location, CliError> {
    let default = environment.default_journal();
    if let Some(address) = named.and_then(|name| name.to_str()).filter(|name| is_address(name)) {
        let address = Address::parse(address, &|name| environment.variable(name).map(str::to_owned))?;
        // What a session keeps on this machine of it has a name of its own.
        let name: String =
            address.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let beside = default.unwrap_or_else(|| std::env::temp_dir().join("journal.db")).with_file_name(name);
        return Ok(Location::server(address, beside));
    }
    if let Some((scheme, _)) = named.and_then(|name| name.to_str()).and_then(|name| name.split_once("://")) {
        return Err(CliError::new(Exit::Usage, format!("--journal: {}:// is no place of a journal", shown(scheme)))
            .hint("name a file by its path, or a database by postgres://USER@HOST/DATABASE"));
    }
    let none = || (!is_about_a_journal).then(PathBuf::new);
    let path = named.cloned().or(default).or_else(none).ok_or_else(|| {
        CliError::new(Exit::Usage, "cannot determine where the journal is: neither HOME nor XDG_DATA_HOME is set")
            .hint("name it with --journal or KEYBATCH_JOURNAL")
    })?;
    Ok(path.into())
}

/// Whether these are to be treated as many: several, or a directory, however many it holds.
pub(super) fn are_many(named: &[PathBuf]) -> bool {
    named.len() > 1 || named.iter().any(|path| path.is_dir())
}

/// The journals that are named, directories replaced by what they hold; each file once.
///
/// # Errors
/// If a directory cannot be read, or holds none.
pub(super) fn expand(named: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    if named.iter().any(|name| name.to_str().is_some_and(is_address)) {
        return Err(CliError::new(
            Exit::Usage,
            "a journal in a database is read by itself, and --journal names several",
        )
        .hint("name one database, or several files"));
    }
    let mut all = Vec::new();
    for path in named {
        if path.is_dir() {
            all.extend(of_directory(path)?);
        } else {
            all.push(path.clone());
        }
    }
    // An archive may have two names for a moment.
    let mut seen = BTreeSet::new();
    all.retain(|path| std::fs::metadata(path).map_or(true, |found| seen.insert((found.dev(), found.ino()))));
    Ok(all)
}

fn of_directory(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let shown = shown(&directory.to_string_lossy());
    let listed = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let listed = listed.map_err(|error| {
        CliError::new(Exit::Environment, format!("{shown} cannot be read: {error}")).code(Code::JournalUnusable)
    })?;
    let mut found: Vec<_> = listed.into_iter().map(|item| item.path()).filter(|path| may_be_one(path)).collect();
    found.sort();
    if found.is_empty() {
        let message = format!("there is no journal in {shown}");
        return Err(CliError::new(Exit::Environment, message).code(Code::JournalMissing));
    }
    Ok(found)
}

/// A file that has the mark of a journal, or is called like one: it may be damaged.
fn may_be_one(path: &Path) -> bool {
    path.is_file() && (path.extension().is_some_and(|extension| extension == "db") || has_mark(path))
}

fn has_mark(path: &Path) -> bool {
    let mut head = [0; 72];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head[MARK.0..] == MARK.1[..]
}

/// Says what is wrong with one of several journals. Standard output goes on without it.
pub(super) fn complain(ui: &Ui, journal: &Path, mut error: CliError) -> Exit {
    error.message = format!("{}: {}", journal.to_string_lossy(), error.message);
    ui.complain(&error);
    error.exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_something_else_is_not_taken_for_a_file() {
        let named = PathBuf::from("mysql://db/journal");
        let refused = location(Some(&named), true, &Environment::default()).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.message.contains("mysql://"), "{}", refused.message);
    }

    #[test]
    fn a_directory_stands_for_the_journals_in_it_and_each_file_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut marked = vec![0; 72];
        marked[68..].copy_from_slice(b"KBTH");
        let (one, two) = (file("b.db", b"damaged"), file("a-journal", &marked));
        file("b.db-wal", b"x");
        file("notes.txt", &[0; 100]);
        std::fs::hard_link(&one, directory.path().join("c.db")).unwrap();
        let of = |named: &[PathBuf]| expand(named).unwrap();
        assert_eq!(of(&[directory.path().to_owned()]), [two.clone(), one.clone()]);
        assert_eq!(of(&[one.clone(), directory.path().to_owned()]), [one.clone(), two]);
        let missing = directory.path().join("missing.db");
        assert_eq!(of(&[missing.clone(), missing.clone()]), [missing.clone(), missing.clone()]);
        assert!(!are_many(&[missing]) && are_many(&[directory.path().to_owned()]));
        assert!(expand(&[tempfile::tempdir().unwrap().path().to_owned()]).is_err());
    }
}
