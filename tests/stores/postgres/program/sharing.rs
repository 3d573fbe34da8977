//! Several runners on one run.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde_json::json;

use super::super::proxy::{Fault, Proxy};
use super::super::server::{ADMIN, Database};
use super::{bench, is_sound};
use crate::harness::tests;
use crate::support::{Act, Bench, Done, Effect, Live, count, row, summary, wait_until};

tests![
    a_file_is_not_shared;
    async runners_share_the_rows_and_one_of_them_ends_the_run,
    a_runner_that_dies_is_replaced_and_what_it_sent_is_settled,
    a_runner_that_sleeps_past_its_leases_writes_only_late_answers,
    a_runner_that_is_stopped_gives_its_rows_back_at_once,
    runners_together_keep_to_the_rate,
    whoever_wants_the_journal_alone_is_told_who_works,
    a_cut_network_costs_no_row,
    what_is_not_begun_is_not_shared,
    whoever_comes_when_the_others_are_done_says_so,
    a_rehearsal_is_shared_where_its_sandbox_is_served,
];

/// Begins a run of these key pairs without deleting any.
fn begun(bench: &Bench, names: &[String], more: &[&str]) {
    bench.run(&bench.manifest(names), &[&["--max-deletes", "0"], more].concat()).exits(5);
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
}

fn runner(bench: &Bench, more: &[&str]) -> Live {
    bench.spawn(&[&["work", "latest", "--output", "json"], more].concat())
}

/// How many runs are finished, and how often that was said.
fn is_finished_once(bench: &Bench) {
    assert_eq!(count(bench, "SELECT count(*) AS n FROM entries WHERE kind = 'run_finished'"), 1);
    assert_eq!(bench.query("SELECT state FROM runs")[0]["state"], "finished");
}

fn a_file_is_not_shared() {
    let bench = Bench::new();
    let done = bench.keybatch(&["work", "latest"]).exits(2);
    assert!(done.stderr.contains("several runners share only a journal in PostgreSQL"), "{done}");
    assert!(bench.world.state().log.is_empty());
}

async fn runners_share_the_rows_and_one_of_them_ends_the_run() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 200);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(30)));
    begun(&bench, &names, &[]);
    let runners: Vec<_> = (0..3).map(|_| runner(&bench, &[])).collect();
    let ended: Vec<Done> = runners.into_iter().map(|live| live.wait().exits(0)).collect();
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1), "each was asked for once");
    let sessions = "SELECT count(DISTINCT session) AS n FROM entries WHERE kind = 'attempt_started'";
    assert_eq!(count(&bench, sessions), 3, "each of them had rows");
    for done in &ended {
        assert_eq!(summary(&bench, done)["outcomes"]["deleted"], 200, "{done}");
    }
    is_finished_once(&bench);
    is_sound(&bench);
}

async fn a_runner_that_dies_is_replaced_and_what_it_sent_is_settled() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 60);
    begun(&bench, &names, &["--signature-life", "2s"]);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(100)));
    let first = runner(&bench, &[]);
    bench.world.wait_for_deletes(6);
    first.kill();
    let second = runner(&bench, &[]).wait().exits(0);
    assert!(second.took > Duration::from_secs(5), "the leases of the first lapse only then: {second}");
    assert_eq!(summary(&bench, &second)["outcomes"]["deleted"], 60, "{second}");
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1), "what was sent was looked for, not sent again");
    assert!(count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'lease_ended'") >= 2);
    is_finished_once(&bench);
    bench.verify().exits(0);
}

