//! Line "refused for everyone" and the other reasons to stop: the run stops with exit 5, rows stay
//! `not_attempted`, and `resume` finishes the run once the cause is gone.

use std::io::BufRead as _;
use std::time::Duration;

use crate::support::{Act, Bench, Done, Effect, count, intents, invariants, row, safety, summary};
use serde_json::Value;

/// Checks that a run stopped resumably, for this reason.
#[track_caller]
fn stopped(bench: &Bench, done: Done, by: &str) -> Value {
    let done = done.exits(5);
    let summary = summary(bench, &done);
    assert_eq!(summary["state"], "stopped", "{done}");
    assert_eq!(summary["stopped_by"], by, "{done}");
    assert!(summary["outcomes"]["not_attempted"].as_u64().unwrap() > 0, "{done}");
    assert!(done.stderr.contains("resume"), "the last line says what to do next\n{done}");
    safety(bench);
    summary
}

/// Resumes until nothing is left, at most this many times; returns the last session.
#[track_caller]
fn resume_to_the_end(bench: &Bench, sessions: usize) -> Done {
    for _ in 0..sessions {
        let done = bench.resume();
        if done.code != Some(5) {
            return done;
        }
    }
    panic!("still stopped after {sessions} sessions");
}

/// Every key pair was deleted by us, once.
#[track_caller]
fn all_deleted(bench: &Bench) {
    for row in intents(bench) {
        assert_eq!(row.outcome(), "deleted", "{row:#?}");
        assert_eq!(bench.world.deleted_by_us(&row.place()), 1, "{row:#?}");
    }
}

/// Line "first N rows all denied": the breaker stops the run; once the permission is back, resume exits with 0.
// SEMANTICS: P34
// SEMANTICS: P40
#[test]
fn everything_denied_stops_the_run_and_resume_finishes() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 40);
    bench.world.deny("DeleteKeyPair");
    let done = bench.run(&bench.manifest(&names), &[]);
    let summary = stopped(&bench, done, "breaker");
    assert_eq!(summary["outcomes"]["failed"], 0, "what everyone is refused is no row's failure: {summary}");
    assert!(bench.world.arrived("DeleteKeyPair").len() < 40, "it did not try them all");
    bench.world.heal();
    resume_to_the_end(&bench, 1).exits(0);
    all_deleted(&bench);
    invariants(&bench);
}

/// AccessDenied can concern a single key pair: a few of many must not stop the run, not even the first one.
// SEMANTICS: P31
// SEMANTICS: P40
#[test]
fn some_denied_do_not_stop_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 12);
    for index in [0, 5, 11] {
        bench.world.always("DeleteKeyPair", &names[index], Act::denied());
    }
    let done = bench.run(&bench.manifest(&names), &["--concurrency", "1"]).exits(3);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["outcomes"]["failed"], &summary["outcomes"]["deleted"]), (&3.into(), &9.into()), "{done}");
    invariants(&bench);
}

/// Line "expired credentials" during a run: it stops, and resume finishes; no row is settled as failed because of it.
// SEMANTICS: P34
// SEMANTICS: P41
#[test]
fn credentials_that_expire_in_mid_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 12);
    let expiring = Act::type_only(400, "ExpiredTokenException").and(|state| state.expired = true);
    bench.world.script("DeleteKeyPair", &names[4], [expiring]);
    let done = bench.run(&bench.manifest(&names), &["--concurrency", "2"]);
    let summary = stopped(&bench, done, "breaker");
    assert_eq!(summary["outcomes"]["failed"], 0, "{summary}");
    bench.world.heal();
    resume_to_the_end(&bench, 1).exits(0);
    all_deleted(&bench);
    invariants(&bench);
}

/// field.md: a refusal that the target's own successes disprove concerns the row, not everyone.
// SEMANTICS: P41
#[test]
fn a_refusal_of_everyone_that_others_disprove_is_about_its_row() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 8);
    bench.world.always("DeleteKeyPair", &names[2], Act::type_only(403, "InvalidSignatureException"));
    let done = bench.run(&bench.manifest(&names), &["--concurrency", "1"]).exits(3);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["outcomes"]["failed"], &summary["outcomes"]["deleted"]), (&1.into(), &7.into()), "{done}");
    assert_eq!(row(&bench, &names[2]).outcome(), "failed");
    invariants(&bench);
}

