//! The files of signatures that are presented as approvals of a plan.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::{CliError, Code, Exit, shown};
use crate::record::approval::{MAKER_NAMESPACE, Presented, maker_file, named_in};
use crate::record::ssh::Signature;

/// Longer than any file with a signature that somebody sends.
const MAX_BYTES: u64 = 128 * 1024;

/// The signatures that were brought.
#[derive(Debug, Default)]
pub(in crate::cli) struct Gathered {
    /// As approvals.
    pub(in crate::cli) presented: Vec<Presented>,
    /// As the maker's.
    pub(in crate::cli) makers: Vec<Presented>,
}

/// Reads the signatures in `places`: files as they are called, and of directories those called `PLAN.<principal>.sig` and
/// `PLAN.maker.sig`. Without a place, the plan's own directory is meant; the maker's signature is looked for there in any case. They
/// come in the order of the places, and of their names.
///
/// # Errors
/// Where one cannot be read.
pub(in crate::cli) fn gather(plan: &Path, places: &[PathBuf]) -> Result<Gathered, CliError> {
    let own = plan.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let places = if places.is_empty() { std::slice::from_ref(&own) } else { places };
    let plan_name = plan.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let makers_name = maker_file(Path::new(&plan_name));
    let mut files = Vec::new();
    for place in places {
        if place.is_dir() {
            files.extend(in_directory(place, &plan_name).map_err(|error| unreadable(place, &error))?);
            let makers = if place == Path::new(".") { makers_name.clone() } else { place.join(&makers_name) };
            files.extend(makers.exists().then_some(makers));
        } else {
            files.push(place.clone());
        }
    }
    let mut gathered = Gathered::default();
    for path in &files {
        let one = read(path, &plan_name)?;
        let is_named = path.file_name() == makers_name.file_name();
        // A file that is named by itself may be called anything.
        let is_makers =
            is_named || Signature::parse(&one.text).is_ok_and(|signature| signature.namespace() == MAKER_NAMESPACE);
        if is_makers { &mut gathered.makers } else { &mut gathered.presented }.push(one);
    }
    let beside = maker_file(plan);
    if gathered.makers.is_empty() && beside.exists() {
        gathered.makers.push(read(&beside, &plan_name)?);
    }
    Ok(gathered)
}

fn read(path: &Path, plan_name: &str) -> Result<Presented, CliError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = text_of(path).map_err(|error| unreadable(path, &error))?;
    Ok(Presented { from: path.to_string_lossy().into_owned(), named: named_in(plan_name, &name), text })
}

fn in_directory(directory: &Path, plan_name: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(directory)? {
        let item = item?;
        if named_in(plan_name, &item.file_name().to_string_lossy()).is_some() {
            // A directory that is the plan's own is not named again in front of each file.
            found.push(if directory == Path::new(".") { item.file_name().into() } else { item.path() });
        }
    }
    found.sort();
    Ok(found)
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    let message = format!("the approvals in {} cannot be read: {error}", shown(&path.to_string_lossy()));
    CliError::new(Exit::Refused, message).code(Code::Approvals)
}
