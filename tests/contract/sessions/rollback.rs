//! I12: a journal that was rolled back or forked is refused, because of what the machine remembers or of the checkpoint file.
//!
//! After an old copy was put back, `resume` called key pairs `absent` that the run itself had deleted (seen with keybatch 0.1; the
//! restore script is `field/02` of the trial).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{Bench, Done, HOME, invariants, summary};

/// Puts a copy of the journal aside.
pub(crate) fn copy_aside(bench: &Bench, name: &str) -> PathBuf {
    let to = bench.home().join(name);
    fs::copy(bench.journal(), &to).unwrap();
    to
}

/// Puts a copy back in the journal's place.
pub(crate) fn put_back(bench: &Bench, copy: &Path) {
    fs::copy(copy, bench.journal()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let mut name = bench.journal().into_os_string();
        name.push(suffix);
        let _absent = fs::remove_file(name);
    }
}

/// The files that remember heads.
fn remembered(bench: &Bench) -> Vec<PathBuf> {
    let directory = bench.home().join("state/keybatch/heads");
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    files.map(|file| file.unwrap().path()).collect()
}

fn forget(bench: &Bench) {
    remembered(bench).iter().for_each(|file| fs::remove_file(file).unwrap());
}

fn entries(bench: &Bench) -> u64 {
    bench.query("SELECT count(*) AS n FROM entry")[0]["n"].as_u64().unwrap()
}

/// A run of twelve that stopped after three, its copy put aside, and then finished.
fn finished_after_a_copy(more: &[&str]) -> (Bench, PathBuf) {
    let bench = Bench::new();
    let names = bench.world.keys("key", 12);
    let mut flags = vec!["--max-deletes", "3"];
    flags.extend(more);
    bench.run(&bench.manifest(&names), &flags).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    let done = bench.resume().exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 12);
    (bench, copy)
}

#[track_caller]
fn refused(done: Done, word: &str, parts: &[&str]) {
    let done = done.exits(4);
    for part in [word, "the journal was not changed", "--accept-rollback"].iter().chain(parts) {
        assert!(done.stderr.contains(part), "{part}\n{done}");
    }
    let object = done.json();
    let code = if word == "forked" { "journal.forked" } else { "journal.rolled_back" };
    assert_eq!((object["code"].as_str(), object["sent"].as_str()), (Some(code), Some("nothing")), "{done}");
}

// SEMANTICS: P66
#[test]
fn an_old_copy_is_refused_by_what_the_machine_remembers() {
    let (mut bench, copy) = finished_after_a_copy(&[]);
    let (newest, old) = (entries(&bench), bench.home().join("newest.db"));
    fs::copy(bench.journal(), &old).unwrap();
    let files = remembered(&bench);
    let [file] = &files[..] else { panic!("one file a journal: {files:?}") };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    put_back(&bench, &copy);
    let before = fs::read(bench.journal()).unwrap();
    let (arrived, state) = (bench.world.arrived("DeleteKeyPair").len(), fs::read(file).unwrap());
    let parts = [&format!("{newest} entries"), file.to_str().unwrap(), bench.journal().to_str().unwrap()]
        .map(|part| part.to_owned());
    let parts = parts.each_ref().map(String::as_str);
    refused(bench.resume(), "rolled back", &parts);
    // `doctor` makes the same comparison, and changes nothing.
    let doctor = bench.keybatch(&["doctor"]).exits(9);
    for part in parts.iter().chain(&["rolled back", "BAD", "--accept-rollback"]) {
        assert!(doctor.stdout.contains(part), "{part}\n{doctor}");
    }
    let other = bench.file("other.csv", "name\nother\n");
    refused(bench.run(&other, &[]), "rolled back", &parts);
    // It is the journal that counts, not where it lies.
    bench.move_journal(bench.home().join("moved.db"));
    fs::copy(&copy, bench.journal()).unwrap();
    refused(bench.resume(), "rolled back", &[&format!("{newest} entries")]);
    bench.move_journal(bench.home().join("journal.db"));
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), arrived);
    assert!(before == fs::read(bench.journal()).unwrap(), "a refused journal is not changed");
    assert!(state == fs::read(file).unwrap(), "nor is what is remembered of it");
    // With the newer one back, all is well.
    put_back(&bench, &old);
    bench.keybatch(&["resume", "latest", "--output", "json"]).exits(0);
    bench.verify().exits(0);
    invariants(&bench);
}