/// lightsail.md: every error that is fatal for the whole run stops it, in either form.
// SEMANTICS: P41
#[test]
fn every_fatal_error_stops_the_run() {
    let fatal = [
        (400, "UnrecognizedClientException"),
        (403, "InvalidClientTokenId"),
        (400, "ExpiredToken"),
        (400, "InvalidSignatureException"),
        (400, "IncompleteSignature"),
        (400, "RequestExpired"),
        (403, "OptInRequired"),
        (401, "UnauthenticatedException"),
        (403, "MissingAuthenticationToken"),
    ];
    for (index, (status, kind)) in fatal.into_iter().enumerate() {
        let bench = Bench::new();
        let names = bench.world.keys("key", 6);
        let act = if index % 2 == 0 { Act::type_only(status, kind) } else { Act::error(status, kind, None, true) };
        names[2..].iter().for_each(|name| bench.world.always("DeleteKeyPair", name, act.clone()));
        let done = bench.run(&bench.manifest(&names), &["--concurrency", "1"]);
        assert!(done.stderr.contains("\n  hint: "), "{kind}: what to do\n{done}");
        stopped(&bench, done, "breaker");
        assert!(["not_attempted", ""].contains(&row(&bench, &names[2]).outcome().as_str()), "{kind}");
        bench.world.heal();
        resume_to_the_end(&bench, 1).exits(0);
        all_deleted(&bench);
        invariants(&bench);
    }
}

/// Line "endpoint gone" during a run: it stops; connections that were never made used up no attempt; resume finishes.
// SEMANTICS: P42
#[test]
fn an_endpoint_that_vanishes_in_mid_run() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 10);
    bench.world.script("DeleteKeyPair", &names[3], [Act::ok().then_vanish_server()]);
    let done = bench.run(&bench.manifest(&names), &["--concurrency", "1", "--max-attempts", "2"]).exits(5);
    assert_eq!(done.json()["stopped_by"], "breaker", "{done}");
    assert_eq!(done.json()["outcomes"]["failed"], 0, "{done}");
    bench.world.reappear();
    resume_to_the_end(&bench, 1).exits(0);
    all_deleted(&bench);
    safety(&bench);
}

/// The same with a lost answer: once the endpoint is back, the attempt that was under way is settled, never repeated blindly.
// SEMANTICS: P42
#[test]
fn an_endpoint_that_takes_an_answer_with_it() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.script("DeleteKeyPair", &names[2], [Act::cut().with(Effect::Delete).then_vanish_server()]);
    bench.run(&bench.manifest(&names), &["--concurrency", "1"]).exits(5);
    bench.world.reappear();
    resume_to_the_end(&bench, 1).exits(0);
    assert_eq!(bench.world.deletes(&names[2]), 1);
    all_deleted(&bench);
    safety(&bench);
}

/// The same if every row that is left is in flight, whether or not a signal stops the session: nothing could be read, so no row
/// ends in doubt, and once the endpoint is back each row is settled by what is seen.
// SEMANTICS: P33
// SEMANTICS: P42
// SEMANTICS: P44
#[test]
fn what_was_in_flight_when_the_endpoint_went_away_is_settled_by_resume() {
    let settled = "SELECT count(*) AS n FROM intents WHERE outcome NOT IN ('unsettled', 'not_attempted')";
    crate::at_once([(Effect::Delete, false), (Effect::Nothing, true)], |(effect, signalled)| {
        let mut bench = Bench::new();
        let names = bench.world.keys("key", 1);
        bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(effect).then_vanish_server()]);
        let live = bench.spawn_run(&bench.manifest(&names), &["--settle-timeout", "2s"]);
        bench.world.wait_for_deletes(1);
        if signalled {
            live.signal(rustix::process::Signal::INT);
        }
        let done = live.wait().exits(5);
        let stopped = summary(&bench, &done);
        assert_eq!(stopped["stopped_by"], if signalled { "signal" } else { "breaker" }, "{done}");
        assert_eq!(count(&bench, settled), 0, "{done}");
        assert!(signalled || done.stderr.contains("no connection"), "{done}");
        safety(&bench);
        bench.world.reappear();
        bench.resume().exits(0);
        let (verdict, deletes) = match effect {
            Effect::Delete => ("deleted/operation", 1),
            _ => ("deleted/answer", 2),
        };
        assert_eq!((row(&bench, &names[0]).verdict().as_str(), bench.world.deletes(&names[0])), (verdict, deletes));
        invariants(&bench);
    });
}

/// An answer is lost, and reading is no longer permitted: nothing can be settled, so the run stops with exit 9.
// SEMANTICS: P56
#[test]
fn reading_denied_in_mid_run_stops_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    let lost = Act::cut().and(|state| {
        state.denied.insert("GetKeyPair".to_owned());
    });
    bench.world.script("DeleteKeyPair", &names[1], [lost]);
    let done = bench.run(&bench.manifest(&names), &["--concurrency", "1"]).exits(9);
    let summary = done.json();
    assert_eq!((&summary["stopped_by"], &summary["outcomes"]["unsettled"]), (&"breaker".into(), &1.into()), "{done}");
    assert!(done.stderr.contains("lightsail:GetKeyPair"), "{done}");
    assert!(bench.world.arrived("DeleteKeyPair").len() < 6, "{done}");
    bench.world.heal();
    bench.resume().exits(0);
    assert!(bench.world.state().keys.is_empty());
}

