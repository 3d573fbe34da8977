//! Feeds the rows of a target to workers where several runners share the run: rows are claimed in batches, and what another runner
//! left is settled like after any other session that died.

use std::time::Duration;

use tokio::task::JoinSet;

use super::shared::Runner;
use super::{Feeder, Taken, finished};
use crate::journal::{Claim, Claiming, JournalError, PendingRow, RunReader};
use crate::lightsail::Lightsail;
use crate::record::Draft;
use crate::record::event::Event;
use crate::record::lease::{LeaseEnd, LeaseEnded, LeaseTaken};

/// How many rows one claim is for at most.
const MOST: u32 = 64;

/// How many at least: each claim has an entry.
const LEAST: u32 = 4;

/// For how many seconds of the target's rate rows are claimed. Few enough that no runner sits on the last rows for long.
const AHEAD_S: f64 = 2.0;

/// How long a runner that finds no row waits before it asks again: at least, and as much again by chance, so that those who wait do not
/// ask all at once.
const PAUSE: Duration = Duration::from_millis(250);

impl<L: Lightsail> Feeder<L> {
    /// As [`feed`](Self::feed), of the rows that this runner claims, until all rows of the target have outcomes or are its own.
    pub(super) async fn feed_claimed<R: RunReader>(
        &self,
        reader: &R,
        runner: &Runner,
        rows: &mut JoinSet<Result<(), JournalError>>,
    ) -> Result<bool, JournalError> {
        let rollbacks = reader.rollbacks().await?;
        loop {
            if self.shared.control.is_stopping(self.target_no) {
                return Ok(false);
            }
            while let Some(joined) = rows.try_join_next() {
                finished(joined)?;
            }
            let claiming = Claiming {
                run_no: self.shared.run_no,
                target_no: self.target_no,
                session: runner.session,
                most: self.claimed_at_once(),
            };
            let claim = runner.roster.claim(claiming).await?;
            if claim.rows.is_empty() {
                // A runner that keeps rows for which it will not ask does not wait for those of others: they may be waiting for it.
                if claim.others == 0 || self.keeps_some() {
                    return Ok(true);
                }
                // Those that hold for what is read or served elsewhere learn that there is nothing else here for now.
                self.shared.control.fed(self.target_no);
                self.pause().await;
                continue;
            }
            self.shared.control.feeds_again(self.target_no);
            self.tell(runner, &claim).await?;
            // Only now: sessions may have begun since whose rows these were.
            let times = reader.attempt_times(self.shared.run_no).await?;
            let page = self.claimed(reader, &claim.rows).await?;
            let mut taken = self.take_up(reader, page, true, (&rollbacks, &times)).await?;
            taken.sort_by_key(Taken::was_denied);
            let mut may_begin = true;
            for taken in taken {
                // What may have been sent is settled all the same.
                may_begin &= self.start(taken, rows).await;
            }
            if !may_begin {
                return Ok(!self.shared.control.is_stopping(self.target_no));
            }
        }
    }

    /// Whether a target stopped for this runner alone, or at its canary: the rows of it that it claimed are others' only once it leaves.
    fn keeps_some(&self) -> bool {
        let control = &self.shared.control;
        !control.stopped_targets().is_empty() || control.stopped_by_canary().is_some()
    }

    fn claimed_at_once(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is positive, and casts saturate"
        )]
        self.lane.pacer.rate().map_or(MOST, |rate| (rate * AHEAD_S) as u32).clamp(LEAST, MOST)
    }

    /// Waits before the next question, unless the target stops.
    async fn pause(&self) {
        let longest = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        let pause = PAUSE + Duration::from_millis(fastrand::u64(0..=longest));
        tokio::select! {
            biased;
            () = self.shared.control.closing(self.target_no).cancelled_owned() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Records whose leases have lapsed, unless it has done that before, and which rows are this runner's now.
    async fn tell(&self, runner: &Runner, claim: &Claim) -> Result<(), JournalError> {
        // Held until that is durable: another target's claim may rest on it.
        let mut told = runner.told.lock().await;
        let new: Vec<_> = claim.lapsed.iter().filter(|session| !told.contains(session)).copied().collect();
        let lapsed = new.iter().map(|session| {
            let (stopped, detail, targets) = (None, None, Vec::new());
            Event::LeaseEnded(Box::new(LeaseEnded { of: *session, why: LeaseEnd::Lapsed, stopped, detail, targets }))
        });
        let taken = Event::LeaseTaken(LeaseTaken {
            account: self.lane.target.account.clone(),
            region: self.lane.target.region.clone(),
            rows: stretches(&claim.rows),
            lasts_ms: u64::try_from(runner.roster.lasts().as_millis()).unwrap_or(u64::MAX),
            skew_ms: runner.roster.skew_ms(),
        });
        let drafts = lapsed.chain([taken]).map(Draft::of).collect();
        if new.is_empty() {
            drop(told);
            return self.shared.scribe.journal.append(drafts).await.map(drop);
        }
        self.shared.scribe.journal.append(drafts).await?;
        told.extend(new);
        Ok(())
    }

    /// The intents of these rows.
    async fn claimed<R: RunReader>(&self, reader: &R, rows: &[u64]) -> Result<Vec<PendingRow>, JournalError> {
        let mut pending = Vec::with_capacity(rows.len());
        for (first, last) in stretches(rows) {
            let limit = u32::try_from(last - first + 1).unwrap_or(u32::MAX);
            let page = reader.pending(self.shared.run_no, self.target_no, first - 1, limit, false).await?;
            pending.extend(page.into_iter().filter(|found| found.row <= last));
        }
        Ok(pending)
    }
}

/// First and last of each stretch of numbers that follow one another.
fn stretches(rows: &[u64]) -> Vec<(u64, u64)> {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for row in rows {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == *row => *last = *row,
            _ => stretches.push((*row, *row)),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_follow_one_another_are_one_stretch() {
        assert_eq!(stretches(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(stretches(&[]), []);
    }
}