// SEMANTICS: P149
// SEMANTICS: P153
async fn a_runner_that_sleeps_past_its_leases_writes_only_late_answers() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 12);
    begun(&bench, &names, &["--signature-life", "1s"]);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(400)));
    let first = runner(&bench, &[]);
    bench.world.wait_for_deletes(2);
    first.signal(rustix::process::Signal::STOP);
    let second = runner(&bench, &[]).wait().exits(0);
    assert_eq!(summary(&bench, &second)["outcomes"]["deleted"], 12, "{second}");
    let before = bench.world.arrived("DeleteKeyPair").len();
    first.signal(rustix::process::Signal::CONT);
    let first = first.wait().exits(9);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), before, "it sends nothing any more: {first}");
    let late =
        bench.query("SELECT kind FROM entries WHERE seq > (SELECT max(seq) FROM entries WHERE kind = 'run_finished')");
    let kinds: BTreeSet<_> = late.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    let may = BTreeSet::from(["answer_late", "lease_ended", "session_closed", "checkpoint_made"]);
    assert!(kinds.is_subset(&may), "{kinds:?}");
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1));
    is_finished_once(&bench);
    bench.verify().exits(0);
}

// SEMANTICS: P151
async fn a_runner_that_is_stopped_gives_its_rows_back_at_once() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 150);
    begun(&bench, &names, &[]);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(60)));
    let [first, second] = [runner(&bench, &[]), runner(&bench, &[])];
    bench.world.wait_for_deletes(10);
    first.signal(rustix::process::Signal::INT);
    first.wait().exits(5);
    let second = second.wait().exits(0);
    assert!(second.took < Duration::from_secs(10), "nobody's leases had to lapse: {second}");
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1));
    is_finished_once(&bench);
    is_sound(&bench);
}

// SEMANTICS: P152
async fn runners_together_keep_to_the_rate() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 160);
    begun(&bench, &names, &["--rate", "20"]);
    let runners: Vec<_> = (0..4).map(|_| runner(&bench, &["--rate", "20"])).collect();
    runners.into_iter().for_each(|live| drop(live.wait().exits(0)));
    let times: Vec<_> = bench.world.arrived("DeleteKeyPair").iter().map(|arrival| arrival.at_us).collect();
    for (at, first) in times.iter().enumerate() {
        let within = times[at..].iter().take_while(|later| **later < first + 1_000_000).count();
        assert!(within <= 20 + 4, "{within} in one second");
    }
    let took = Duration::from_micros(u64::try_from(times.last().unwrap() - times[0]).unwrap());
    // Eight seconds are what the rate demands; a busy machine wastes some of it.
    assert!(took < Duration::from_secs(16), "160 at 20 a second took {took:?}: the rate is used");
    is_sound(&bench);
}

async fn whoever_wants_the_journal_alone_is_told_who_works() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 100);
    begun(&bench, &names, &["--rate", "10"]);
    let live = runner(&bench, &["--rate", "10"]);
    bench.world.wait_for_deletes(1);
    let refused = bench.keybatch(&["resume", "latest", "--output", "json"]).exits(8);
    assert!(refused.said().contains(&format!("keybatch work, process {} on ", live.pid())), "{refused}");
    live.signal(rustix::process::Signal::INT);
    live.wait().exits(5);
    // And the other way round.
    let alone = bench.spawn(&["resume", "latest", "--output", "json", "--rate", "10"]);
    let sent = bench.world.arrived("DeleteKeyPair").len();
    bench.world.wait_for_deletes(sent + 1);
    let refused = bench.keybatch(&["work", "latest", "--output", "json"]).exits(8);
    assert!(refused.said().contains(&format!("keybatch resume, process {} on ", alone.pid())), "{refused}");
    alone.wait().exits(0);
    is_sound(&bench);
}

async fn a_cut_network_costs_no_row() {
    let database = Database::with_schema().await;
    let proxy = Proxy::before(database.port).await;
    let mut bench = Bench::new();
    let direct = database.url(ADMIN, database.port);
    bench.move_journal(direct.clone().into());
    let names = bench.world.keys("key", 120);
    begun(&bench, &names, &["--signature-life", "1s"]);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(50)));
    let through = database.url(ADMIN, proxy.port);
    bench.move_journal(through.into());
    let cut = runner(&bench, &[]);
    bench.move_journal(direct.into());
    bench.world.wait_for_deletes(8);
    proxy.set(Fault::Gone);
    let other = runner(&bench, &[]);
    std::thread::sleep(Duration::from_secs(3));
    proxy.set(Fault::None);
    other.wait().exits(0);
    cut.wait().exits_one_of(&[0, 9]);
    assert!(names.iter().all(|name| !bench.world.has(name)));
    assert_eq!(bench.world.overlaps(), Vec::<String>::new());
    is_finished_once(&bench);
    bench.verify().exits(0);
}

