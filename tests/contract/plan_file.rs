//! `plan`, `show PLAN` and `plan --diff`: a plan as a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Act, Bench, Done, HOME, wait_until};

fn plan(bench: &Bench, manifest: &Path, more: &[&str]) -> Done {
    let path = manifest.display().to_string();
    bench.keybatch(&[&["plan", &path, "--rate", "unlimited", "--output", "json"], more].concat())
}

/// A plan of the manifest at a new path.
fn planned(bench: &Bench, manifest: &Path, name: &str) -> PathBuf {
    let path = bench.home().join(name);
    plan(bench, manifest, &["-o", &path.display().to_string()]).exits(0);
    path
}

fn show(bench: &Bench, plan: &Path) -> Done {
    bench.keybatch(&["show", &plan.display().to_string(), "--output", "json"])
}

/// `plan -o FILE` only reads, writes no journal, and `show FILE` says what it said; a file that exists is not replaced.
// SEMANTICS: P72
#[test]
fn a_plan_is_a_file_and_nothing_else() {
    let bench = Bench::new();
    let mut names = bench.world.keys("key", 3);
    names.push("never-was".to_owned());
    let manifest = bench.manifest(&names);
    let path = bench.home().join("friday.plan");
    let to = path.display().to_string();
    let made = plan(&bench, &manifest, &["-o", &to, "--ticket", "OPS-17", "--expires", "2h"]).exits(0).json();
    assert!(bench.world.state().log.iter().all(|call| call.operation.starts_with("Get")));
    assert!(!bench.journal().exists(), "a plan writes no journal");
    let shown = show(&bench, &path).exits(0).json();
    for field in ["plan_id", "plan_root", "rows_root", "expires_at", "ticket", "manifest_sha256", "plan", "lines"] {
        assert_eq!(shown[field], made[field], "{field}");
    }
    assert_eq!(
        (&shown["ticket"], &shown["plan"]["deletes"], &shown["plan"]["absents"]),
        (&"OPS-17".into(), &3.into(), &1.into())
    );
    let lines = shown["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[3]["name"], &lines[3]["verdict"]), (&"never-was".into(), &"absent".into()));
    // Every row, in each format.
    for form in ["table", "csv", "jsonl"] {
        let said = bench.keybatch(&["show", &to, "--output", form]).exits(0);
        assert!(names.iter().all(|name| said.stdout.contains(name)), "{said}");
    }
    let text = std::fs::read(&path).unwrap();
    let again = plan(&bench, &manifest, &["-o", &to]).exits(2).json();
    assert_eq!(again["code"], "usage.file_exists");
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

/// What `run --dry-run` prints is what `show` prints of the plan, but for the plan's id and times.
// SEMANTICS: P72
#[test]
fn a_dry_run_prints_the_same_as_a_plan() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 3));
    let dry = bench.run_unconfirmed(&manifest, &["--dry-run"]).exits(0).json();
    let shown = show(&bench, &planned(&bench, &manifest, "a.plan")).exits(0).json();
    let without = |mut value: Value| {
        for field in ["plan_id", "plan_root", "made_at", "expires_at", "profile", "credentials_source"] {
            value[field] = Value::Null;
        }
        value
    };
    assert_eq!(without(dry), without(shown));
}

/// A file that differs in one byte from what was sealed is refused, with its own code.
// SEMANTICS: P73
#[test]
fn a_plan_that_was_changed_is_refused() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 2));
    let path = planned(&bench, &manifest, "a.plan");
    let text = std::fs::read_to_string(&path).unwrap();
    let refused = |text: &str| {
        let changed = bench.file("changed.plan", text);
        let error = show(&bench, &changed).exits(4).json();
        assert!(error["message"].as_str().unwrap().contains("line "), "{error}");
        error["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&text.replacen("\"verdict\":\"delete\"", "\"verdict\":\"absent\"", 1)), "plan.edited");
    assert_eq!(refused(&text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()), "plan.unreadable");
    assert_eq!(refused(&text.replacen(",\"", ", \"", 1)), "plan.not_canonical");
    assert_eq!(refused(&text.replace("keybatch.plan/1", "keybatch.plan/9")), "plan.version");
    assert_eq!(refused(text.trim_end()), "plan.edited");
}