// SEMANTICS: P66
#[test]
fn an_old_copy_is_refused_by_the_file_of_checkpoints() {
    let checkpoints = |bench: &Bench| bench.home().join("checkpoints.txt");
    let bench = Bench::new();
    let names = bench.world.keys("key", 12);
    let path = checkpoints(&bench);
    let flag = path.to_str().unwrap();
    bench.run(&bench.manifest(&names), &["--max-deletes", "3", "--checkpoint-to", flag]).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    bench.keybatch(&["resume", "--output", "json", "--checkpoint-to", flag]).exits(0);
    put_back(&bench, &copy);
    // On another machine nothing is remembered.
    forget(&bench);
    let whole = fs::read_to_string(&path).unwrap();
    // The last record is not whole, as after a power loss, and other journals append to the file, too.
    let other = "\nkeybatch/0198c0de-0000-7000-8000-000000000001\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n";
    for appended in ["", other, "\nkeybatch/0198c0de-00"] {
        fs::write(&path, format!("{whole}{appended}")).unwrap();
        // The run's own file is read, whether it is named again or not.
        refused(bench.keybatch(&["resume", "--output", "json", "--checkpoint-to", flag]), "rolled back", &[flag]);
        refused(bench.resume(), "rolled back", &[flag]);
    }
    // A file of other journals alone says nothing.
    fs::write(&path, other).unwrap();
    bench.resume();
    bench.verify().exits(0);
}

// SEMANTICS: P66
#[test]
fn a_copy_that_both_sides_continued_is_forked() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.run(&bench.manifest(&names), &["--max-deletes", "2"]).exits(5);
    let copy = copy_aside(&bench, "copy.db");
    bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
    let (one, size) = (copy_aside(&bench, "one.db"), entries(&bench));
    // The other side goes on where nothing is remembered, further than the first.
    let heads = remembered(&bench).pop().unwrap();
    let kept = fs::read(&heads).unwrap();
    forget(&bench);
    put_back(&bench, &copy);
    bench.resume().exits(0);
    assert!(entries(&bench) > size);
    let other = fs::read(&heads).unwrap();
    fs::write(&heads, &kept).unwrap();
    refused(bench.resume(), "forked", &[&format!("{size} entries"), heads.to_str().unwrap()]);
    // And the other way round.
    put_back(&bench, &one);
    fs::write(&heads, other).unwrap();
    refused(bench.resume(), "rolled back", &[]);
}

// SEMANTICS: P67
#[test]
fn what_cannot_be_remembered_is_said_and_is_no_error() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 12);
    let nowhere = bench.file("no-directory", "");
    bench.set("XDG_STATE_HOME", nowhere.to_str().unwrap());
    let done = bench.run(&bench.manifest(&names), &["--max-deletes", "1"]).exits(5);
    assert!(done.stderr.contains(nowhere.to_str().unwrap()), "{done}");
    let noted = "SELECT json_extract(body, '$.not_remembered') AS why FROM entry WHERE json_extract(body, '$.kind') = 'session_opened'";
    let said = bench.query(noted)[0]["why"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains(nowhere.to_str().unwrap()), "{said}");
    let doctor = bench.keybatch(&["doctor"]);
    assert!(doctor.stdout.contains("state") && doctor.stdout.contains(nowhere.to_str().unwrap()), "{doctor}");
    // A damaged file is named, and does not keep anything from going on.
    let state = bench.home().join("state").display().to_string();
    bench.set("XDG_STATE_HOME", &state);
    bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
    let file = remembered(&bench).pop().unwrap();
    for damage in ["", "\0\0\0\0", "keybatch/"] {
        fs::write(&file, damage).unwrap();
        let doctor = bench.keybatch(&["doctor"]);
        assert!(doctor.stdout.contains(file.to_str().unwrap()), "{doctor}");
        let done = bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
        assert!(done.stderr.contains(file.to_str().unwrap()), "the damaged file is named\n{done}");
        let done = bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
        assert!(!done.stderr.contains(file.to_str().unwrap()), "it was replaced\n{done}");
    }
    bench.verify().exits(0);
}

// SEMANTICS: P67
#[test]
fn rehearsals_remember_nothing() {
    let bench = Bench::new();
    let manifest = bench.manifest(&["one", "two"]);
    bench.run(&manifest, &["--sandbox"]).exits(0);
    assert!(remembered(&bench).is_empty());
    let names = bench.world.keys("key", 1);
    bench.run_unconfirmed(&bench.manifest(&names), &["--dry-run"]).exits(0);
    assert!(remembered(&bench).is_empty(), "nor does a dry run");
}

