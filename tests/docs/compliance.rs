//! `docs/COMPLIANCE.md` and `docs/REVIEWING.md` claim what keybatch does: each claim names a promise or a command, and what they name
//! exists.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{help, promises, read, repository, table};

const PAGES: [&str; 2] = ["docs/COMPLIANCE.md", "docs/REVIEWING.md"];

/// The numbers of promises that a text names: a P, digits, and no other letter around.
fn numbers(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    let is_number = |word: &&str| {
        let digits = word.strip_prefix('P').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    words.filter(is_number).map(str::to_owned).collect()
}

/// The command lines of keybatch that a text names: in backquotes, or as lines of a shell.
fn named(text: &str) -> Vec<String> {
    let fenced = text.split("```sh\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let lines = fenced.flat_map(str::lines).filter(|line| line.starts_with("keybatch "));
    let quoted =
        text.lines().filter(|line| !line.starts_with("```")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let quoted = quoted.filter(|code| code.starts_with("keybatch "));
    quoted.chain(lines).map(str::to_owned).collect()
}

fn the_promises_that_are_named_exist() {
    let promised: BTreeSet<_> = promises::promises().into_iter().map(|(number, _)| number).collect();
    for page in PAGES {
        let unknown: Vec<_> = numbers(&read(page)).difference(&promised).cloned().collect();
        assert!(unknown.is_empty(), "{page} names promises that nobody makes: {unknown:?}");
    }
    assert!(numbers(&read(PAGES[0])).len() > 40);
}

/// Each command exists, and has the options that stand behind it.
fn the_commands_that_are_named_exist() {
    let commands: BTreeSet<_> = help::commands(&[]).into_iter().collect();
    let mut helps = BTreeMap::<String, String>::new();
    let mut found = 0;
    for page in PAGES {
        for line in named(&read(page)) {
            let words: Vec<&str> = line.split(' ').skip(1).collect();
            let command = (1..=2).rev().filter_map(|count| Some(words.get(..count)?.join(" ")));
            let command = command.into_iter().find(|command| commands.contains(command));
            let command = command.unwrap_or_else(|| panic!("{page}: there is no such command: {line}"));
            let help = helps.entry(command.clone()).or_insert_with(|| {
                let mut program = Command::new(env!("CARGO_BIN_EXE_keybatch"));
                let output = program.arg("help").args(command.split(' ')).env_clear().output().unwrap();
                String::from_utf8(output.stdout).unwrap()
            });
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap();
                let is_there =
                    help.split([' ', '\n', ',']).any(|word| word == option || word.starts_with(&format!("{option}[")));
                assert!(is_there, "{page}: {command} has no {option}: {line}");
            }
            found += 1;
        }
    }
    assert!(found > 30, "{found} commands");
}

/// No row of a table of controls rests on nothing.
fn each_control_is_answered_by_a_promise_or_a_command() {
    let page = read(PAGES[0]);
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
    let mut rows = 0;
    for heading in headings {
        for cells in table(&page, heading) {
            let (answer, left) = (&cells[cells.len() - 2], &cells[cells.len() - 1]);
            let rests = !numbers(answer).is_empty() || !named(answer).is_empty();
            assert!(rests || answer.starts_with("nothing"), "{}: {answer}", cells[0]);
            assert!(rests || !left.is_empty(), "{}: nothing answers it, and nothing is said of that", cells[0]);
            rows += 1;
        }
    }
    assert!(rows > 30, "{rows} controls");
    for control in 2..=12 {
        assert!(page.contains(&format!("| AU-{control} |")), "AU-{control}");
    }
}

fn the_pages_that_are_linked_exist() {
    for page in PAGES {
        for target in read(page).split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            assert!(repository("docs").join(target).exists(), "{page} links {target}");
        }
        let name = page.trim_start_matches("docs/");
        assert!(read("README.md").contains(&format!("(docs/{name})")), "README.md does not name {page}");
    }
}

crate::harness::tests![
    the_promises_that_are_named_exist,
    the_commands_that_are_named_exist,
    each_control_is_answered_by_a_promise_or_a_command,
    the_pages_that_are_linked_exist
];
