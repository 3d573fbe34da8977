//! The writer against a store that fails: what was not acknowledged counts as unknown, and nothing is written after it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::sync::{Arc, Mutex};

use keybatch::domain::{Clock, SystemClock};
use keybatch::journal::event::{CheckpointMade, Event};
use keybatch::journal::merkle::Frontier;
use keybatch::journal::{Draft, Entry, EntryStore, Journal, JournalError, Sealed, WriterOptions};

/// What a store was asked to do: the numbers of each commit's entries.
type Commits = Arc<Mutex<Vec<Vec<u64>>>>;

/// A store that fails at its `fails_at`-th commit, before or after the entries are kept.
struct Failing {
    commits: Commits,
    kept: Arc<Mutex<Vec<Entry>>>,
    fails_at: usize,
    keeps: bool,
}

impl EntryStore for Failing {
    async fn head(&mut self) -> Result<Frontier, JournalError> {
        Ok(Frontier::default())
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        Ok(None)
    }

    async fn commit(
        &mut self,
        batch: Vec<(Entry, Sealed)>,
        from: &Frontier,
        to: &Frontier,
    ) -> Result<(), JournalError> {
        assert_eq!(from.size() + batch.len() as u64, to.size());
        let number = {
            let mut commits = self.commits.lock().unwrap();
            commits.push(batch.iter().map(|(entry, _)| entry.seq).collect());
            commits.len()
        };
        let fails = number == self.fails_at;
        if !fails || self.keeps {
            self.kept.lock().unwrap().extend(batch.into_iter().map(|(entry, _)| entry));
        }
        if fails { Err(JournalError::HeadMoved { size: from.size() }) } else { Ok(()) }
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}

fn draft() -> Draft {
    let made = CheckpointMade { size: 0, root: String::new() };
    Draft { run: None, row: None, event: Event::CheckpointMade(made) }
}

fn options() -> WriterOptions {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    WriterOptions { clock, new_journal_id: "id".into(), on_checkpoint: Box::new(|_| Ok(())) }
}

// SEMANTICS: P52
#[tokio::test]
async fn after_the_first_error_nothing_more_is_written() {
    for keeps in [false, true] {
        let (commits, kept) = (Commits::default(), Arc::default());
        // The first commit is the entry with which a new journal begins.
        let store = Failing { commits: Arc::clone(&commits), kept: Arc::clone(&kept), fails_at: 3, keeps };
        let (journal, _task) = Journal::start(store, options()).await.unwrap();
        let stamps = journal.append(vec![draft(), draft()]).await.unwrap();
        assert_eq!(stamps.iter().map(|stamp| stamp.seq).collect::<Vec<_>>(), [1, 2]);
        for _ in 0..3 {
            let refused = journal.append(vec![draft()]).await;
            assert!(matches!(refused, Err(JournalError::HeadMoved { size: 3 })), "{refused:?}");
        }
        assert!(journal.checkpoint(None).await.is_err());
        assert!(journal.clone().close().await.is_err());
        assert_eq!(*commits.lock().unwrap(), [vec![0], vec![1, 2], vec![3]], "no commit after the failed one");
        assert_eq!(kept.lock().unwrap().len(), if keeps { 4 } else { 3 });
    }
}

// SEMANTICS: P51
#[tokio::test]
async fn what_is_queued_is_committed_together_and_numbered_without_gaps() {
    let (commits, kept) = (Commits::default(), Arc::default());
    let store = Failing { commits: Arc::clone(&commits), kept: Arc::clone(&kept), fails_at: usize::MAX, keeps: true };
    let (journal, _task) = Journal::start(store, options()).await.unwrap();
    let appends = (0..100).map(|_| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(vec![draft(), draft()]).await.unwrap() })
    });
    let mut seen = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        let stamps = append.await.unwrap();
        assert_eq!(stamps[0].seq + 1, stamps[1].seq, "what belongs together stays together");
        seen.extend(stamps.iter().map(|stamp| stamp.seq));
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
    let numbers: Vec<u64> = kept.lock().unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (0..=200).collect::<Vec<_>>());
    assert!(commits.lock().unwrap().len() < 50, "far fewer commits than appends");
}
