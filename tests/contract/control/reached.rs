//! Which session is reached, and what is said where none is.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;

use super::*;

fn sockets(bench: &Bench) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(bench.home().join("runtime/keybatch")) else { return Vec::new() };
    files.map(|file| file.unwrap().path()).collect()
}

/// What is refused, and with which code and exit.
#[track_caller]
fn refused(bench: &Bench, what: &str, exit: i32, code: &str) -> Done {
    let done = control(bench, &[what]).exits(exit);
    assert_eq!(done.json()["code"], code, "{done}");
    done
}

// SEMANTICS: P136
#[test]
fn a_run_on_which_no_session_works_is_not_controlled() {
    let bench = bench();
    assert_eq!(control(&bench, &["status"]).exits(9).json()["code"], "journal.missing");
    let live = begun(&bench, 40, &[]);
    control(&bench, &["stop"]).exits(0);
    live.wait().exits(5);
    assert!(refused(&bench, "status", 4, "run.not_running").stderr.contains("resume"));
    bench.resume().exits(0);
    assert!(refused(&bench, "pause", 4, "run.not_running").stderr.contains("is finished"));
    assert!(sockets(&bench).is_empty(), "the sockets are gone with the sessions");
    assert_eq!(
        bench.keybatch(&["control", "ffffffff", "status", "--output", "json"]).exits(2).json()["code"],
        "run.unknown"
    );
    assert_eq!(words(&bench), ["stop"]);
}

// SEMANTICS: P136
#[test]
fn a_run_that_is_being_planned_is_not_controlled() {
    let bench = bench();
    let names = bench.world.keys("key", 2);
    bench.world.always("GetKeyPairs", "*", Act::ok().after(Duration::from_secs(3)));
    let live = bench.spawn_run(&bench.manifest(&names), &["--attempt-timeout", "9s"]);
    wait_until("it plans", || bench.world.arrived("GetKeyPairs").len() == 1);
    assert!(refused(&bench, "pause", 4, "run.not_running").stderr.contains("still being planned"));
    live.wait().exits(0);
}

/// A process that is killed leaves its socket behind. The run it executed is not paused when it is resumed.
// SEMANTICS: P134
// SEMANTICS: P136
#[test]
fn a_run_that_was_killed_while_paused_is_resumed_and_its_dead_socket_replaced() {
    let mut bench = bench();
    let live = begun(&bench, 40, &[]);
    told(&bench, &["pause"]);
    live.kill();
    let left = sockets(&bench);
    assert_eq!(left.len(), 1);
    let about = left[0].symlink_metadata().unwrap();
    assert!(about.file_type().is_socket() && about.mode() & 0o777 == 0o600, "{about:?}");
    assert!(refused(&bench, "continue", 4, "run.not_running").stderr.contains("interrupted"));
    bench.set("KEYBATCH_RATE", "10");
    let live = bench.spawn(&["resume", "--output", "json"]);
    let before = deletes(&bench);
    bench.world.wait_for_deletes(before + 2);
    assert_eq!(told(&bench, &["status"])["state"], "running");
    assert_eq!(sockets(&bench), left, "of the same name");
    told(&bench, &["rate", "10"]);
    live.wait().exits(0);
    assert!(sockets(&bench).is_empty());
    invariants(&bench);
}

/// A copy of a journal has the same runs. Whoever controls a run of the copy does not reach the session of the original.
// SEMANTICS: P136
#[test]
fn a_run_of_another_journal_with_the_same_id_is_another_run() {
    let mut bench = bench();
    let live = begun(&bench, 60, &["--rate", "10"]);
    told(&bench, &["pause"]);
    let (original, copy) = (bench.journal(), bench.home().join("copy.db"));
    for end in ["", "-wal"] {
        let with = |path: &PathBuf| PathBuf::from(format!("{}{end}", path.display()));
        if with(&original).exists() {
            fs::copy(with(&original), with(&copy)).unwrap();
        }
    }
    let link = bench.home().join("link.db");
    std::os::unix::fs::symlink(&original, &link).unwrap();
    bench.move_journal(copy);
    assert!(refused(&bench, "continue", 4, "run.not_running").stderr.contains("interrupted"));
    bench.move_journal(original);
    assert_eq!(told(&bench, &["status"])["state"], "paused");
    told(&bench, &["stop"]);
    live.wait().exits(5);
}

/// Without a place for the socket, or with one that others can write to, the run works, and cannot be controlled.
// SEMANTICS: P136
#[test]
fn a_session_without_a_place_for_its_socket_works_all_the_same() {
    for (number, mode) in [None, Some(0o777), Some(0o000)].into_iter().enumerate() {
        let mut bench = bench();
        let runtime = bench.home().join("runtime");
        match mode {
            None => bench.unset("XDG_RUNTIME_DIR"),
            // Root may do everything, so that only what others may do counts.
            Some(0o000) => {
                fs::remove_dir(&runtime).unwrap();
                fs::write(&runtime, "").unwrap();
            }
            Some(mode) => fs::set_permissions(&runtime, Permissions::from_mode(mode)).unwrap(),
        }
        bench.set("KEYBATCH_LOG", "debug");
        let live = begun(&bench, 30, &["--rate", "10"]);
        let done = refused(&bench, "status", 9, "control.unreachable");
        assert!(done.stderr.contains("XDG_RUNTIME_DIR") || done.stderr.contains("runtime"), "{number} {done}");
        assert!(done.stderr.contains("kill -TERM"), "what else there is to do: {done}");
        live.wait().exits(0);
        assert!(sockets(&bench).is_empty() && words(&bench).is_empty());
    }
}

/// The socket of somebody who put a file there is not replaced, and the run works.
// SEMANTICS: P136
#[test]
fn a_session_whose_directory_is_open_to_others_has_no_socket() {
    let bench = bench();
    let directory = bench.home().join("runtime/keybatch");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    let live = begun(&bench, 30, &["--rate", "10"]);
    refused(&bench, "pause", 9, "control.unreachable");
    live.wait().exits(0);
    assert!(sockets(&bench).is_empty());
}

#[test]
fn what_a_person_sees_says_what_the_session_does() {
    let bench = bench();
    let live = begun(&bench, 60, &["--rate", "10"]);
    let shown = bench.keybatch(&["control", "latest", "pause"]).exits(0);
    assert!(shown.stderr.contains("paused: "), "{shown}");
    for part in ["paused since ", "rows       60: ", "in flight  ", "permitted, at most 10", "session    process "] {
        assert!(shown.stdout.contains(part), "{part:?}\n{shown}");
    }
    let log = bench.keybatch(&["log", "--kind", "control_used"]).exits(0);
    assert!(log.stdout.contains("pause by "), "{log}");
    let show = bench.keybatch(&["show", "latest"]).exits(0);
    assert!(show.stdout.contains("running, paused since ") && show.stdout.contains("pause by "), "{show}");
    assert_eq!(bench.keybatch(&["show", "latest", "--output", "json"]).json()["controls"][0]["what"], "pause");
    let runs = bench.keybatch(&["runs"]).exits(0);
    assert!(runs.stdout.contains("running (paused)"), "{runs}");
    for form in ["html", "md", "text"] {
        let report = bench.keybatch(&["report", "latest", "--format", form]);
        assert!(report.stdout.contains("pause by "), "{form} {report}");
    }
    control(&bench, &["stop"]).exits(0);
    live.wait().exits(5);
}
