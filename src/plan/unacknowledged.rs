//! Entries that the writer has, and that are not known to be durable yet.

use std::collections::VecDeque;
use std::pin::Pin;

use futures_util::future::poll_immediate;
use tokio::sync::Mutex;

use crate::journal::{Journal, JournalError, Stamp};
use crate::record::Draft;

/// An append that the writer was asked for.
type Append = Pin<Box<dyn Future<Output = Result<Vec<Stamp>, JournalError>> + Send>>;

/// Hands entries to the writer, in order, without waiting for each: whoever asks for one after the other waits for the
/// disk each time, and the writer for the next one.
pub(super) struct Unacknowledged {
    journal: Journal,
    most: usize,
    waiting: Mutex<VecDeque<Append>>,
}

impl Unacknowledged {
    /// For at most so many appends at a time, far fewer than fit into the writer's queue.
    pub(super) fn new(journal: Journal, most: usize) -> Self {
        Self { journal, most, waiting: Mutex::default() }
    }

    /// Hands on `drafts`, behind everything before, and returns what was acknowledged meanwhile.
    ///
    /// # Errors
    /// As [`Journal::append`], of an earlier one too.
    pub(super) async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Stamp>, JournalError> {
        let mut waiting = self.waiting.lock().await;
        let mut stamps = Vec::new();
        // What has failed is told at once, not when its turn to be waited for comes: until then others would be asked for.
        while let Some(mut first) = waiting.pop_front() {
            match poll_immediate(&mut first).await {
                Some(done) => stamps.extend(done?),
                None if waiting.len() + 1 < self.most => {
                    waiting.push_front(first);
                    break;
                }
                None => stamps.extend(first.await?),
            }
        }
        let journal = self.journal.clone();
        // The first poll puts it into the writer's queue, in its place. Unconstrained: a task that has had its share of
        // time would put it there only later, perhaps behind others.
        let append = tokio::task::unconstrained(async move { journal.append(drafts).await });
        let mut append: Append = Box::pin(append);
        // It is done already only where nothing is written any more.
        waiting.push_back(match poll_immediate(&mut append).await {
            Some(done) => Box::pin(std::future::ready(Ok(done?))),
            None => append,
        });
        Ok(stamps)
    }

    /// Waits until everything is durable, and returns what was not acknowledged before.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(super) async fn flush(&self) -> Result<Vec<Stamp>, JournalError> {
        let mut waiting = self.waiting.lock().await;
        let mut stamps = Vec::new();
        while let Some(first) = waiting.pop_front() {
            stamps.extend(first.await?);
        }
        Ok(stamps)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::journal::{Appended, Cadence, EntryStore, Head, WriterOptions};
    use crate::record::event::{CheckpointMade, Event};
    use crate::record::merkle::Frontier;

    /// A disk that takes its time, and so many entries.
    struct Slow {
        room: usize,
        left: Head,
    }

    impl EntryStore for Slow {
        async fn head(&mut self) -> Result<Head, JournalError> {
            Ok(self.left.clone())
        }

        async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
            Ok(None)
        }

        async fn append(&mut self, drafts: Vec<Draft>, _: Option<Cadence>) -> Result<Appended, JournalError> {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            self.room = self.room.checked_sub(drafts.len()).ok_or(JournalError::Closed)?;
            let batch = self.left.seal(drafts, None, || Timestamp::UNIX_EPOCH)?;
            self.left = batch.head;
            Ok(batch.appended)
        }

        async fn consolidate(&mut self) -> Result<(), JournalError> {
            Ok(())
        }

        async fn close(self) -> Result<(), JournalError> {
            Ok(())
        }
    }

    async fn queue(room: usize, most: usize) -> Unacknowledged {
        let left = Head::new(Frontier::default(), None, None, Timestamp::UNIX_EPOCH);
        let options = WriterOptions { new_journal_id: "j".into(), on_checkpoint: Box::new(|_| Ok(())) };
        Unacknowledged::new(Journal::start(Slow { room, left }, options).await.unwrap().0, most)
    }

    fn draft() -> Draft {
        Draft::of(Event::CheckpointMade(CheckpointMade { size: 0, root: String::new() }))
    }

    #[tokio::test]
    async fn everything_is_acknowledged_once_and_in_order() {
        let queue = queue(usize::MAX, 3).await;
        let mut seqs = Vec::new();
        for count in 0..100 {
            let stamps = queue.append((0..count % 4).map(|_| draft()).collect()).await.unwrap();
            seqs.extend(stamps.iter().map(|stamp| stamp.seq));
            assert!(queue.waiting.lock().await.len() <= 3);
        }
        seqs.extend(queue.flush().await.unwrap().iter().map(|stamp| stamp.seq));
        // The journal's own first entry has the number 0.
        assert_eq!(seqs, (1..=150).collect::<Vec<_>>());
        assert!(queue.flush().await.unwrap().is_empty());
    }

    /// Whoever reads goes on only while what was read can be kept.
    #[tokio::test(start_paused = true)]
    async fn an_append_that_failed_is_told_at_the_next_one() {
        let queue = queue(5, 32).await;
        let mut taken = 0;
        while queue.append(vec![draft()]).await.is_ok() {
            taken += 1;
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
        // The journal's own first entry, these, and the one that found no room.
        assert_eq!(taken, 5);
    }

    #[tokio::test]
    async fn an_append_that_failed_is_told_at_the_end() {
        let queue = queue(5, 32).await;
        for _ in 0..10 {
            drop(queue.append(vec![draft()]).await);
        }
        assert!(queue.flush().await.is_err());
    }
}