/// Seen: `resume` dropped `--checkpoint-to` silently, so that two thirds of the deletions were anchored nowhere.
// SEMANTICS: P68
#[test]
fn a_resumed_run_goes_on_with_its_file_of_checkpoints() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 4);
    // The path is relative to where the run began.
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--checkpoint-to", "checkpoints.txt"]).exits(5);
    let path = bench.home().join("work/checkpoints.txt");
    let records = || fs::read_to_string(&path).unwrap().matches("keybatch/").count();
    let first = records();
    let live = {
        let mut command =
            bench.command(&["resume", "--max-deletes", "1", "--journal", bench.journal().to_str().unwrap()]);
        command.current_dir(bench.home()).output().unwrap()
    };
    let said = String::from_utf8_lossy(&live.stderr).into_owned();
    assert_eq!(live.status.code(), Some(5), "{said}");
    assert!(said.contains(path.to_str().unwrap()), "says where it appends: {said}");
    let second = records();
    assert!(second > first);
    // Another file that is named takes its place, for later sessions, too.
    let other = bench.home().join("other.txt");
    bench.set("KEYBATCH_CHECKPOINT_TO", other.to_str().unwrap());
    bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
    bench.unset("KEYBATCH_CHECKPOINT_TO");
    let before = fs::read_to_string(&other).unwrap().len();
    bench.resume().exits(0);
    assert!(fs::read_to_string(&other).unwrap().len() > before);
    assert_eq!(records(), second);
    let verified = bench.keybatch(&[
        "verify",
        "--checkpoint",
        other.to_str().unwrap(),
        "--require-checkpoint",
        "--output",
        "json",
    ]);
    verified.exits(0);
}

/// An operation that is older than the acceptance by more than clocks may differ by is not claimed.
fn wait_for_clocks() {
    std::thread::sleep(std::time::Duration::from_millis(1_500));
}

/// Twelve key pairs, of which the copy knows three; the entries about the deletion of the other nine are lost.
// SEMANTICS: P66
// SEMANTICS: P69
#[test]
fn after_an_accepted_rollback_nothing_is_absent_that_was_there() {
    let (bench, copy) = finished_after_a_copy(&[]);
    let checkpoints = {
        let text = bench.query("SELECT text FROM checkpoints ORDER BY size DESC LIMIT 1")[0]["text"].clone();
        bench.file("kept.txt", text.as_str().unwrap())
    };
    put_back(&bench, &copy);
    wait_for_clocks();
    let arrived = bench.world.arrived("DeleteKeyPair").len();
    bench.keybatch(&["resume", "--accept-rollback"]).exits(2);
    bench.keybatch(&["resume", "--accept-rollback", "--because", ""]).exits(2);
    let accept = ["--accept-rollback", "--because", "the disk failed", "--output", "json"];
    let args: Vec<&str> = ["resume"].into_iter().chain(accept).collect();
    let done = bench.keybatch(&args).exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), arrived, "nothing that is gone is asked for\n{done}");
    let summary = done.json();
    assert_eq!((&summary["outcomes"]["deleted"], &summary["outcomes"]["gone"]), (&3.into(), &9.into()), "{done}");
    let told = "SELECT DISTINCT outcome, evidence, detail FROM intents WHERE outcome <> 'deleted'";
    let rows = bench.query(told);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row["outcome"].as_str(), row["evidence"].as_str()), (Some("gone"), Some("readback")));
    assert!(row["detail"].as_str().unwrap().contains("entries were lost"), "{row}");
    let used = bench.query("SELECT run_id, override, used_by, why FROM overrides");
    let [used] = &used[..] else { panic!("{used:?}") };
    assert_eq!((used["override"].as_str(), used["why"].as_str()), (Some("accept-rollback"), Some("the disk failed")));
    assert!(used["run_id"].is_null());
    // It is accepted once, and not said to be needed again.
    bench.keybatch(&["resume", "latest", "--output", "json"]).exits(0);
    let verified = bench.verify().exits(0).json();
    assert_eq!(verified["rollbacks"][0]["why"], "the disk failed", "{verified}");
    // Who holds a checkpoint of the lost entries sees it, and who accepted it.
    let path = checkpoints.to_str().unwrap();
    let convicted = bench.keybatch(&["verify", "--checkpoint", path]).exits(7);
    assert!(convicted.stdout.contains("the disk failed") && convicted.stdout.contains("accepted on"), "{convicted}");
}

