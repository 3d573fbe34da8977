//! What a store does once something failed.

use keybatch::journal::{Appended, Cadence, EntryStore, Head, Journal, JournalError};
use keybatch::record::checkpoint::base64;
use keybatch::record::merkle::Frontier;
use keybatch::record::{Draft, MAX_INTEGER};

use super::histories::{self, closed, history, write};
use super::{Place, Ticks, entries, options};

pub(super) async fn whoever_comes_too_late_writes_nothing(place: &impl Place) {
    let mut store = place.store(Ticks::at(0)).await;
    let before = write(&mut store, history(2)).await;
    store.close().await.unwrap();
    let mut late = place.store(Ticks::at(1_000)).await;
    late.head().await.unwrap();
    let mut quick = place.store(Ticks::at(1_000)).await;
    let moved = quick.append(vec![closed(1)], None).await.unwrap().head;
    quick.close().await.unwrap();
    let refused = late.append(vec![closed(2)], None).await;
    assert!(matches!(refused, Err(JournalError::HeadMoved { size }) if size == before.size), "{refused:?}");
    drop(late);
    let mut next = place.store(Ticks::at(1_000)).await;
    assert_eq!(next.head().await.unwrap().mark(), moved);
    assert_eq!(next.append(vec![closed(3)], None).await.unwrap().stamps[0].seq, moved.size);
    next.close().await.unwrap();
}

pub(super) async fn a_store_that_failed_does_nothing_but_close(place: &impl Place) {
    let mut store = place.store(Ticks::at(0)).await;
    let before = write(&mut store, history(5)).await;
    store.close().await.unwrap();
    for (moves, bad) in [(false, closed(MAX_INTEGER + 1)), (false, histories::misfits().remove(0)), (true, closed(1))] {
        let mut store = place.store(Ticks::at(1_000)).await;
        let told = format!("{bad:?}");
        let head = store.head().await.unwrap().mark();
        if moves {
            let mut other = place.store(Ticks::at(1_000)).await;
            other.append(vec![closed(1)], None).await.unwrap();
            other.close().await.unwrap();
        }
        let failed = store.append(vec![bad], None).await;
        assert!(failed.as_ref().is_err_and(|error| !matches!(error, JournalError::Closed)), "{told}: {failed:?}");
        // Not even after it is asked for the head again.
        for _ in 0..2 {
            let append = store.append(vec![closed(2)], None).await.map(drop);
            let asked = [append, store.head().await.map(drop), store.journal_id().await.map(drop)];
            for answer in asked.into_iter().chain([store.consolidate().await]) {
                assert!(matches!(answer, Err(JournalError::Closed)), "{told}: {answer:?}");
            }
        }
        store.close().await.unwrap();
        let mut next = place.store(Ticks::at(1_000)).await;
        assert_eq!(next.head().await.unwrap().mark().size, head.size + u64::from(moves), "{told}");
        next.close().await.unwrap();
    }
    assert_eq!(entries(&place.reader().await).await.len() as u64, before.size + 1);
}

/// A store whose second append gets no answer: before or after it took hold.
struct Losing<S> {
    store: Option<S>,
    appends: usize,
    holds: bool,
}

impl<S: EntryStore> EntryStore for Losing<S> {
    async fn head(&mut self) -> Result<Head, JournalError> {
        self.store.as_mut().unwrap().head().await
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        self.store.as_mut().unwrap().journal_id().await
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        self.appends += 1;
        if self.appends != 2 {
            return self.store.as_mut().unwrap().append(drafts, cadence).await;
        }
        let mut store = self.store.take().unwrap();
        if self.holds {
            store.append(drafts, cadence).await.unwrap();
        }
        Err(JournalError::Closed)
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        self.store.as_mut().unwrap().consolidate().await
    }

    async fn close(self) -> Result<(), JournalError> {
        self.store.unwrap().close().await
    }
}

pub(super) async fn a_commit_whose_answer_is_lost_is_there_or_not(place: &impl Place) {
    for (round, holds) in [(0, true), (1, false), (2, true)] {
        let (mut store, options) = (place.store(Ticks::at(round * 100)).await, options());
        let before = store.head().await.unwrap().mark();
        let appends = usize::from(before.size > 0);
        let losing = Losing { store: Some(store), appends, holds };
        let (journal, _task) = Journal::start(losing, options).await.unwrap();
        let created = u64::from(before.size == 0);
        assert!(journal.append(vec![closed(1), closed(2)]).await.is_err());
        assert!(journal.append(vec![closed(3)]).await.is_err(), "nothing builds on what is unknown");
        assert!(journal.close().await.is_err());
        let mut next = place.store(Ticks::at(round * 100 + 50)).await;
        let head = next.head().await.unwrap().mark();
        assert_eq!(head.size, before.size + created + if holds { 2 } else { 0 });
        assert_eq!(next.append(vec![closed(4)], None).await.unwrap().stamps[0].seq, head.size, "a session goes on");
        next.close().await.unwrap();
    }
    let reader = place.reader().await;
    let mut tree = Frontier::default();
    let stored = entries(&reader).await;
    stored.iter().for_each(|entry| tree.push(entry.seal().unwrap().leaf));
    assert_eq!(reader.head().await.unwrap(), (stored.len() as u64, base64(&tree.root())));
}
