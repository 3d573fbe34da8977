//! Reading: lost connections, one state that is held, and statements of a reviewer's own.

use std::ops::ControlFlow;
use std::time::Duration;

use keybatch::journal::postgres::{Hold, PostgresStore};
use keybatch::journal::{Cell, EntryStore as _, JournalError, Reader, Visitor, open};
use sqlx::Row as _;

use super::Postgres;
use super::server::Database;
use crate::conformance::histories::{closed, created, history, write};
use crate::harness::tests;

tests![;
    async what_reviewers_see_is_what_they_see_in_sqlite,
    a_lost_connection_is_opened_once_more_unless_a_state_is_held,
    what_is_held_still_stands_still_until_it_is_released,
    a_statement_of_a_reviewers_own_cannot_write,
    a_statement_sees_the_views_whatever_the_role_says,
    values_of_any_type_can_be_read,
    a_statement_that_is_refused_is_told_in_the_databases_words,
    an_answer_is_handed_on_as_it_comes,
    runners_and_reviewers_read_everything,
];

const VIEWS: [&str; 9] =
    ["runs", "intents", "attempts", "operations", "errors", "approvals", "overrides", "checkpoints", "entries"];

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// How many rows it wants.
    most: Option<usize>,
}

impl Visitor for Kept {
    fn columns(&mut self, names: &[String]) -> ControlFlow<()> {
        self.names = names.to_vec();
        ControlFlow::Continue(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> ControlFlow<()> {
        self.rows.push(cells);
        if self.most == Some(self.rows.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

async fn asked(reader: &Reader, sql: &str, bound: &[&str]) -> Result<Kept, JournalError> {
    let mut kept = Kept::default();
    let bound: Vec<String> = bound.iter().map(|text| (*text).to_owned()).collect();
    reader.query_with(sql, &bound, &mut kept).await.map(|()| kept)
}

async fn rows(reader: &Reader, sql: &str) -> Vec<Vec<Cell>> {
    asked(reader, sql, &[]).await.unwrap().rows
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// The pages and views that are shown to reviewers, in both stores of the same histories.
async fn what_reviewers_see_is_what_they_see_in_sqlite() {
    let place = Postgres::new().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    for seed in 0..5 {
        let mut store = place.store(super::clock_at(seed)).await;
        write(&mut store, history(seed)).await;
        store.close().await.unwrap();
        let mut store = open::store(&path, super::clock_at(seed)).await.unwrap();
        write(&mut store, history(seed)).await;
        store.close().await.unwrap();
    }
    let (one, other) = (place.reader().await, open::reader(&path).await.unwrap());
    assert_eq!(one.review_columns().await.unwrap(), other.review_columns().await.unwrap());
    assert_eq!(one.runs_view().await.unwrap(), other.runs_view().await.unwrap());
    let outcomes = [None, Some("deleted"), Some("gone"), Some("in_doubt"), Some("unsettled"), Some("not_attempted")];
    let mut shown = 0;
    for run in one.runs().await.unwrap() {
        for outcome in outcomes {
            for (after, limit) in [(0, 100), (2, 3)] {
                let here = one.review(run.run_no, after, limit, outcome).await.unwrap();
                assert_eq!(here, other.review(run.run_no, after, limit, outcome).await.unwrap(), "{outcome:?}");
                shown += here.len();
            }
        }
    }
    assert!(shown > 50, "{shown}");
    let (_, version, entries, bytes) = one.health().await.unwrap();
    assert_eq!(
        (version, entries),
        (keybatch::journal::open::SCHEMA_VERSION, i64::try_from(other.head().await.unwrap().0).unwrap())
    );
    assert!(bytes > 100_000, "{bytes}");
    assert_eq!(one.reservations().await.unwrap(), []);
    for view in VIEWS {
        let sql = format!("SELECT * FROM {view}");
        let (here, there) = (asked(&one, &sql, &[]).await.unwrap(), asked(&other, &sql, &[]).await.unwrap());
        let sorted = |kept: &Kept| {
            let mut rows: Vec<_> = kept.rows.iter().map(|row| format!("{row:?}")).collect();
            rows.sort();
            rows
        };
        assert_eq!((&here.names, sorted(&here)), (&there.names, sorted(&there)), "{view}");
    }
}

async fn with_entries() -> (Postgres, Reader) {
    let place = Postgres::new().await;
    let mut store = place.store(super::clock()).await;
    store.append(vec![created(), closed(1)], None).await.unwrap();
    let reader = place.reader().await;
    store.close().await.unwrap();
    (place, reader)
}

/// Ends all other connections to the database.
async fn cut(database: &Database) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND query NOT LIKE '%renew_hold%' AND query NOT LIKE '%take_hold%'";
    assert!(!database.sql(sql).await.unwrap().is_empty(), "nothing was cut");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn a_lost_connection_is_opened_once_more_unless_a_state_is_held() {
    let (place, reader) = with_entries().await;
    cut(&place.database).await;
    assert_eq!(reader.head().await.unwrap().0, 2);
    cut(&place.database).await;
    assert_eq!(rows(&reader, "SELECT count(*) FROM entries").await, [[Cell::Integer(2)]]);
    cut(&place.database).await;
    assert_eq!(reader.refusal("SELECT 1").await.unwrap(), None);
    cut(&place.database).await;
    reader.hold_still().await.unwrap();
    assert_eq!(reader.head().await.unwrap().0, 2);
    cut(&place.database).await;
    // What is read now would be another state.
    for _ in 0..2 {
        assert!(reader.head().await.is_err());
        assert!(asked(&reader, "SELECT 1", &[]).await.is_err());
    }
    reader.release().await;
    assert_eq!(reader.head().await.unwrap().0, 2);
    reader.hold_still().await.unwrap();
    cut(&place.database).await;
    reader.hold_still().await.unwrap();
    assert_eq!(reader.head().await.unwrap().0, 2, "held again");
}

async fn what_is_held_still_stands_still_until_it_is_released() {
    let (place, reader) = with_entries().await;
    let entries = async || {
        let counted = rows(&reader, "SELECT count(*) FROM entries").await;
        (reader.head().await.unwrap().0, counted[0][0].clone())
    };
    let add = async || {
        let mut store = place.store(super::clock()).await;
        store.append(vec![closed(2)], None).await.unwrap();
        store.close().await.unwrap();
    };
    assert_eq!(entries().await, (2, Cell::Integer(2)));
    reader.hold_still().await.unwrap();
    add().await;
    assert_eq!(entries().await, (2, Cell::Integer(2)));
    // Neither what is refused, nor what fails, nor what nobody wants to the end, ends it.
    assert!(reader.refusal("SELEC").await.unwrap().is_some());
    assert!(asked(&reader, "SELECT 1 / (seq - seq) FROM entries", &[]).await.is_err());
    let mut few = Kept { most: Some(1), ..Kept::default() };
    reader.query("SELECT seq FROM entries", &mut few).await.unwrap();
    assert_eq!(entries().await, (2, Cell::Integer(2)));
    reader.hold_still().await.unwrap();
    assert_eq!(entries().await, (3, Cell::Integer(3)), "held again, a later state");
    add().await;
    reader.release().await;
    assert_eq!(entries().await, (4, Cell::Integer(4)));
}

/// The role of this test is a superuser: nothing but the transaction keeps it from writing.
async fn a_statement_of_a_reviewers_own_cannot_write() {
    let (place, reader) = with_entries().await;
    place.database.sql("CREATE TABLE public.t (a int); CREATE SEQUENCE public.s").await.unwrap();
    for held in [false, true] {
        if held {
            reader.hold_still().await.unwrap();
        }
        for statement in [
            "INSERT INTO public.t VALUES (1)",
            "WITH x AS (INSERT INTO public.t VALUES (1) RETURNING a) SELECT a FROM x",
            "UPDATE keybatch.head SET size = 7",
            "SELECT nextval('public.s')",
            "SELECT 1; INSERT INTO public.t VALUES (1)",
            "SELECT 1) AS q ON true; INSERT INTO public.t VALUES (1); SELECT (1",
            "COMMIT",
            "COMMIT; INSERT INTO public.t VALUES (1)",
            "SET TRANSACTION READ WRITE",
            "SELECT set_config('transaction_read_only', 'off', true)",
            "TRUNCATE public.t",
            "CREATE TABLE public.u AS SELECT 1",
            "SELECT 1 INTO public.u",
            "DO 'BEGIN INSERT INTO public.t VALUES (1); END'",
        ] {
            let refused = asked(&reader, statement, &[]).await;
            assert!(
                matches!(refused, Err(JournalError::Query { .. })),
                "{statement}: {:?}",
                refused.map(|kept| kept.rows)
            );
        }
        assert_eq!(rows(&reader, "SELECT count(*) FROM public.t").await, [[Cell::Integer(0)]]);
        // A setting for the session does not outlive the statement.
        rows(&reader, "SELECT set_config('default_transaction_read_only', 'off', false)").await;
        rows(&reader, "SELECT set_config('search_path', 'public', false)").await;
        assert_eq!(rows(&reader, "SELECT count(*) FROM runs").await, [[Cell::Integer(0)]]);
    }
    reader.release().await;
    let left = place.database.sql("SELECT count(*), (SELECT is_called FROM public.s) FROM public.t").await.unwrap();
    assert_eq!((left[0].get::<i64, _>(0), left[0].get::<bool, _>(1)), (0, false));
}

async fn a_statement_sees_the_views_whatever_the_role_says() {
    let (place, reader) = with_entries().await;
    drop(reader);
    let trap = "CREATE SCHEMA evil; CREATE FUNCTION evil.count(bigint) RETURNS text LANGUAGE sql AS $$ SELECT 'none' $$; \
                CREATE TABLE evil.entries (seq bigint); \
                ALTER DATABASE {} SET search_path = evil, pg_catalog, public";
    place.database.sql(&trap.replace("{}", &place.database.name)).await.unwrap();
    let reader = place.reader().await;
    assert_eq!(rows(&reader, "SELECT count(seq) FROM entries").await, [[Cell::Integer(2)]]);
    assert_eq!(reader.head().await.unwrap().0, 2);
    assert_eq!(reader.reservations().await.unwrap(), []);
}

async fn values_of_any_type_can_be_read() {
    let (_place, reader) = with_entries().await;
    let kept = asked(
        &reader,
        "SELECT 1::smallint AS a, 2, 3::bigint, true, 1.5::real, 2.5::float8, 'é'::text, 'v'::varchar, 'n'::name, '\\x00ff'::bytea, \
         NULL, 7::numeric, 1.50, 'NaN'::numeric, '{\"b\": 1.50}'::json, ARRAY[1, 2], date '2026-01-02', 'x'::\"char\", \
         ROW(1, 'a'), sum(seq), avg(seq), '(1,2)'::point, interval '1 day', 'c'::char(3) FROM entries",
        &[],
    );
    let kept = kept.await.unwrap();
    assert_eq!(kept.names[..2], ["a", "?column?"]);
    let cells = [
        Cell::Integer(1),
        Cell::Integer(2),
        Cell::Integer(3),
        Cell::Boolean(true),
        Cell::Real(1.5),
        Cell::Real(2.5),
        text("é"),
        text("v"),
        text("n"),
        Cell::Blob(vec![0, 255]),
        Cell::Null,
        Cell::Integer(7),
        Cell::Real(1.5),
        text("NaN"),
        text("{\"b\": 1.50}"),
        text("{1,2}"),
        text("2026-01-02"),
        text("x"),
        text("(1,a)"),
        Cell::Integer(1),
        Cell::Real(0.5),
        text("(1,2)"),
        text("1 day"),
        text("c  "),
    ];
    assert_eq!(kept.rows, [cells]);
    let same = asked(&reader, "SELECT 1 AS a, 2 AS a, 3.0 AS a WHERE false", &[]).await.unwrap();
    assert_eq!((same.names.join(" "), same.rows.len()), ("a a a".into(), 0));
    let sorted = rows(&reader, "SELECT g / 2.0 FROM generate_series(1, 3) AS g ORDER BY g DESC -- that\n;").await;
    assert_eq!(sorted, [[Cell::Real(1.5)], [Cell::Real(1.0)], [Cell::Real(0.5)]]);
    let bound = asked(
        &reader,
        "SELECT ?2 || '?1', ?1 FROM entries WHERE seq = CAST(?3 AS BIGINT) AND kind = ?1",
        &["journal_created", "x", "0"],
    );
    assert_eq!(bound.await.unwrap().rows, [[text("x?1"), text("journal_created")]]);
    for statement in ["TABLE runs", "VALUES (1)", "WITH x AS (SELECT 1) SELECT * FROM x"] {
        asked(&reader, statement, &[]).await.unwrap();
    }
}

async fn a_statement_that_is_refused_is_told_in_the_databases_words() {
    let (_place, reader) = with_entries().await;
    for (statement, words) in [
        ("SELECT nothing FROM runs", "column \"nothing\" does not exist"),
        ("SELECT 1 FORM runs x", "syntax error at or near \"runs\""),
        ("SELECT 1 FROM", "syntax error at end of input"),
        ("SELECT count( FROM runs", "syntax error at or near \"FROM\""),
        ("SELECT * FROM nowhere WHERE a = ?1", "relation \"nowhere\" does not exist"),
        ("SELECT 'open", "unterminated quoted string at or near \"'open\""),
    ] {
        assert_eq!(reader.refusal(statement).await.unwrap().as_deref(), Some(words), "{statement}");
        match asked(&reader, statement, &["x"]).await {
            Err(JournalError::Query { reason, may_be_the_disk: false }) => assert_eq!(reason, words, "{statement}"),
            other => panic!("{statement}: {:?}", other.map(|kept| kept.rows)),
        }
    }
    assert_eq!(reader.refusal("SELECT 1 / (seq - seq) FROM entries WHERE kind = ?2").await.unwrap(), None);
    let mut kept = Kept::default();
    let failed = reader.query("SELECT 1 / (1 - seq) FROM entries ORDER BY seq", &mut kept).await;
    assert!(matches!(failed, Err(JournalError::Query { reason, .. }) if reason == "division by zero"));
    assert_eq!(reader.head().await.unwrap().0, 2);
}

/// Neither the whole answer is waited for, nor the rest of it where nobody wants it.
async fn an_answer_is_handed_on_as_it_comes() {
    let (_place, reader) = with_entries().await;
    let begun = std::time::Instant::now();
    let mut few = Kept { most: Some(3), ..Kept::default() };
    reader.query("SELECT generate_series(1, 2000000000) FROM entries WHERE seq = 0", &mut few).await.unwrap();
    assert_eq!(few.rows, [[Cell::Integer(1)], [Cell::Integer(2)], [Cell::Integer(3)]]);
    assert_eq!(reader.head().await.unwrap().0, 2);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Also where functions and types of this database are nobody's but their owner's by default.
async fn runners_and_reviewers_read_everything() {
    let database = super::guarding::with_roles().await;
    let strict = "DO $$ DECLARE f regprocedure; BEGIN \
        FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'keybatch'::regnamespace LOOP \
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f); END LOOP; \
        REVOKE ALL ON TYPE keybatch.members FROM PUBLIC; END $$";
    database.sql(strict).await.unwrap();
    let hold = Hold::take(&database.address_of("rudi"), &super::holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address_of("rudi"), hold.epoch(), super::clock()).await.unwrap();
    write(&mut store, history(3)).await;
    for user in ["rudi", "vera"] {
        let reader = open::reader(database.location_of(user)).await.unwrap();
        assert!(!crate::conformance::histories::answers(&reader).await.iter().any(|answer| answer.contains(": Err")));
        for run in reader.runs().await.unwrap() {
            reader.review(run.run_no, 0, 100, Some("unsettled")).await.unwrap();
        }
        for view in VIEWS {
            rows(&reader, &format!("SELECT * FROM {view}")).await;
        }
        assert_eq!(reader.reservations().await.unwrap(), []);
        let mut snapshot = open::snapshot(database.location_of(user)).await.unwrap();
        snapshot.begin().await.unwrap();
        assert!(snapshot.schema_differences().await.unwrap().is_empty());
        assert!(!snapshot.page(0).await.unwrap().is_empty());
        snapshot.end().await;
    }
    // What one may not read is not taken for damage.
    database.sql("REVOKE SELECT ON keybatch.resolution FROM keybatch_reviewer").await.unwrap();
    let refused = open::snapshot(database.location_of("vera")).await.map(drop);
    assert!(matches!(&refused, Err(error) if error.to_string().contains("keybatch.resolution")), "{refused:?}");
    store.close().await.unwrap();
    hold.release().await;
}