/// `abandon` has the same rule: without the flag it is refused; with it, each row without an outcome is settled by looking.
// SEMANTICS: P69
#[test]
fn a_run_of_a_rolled_back_journal_is_abandoned_by_looking() {
    let (bench, copy) = finished_after_a_copy(&[]);
    put_back(&bench, &copy);
    wait_for_clocks();
    let arrived = bench.world.arrived("DeleteKeyPair").len();
    let abandon = ["abandon", "latest", "--because", "the disk failed", "--output", "json"];
    let refused = bench.keybatch(&abandon).exits(4).json();
    assert_eq!((&refused["code"], &refused["sent"]), (&"journal.rolled_back".into(), &"nothing".into()), "{refused}");
    assert!(!bench.journal().with_extension("db-wal").exists(), "a refusal leaves one file");
    let done = bench.keybatch(&[&abandon[..], &["--accept-rollback"]].concat());
    let summary = done.json();
    assert_eq!(summary["state"], "abandoned", "{done}");
    let outcomes = &summary["outcomes"];
    assert_eq!((&outcomes["deleted"], &outcomes["gone"]), (&3.into(), &9.into()), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), arrived, "nothing is asked for\n{done}");
    let used = bench.query("SELECT override, why FROM overrides");
    assert_eq!((&used[0]["override"], &used[0]["why"]), (&"accept-rollback".into(), &"the disk failed".into()));
    bench.verify().exits(0);
}

/// Somebody else deletes a key pair while an old copy is put back, and then the history shows that operation at the moment of the
/// acceptance. No request of the journal can have begun it: it is `gone`, not `deleted` (I5).
// SEMANTICS: P69
#[test]
fn no_operation_is_claimed_for_a_request_that_nobody_knows() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    bench.keybatch(&["resume", "--max-duration", "1ms", "--output", "json"]).exits(5);
    put_back(&bench, &copy);
    {
        let mut state = bench.world.state();
        let left = names.iter().find(|name| state.keys.contains_key(&(HOME.to_owned(), (*name).clone()))).unwrap();
        let place = (HOME.to_owned(), left.clone());
        state.remove(&place, false);
        for ahead_us in [-20_000, 0, 400_000] {
            state.operation(&place, "Succeeded", 0, "Succeeded");
            let last = state.operations.len() - 1;
            state.operations[last].created_us += ahead_us;
        }
    }
    let resume = ["resume", "latest", "--accept-rollback", "--because", "restored", "--output", "json"];
    let done = bench.keybatch(&resume).exits(0);
    let outcomes = &done.json()["outcomes"];
    assert_eq!((&outcomes["deleted"], &outcomes["gone"]), (&1.into(), &1.into()), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 1, "nothing is asked for\n{done}");
    bench.verify().exits(0);
}

/// A key pair that the lost entries did not delete is still there: its row counts as having one attempt, has failed, and the run is over.
// SEMANTICS: P69
#[test]
fn what_is_still_there_does_not_keep_a_run_of_a_rolled_back_journal_open() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
    put_back(&bench, &copy);
    wait_for_clocks();
    let abandon = ["abandon", "latest", "--because", "restored", "--accept-rollback", "--output", "json"];
    let done = bench.keybatch(&abandon);
    let summary = done.json();
    assert_eq!(summary["state"], "abandoned", "{done}");
    let outcomes = &summary["outcomes"];
    assert_eq!(
        (&outcomes["deleted"], &outcomes["gone"], &outcomes["failed"]),
        (&1.into(), &1.into(), &2.into()),
        "{done}"
    );
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 2, "nothing is asked for\n{done}");
    let details = bench.query("SELECT DISTINCT detail FROM intents WHERE outcome = 'failed'");
    assert_eq!(details[0]["detail"], "still there; entries were lost that may have asked for it", "{details:?}");
    bench.verify().exits(0);
}

/// If the lost entries did not delete a key pair, it is searched for, read and requested again; another identity is not.
// SEMANTICS: P69
#[test]
fn after_an_accepted_rollback_what_is_still_there_is_read_before_it_is_asked_for() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    bench.keybatch(&["resume", "--max-deletes", "1", "--output", "json"]).exits(5);
    put_back(&bench, &copy);
    wait_for_clocks();
    let stopped = bench.keybatch(&[
        "resume",
        "--accept-rollback",
        "--because",
        "restored",
        "--max-deletes",
        "1",
        "--output",
        "json",
    ]);
    let stopped = stopped.exits(5).json();
    // What is left counts as unsettled: entries that were lost may have asked for it.
    assert_eq!(stopped["outcomes"]["not_attempted"], 0, "{stopped}");
    let done = bench.resume().exits(0).json();
    assert_eq!((&done["outcomes"]["deleted"], &done["outcomes"]["gone"]), (&3.into(), &1.into()), "{done}");
    let read_first = "SELECT i.row_no FROM intents AS i WHERE i.outcome = 'deleted' AND i.row_no > 1 AND NOT EXISTS \
        (SELECT 1 FROM entry AS e WHERE json_extract(e.body, '$.kind') = 'observed' AND json_extract(e.body, '$.row') = i.row_no \
         AND json_extract(e.body, '$.source') = 'get_operations_for_resource')";
    assert!(bench.query(read_first).is_empty(), "each was searched for first");
    bench.verify().exits(0);
}