/// `--max-deletes N`: no more than N are deleted in a session; exit 5; resuming finishes the run.
// SEMANTICS: P37
#[test]
fn max_deletes_stops_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 9);
    let done = bench.run(&bench.manifest(&names), &["--max-deletes", "3"]);
    let summary = stopped(&bench, done, "max_deletes");
    assert_eq!(summary["outcomes"]["deleted"], 3, "{summary}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 3);
    resume_to_the_end(&bench, 9).exits(0);
    all_deleted(&bench);
    invariants(&bench);
}

/// `--max-failures N`: the run stops when that many rows have failed.
// SEMANTICS: P38
#[test]
fn max_failures_as_a_number_stops_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 20);
    for name in &names[1..7] {
        bench.world.always("DeleteKeyPair", name, Act::type_only(400, "InvalidInputException"));
    }
    let done = bench.run(&bench.manifest(&names), &["--max-failures", "2", "--concurrency", "1"]);
    let summary = stopped(&bench, done, "max_failures");
    let failed = summary["outcomes"]["failed"].as_u64().unwrap();
    assert!((2..=3).contains(&failed), "{summary}");
    bench.world.heal();
    // Whether the limit counts per session or per run is open; either way the failed rows stay failed.
    bench.resume().exits_one_of(&[3, 5]);
    invariants(&bench);
}

/// `--max-failures P%`: a percentage of the rows.
// SEMANTICS: P38
#[test]
fn max_failures_as_a_share_stops_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 40);
    for name in names.iter().skip(10).step_by(2) {
        bench.world.always("DeleteKeyPair", name, Act::type_only(400, "InvalidInputException"));
    }
    let done = bench.run(&bench.manifest(&names), &["--max-failures", "10%", "--concurrency", "1"]);
    let summary = stopped(&bench, done, "max_failures");
    let failed = summary["outcomes"]["failed"].as_u64().unwrap();
    assert!((1..=8).contains(&failed), "{summary}");
    invariants(&bench);
}

/// `--max-duration D` counts from the beginning: planning that takes longer is stopped, and there is nothing to resume.
// SEMANTICS: P39
#[test]
fn max_duration_counts_planning() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("GetKeyPairs", "*", [Act::ok().after(Duration::from_secs(3))]);
    let manifest = bench.manifest(&names);
    let done = bench.run(&manifest, &["--max-duration", "1s"]).exits(12);
    let summary = done.json();
    assert_eq!((&summary["state"], &summary["stopped_by"]), (&"abandoned".into(), &"max_duration".into()), "{done}");
    assert!(done.stderr.contains("--max-duration 1s has elapsed") && done.stderr.contains("run it again"), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0, "{done}");
    bench.resume().exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0);
    bench.run(&manifest, &[]).exits(0);
    invariants(&bench);
}

/// `--max-duration D`: stops in time and settles what is in flight; resume continues.
// SEMANTICS: P39
#[test]
fn max_duration_stops_the_run() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 30);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(200)));
    let done = bench.run(&bench.manifest(&names), &["--max-duration", "4s", "--concurrency", "1"]);
    assert!(done.took < Duration::from_secs(8), "{done}");
    stopped(&bench, done, "max_duration");
    invariants(&bench);
    bench.world.heal();
    resume_to_the_end(&bench, 9).exits(0);
    all_deleted(&bench);
    invariants(&bench);
}

/// I6: a second resume of a finished run sends nothing and writes nothing but its session entries.
// SEMANTICS: P46
#[test]
fn resume_reaches_a_fixed_point() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied());
    let done = bench.run(&bench.manifest(&names), &["--max-deletes", "3"]).exits(5);
    let run = done.json()["run"].as_str().unwrap().to_owned();
    resume_to_the_end(&bench, 9).exits(3);
    let entries = count(&bench, "SELECT count(*) AS n FROM entries");
    let requests = lightsail_requests(&bench);
    bench.keybatch(&["resume", &run, "--output", "json"]).exits(3);
    assert_eq!(lightsail_requests(&bench), requests, "a finished run sends nothing");
    let new = bench.query(&format!("SELECT DISTINCT kind FROM entries WHERE seq >= {entries}"));
    for row in new {
        let kind = row["kind"].as_str().unwrap_or_default().to_owned();
        assert!(["session_opened", "session_closed", "checkpoint_made"].contains(&kind.as_str()), "wrote {kind}");
    }
    invariants(&bench);
}

