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
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Append>,
    /// The number of the first entry of each append that was acknowledged.
    firsts: Vec<u64>,
}

impl Queue {
    fn acknowledge(&mut self, stamps: &[Stamp]) {
        self.firsts.push(stamps.first().map_or(0, |stamp| stamp.seq));
    }
}

impl Unacknowledged {
    /// For at most so many appends at a time, far fewer than fit into the writer's queue.
    pub(super) fn new(journal: Journal, most: usize) -> Self {
        Self { journal, most, queue: Mutex::default() }
    }

    /// Hands on `drafts`, behind everything before, and returns how many appends were handed on before this one.
    ///
    /// # Errors
    /// As [`Journal::append`], of an earlier one too.
    pub(super) async fn append(&self, drafts: Vec<Draft>) -> Result<usize, JournalError> {
        let mut queue = self.queue.lock().await;
        // A failure is reported at once, not when the turn of that append comes: until then others would be asked for.
        while let Some(mut first) = queue.waiting.pop_front() {
            match poll_immediate(&mut first).await {
                Some(done) => queue.acknowledge(&done?),
                None if queue.waiting.len() + 1 < self.most => {
                    queue.waiting.push_front(first);
                    break;
                }
                None => queue.acknowledge(&first.await?),
            }
        }
        let place = queue.firsts.len() + queue.waiting.len();
        let journal = self.journal.clone();
        // The first poll puts it into the writer's queue, in its place. Unconstrained: a task that has had its share of
        // time would put it there only later, perhaps behind others.
        let append = tokio::task::unconstrained(async move { journal.append(drafts).await });
        let mut append: Append = Box::pin(append);
        // It is done already only where nothing is written any more.
        queue.waiting.push_back(match poll_immediate(&mut append).await {
            Some(done) => Box::pin(std::future::ready(Ok(done?))),
            None => append,
        });
        Ok(place)
    }

    /// Waits until everything is durable, and returns the number of the first entry of each append, in their order.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(super) async fn flush(&self) -> Result<Vec<u64>, JournalError> {
        let mut queue = self.queue.lock().await;
        while let Some(first) = queue.waiting.pop_front() {
            let done = first.await?;
            queue.acknowledge(&done);
        }
        Ok(std::mem::take(&mut queue.firsts))
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
        let options = WriterOptions { new_journal_id: "j".into(), on_checkpoint: Box::new(|_, _| Ok(())) };
        Unacknowledged::new(Journal::start(Slow { room, left }, options).await.unwrap().0, most)
    }

    fn draft() -> Draft {
        Draft::of(Event::CheckpointMade(CheckpointMade { size: 0, root: String::new() }))
    }

    #[tokio::test]
    async fn each_append_has_its_place_and_its_number() {
        let queue = queue(usize::MAX, 3).await;
        let mut expected = Vec::new();
        // The journal's own first entry has the number 0.
        let mut next = 1;
        for count in 0..100 {
            let drafts = 1 + count % 4;
            assert_eq!(queue.append((0..drafts).map(|_| draft()).collect()).await.unwrap(), expected.len());
            expected.push(next);
            next += drafts;
            assert!(queue.queue.lock().await.waiting.len() <= 3);
        }
        assert_eq!(queue.flush().await.unwrap(), expected);
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
