//! Commands that are suggested can be pasted: they name the journal, the policy and the key that the present command was given by flag.

use crate::support::{Bench, Live};

/// The words of the command after `before` in one of the hints.
fn suggested(text: &str, before: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.split_once(before)).unwrap_or_else(|| panic!("{before}\n{text}")).1;
    shlex::split(line).unwrap()
}

/// The flags are repeated, quoted for a shell, and the command does what it says.
#[test]
fn what_was_given_by_flag_is_repeated_and_what_applies_anyway_is_not() {
    let mut bench = Bench::new();
    let directory = bench.home().join("my journals");
    std::fs::create_dir(&directory).unwrap();
    bench.move_journal(directory.join("it's.db"));
    let journal = bench.journal().display().to_string();
    let manifest = bench.manifest(&bench.world.keys("key", 3));
    let policy = bench.file("rules.toml", "maximum_deletes = 10\n").display().to_string();
    let stopped = bench.run(&manifest, &["--max-deletes", "1", "--policy", &policy]).exits(5);
    let run = stopped.json()["run"].as_str().unwrap().to_owned();
    let words = suggested(&stopped.stderr, "continue with: ");
    assert_eq!(words, ["keybatch", "resume", &run, "--journal", &journal, "--policy", &policy]);
    // The refusal, as an object and for people.
    let refused = bench.run(&manifest, &["--policy", &policy]).exits(11);
    let hint = refused.json()["hints"][0].as_str().unwrap().to_owned();
    assert_eq!(suggested(&hint, "continue it with: "), words);
    assert_eq!(suggested(&refused.stderr, "continue it with: "), words);
    // Without the policy it would be refused; as suggested, it runs.
    let bare = Live::of(bench.command(&["resume", &run, "--journal", &journal]).spawn().unwrap()).wait().exits(4);
    assert!(bare.stderr.contains("keybatch abandon RUN --journal"), "{bare}");
    Live::of(bench.command(&words[1..]).spawn().unwrap()).wait().exits(0);
    // A variable applies to the next command, too.
    bench.set("KEYBATCH_JOURNAL", &journal);
    bench.set("KEYBATCH_POLICY", &policy);
    let manifest = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 2).join("\n")));
    let mut args = Bench::run_args(&manifest, &["--max-deletes", "1"]);
    args.push("--yes".to_owned());
    let stopped = Live::of(bench.command(&args).spawn().unwrap()).wait().exits(5);
    let run = stopped.json()["run"].as_str().unwrap().to_owned();
    assert_eq!(suggested(&stopped.stderr, "continue with: "), ["keybatch", "resume", &run]);
}

/// A journal that a flag names and that is not there is a mistake, whatever is asked of it. The default one may be yet to come.
#[test]
fn a_journal_that_is_named_and_missing_is_an_error_of_every_command() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1)).display().to_string();
    let trail = bench.file("trail.json", "{\"Records\":[]}").display().to_string();
    let out = bench.home().join("out").display().to_string();
    let lines: [&[&str]; 17] = [
        &["runs"],
        &["log"],
        &["log", "latest"],
        &["show"],
        &["show", "0198c0de"],
        &["show", "latest", "key-1"],
        &["query", "SELECT 1"],
        &["verify"],
        &["export", "latest"],
        &["prove", "latest", "1", "-o", &out],
        &["reconcile", "latest", "--cloudtrail", &trail],
        &["checkpoint"],
        &["resume", "0198c0de"],
        &["abandon", "0198c0de", "--because", "test"],
        &["resolve", "0198c0de", "1", "--outcome", "gone", "--because", "test"],
        &["run", "--only", "failed", "--of", "latest", "--yes"],
        &["journal", "archive"],
    ];
    for line in lines {
        let done = bench.keybatch(&[line, &["--output", "json"]].concat()).exits(9);
        assert_eq!(done.json()["code"], "journal.missing", "{line:?}\n{done}");
        assert!(done.stderr.contains("there is no journal at"), "{line:?}\n{done}");
    }
    assert!(!bench.journal().exists());
    // A `resume` of whatever is unfinished has nothing to do.
    bench.keybatch(&["resume"]).exits(0);
    // Where none is named, lists are empty, and there is nothing to resume.
    for line in [&["runs"][..], &["log"], &["show"], &["resume"]] {
        let done = Live::of(bench.command(line).spawn().unwrap()).wait().exits(0);
        assert!(done.stderr.contains("no journal"), "{done}");
    }
    // A run makes the one that is named.
    bench.keybatch(&["run", &manifest, "--yes"]).exits(0);
    bench.keybatch(&["runs"]).exits(0);
}
