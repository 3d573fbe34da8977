//! What reviewers read of a journal that was written in several sessions.

use std::ops::ControlFlow;

use super::*;
use crate::journal::{Cell, EntryFilter, JournalError, Matching, ReviewRow, Visitor};

/// What a statement of a reviewer's own gave.
#[derive(Default)]
struct Heard {
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Visitor for Heard {
    fn columns(&mut self, names: &[String]) -> ControlFlow<()> {
        self.names = names.to_vec();
        ControlFlow::Continue(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> ControlFlow<()> {
        self.rows.push(cells);
        ControlFlow::Continue(())
    }
}

async fn ask(reader: &SqliteReader, statement: &str) -> Result<Heard, JournalError> {
    let mut heard = Heard::default();
    reader.query(statement, &mut heard).await.map(|()| heard)
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[tokio::test]
async fn a_statement_is_answered_value_by_value() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    write(&path, sessions()).await;
    let reader = SqliteReader::open(&path).await.unwrap();
    let sql = "SELECT NULL AS n, -7 AS i, 1.5 AS r, 'a' || char(27) AS t, x'00ff' AS b, CAST(x'61ff' AS TEXT) AS bad \
               UNION ALL SELECT run_no, sandbox, started_at, rows, ticket, state FROM run WHERE run_no = 1";
    // Twice: the second time, it is prepared already.
    for _ in 0..2 {
        let heard = ask(&reader, sql).await.unwrap();
        assert_eq!(heard.names, ["n", "i", "r", "t", "b", "bad"]);
        let values = [Cell::Null, Cell::Integer(-7), Cell::Real(1.5), text("a\u{1b}")];
        let values = [&values[..], &[Cell::Blob(vec![0, 255]), text("a\u{fffd}")]].concat();
        let started = text("2026-01-01T00:00:01.000000Z");
        let stored = vec![Cell::Integer(1), Cell::Integer(0), started, Cell::Integer(6), text("T"), text("running")];
        assert_eq!(heard.rows, [values, stored]);
    }
    // Whatever a statement is taken for, it cannot write.
    let heard = ask(&reader, "SELECT query_only FROM pragma_query_only").await.unwrap();
    assert_eq!(heard.rows, [[Cell::Integer(1)]]);
    for (wrong, said) in [("SELECT a FROM nowhere", "no such table: nowhere"), ("SELECT json('x')", "malformed JSON")] {
        let refused = ask(&reader, wrong).await.err();
        assert!(matches!(&refused, Some(JournalError::Query { reason, .. }) if reason == said), "{refused:?}");
    }
}

#[tokio::test]
async fn rows_entries_and_health_are_those_of_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let all = write(&path, sessions()).await;
    let reader = SqliteReader::open(&path).await.unwrap();

    let names = reader.review_columns().await.unwrap();
    let of = |row: &ReviewRow, name: &str| row.cells[names.iter().position(|known| known == name).unwrap()].clone();
    let rows = reader.review(1, 1, 9, None).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert_eq!(rows[0].intent, all[6].seal().unwrap().body);
    assert_eq!((of(&rows[0], "run_id"), of(&rows[0], "row_no")), (text(ONE), Cell::Integer(2)));
    assert_eq!((of(&rows[0], "outcome"), of(&rows[0], "attempts")), (text("unsettled"), Cell::Integer(2)));
    let first = |rows: Vec<ReviewRow>| rows.iter().map(|row| row.row).collect::<Vec<_>>();
    assert_eq!(first(reader.review(1, 0, 1, Some("unsettled")).await.unwrap()), [2], "the first one is deleted");
    assert_eq!(first(reader.review(1, 0, 9, Some("deleted")).await.unwrap()), [1]);
    assert_eq!(first(reader.review(1, 0, 2, None).await.unwrap()), [1, 2]);
    let anywhere = async |name: Option<&str>, row: Option<u64>| reader.rows_anywhere(name, row, 9).await.unwrap();
    assert_eq!(anywhere(None, Some(2)).await[0], (ONE.to_owned(), 2));
    assert_eq!(anywhere(Some("nobody"), None).await, []);

    let (names, rows) = reader.runs_view().await.unwrap();
    assert_eq!((&*names[0], rows.len()), ("run_id", 3));
    assert_eq!((&rows[0][0], &rows[2][1]), (&text(ONE), &text("finished")));

    let rates = reader.milestones_of(1, "rate_changed").await.unwrap();
    let expected = [19, 20].map(|seq: usize| (all[seq].seq, all[seq].seal().unwrap().body));
    assert_eq!(rates.into_iter().map(|entry| (entry.seq, entry.body)).collect::<Vec<_>>(), expected);

    let filter = |kind: &str| EntryFilter { run: Some(1), kind: Some(kind.into()), ..EntryFilter::default() };
    let last = async |kind: &str, count: u32| reader.last_matching(&filter(kind), count).await.unwrap();
    assert_eq!((last("row_settled", 1).await, last("row_settled", 9).await), ((32, 2), (15, 2)));
    assert_eq!(last("run_finished", 1).await, (0, 0), "it has none");
    let found = reader.matching(&filter("row_settled"), 16, 9).await.unwrap();
    let expected = Matching {
        seq: 32,
        body: all[32].seal().unwrap().body,
        run_id: Some(ONE.into()),
        sandbox: Some(false),
        name: Some("k1".into()),
    };
    assert_eq!(found, [expected]);

    let (sqlite, schema, entries, bytes) = reader.health().await.unwrap();
    assert_eq!(ask(&reader, "SELECT sqlite_version()").await.unwrap().rows, [[Cell::Text(sqlite)]]);
    assert_eq!((schema, entries), (3, i64::try_from(all.len()).unwrap()));
    assert_eq!(bytes, i64::try_from(std::fs::metadata(&path).unwrap().len()).unwrap());
}
