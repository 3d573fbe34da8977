//! How long files and functions may be. Longer ones have a reason, and the lists of them may only become shorter.

use std::collections::BTreeMap;
use std::path::Path;

use super::{read, repository};

/// The most lines of a file: what can be read in one sitting.
const MOST_LINES: usize = 400;

/// The longer files, and why each is one piece.
const LONGER: [(&str, &str); 12] = [
    ("src/record/event.rs", "the fields of every kind of entry, read beside docs/JOURNAL.md"),
    ("src/verify/history/tests.rs", "journals that cannot be, kind by kind"),
    ("tests/campaigns/simulation/life.rs", "one life from its draw to its end"),
    ("tests/contract/cli.rs", "what each command says and how it exits"),
    ("tests/contract/network.rs", "each way in which a network fails"),
    ("tests/contract/settle.rs", "each way to settle a row, from outside"),
    ("tests/contract/skips.rs", "each reason to skip a row, from outside"),
    ("tests/contract/stops.rs", "each way to stop, from outside"),
    ("tests/library/manifest.rs", "each fault of a manifest, with its place and hint"),
    ("tests/library/review.rs", "each question of a reviewer, of one journal"),
    ("tests/library/story.rs", "one journal with everything in it"),
    ("tests/library/verify.rs", "each verdict, of one journal"),
];

/// How many functions of a file are longer than `clippy.toml` permits. The reason stands beside each.
const LONG_FUNCTIONS: [(&str, usize); 8] = [
    ("src/execute/decide/table.rs", 1),
    ("src/execute/decide/table/rules.rs", 1),
    ("src/execute/sentences.rs", 1),
    ("src/journal/sqlite/tests.rs", 2),
    ("src/verify/history.rs", 1),
    ("tests/campaigns/simulation/model.rs", 1),
    ("tests/docs/events.rs", 2),
    ("tests/library/story.rs", 1),
];

/// The attribute of a function that is longer, in two parts, so that this file does not count.
const EXPECTED: (&str, &str) = ("expect(clippy::", "too_many_lines");

/// All files of Rust code: path from the repository, and text.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<_> = ["src", "tests", "benches"].map(repository).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().display().to_string();
                files.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    files
}

fn a_file_is_no_longer_than_can_be_read_at_once() {
    let found: BTreeMap<_, _> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .collect();
    for (path, lines) in &found {
        assert!(
            LONGER.iter().any(|(longer, _)| longer == path),
            "{path} has {lines} lines: split it along its meaning"
        );
    }
    for (path, _) in LONGER {
        assert!(found.contains_key(path), "{path} is not too long any more: strike it from the list");
    }
}

fn a_function_that_is_too_long_says_why() {
    assert!(read("Cargo.toml").contains("\ntoo_many_lines = \"warn\"\n"));
    assert!(read("clippy.toml").contains("\ntoo-many-lines-threshold = 70\n"));
    let attribute = format!("{}{}", EXPECTED.0, EXPECTED.1);
    let found: BTreeMap<_, _> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.matches(&attribute).count()))
        .filter(|(_, functions)| *functions > 0)
        .collect();
    let listed: BTreeMap<_, _> =
        LONG_FUNCTIONS.iter().map(|(path, functions)| ((*path).to_owned(), *functions)).collect();
    assert_eq!(found, listed, "split what is new, and strike from the list what is gone");
}

crate::harness::tests![a_file_is_no_longer_than_can_be_read_at_once, a_function_that_is_too_long_says_why];
