//! Completion in a real bash, and manual pages as a real groff reads them.

use std::process::Command;

use crate::shell::needs;
use crate::support::{Bench, binary};

/// What bash offers for the last of these words.
fn offered(bench: &Bench, words: &[&str]) -> Vec<String> {
    let bin = bench.home().join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(binary(), bin.join("keybatch")).unwrap();
    }
    let script = format!(
        "PATH={}:$PATH; source <(keybatch completions bash); COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9\n\
         complete -p keybatch | grep -q _clap_complete_keybatch || exit 3\n\
         _clap_complete_keybatch keybatch \"${{COMP_WORDS[COMP_CWORD]}}\" x; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        bin.display()
    );
    let mut arguments = vec!["--norc", "-c", &script, "bash"];
    arguments.extend(words);
    let output = bench.command_of("bash", &arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn bash_completes_runs_rows_kinds_and_files() {
    needs("bash");
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 3);
    let manifest = bench.manifest(&names);
    bench.run(&manifest, &[]).exits(0);
    let run = bench.query("SELECT run_id FROM runs")[0]["run_id"].as_str().unwrap().to_owned();
    let journal = bench.journal().display().to_string();
    // Without a journal there is nothing to offer, and nothing is said.
    assert!(offered(&bench, &["keybatch", "show", ""]).iter().all(|word| *word != run));
    assert!(!bench.home().join("data/keybatch").exists());
    let typed = offered(&bench, &["keybatch", "show", "--journal", &journal, ""]);
    assert!(typed.contains(&run), "{typed:?}");
    bench.set("KEYBATCH_JOURNAL", &journal);
    let has = |words: &[&str], wanted: &[&str]| {
        let found = offered(&bench, words);
        assert!(wanted.iter().all(|word| found.iter().any(|found| found.trim_end() == *word)), "{words:?}: {found:?}");
    };
    has(&["keybatch", "show", ""], &[&run, "latest"]);
    has(&["keybatch", "resume", &run[..9]], &[&run]);
    has(&["keybatch", "show", "latest", ""], &[&names[0], &names[1], &names[2]]);
    has(&["keybatch", "show", &run, "2"], &["2"]);
    has(&["keybatch", "prove", "latest", "key"], &[&names[0], &names[1], &names[2]]);
    has(&["keybatch", "show", &names[1]], &[&names[1]]);
    has(&["keybatch", "log", "--kind", "attempt_"], &["attempt_started", "attempt_finished"]);
    has(&["keybatch", "run", "../dele"], &["../deletions.csv"]);
    has(&["keybatch", "res"], &["resume"]);
    // A text that is no name is not made into SQL.
    assert_eq!(offered(&bench, &["keybatch", "show", "latest", "x' OR '1'='1"]), [""; 0]);
    // The variable alone changes nothing.
    bench.set("KEYBATCH_COMPLETE", "bash");
    let done = bench.keybatch(&["runs", "--output", "csv"]).exits(0);
    assert!(done.stdout.contains(&run), "{done}");
}

fn manual_pages_are_read_without_a_warning() {
    needs("groff");
    let bench = Bench::new();
    let pages = bench.home().join("man");
    bench.keybatch(&["man", "--dir", pages.to_str().unwrap()]).exits(0);
    for page in std::fs::read_dir(pages).unwrap() {
        let path = page.unwrap().path();
        let output = Command::new("groff").args(["-man", "-Tascii", "-ww", "-z"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}

crate::harness::tests![bash_completes_runs_rows_kinds_and_files, manual_pages_are_read_without_a_warning];
