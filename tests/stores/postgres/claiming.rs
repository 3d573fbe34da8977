//! Rows that runners claim: each is one runner's, none is left out, and one of the runners ends the run.

use std::collections::BTreeMap;
use std::time::Duration;

use keybatch::journal::postgres::migrate;
use keybatch::journal::{EntryStore as _, JournalError, ServerTrouble, open};
use sqlx::Row as _;

use super::guarding::with_roles;
use super::proxy::{Fault, Proxy};
use super::runners::{LONG, Runner, begun, left, settled, started, whole};
use super::server::{ADMIN, Database, run};
use crate::conformance::histories::closed;
use crate::harness::tests;

tests![; async
    four_runners_claim_all_rows_and_no_row_twice,
    rows_come_in_order_and_others_are_counted,
    a_claim_whose_answer_was_lost_gives_the_same_rows,
    rows_that_another_transaction_has_are_left_to_it,
    one_of_many_ends_the_run,
    a_runner_that_was_to_end_the_run_and_died_is_replaced,
    a_journal_of_the_version_before_runners_is_migrated,
    a_runners_role_can_do_all_of_that_and_touch_no_table
];

async fn four_runners_claim_all_rows_and_no_row_twice() {
    let database = Database::with_schema().await;
    let run = begun(&database, 400, 3).await;
    let mut tasks = Vec::new();
    for number in 0..4_usize {
        let mut runner = Runner::join(&database, run).await;
        tasks.push(tokio::spawn(async move {
            let (mut rows, mut nothing) = (Vec::new(), 0);
            while nothing < 3 {
                let mut found = 0;
                for target in 1..=3 {
                    let claim = runner.claim(target, 7 + u32::try_from(number).unwrap()).await;
                    assert!(claim.rows.is_sorted() && claim.lapsed.is_empty(), "{claim:?}");
                    found += claim.rows.len();
                    nothing = if claim.rows.is_empty() && claim.others == 0 { nothing } else { 0 };
                    let drafts = claim.rows.iter().map(|row| settled(*row)).collect::<Vec<_>>();
                    if !drafts.is_empty() {
                        runner.store.append(drafts, None).await.unwrap();
                    }
                    rows.extend(claim.rows);
                }
                nothing += usize::from(found == 0);
            }
            rows
        }));
    }
    let mut owners = BTreeMap::new();
    let mut shares = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        let rows = task.await.unwrap();
        shares.push(rows.len());
        for row in rows {
            assert_eq!(owners.insert(row, number), None, "row {row}");
        }
    }
    assert_eq!(owners.len(), 1_200);
    assert!(shares.iter().all(|share| *share > 100), "{shares:?}");
    let open = database.sql("SELECT 1 FROM keybatch.intent WHERE settled_seq IS NULL").await.unwrap();
    assert_eq!(open.len(), 0);
    assert_eq!(database.sql("SELECT 1 FROM keybatch.lease").await.unwrap().len(), 0);
    whole(&database).await;
}

async fn rows_come_in_order_and_others_are_counted() {
    let database = Database::with_schema().await;
    let run = begun(&database, 5, 2).await;
    let (mut a, b) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    let first = a.claim(1, 2).await;
    assert_eq!((first.rows, first.others), (vec![1, 3], 0));
    let second = b.claim(1, 9).await;
    assert_eq!((second.rows, second.others), (vec![5, 7, 9], 2));
    let none = a.claim(1, 9).await;
    assert_eq!((none.rows, none.others), (vec![], 3));
    a.append(settled(1)).await;
    let none = b.claim(1, 9).await;
    assert_eq!((none.rows, none.others), (vec![], 1));
    assert_eq!(b.claim(2, 1).await.rows, [2]);
    // Nor for a session or a run that is not its own.
    let mut other = b.claiming(2, 1);
    other.session += 1;
    assert!(matches!(b.roster.claim(other).await, Err(JournalError::Damaged { .. })));
}