/// The reader of the checkpoints disappears after the first one, and the run still ends: it is finished, not stopped, and the summary says
/// so beside the error.
#[test]
fn a_finished_run_is_finished_also_where_its_last_checkpoint_cannot_be_handed_on() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_secs(1)));
    let pipe = bench.home().join("checkpoints");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut line = String::new();
            std::io::BufReader::new(std::fs::File::open(pipe).unwrap()).read_line(&mut line).unwrap();
            line
        }
    });
    let done = bench.run(&bench.manifest(&names), &["--checkpoint-to", pipe.to_str().unwrap()]).exits(9);
    assert!(reader.join().unwrap().starts_with("keybatch/"), "{done}");
    let summary = done.json();
    assert_eq!((&summary["state"], &summary["stopped_by"]), (&"finished".into(), &Value::Null), "{done}");
    assert_eq!(summary["outcomes"]["deleted"], 2, "{done}");
    assert!(
        done.said().contains("nothing of the run is missing") && !done.said().contains("nothing was sent"),
        "{done}"
    );
    assert!(!done.said().contains("keybatch resume"), "{done}");
    bench.verify().exits(0);
}

/// `abandon`: rows with a request are settled by reading alone, rows without one stay `not_attempted`, and the run is over: it cannot be
/// resumed and does not block its manifest, and what it knows about the key pairs still counts.
// SEMANTICS: P70
#[test]
fn an_abandoned_run_is_over() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    bench.world.script("DeleteKeyPair", &names[1], [Act::hang()]);
    bench.world.script("DeleteKeyPair", &names[2], [Act::cut().with(Effect::Delete), Act::hang()]);
    let manifest = bench.manifest(&names);
    let live = bench.spawn_run(&manifest, &["--concurrency", "3", "--attempt-timeout", "1s", "--max-deletes", "3"]);
    bench.world.wait_for_deletes(3);
    live.kill();
    bench.world.heal();
    let asked = bench.world.arrived("DeleteKeyPair").len();
    let arguments = ["abandon", "latest", "--because", "the ticket was withdrawn", "--output", "json"];
    let done = bench.keybatch(&[&arguments[..], &["--rate", "unlimited"]].concat()).exits(3);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["state"], &summary["stopped_by"]), (&"abandoned".into(), &Value::Null), "{done}");
    assert_eq!(
        (&summary["outcomes"]["not_attempted"], &summary["outcomes"]["unsettled"]),
        (&2.into(), &0.into()),
        "{done}"
    );
    assert!(summary["finished_at"].is_string(), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), asked, "nothing more is asked for\n{done}");
    assert_eq!(row(&bench, &names[1]).verdict(), "failed/readback");
    assert_eq!(row(&bench, &names[2]).verdict(), "deleted/operation");
    safety(&bench);
    let said =
        bench.query("SELECT json_extract(body, '$.because') AS because FROM entries WHERE kind = 'run_abandoned'");
    assert_eq!(said[0]["because"], "the ticket was withdrawn");
    let run = summary["run"].as_str().unwrap();
    for command in [&["resume", run][..], &["abandon", run, "--because", "again"]] {
        let refused = bench.keybatch(&[command, &["--output", "json"]].concat()).exits(4).json();
        assert_eq!((&refused["code"], &refused["run"]), (&"run.abandoned".into(), &run.into()), "{refused}");
    }
    assert!(bench.resume().exits(0).json()["run"].is_null());
    let again = bench.run(&manifest, &[]).exits(0).json();
    assert_eq!((&again["outcomes"]["deleted"], &again["outcomes"]["absent"]), (&3.into(), &2.into()), "{again}");
    bench.verify().exits(0);
}

/// If nothing can be read, a run with an open row is not abandoned, and can still be resumed.
// SEMANTICS: P70
#[test]
fn what_cannot_be_read_is_not_abandoned() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "1s"]);
    bench.world.wait_for_deletes(1);
    live.kill();
    bench.world.heal();
    bench.world.deny("GetKeyPair");
    let done = bench.keybatch(&["abandon", "latest", "--because", "no use", "--output", "json"]).exits(9);
    assert_eq!((&done.json()["state"], &done.json()["code"]), (&"stopped".into(), &"aws.permission".into()), "{done}");
    bench.world.heal();
    bench.keybatch(&["abandon", "latest", "--because", " "]).exits(2);
    bench.resume().exits(0);
    safety(&bench);
}

fn lightsail_requests(bench: &Bench) -> usize {
    bench.world.state().log.iter().filter(|arrival| arrival.operation != "GetCallerIdentity").count()
}
