//! Whether the projections are those that the entries make: by sums of the large tables, and row by row where these differ.

use super::background::{replay_rows, unless_of_the_machine, with_cause};
use super::report::{Finding, Verdict};
use super::work::Work;
use crate::journal::JournalError;
use crate::journal::{PROJECTIONS, Replay, SUMMED, Snapshot};

/// What became of the replay, if there is one.
pub(super) type Replayed = Option<Result<Box<dyn Replay>, JournalError>>;

impl Work {
    /// Compares what was replayed with what the journal has.
    pub(super) async fn compare_projections(
        &mut self,
        snapshot: Box<dyn Snapshot>,
        replayed: Replayed,
    ) -> Box<dyn Snapshot> {
        let Some(replayed) = replayed else { return snapshot };
        if !self.judging || !self.whole {
            self.warnings
                .push("the projections were not compared, because the entries themselves are in question".into());
            return snapshot;
        }
        let (mut snapshot, replayed, compared) = match replayed {
            Ok(replay) => self.compare_sums(snapshot, replay).await,
            Err(error) => (snapshot, Err(error), &[][..]),
        };
        let finished = match replayed {
            Ok(replay) => replay.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = finished {
            let detail = format!("the entries cannot be projected: {}", with_cause(&error));
            self.findings.add(unless_of_the_machine(Verdict::CannotVerify, &error, detail));
            return snapshot;
        }
        let rest = PROJECTIONS.into_iter().filter(|table| !compared.contains(table));
        self.compare_rows(&mut *snapshot, rest).await;
        snapshot
    }

    /// Compares the sums of the large tables. Returns the tables that need no further comparison: all of them, or none,
    /// and then their rows were made again.
    async fn compare_sums(
        &mut self,
        mut snapshot: Box<dyn Snapshot>,
        replay: Box<dyn Replay>,
    ) -> (Box<dyn Snapshot>, Result<Box<dyn Replay>, JournalError>, &'static [&'static str]) {
        // If anything else is wrong with the file, what the sums assume of the tables may not hold.
        let sound = self.findings.is_empty() && self.schema.is_none();
        // The comparison of rows reports an error, in the order of the tables.
        if sound && snapshot.agrees_with(&*replay).await.unwrap_or(false) {
            return (snapshot, Ok(replay), &SUMMED);
        }
        let (snapshot, replayed) = replay_rows(snapshot, replay).await;
        (snapshot, replayed, &[])
    }

    /// The first row of each table that is not what the entries say.
    async fn compare_rows(&mut self, snapshot: &mut dyn Snapshot, tables: impl Iterator<Item = &'static str>) {
        for table in tables {
            match snapshot.first_difference(table).await {
                Ok(None) => {}
                Ok(Some((here, replayed))) => {
                    let (found, expected) = (text(here), text(replayed));
                    let detail = format!("the table {table} has {found}, and the entries say {expected}");
                    let finding = Finding::new(Verdict::ProjectionMismatch, None, detail);
                    self.findings.add(finding.hashes(expected, found));
                }
                Err(error) => {
                    let detail = format!("the table {table} cannot be compared: {}", with_cause(&error));
                    self.findings.add(unless_of_the_machine(Verdict::ProjectionMismatch, &error, detail));
                }
            }
        }
    }
}

fn text(row: Option<String>) -> String {
    row.unwrap_or_else(|| "no such row".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_there_is_called_so() {
        assert_eq!((text(None), text(Some("{}".into()))), ("no such row".to_owned(), "{}".to_owned()));
    }
}