// SEMANTICS: P139
async fn a_claim_whose_answer_was_lost_gives_the_same_rows() {
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::Late] {
        let database = Database::with_schema().await;
        let run = begun(&database, 6, 1).await;
        let (old, proxy) = (Runner::join(&database, run).await, Proxy::before(database.port).await);
        assert_eq!(old.claim(1, 2).await.rows, [1, 2]);
        old.lapse(&database).await;
        let address = Database::parse(&database.url(ADMIN, proxy.port)).with_patience(Duration::from_secs(30));
        let mut runner = Runner::at(&address, run, LONG).await;
        proxy.strike(fault, "keybatch.claim(", 0);
        let claim = runner.claim(1, 3).await;
        assert!(!proxy.is_armed());
        assert_eq!((claim.rows, claim.lapsed), (vec![1, 2, 3], vec![old.session]), "{fault:?}");
        tokio::time::sleep(Duration::from_millis(if fault == Fault::Late { 1_700 } else { 0 })).await;
        runner.append(started(3)).await;
        assert_eq!(runner.claim(1, 9).await.rows, [4, 5, 6], "{fault:?}");
    }
}

async fn rows_that_another_transaction_has_are_left_to_it() {
    let database = Database::with_schema().await;
    let run_no = begun(&database, 4, 1).await;
    let (a, b) = (Runner::join(&database, run_no).await, Runner::join(&database, run_no).await);
    // A claim of the other one that is not committed yet.
    let mut slow = database.connect(ADMIN).await;
    let (session, epoch) = (b.session, "(SELECT epoch FROM keybatch.runner ORDER BY epoch DESC LIMIT 1)");
    let claims = format!("BEGIN; SELECT its_rows FROM keybatch.claim({epoch}, {session}, {run_no}, 1, 2, 1)");
    assert_eq!(run(&mut slow, &claims).await.unwrap()[0].get::<&str, _>(0), "1,2");
    let claim = a.claim(1, 9).await;
    assert_eq!((claim.rows, claim.others), (vec![3, 4], 2), "they are not free, and not forgotten");
    run(&mut slow, "ROLLBACK").await.unwrap();
    assert_eq!(a.claim(1, 9).await.rows, [1, 2]);
}

async fn one_of_many_ends_the_run() {
    let database = Database::with_schema().await;
    let run = begun(&database, 2, 1).await;
    let run_no = i64::try_from(run).unwrap();
    let mut runners = Vec::new();
    for _ in 0..4 {
        runners.push(Runner::join(&database, run).await);
    }
    assert_eq!(runners[0].claim(1, 2).await.rows, [1, 2]);
    runners[0].append(settled(1)).await;
    assert!(!runners[1].roster.may_finish(run_no).await.unwrap(), "a row has no outcome");
    runners[0].append(settled(2)).await;
    let asked = runners.iter().map(|runner| runner.roster.may_finish(run_no));
    let said = futures_util::future::join_all(asked).await;
    assert_eq!(said.iter().filter(|said| *said.as_ref().unwrap()).count(), 1, "{said:?}");
    let ends = said.iter().position(|said| *said.as_ref().unwrap()).unwrap();
    assert!(runners[ends].roster.may_finish(run_no).await.unwrap(), "it is told the same again");
    let rest = (ends + 1) % 4;
    let session = runners[rest].session;
    runners[rest].store.append(vec![left(session), closed(1)], None).await.unwrap();
    assert!(!runners[(ends + 2) % 4].roster.may_finish(run_no).await.unwrap());
}

async fn a_runner_that_was_to_end_the_run_and_died_is_replaced() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let run_no = i64::try_from(run).unwrap();
    let (mut a, b) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    assert_eq!(a.claim(1, 2).await.rows, [1]);
    a.append(settled(1)).await;
    assert!(a.roster.may_finish(run_no).await.unwrap());
    assert!(!b.roster.may_finish(run_no).await.unwrap());
    a.lapse(&database).await;
    assert!(b.roster.may_finish(run_no).await.unwrap());
    assert!(matches!(a.store.append(vec![closed(1)], None).await, Err(JournalError::FencedOff { .. })));
}

