//! Circles of files inside a room: files that need each other's names, directly or over others.
//!
//! A file needs another where its code, without comments, strings and tests, mentions a name that the other declares. A name that
//! a third file only hands on (`pub use`) leads to the file that declares it. What a file only declares (`mod`) or hands on, it does not need:
//! a parent that is a table of contents is in no circle. But a parent that calls a child is in one with it, if the child takes
//! a type or a constant from the parent: that belongs into a file beside the child.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Code, Path};

/// A file and its module.
struct File {
    /// From `src/`.
    path: String,
    module: Path,
    code: Code,
}

/// The circles among these files (path from `src/`, text): of each room that has some, the groups of files that need one another.
pub(crate) fn circles(files: &[(String, String)]) -> BTreeSet<Vec<String>> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| File { path: path.clone(), module: module_of(path), code: Code::read(text) })
        .collect();
    let tests: Vec<Path> =
        files.iter().flat_map(|file| file.code.tests.iter().map(|name| joined(&file.module, name))).collect();
    // With `#[path]`, a file stands beside its parent, and not below.
    let beside = |module: &Path| {
        tests.iter().any(|test| test.last() == module.last() && test.starts_with(&module[..module.len() - 1]))
    };
    let is_test = |file: &File| tests.iter().any(|test| file.module.starts_with(test)) || beside(&file.module);
    let files: Vec<_> = files.iter().filter(|file| !file.module.is_empty() && !is_test(file)).collect();
    let map = Map { files: files.iter().map(|file| (file.module.clone(), *file)).collect() };
    let needs: BTreeMap<&str, BTreeSet<&str>> =
        files.iter().map(|file| (file.path.as_str(), map.needed_by(file))).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        needs.keys().map(|path| (*path, reached_from(path, &needs))).collect();
    let mut circles = BTreeSet::new();
    for (path, others) in &reached {
        let group: Vec<_> = others.iter().filter(|other| reached[**other].contains(path)).copied().collect();
        if !group.is_empty() {
            circles.insert(group.into_iter().map(str::to_owned).collect());
        }
    }
    circles
}

/// Why the files of a circle are one: each with those of the circle that it needs, and by which names.
pub(crate) fn reasons(files: &[(String, String)], circle: &[String]) -> String {
    let read =
        |(path, text): &(String, String)| File { path: path.clone(), module: module_of(path), code: Code::read(text) };
    let files: Vec<_> = files.iter().map(read).collect();
    let map = Map { files: files.iter().map(|file| (file.module.clone(), file)).collect() };
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| circle.contains(&file.path)) {
        let needed = map.names_needed_by(file);
        for other in circle {
            let names: BTreeSet<_> = needed
                .iter()
                .filter(|(path, _)| path == other)
                .map(|(_, name)| name.last().unwrap().as_str())
                .collect();
            if !names.is_empty() {
                lines.push(format!(
                    "  {} needs {other} for {}",
                    file.path,
                    names.into_iter().collect::<Vec<_>>().join(", ")
                ));
            }
        }
    }
    lines.join("\n")
}

struct Map<'a> {
    files: BTreeMap<Path, &'a File>,
}

/// Names that are handed on are followed so far.
const MAX_HANDS: u32 = 8;

impl<'a> Map<'a> {
    fn needed_by(&self, file: &'a File) -> BTreeSet<&'a str> {
        self.names_needed_by(file).into_iter().map(|(path, _)| path).collect()
    }

    /// The other files of the room that this one needs, each with a name that it needs it for.
    fn names_needed_by(&self, file: &'a File) -> BTreeSet<(&'a str, Path)> {
        let imported = file.code.imports.values().filter(|import| !import.is_export).map(|import| &import.path);
        let mut needed = BTreeSet::new();
        for path in imported.chain(&file.code.paths) {
            // A module that is only brought in is needed for what is then taken from it.
            let Some(found) = self.declaring(file, path, MAX_HANDS).filter(|found| !found.is_module) else { continue };
            if found.file.path != file.path && found.file.module[0] == file.module[0] {
                needed.insert((found.file.path.as_str(), path.clone()));
            }
        }
        needed
    }

    /// The file that declares what `path` means in `file`; `None` for what is not ours.
    fn declaring(&self, file: &'a File, path: &Path, hands: u32) -> Option<Found<'a>> {
        let first = path.first()?.as_str();
        let mut module = match first {
            "crate" => Path::new(),
            "self" => file.module.clone(),
            "super" => file.module[..file.module.len() - 1].to_vec(),
            name if file.code.modules.contains(name) => joined(&file.module, name),
            name => {
                let import = file.code.imports.get(name).filter(|_| hands > 0)?;
                let whole = import.path.iter().chain(&path[1..]).cloned().collect();
                // A name that is imported under itself is of another crate.
                return (whole != *path).then(|| self.declaring(file, &whole, hands - 1)).flatten();
            }
        };
        for (index, name) in path.iter().enumerate().skip(1) {
            if name == "super" {
                module.pop();
            } else if self.files.contains_key(&joined(&module, name)) {
                module.push(name.clone());
            } else {
                let parent = *self.files.get(&module)?;
                if parent.module != file.module && parent.code.imports.contains_key(name) {
                    return self.declaring(parent, &path[index..].to_vec(), hands.checked_sub(1)?);
                }
                return Some(Found { file: parent, is_module: false });
            }
        }
        Some(Found { file: self.files.get(&module)?, is_module: true })
    }
}

struct Found<'a> {
    file: &'a File,
    /// The file as a whole, and no name in it.
    is_module: bool,
}

/// `cli/run.rs` is `cli::run`, `cli/mod.rs` is `cli`; `lib.rs` and `main.rs` are in no room.
fn module_of(path: &str) -> Path {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) { Path::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn joined(module: &Path, name: &str) -> Path {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// What a file needs, directly or over others: itself only where it is in a circle.
fn reached_from<'a>(path: &str, needs: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = needs[path].iter().copied().collect();
    while let Some(path) = next.pop() {
        if reached.insert(path) {
            next.extend(&needs[path]);
        }
    }
    reached
}
