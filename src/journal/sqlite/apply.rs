//! Applies [`Changes`] to the tables: for each kind of change the statement, and its values in the statement's order.

use sqlx::sqlite::SqliteConnection;

use super::sql;
use super::value::{Bound, Value, bind};
use crate::domain::time_text;
use crate::journal::JournalError;
use crate::journal::changes::{Change, Changes, NewRun};
use crate::record::Sealed;

/// Writes the changes of a batch, in an order in which each row's parents come first.
pub(super) async fn apply(connection: &mut SqliteConnection, changes: Changes<'_>) -> Result<(), JournalError> {
    apply_small(connection, changes.small).await?;
    write_rows(connection, sql::INSERT_INTENT, changes.intents).await?;
    write_rows(connection, sql::INSERT_ATTEMPT, changes.attempts).await?;
    write_rows(connection, sql::FINISH_ATTEMPT, changes.finished).await?;
    write_rows(connection, sql::INSERT_ROW_ENTRY, changes.row_entries).await?;
    write_rows(connection, sql::SETTLE_INTENT, changes.settled).await
}

/// Writes the changes of the small tables.
pub(super) async fn apply_small(
    connection: &mut SqliteConnection,
    changes: Vec<Change<'_>>,
) -> Result<(), JournalError> {
    for change in changes {
        statement(&change).execute(&mut *connection).await.map_err(JournalError::sql)?;
    }
    Ok(())
}

/// The statement for a change of a small table.
fn statement(change: &Change<'_>) -> Bound<'static> {
    let bound = |statement, values: &[Value<'_>]| values.iter().copied().fold(sqlx::query(statement), bind);
    match change {
        Change::Run(new) => insert_run(new),
        Change::Session { run } => bound(sql::ADD_SESSION, &[(*run).into()]),
        Change::State { run, state, stopped_by, finished_at } => {
            let finished_at = finished_at.map(time_text);
            let values = [state.as_str().into(), (*stopped_by).into(), finished_at.as_deref().into(), (*run).into()];
            bound(sql::SET_STATE, &values)
        }
        Change::Manifest { run, seq, name, sha256, rows } => {
            let values = [(*name).into(), (*sha256).into(), (*rows).into(), (*seq).into(), (*run).into()];
            bound(sql::RUN_MANIFEST, &values)
        }
        Change::Sealed { run, seq, plan_root } => {
            bound(sql::RUN_SEALED, &[(*plan_root).into(), (*seq).into(), (*run).into()])
        }
        Change::Started { run, seq } => bound(sql::RUN_STARTED, &[(*seq).into(), (*run).into()]),
        Change::Reads { run, requests, throttled } => {
            bound(sql::RUN_READS, &[(*requests).into(), (*throttled).into(), (*run).into()])
        }
        Change::Target { number, run, account, region } => {
            bound(sql::INSERT_TARGET, &[(*number).into(), (*run).into(), (*account).into(), (*region).into()])
        }
        Change::Milestone { seq, run, kind } => {
            bound(sql::INSERT_MILESTONE, &[(*seq).into(), (*run).into(), (*kind).into()])
        }
        Change::Rate { endpoint, account, region, rate_per_s, is_limit, seq } => {
            let target = [endpoint.as_str().into(), (*account).into(), (*region).into()];
            let [endpoint, account, region] = target;
            let values = [endpoint, account, region, (*rate_per_s).into(), (*is_limit).into(), (*seq).into()];
            bound(sql::PUT_RATE, &values)
        }
        Change::Resolved(resolved) => bound(sql::PUT_RESOLUTION, &<[Value<'_>; 5]>::from(*resolved)),
        Change::Checkpoint { seq, size, root, made_at } => {
            let made_at = time_text(*made_at);
            bound(sql::INSERT_CHECKPOINT, &[(*seq).into(), (*size).into(), (*root).into(), made_at.as_str().into()])
        }
    }
}

fn insert_run(new: &NewRun<'_>) -> Bound<'static> {
    let started_at = time_text(new.started_at);
    let values: [Value<'_>; 10] = [
        new.run.into(),
        new.id.into(),
        started_at.as_str().into(),
        new.account.into(),
        new.principal_arn.into(),
        new.operator.as_str().into(),
        new.endpoint.into(),
        new.sandbox.into(),
        new.reason.into(),
        new.ticket.into(),
    ];
    values.into_iter().fold(sqlx::query(sql::INSERT_RUN), bind)
}

/// Writes entries with the fewest statements, and checks that each of them was taken.
pub(super) async fn insert_entries(
    connection: &mut SqliteConnection,
    entries: Vec<Sealed>,
) -> Result<(), JournalError> {
    let mut entries = entries.into_iter();
    while entries.len() > 0 {
        let chunk = sql::chunk(entries.len());
        let rows = entries.len().min(sql::CHUNKS[chunk]);
        let query = entries.by_ref().take(rows).fold(sqlx::query(sql::INSERT_ENTRY[chunk]), |query, sealed| {
            bind(query, sealed.seq.into()).bind(sealed.body).bind(sealed.leaf.to_vec())
        });
        let query = bind_nulls(query, 3 * (sql::CHUNKS[chunk] - rows));
        let done = query.execute(&mut *connection).await.map_err(JournalError::sql)?;
        if done.rows_affected() != rows as u64 {
            return Err(JournalError::damaged("not every entry was taken"));
        }
    }
    Ok(())
}

/// For the places of a statement that is larger than what is left.
fn bind_nulls(query: Bound<'_>, count: usize) -> Bound<'_> {
    (0..count).fold(query, |query, _| query.bind(None::<i64>))
}

/// Writes `rows` with the fewest statements, and checks that each of them changed exactly one row.
pub(super) async fn write_rows<'a, const N: usize>(
    connection: &mut SqliteConnection,
    statements: sql::Sized,
    rows: Vec<impl Into<[Value<'a>; N]>>,
) -> Result<(), JournalError> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let chunk = sql::chunk(rows.len());
        let count = rows.len().min(sql::CHUNKS[chunk]);
        let values = rows.by_ref().take(count).flat_map(Into::into);
        let query = values.fold(sqlx::query(statements[chunk]), bind);
        let query = bind_nulls(query, N * (sql::CHUNKS[chunk] - count));
        let done = query.execute(&mut *connection).await.map_err(JournalError::sql)?;
        if done.rows_affected() != count as u64 {
            return Err(JournalError::damaged("an entry does not fit what is recorded of its row"));
        }
    }
    Ok(())
}
