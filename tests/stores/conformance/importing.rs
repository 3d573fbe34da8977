//! Entries that another store sealed.

use keybatch::journal::copy::{begins_with, copy};
use keybatch::journal::{
    EntryStore as _, Import as _, JournalError, PROJECTIONS, SUMMED, Snapshot, TreeHead, checkpoint_draft,
};
use keybatch::record::merkle::Frontier;
use keybatch::record::{Entry, Sealed};

use super::histories::{self, closed, history, write};
use super::memory::Memory;
use super::{Place, Ticks, mark};

/// A journal of several runs, and its entries.
async fn source(seeds: impl IntoIterator<Item = u64>) -> (Memory, TreeHead, Vec<(Entry, Sealed)>) {
    let memory = Memory::default();
    for (second, seed) in (0..).zip(seeds) {
        let mut store = memory.store(Ticks::at(second * 1_000));
        write(&mut store, history(seed)).await;
        store.append(vec![checkpoint_draft(), closed(1)], None).await.unwrap();
        store.close().await.unwrap();
    }
    let head = memory.store(Ticks::at(0)).head().await.unwrap().mark();
    let entries = stored(&mut *memory.snapshot()).await;
    (memory, head, entries)
}

async fn stored(snapshot: &mut dyn Snapshot) -> Vec<(Entry, Sealed)> {
    snapshot.begin().await.unwrap();
    let (mut all, mut next) = (Vec::new(), 0);
    loop {
        let page = snapshot.page(next).await.unwrap();
        let Some(last) = page.last() else { return all };
        for (seq, body, leaf) in page.entries() {
            let body = std::str::from_utf8(body).unwrap().to_owned();
            let entry = Entry::parse(&body).unwrap();
            all.push((entry, Sealed { seq: u64::try_from(seq).unwrap(), body, leaf }));
        }
        next = last + 1;
    }
}

/// That the place holds these entries byte for byte, and the projections that follow from them.
async fn holds(place: &impl Place, naive: &Memory, head: TreeHead, entries: &[(Entry, Sealed)], told: &str) {
    let mut snapshot = place.snapshot().await;
    let scratch = tempfile::tempdir().unwrap();
    let mut replay = snapshot.replay(scratch.path(), "r").await.unwrap();
    assert!(stored(&mut *snapshot).await == entries, "{told}");
    let found = snapshot.head().await.unwrap().unwrap();
    assert_eq!((found.size, found.root), (i64::try_from(head.size).unwrap(), head.root.to_vec()), "{told}");
    let mut tree = Frontier::default();
    entries.iter().for_each(|(_, sealed)| tree.push(sealed.leaf));
    assert_eq!((mark(&tree), tree.to_bytes()), (head, found.frontier), "{told}");
    let parsed: Vec<_> = entries.iter().map(|(entry, _)| entry.clone()).collect();
    replay.project(&parsed).await.unwrap();
    assert!(snapshot.agrees_with(&*replay).await.unwrap(), "{told}");
    replay.finish().await.unwrap();
    for table in PROJECTIONS.into_iter().filter(|table| !SUMMED.contains(table)) {
        assert_eq!(snapshot.first_difference(table).await.unwrap(), None, "{told}: {table}");
    }
    snapshot.end().await;
    let mut expected = naive.snapshot();
    expected.begin().await.unwrap();
    assert_eq!(found.checkpoint, expected.head().await.unwrap().unwrap().checkpoint, "{told}");
    let (answers, expected) =
        (histories::answers(&place.reader().await).await, histories::answers(&naive.reader()).await);
    assert_eq!(answers, expected, "{told}");
}

pub(super) async fn a_copy_is_what_was_copied(place: &impl Place) {
    let (naive, head, entries) = source(0..6).await;
    let mut from = naive.snapshot();
    from.begin().await.unwrap();
    let mut store = place.store(Ticks::at(9_000)).await;
    assert!(begins_with(&mut *from, store.head().await.unwrap().mark()).await.unwrap(), "an empty one");
    let told = std::sync::Mutex::new(Vec::new());
    assert_eq!(copy(&mut *from, &mut store, |size| told.lock().unwrap().push(size)).await.unwrap(), head);
    assert_eq!(told.lock().unwrap().last(), Some(&head.size));
    // Once more, there is nothing left to copy.
    assert!(begins_with(&mut *from, head).await.unwrap());
    assert_eq!(copy(&mut *from, &mut store, |_| panic!("nothing was left")).await.unwrap(), head);
    store.close().await.unwrap();
    holds(place, &naive, head, &entries, "whole").await;
    // A session goes on with it.
    let mut store = place.store(Ticks::at(10_000)).await;
    assert_eq!(store.head().await.unwrap().mark(), head);
    assert_eq!(store.append(vec![closed(7)], None).await.unwrap().stamps[0].seq, head.size);
    store.close().await.unwrap();
    assert!(!begins_with(&mut *from, place.store(Ticks::at(0)).await.head().await.unwrap().mark()).await.unwrap());
}

/// Whichever entry the first one ended with, in the midst of sessions, runs and attempts.
pub(super) async fn a_copy_goes_on_where_another_ended(place: &impl Place) {
    let (naive, head, entries) = source([2, 5]).await;
    for chunk in entries.chunks(3) {
        let mut store = place.store(Ticks::at(0)).await;
        let left = store.head().await.unwrap().mark();
        let mut from = naive.snapshot();
        from.begin().await.unwrap();
        assert!(begins_with(&mut *from, left).await.unwrap());
        assert!(!begins_with(&mut *from, TreeHead { root: [7; 32], ..left }).await.unwrap());
        store.import(chunk.to_vec()).await.unwrap();
        store.close().await.unwrap();
    }
    holds(place, &naive, head, &entries, "piece by piece").await;
}

pub(super) async fn what_does_not_follow_is_not_imported(place: &impl Place) {
    let (_, _, entries) = source([3]).await;
    let mut store = place.store(Ticks::at(0)).await;
    let left = store.import(entries[..4].to_vec()).await.unwrap();
    store.close().await.unwrap();
    let mut other = entries[4..6].to_vec();
    other[1].1.body.push(' ');
    let mut renumbered = entries[4..6].to_vec();
    renumbered[1].1.seq += 1;
    for (what, refused) in [
        ("a gap", entries[5..7].to_vec()),
        ("once more", entries[3..5].to_vec()),
        ("another hash", other),
        ("another number", renumbered),
    ] {
        let mut store = place.store(Ticks::at(0)).await;
        let failed = store.import(refused).await;
        assert!(matches!(failed, Err(JournalError::Illegal { .. })), "{what}: {failed:?}");
        assert!(matches!(store.import(entries[4..6].to_vec()).await, Err(JournalError::Closed)), "{what}");
        assert!(matches!(store.append(vec![closed(1)], None).await, Err(JournalError::Closed)), "{what}");
        drop(store);
        let mut store = place.store(Ticks::at(0)).await;
        assert_eq!(store.head().await.unwrap().mark(), left, "{what}");
        store.close().await.unwrap();
    }
    let mut late = place.store(Ticks::at(0)).await;
    late.head().await.unwrap();
    let mut quick = place.store(Ticks::at(0)).await;
    quick.import(entries[4..6].to_vec()).await.unwrap();
    quick.close().await.unwrap();
    let moved = late.import(entries[4..6].to_vec()).await;
    assert!(matches!(moved, Err(JournalError::HeadMoved { size: 4 })), "{moved:?}");
}
