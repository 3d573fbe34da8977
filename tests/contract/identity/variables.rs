//! Empty variables and switches, for every option that a variable stands for, whichever part of the program adds it.

use std::collections::BTreeMap;

use crate::support::Bench;

/// The variables that options of these commands have, and whether the option is a switch: as `--help` prints them.
fn variables(bench: &Bench) -> BTreeMap<String, bool> {
    let text = |args: &[&str]| String::from_utf8(bench.command(args).output().unwrap().stdout).unwrap();
    let top = text(&["--help"]);
    let commands = top.split("Commands:").nth(1).unwrap().lines();
    let commands = commands.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let mut found = BTreeMap::new();
    for command in commands.filter(|command| *command != "help" && !command.starts_with('-')) {
        let help = text(&[command, "--help"]);
        let mut switch = false;
        for line in help.lines().map(str::trim) {
            // Values are listed below an option behind a hyphen and a space.
            if line.starts_with('-') && !line.starts_with("- ") {
                switch = !line.contains('<');
            }
            if let Some(rest) = line.split_once("[env: ") {
                found.insert(rest.1.split(['=', ']']).next().unwrap().to_owned(), switch);
            }
        }
    }
    found
}

/// As a workflow passes inputs that nobody filled in: exit 2 or 9 for 11 of 14 variables in version 0.1.0
/// (`docker run --env-file`, GitHub's `env: X: ${{ inputs.x }}`).
#[test]
fn empty_variables_are_not_set() {
    let mut bench = Bench::new();
    let names = variables(&bench);
    assert!(names.len() > 20 && names["KEYBATCH_QUIET"] && !names["KEYBATCH_RATE"], "{names:#?}");
    bench.world.key("probe");
    let manifest = bench.manifest(&["probe"]);
    // The bench sets some of them.
    for name in names.keys() {
        bench.unset(name);
    }
    let plan =
        |bench: &Bench| bench.run_unconfirmed(&manifest, &["--dry-run"]).exits(0).json()["plan"]["deletes"].clone();
    let without = plan(&bench);
    for name in names.keys().map(String::as_str).chain(["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE"]) {
        bench.set(name, "");
    }
    assert_eq!(plan(&bench), without);
    bench.keybatch(&["doctor"]).exits(0);
}

/// `KEYBATCH_QUIET=1` was a usage error: clap alone takes nothing but `true` and `false`.
#[test]
fn switches_take_the_words_that_people_use() {
    let mut bench = Bench::new();
    let switches: Vec<_> = variables(&bench).into_iter().filter_map(|(name, switch)| switch.then_some(name)).collect();
    assert!(switches.len() >= 3, "{switches:?}");
    // One of the switches is about this command.
    bench.set("KEYBATCH_CHECKPOINT_EXEC", "true");
    for name in &switches {
        for word in ["1", "yes", "ON", "True", "0", "No", "off", "FALSE"] {
            bench.set(name, word);
            // The manifest is not there, which is found after every argument was read.
            bench.keybatch(&["run", "not-there.csv", "--yes"]).exits(4);
        }
        bench.set(name, "perhaps");
        let done = bench.keybatch(&["run", "not-there.csv", "--yes"]);
        assert!(done.code == Some(2) || !done.stderr.is_empty(), "{name}\n{done}");
        bench.unset(name);
    }
}

/// An empty AWS_REGION hid AWS_DEFAULT_REGION, since the SDK takes the empty text for a region.
#[test]
fn an_empty_region_does_not_hide_another() {
    let mut bench = Bench::new();
    bench.world.key("probe");
    bench.set("AWS_REGION", "");
    bench.set("AWS_DEFAULT_REGION", "us-east-1");
    let done = bench.run_unconfirmed(&bench.manifest(&["probe"]), &["--dry-run"]).exits(0);
    assert_eq!(done.json()["plan"]["targets"][0]["region"], "us-east-1", "{done}");
}
