//! Sessions that end before their run does, and those that come after them.

use std::time::Duration;

use super::super::proxy::{Fault, Proxy};
use super::super::server::{ADMIN, Database};
use super::{bench, is_sound};
use crate::harness::tests;
use crate::support::{Act, Bench, count, summary, wait_until};

tests![; async
    a_dead_session_is_waited_for_and_its_run_resumed,
    a_second_session_is_told_who_works,
    a_database_that_goes_away_ends_the_session_and_nothing_is_asked_twice,
    an_older_copy_of_the_database_is_refused,
];

/// How long a hold lasts, with some time to start.
const HELD: Duration = Duration::from_secs(26);

// SEMANTICS: P144
async fn a_dead_session_is_waited_for_and_its_run_resumed() {
    let (bench, _database) = bench().await;
    let names = bench.world.keys("key", 40);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(40)));
    let live = bench.spawn_run(&bench.manifest(&names), &[]);
    bench.world.wait_for_deletes(8);
    let pid = live.pid();
    live.kill();
    // Reading needs no hold.
    assert_eq!(bench.query("SELECT state FROM runs")[0]["state"], "running");
    let done = bench.resume().exits(0);
    assert!(done.took > Duration::from_secs(5) && done.took < HELD, "{done}");
    assert!(done.stderr.contains(&format!("the journal is held by keybatch run, process {pid} on ")), "{done}");
    assert!(done.stderr.contains("waiting to see whether that session is alive: 20 s at the most"), "{done}");
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 40);
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1), "each was asked for once");
    bench.verify().exits(0);
}

// SEMANTICS: P144
async fn a_second_session_is_told_who_works() {
    let (bench, _database) = bench().await;
    let manifest = bench.manifest(&bench.world.keys("key", 120));
    let live = bench.spawn_run(&manifest, &["--rate", "12"]);
    bench.world.wait_for_deletes(1);
    let sent = bench.world.state().log.len();
    let other = bench.file("other.csv", "key_pair_name\nnot-mine\n");
    let refused = bench.run(&other, &[]).exits(8);
    let told = refused.said();
    assert!(told.contains(&format!("keybatch run, process {} on ", live.pid())), "{told}");
    assert_eq!(refused.json()["sent"], "nothing");
    assert!(bench.world.state().log[sent..].iter().all(|arrival| arrival.name != "not-mine"));
    live.signal(rustix::process::Signal::INT);
    live.wait().exits(5);
    bench.resume().exits(0);
    is_sound(&bench);
}

// SEMANTICS: P139
async fn a_database_that_goes_away_ends_the_session_and_nothing_is_asked_twice() {
    let database = Database::with_schema().await;
    let proxy = Proxy::before(database.port).await;
    let mut bench = Bench::new();
    bench.move_journal(database.url(ADMIN, proxy.port).into());
    let names = bench.world.keys("key", 60);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(20)));
    let mut live = bench.spawn_run(&bench.manifest(&names), &["--journal-patience", "1s"]);
    bench.world.wait_for_deletes(6);
    proxy.set(Fault::Gone);
    wait_until("the session ends", || live.has_ended());
    let done = live.wait().exits(9);
    assert!(done.said().contains("resume"), "{done}");
    let sent = bench.world.arrived("DeleteKeyPair").len();
    assert!(sent < 60, "{done}");
    // As long as it is away, nothing is sent.
    assert_eq!(bench.resume().exits(9).json()["sent"], "nothing");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), sent);
    proxy.set(Fault::None);
    let done = bench.resume().exits(0);
    assert_eq!(summary(&bench, &done)["rows"], 60);
    assert!(names.iter().all(|name| bench.world.deletes(name) == 1), "asked twice\n{done}");
    bench.verify().exits(0);
}

// SEMANTICS: P145
async fn an_older_copy_of_the_database_is_refused() {
    let (bench, database) = bench().await;
    let kept = bench.home().join("kept").display().to_string();
    bench.run(&bench.manifest(&bench.world.keys("first", 2)), &["--checkpoint-to", &kept]).exits(0);
    let name = &database.name;
    let mut admin = database.connect_to("postgres", ADMIN).await;
    super::super::server::run(&mut admin, &format!("CREATE DATABASE {name}_copy TEMPLATE {name}")).await.unwrap();
    bench.run(&bench.manifest(&bench.world.keys("second", 2)), &["--checkpoint-to", &kept]).exits(0);
    for sql in [format!("DROP DATABASE {name}"), format!("ALTER DATABASE {name}_copy RENAME TO {name}")] {
        super::super::server::run(&mut admin, &sql).await.unwrap();
    }
    let third = bench.manifest(&bench.world.keys("third", 1));
    let sent = bench.world.arrived("DeleteKeyPair").len();
    bench.run(&third, &["--checkpoint-to", &kept]).exits(4);
    let refused = bench.run(&third, &[]).exits(4);
    assert_eq!(refused.json()["sent"], "nothing", "{refused}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), sent);
    assert_eq!(
        bench.keybatch(&["verify", "--checkpoint", &kept, "--output", "json"]).exits(7).json()["verdict"],
        "truncated"
    );
    bench.run(&third, &["--accept-rollback", "--because", "restored on purpose"]).exits(0);
    assert_eq!(count(&bench, "SELECT count(*) AS n FROM runs"), 2);
}