async fn what_is_not_begun_is_not_shared() {
    let (bench, _database) = bench().await;
    bench.keybatch(&["work", "latest", "--output", "json"]).exits(2);
    let names = bench.world.keys("key", 2);
    bench.run_unconfirmed(&bench.manifest(&names), &[]);
    // It was refused before it began: there is no run yet.
    bench.keybatch(&["work", "latest", "--output", "json"]).exits(2);
    let lost = Act::cut().with(Effect::Delete);
    bench.world.script("DeleteKeyPair", &names[0], [lost]);
    begun(&bench, &names, &["--again"]);
    runner(&bench, &[]).wait().exits(0);
    // It is finished: a runner says so, and does nothing.
    let sent = bench.world.state().log.len();
    runner(&bench, &[]).wait().exits(0);
    assert!(bench.world.state().log[sent..].iter().all(|arrival| arrival.operation != "DeleteKeyPair"));
    assert_eq!(row(&bench, &names[0]).outcome(), "deleted");
    wait_until("nothing is held", || bench.keybatch(&["runs", "--output", "json"]).code == Some(0));
    is_sound(&bench);
}

/// It looks at the run while that is not finished, and would open its session when it is.
async fn whoever_comes_when_the_others_are_done_says_so() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 4);
    begun(&bench, &names, &[]);
    let first = runner(&bench, &["--rate", "2"]);
    bench.world.wait_for_deletes(3);
    // Asked again after each time without an answer in time.
    bench.world.script("GetCallerIdentity", "*", [6, 6].map(|seconds| Act::ok().after(Duration::from_secs(seconds))));
    let second = runner(&bench, &[]);
    first.wait().exits(0);
    let late = second.wait().exits(0);
    assert_eq!(summary(&bench, &late)["outcomes"]["deleted"], 4, "{late}");
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'session_opened'"), 2, "{late}");
    is_finished_once(&bench);
    is_sound(&bench);
}

async fn a_rehearsal_is_shared_where_its_sandbox_is_served() {
    let (mut bench, _database) = bench().await;
    let names: Vec<_> = (0..40).map(|number| format!("key-{number}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    let world = |name: &str| json!({ "name": name, "key_pairs": { "us-east-1": pairs } }).to_string();
    let alone = bench.file("alone.json", world("alone")).display().to_string();
    let world = bench.file("world.json", world("team")).display().to_string();
    // One in a world of its own is one session's.
    let own = format!("--sandbox={alone}");
    bench.run(&bench.manifest(&names), &[&own, "--max-deletes", "0"]).exits(5);
    let refused = runner(&bench, &[]).wait().exits(4);
    assert_eq!(refused.json()["code"], "run.not_shared", "{refused}");
    bench.keybatch(&["abandon", "latest", "--because", "it is another test's"]);

    let mut served = bench.command(&["sandbox", &world, "--quiet"]).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(served.stdout.take().unwrap()).read_line(&mut url).unwrap();
    bench.set("AWS_ENDPOINT_URL", url.trim());
    let mut share = bench.spawn_run(&bench.manifest(&names), &["--share", "--rate", "20"]);
    assert!(share.runs_until(Duration::from_secs(1)), "{}", share.wait());
    wait_until("it deletes", || count(&bench, "SELECT count(*) AS n FROM entries WHERE kind = 'lease_taken'") > 0);
    let second = runner(&bench, &["--rate", "20"]).wait();
    let first = share.wait();
    served.kill().unwrap();
    served.wait().unwrap();
    for done in [first, second] {
        let done = done.exits(0);
        assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 40, "{done}");
    }
    bench.verify().exits(0);
}