const BEFORE: [&str; 3] = [
    include_str!("../../../migrations/postgres/0001_journal.sql"),
    include_str!("../../../migrations/postgres/0002_append.sql"),
    include_str!("../../../migrations/postgres/0003_views.sql"),
];

async fn a_journal_of_the_version_before_runners_is_migrated() {
    let database = with_roles().await;
    database.sql("DROP SCHEMA keybatch CASCADE; CREATE SCHEMA keybatch AUTHORIZATION keybatch_owner").await.unwrap();
    let version = "CREATE TABLE keybatch.schema_version (id integer PRIMARY KEY CHECK (id = 0), version bigint NOT NULL); \
                   INSERT INTO keybatch.schema_version VALUES (0, 3); \
                   CREATE VIEW keybatch.schema AS SELECT version FROM keybatch.schema_version";
    for statements in [version].iter().chain(&BEFORE) {
        database.sql(&format!("SET ROLE keybatch_owner; {statements}")).await.unwrap();
    }
    // A session of the keybatch before is at work.
    let taken = "SELECT its_epoch FROM keybatch.take_hold('')";
    let epoch: i64 = database.sql(taken).await.unwrap()[0].get(0);
    let address = database.address();
    assert_eq!(keybatch::journal::postgres::is_held(&address).await, Some(true));
    let refused = keybatch::journal::postgres::Hold::join(&address, &super::holder("work"), LONG).await;
    let Err(JournalError::Server { trouble: ServerTrouble::OlderSchema { version: 3, known: 4 }, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!([migrate(&address).await.unwrap(), migrate(&address).await.unwrap()], [3, 4]);
    // It goes on with the same functions.
    let body = "{}";
    let append = format!(
        "SELECT said FROM keybatch.append({epoch}, 0, sha256(''), 1, sha256('\\x00'::bytea || '{body}'), sha256('x'), NULL, NULL, \
         ARRAY['{body}'], ARRAY[sha256('\\x00'::bytea || '{body}')])"
    );
    assert_eq!(database.sql(&append).await.unwrap()[0].get::<&str, _>(0), "taken");
    database.sql(&format!("SELECT keybatch.end_hold({epoch})")).await.unwrap();
    let mut snapshot = open::snapshot(database.location()).await.unwrap();
    snapshot.begin().await.unwrap();
    let differences = snapshot.schema_differences().await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    snapshot.end().await;
}

async fn a_runners_role_can_do_all_of_that_and_touch_no_table() {
    let database = with_roles().await;
    let run_no = begun(&database, 2, 1).await;
    let address = database.address_of("rudi");
    let mut runner = Runner::at(&address, run_no, LONG).await;
    let mut other = Runner::at(&address, run_no, LONG).await;
    assert_eq!(runner.claim(1, 1).await.rows, [1]);
    other.append(closed(0)).await;
    runner.append(settled(1)).await;
    assert!(!runner.roster.may_finish(i64::try_from(run_no).unwrap()).await.unwrap());
    let want = super::pacing::want("r0", 1, 1.0, 0);
    assert_eq!(runner.roster.reserve(vec![want]).await.unwrap()[0].count, 1);
    let mut rudi = database.connect("rudi").await;
    for statement in [
        "INSERT INTO keybatch.lease VALUES (1, 1, 1, 1, 1)",
        "UPDATE keybatch.lease SET epoch = 1",
        "DELETE FROM keybatch.runner",
        "UPDATE keybatch.runner SET fenced = false",
        "SELECT 1 FROM keybatch.runner FOR UPDATE",
        "UPDATE keybatch.pace SET per_s = 1000",
        "TRUNCATE keybatch.lease",
        "SELECT keybatch.prolong(1)",
        "SELECT keybatch.leased(1, '{}', '{}')",
        "SELECT keybatch.is_only_late('{}', NULL, '{}')",
        "SELECT keybatch.opens(NULL, '', 1)",
    ] {
        let error = run(&mut rudi, statement).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
}
