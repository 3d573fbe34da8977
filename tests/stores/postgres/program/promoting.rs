//! Runners whose server dies, and whose standby, which lacks the last entries, is promoted.

use std::time::Duration;

use keybatch::journal::postgres::migrate;

use super::super::failing_over::until;
use super::super::server::{ADMIN, Server};
use crate::harness::tests;
use crate::support::{Act, Bench, count};

tests![; async runners_end_when_another_server_is_promoted_and_what_it_lacks_is_settled];

/// The standby stands first in the address: sessions, their readings too, use the primary.
// SEMANTICS: P145
async fn runners_end_when_another_server_is_promoted_and_what_it_lacks_is_settled() {
    let primary = Server::new(&[]);
    let (first, standby) = (primary.database("postgres"), primary.standby());
    let second = standby.database("postgres");
    migrate(&first.address()).await.unwrap();
    until(&second, "SELECT to_regclass('keybatch.schema') IS NOT NULL").await;
    let mut bench = Bench::new();
    let both = format!("postgres://{ADMIN}@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port, primary.port);
    bench.move_journal(both.into());
    bench.set("KEYBATCH_RATE", "20");
    bench.set("KEYBATCH_JOURNAL_PATIENCE", "20s");
    let names = bench.world.keys("key", 100);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(10)));
    bench.run(&bench.manifest(&names), &["--max-deletes", "0"]).exits(5);
    let runners: Vec<_> = (0..2).map(|_| bench.spawn(&["work", "latest", "--output", "json"])).collect();
    bench.world.wait_for_deletes(10);
    // From here on the standby hears nothing more, though those who read of it would take it for current.
    second.sql("ALTER SYSTEM SET primary_conninfo = ''").await.unwrap();
    second.sql("SELECT pg_reload_conf()").await.unwrap();
    until(&second, "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await;
    let unheard = bench.world.arrived("DeleteKeyPair").len();
    bench.world.wait_for_deletes(unheard + 20);
    drop(primary);
    // What was in flight has arrived.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = bench.world.arrived("DeleteKeyPair").len();
    second.sql("SELECT pg_promote()").await.unwrap();
    for live in runners {
        let done = live.wait().exits(9);
        assert!(done.stderr.contains("promoted") && done.stderr.contains("start the runners again"), "{done}");
        assert!(done.stderr.contains("continue with: keybatch work "), "a runner goes on as one: {done}");
    }
    assert_eq!(
        bench.world.arrived("DeleteKeyPair").len(),
        asked,
        "nothing leaves on the word of a server that lacks entries"
    );
    // This machine remembers more (I12).
    let refused = bench.keybatch(&["work", "latest"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("--accept-rollback"), "{refused}");
    bench.keybatch(&["resume", "latest", "--accept-rollback", "--because", "the primary's disk burned"]).exits(0);
    assert!(bench.world.state().keys.is_empty());
    assert_eq!(bench.world.overlaps(), Vec::<String>::new());
    assert!(names.iter().all(|name| bench.world.deletes(name) <= 2), "what is missing was asked for once more at most");
    let unsettled = "SELECT count(*) AS n FROM intents WHERE outcome IS NULL OR outcome IN ('failed', 'in_doubt')";
    assert_eq!(count(&bench, unsettled), 0);
    bench.verify().exits(0);
}
