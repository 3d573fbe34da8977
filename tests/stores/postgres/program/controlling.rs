//! `keybatch control` of sessions whose journal is in PostgreSQL, from wherever that can be reached.

use std::time::Duration;

use serde_json::Value;

use super::{bench, is_sound};
use crate::harness::tests;
use crate::support::{Act, Bench, Done, Live, count, summary, wait_until};

tests![;
    async a_session_is_controlled_from_any_machine,
    all_runners_are_paused_and_whoever_joins_is_too,
    one_rate_holds_for_all_runners_and_a_stop_ends_them,
    a_dead_session_does_not_answer,
];

/// A run of so many key pairs at a rate, that others may join.
fn begun(bench: &Bench, keys: usize, rate: &str) -> Vec<String> {
    let names = bench.world.keys("key", keys);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(10)));
    bench.run(&bench.manifest(&names), &["--max-deletes", "0", "--rate", rate]).exits(5);
    names
}

fn runner(bench: &Bench, rate: &str) -> Live {
    bench.spawn(&["work", "latest", "--rate", rate, "--output", "json"])
}

fn control(bench: &Bench, what: &[&str]) -> Done {
    bench.keybatch(&[&["control", "latest"], what, &["--output", "json"]].concat())
}

#[track_caller]
fn told(bench: &Bench, what: &[&str]) -> Value {
    control(bench, what).exits(0).json()
}

/// Waits until so many sessions answer.
fn at_work(bench: &Bench, sessions: usize) {
    wait_until("they are at work", || {
        let done = control(bench, &["status"]);
        done.code == Some(0) && done.json()["sessions"].as_array().is_some_and(|all| all.len() == sessions)
    });
}

fn deletes(bench: &Bench) -> usize {
    bench.world.arrived("DeleteKeyPair").len()
}

/// The uses that the journal has, in order.
fn uses(bench: &Bench) -> Vec<Value> {
    let sql = "SELECT body FROM entries WHERE kind = 'control_used' ORDER BY seq";
    bench.query(sql).iter().map(|row| serde_json::from_str(row["body"].as_str().unwrap()).unwrap()).collect()
}

/// Waits until nothing is in flight, and shows that nothing begins.
fn stands_still(bench: &Bench) {
    wait_until("nothing is in flight", || told(bench, &["status"])["in_flight"] == 0);
    let arrived = deletes(bench);
    std::thread::sleep(Duration::from_millis(1_000));
    assert_eq!(deletes(bench), arrived);
}

// SEMANTICS: P154
async fn a_session_is_controlled_from_any_machine() {
    let (mut bench, _database) = bench().await;
    let names = bench.world.keys("key", 60);
    let live = bench.spawn_run(&bench.manifest(&names), &["--rate", "20"]);
    bench.world.wait_for_deletes(3);
    // Nothing of the session's own machine is needed: neither its directory of sockets nor its user.
    bench.set("XDG_RUNTIME_DIR", "/nowhere");
    let paused = told(&bench, &["pause"]);
    assert_eq!((&paused["schema"], &paused["state"]), (&"keybatch.control/1".into(), &"paused".into()), "{paused}");
    stands_still(&bench);
    let lifted = control(&bench, &["rate", "21"]).exits(4);
    assert_eq!(lifted.json()["code"], "control.refused", "{lifted}");
    assert_eq!(told(&bench, &["continue"])["state"], "running");
    let table = bench.keybatch(&["control", "latest", "status"]).exits(0);
    assert!(table.stdout.contains(": running") && table.stdout.matches("\nsession ").count() == 1, "{table}");
    let done = live.wait().exits(0);
    assert!(done.stderr.contains("(database role "), "{done}");
    let uses = uses(&bench);
    let words: Vec<_> = uses.iter().map(|used| used["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["pause", "continue"], "what was refused is no entry");
    assert_eq!(
        (&uses[0]["database_role"], &uses[0]["uid"]),
        (&super::super::server::ADMIN.into(), &Value::Null),
        "{uses:?}"
    );
    assert!(uses[0]["by"].as_str().is_some_and(|by| by.contains('@')), "{uses:?}");
    let late = control(&bench, &["pause"]).exits(4);
    assert_eq!(late.json()["code"], "run.not_running", "{late}");
    is_sound(&bench);
}

/// A pause is of the run: a supervisor that starts a runner again does not end it.
// SEMANTICS: P154
async fn all_runners_are_paused_and_whoever_joins_is_too() {
    let (bench, _database) = bench().await;
    let names = begun(&bench, 80, "20");
    let mut runners: Vec<_> = (0..2).map(|_| runner(&bench, "20")).collect();
    at_work(&bench, 2);
    told(&bench, &["rate", "10"]);
    told(&bench, &["pause"]);
    stands_still(&bench);
    runners.push(runner(&bench, "20"));
    at_work(&bench, 3);
    // The first two are gone: those who joined keep to it all the same, and so does who joins them.
    runners.remove(0).kill();
    runners.remove(0).kill();
    runners.push(runner(&bench, "20"));
    at_work(&bench, 2);
    let status = told(&bench, &["status"]);
    assert_eq!((&status["state"], &status["targets"][0]["cap_per_s"]), (&"paused".into(), &10.0.into()), "{status}");
    stands_still(&bench);
    assert!(deletes(&bench) < names.len());
    told(&bench, &["rate", "20"]);
    told(&bench, &["continue"]);
    for live in runners {
        live.wait().exits(0);
    }
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1));
    let paused = "SELECT count(DISTINCT session) AS n FROM entries WHERE kind = 'control_used' AND body LIKE '%pause%'";
    assert_eq!(count(&bench, paused), 4, "each of them has an entry of its own");
    is_sound(&bench);
}

// SEMANTICS: P154
async fn one_rate_holds_for_all_runners_and_a_stop_ends_them() {
    let (bench, _database) = bench().await;
    begun(&bench, 300, "40");
    let runners: Vec<_> = (0..2).map(|_| runner(&bench, "40")).collect();
    at_work(&bench, 2);
    let status = told(&bench, &["rate", "4"]);
    assert_eq!(status["targets"][0]["cap_per_s"], 4.0, "{status}");
    std::thread::sleep(Duration::from_secs(1));
    // Reads keep to it, too.
    let requests = || {
        ["DeleteKeyPair", "GetKeyPair", "GetKeyPairs"].map(|kind| bench.world.arrived(kind).len()).iter().sum::<usize>()
    };
    let before = requests();
    std::thread::sleep(Duration::from_secs(4));
    let sent = requests() - before;
    assert!((4..=18).contains(&sent), "{sent} in 4 s, of both together");
    assert_eq!(told(&bench, &["stop"])["state"], "stopping");
    for live in runners {
        let done = live.wait().exits(5);
        assert_eq!(summary(&bench, &done)["stopped_by"], "control", "{done}");
    }
    is_sound(&bench);
}

async fn a_dead_session_does_not_answer() {
    let (bench, _database) = bench().await;
    begun(&bench, 40, "5");
    let live = runner(&bench, "5");
    wait_until("it works", || control(&bench, &["status"]).code == Some(0));
    live.kill();
    let done = control(&bench, &["pause"]);
    assert!([Some(4), Some(9)].contains(&done.code), "{done}");
    let code = done.json()["code"].clone();
    assert!(code == "control.unreachable" || code == "run.not_running", "{done}");
    assert!(uses(&bench).is_empty());
}