/// `plan --diff` names what changed of rows and counts, wherever rows stand.
// SEMANTICS: P74
#[test]
fn two_plans_are_compared() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    let before = planned(&bench, &bench.manifest(&names[..3]), "before.plan");
    bench.world.state().keys.remove(&(HOME.to_owned(), names[1].clone()));
    let reordered = [&names[3], &names[2], &names[1]];
    let after = planned(&bench, &bench.manifest(&reordered), "after.plan");
    let [old, new] = [&before, &after].map(|path| path.display().to_string());
    let diff = bench.keybatch(&["plan", "--diff", &old, &new, "--output", "json"]).exits(0).json();
    assert_eq!(diff["rows"], serde_json::json!({"added": 1, "removed": 1, "changed": 1, "same": 1}), "{diff}");
    let change = |kind: &str| {
        let changes = diff["changes"].as_array().unwrap().clone();
        changes.into_iter().find(|change| change["change"] == kind).unwrap()
    };
    assert_eq!(change("added")["name"], names[3].as_str());
    assert_eq!(change("removed")["name"], names[0].as_str());
    let changed = change("changed");
    assert_eq!(
        (&changed["name"], &changed["old_row"], &changed["new_row"]),
        (&names[1].as_str().into(), &2.into(), &3.into())
    );
    assert!(changed["what"].to_string().contains("verdict: delete → absent"), "{changed}");
    let same = bench.keybatch(&["plan", "--diff", &old, &old, "--output", "json"]).exits(0).json();
    assert_eq!((&same["same_rows"], same["changes"].as_array().unwrap().len()), (&true.into(), 0));
}

/// Planning that a signal or a limit ends leaves no file, and exits with 12.
// SEMANTICS: P72
#[test]
fn a_plan_that_is_not_complete_is_no_file() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 2));
    let path = bench.home().join("a.plan");
    let to = path.display().to_string();
    bench.world.script("GetKeyPairs", "*", std::iter::repeat_n(Act::hang(), 20));
    let manifest_path = manifest.display().to_string();
    let live = bench.spawn(&["plan", &manifest_path, "-o", &to, "--rate", "unlimited", "--output", "json"]);
    wait_until("a request", || !bench.world.arrived("GetKeyPairs").is_empty());
    live.signal(rustix::process::Signal::INT);
    let done = live.wait().exits(12);
    assert_eq!(done.json()["stopped_by"], "signal");
    assert!(!path.exists());
    let limited = plan(&bench, &manifest, &["-o", &to, "--max-duration", "1s"]).exits(12);
    assert!(limited.took < Duration::from_secs(60) && !path.exists(), "{limited}");
}

/// A file gets its name once it is whole: nothing else is ever taken for a plan, or for a list of key pairs.
// SEMANTICS: P72
#[test]
fn a_killed_plan_or_inventory_leaves_no_file_of_its_name() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 2)).display().to_string();
    bench.world.script("GetKeyPairs", "*", std::iter::repeat_n(Act::hang(), 20));
    let to = bench.home().join("asked.out").display().to_string();
    for command in [["plan", &manifest, "-o", &to].as_slice(), &["inventory", "-o", &to]] {
        let asked = bench.world.arrived("GetKeyPairs").len();
        let live = bench.spawn(command);
        wait_until("a request", || bench.world.arrived("GetKeyPairs").len() > asked);
        live.kill();
        let names =
            std::fs::read_dir(bench.home()).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap());
        let left: Vec<_> = names.filter(|name| name.contains("asked.out")).collect();
        assert!(left.len() == 1 && left[0].ends_with(".unfinished"), "{command:?} left {left:?}");
        std::fs::remove_file(bench.home().join(&left[0])).unwrap();
    }
}

/// Annotations stay out of the plan where that is asked for; conditions stay.
#[test]
fn a_plan_may_be_without_annotations() {
    let bench = Bench::new();
    let name = &bench.world.keys("key", 1)[0];
    let manifest = bench.file("m.csv", format!("key_pair_name,owner,region\n{name},somebody,{HOME}\n"));
    let with = std::fs::read_to_string(planned(&bench, &manifest, "with.plan")).unwrap();
    let path = bench.home().join("without.plan");
    plan(&bench, &manifest, &["-o", &path.display().to_string(), "--without-annotations"]).exits(0);
    let without = std::fs::read_to_string(&path).unwrap();
    assert!(with.contains("somebody") && !without.contains("somebody"));
    assert!(without.contains("\"conditions\":{\"region\""));
    bench.run(&manifest, &["--without-annotations"]).exits(0);
    assert!(!bench.query("SELECT body FROM entries").iter().any(|row| row.to_string().contains("somebody")));
}
