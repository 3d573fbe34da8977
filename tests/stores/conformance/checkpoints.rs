//! When checkpoints are made, and what they cover.

use super::*;

pub(super) async fn a_checkpoint_covers_what_is_before_it(place: &impl Place) {
    let cadence = Cadence { entries: 3, age: SignedDuration::from_hours(1) };
    let mut store = place.store(Ticks::at(0)).await;
    let first = store.append(vec![created(), closed(1), closed(2)], Some(cadence)).await.unwrap();
    assert_eq!(first.checkpoint, None);
    let second = store.append(vec![closed(3)], Some(cadence)).await.unwrap();
    assert_eq!((second.checkpoint, second.stamps[0].seq), (Some(first.head), 4));
    let third = store.append(vec![checkpoint_draft()], None).await.unwrap();
    assert_eq!(third.checkpoint, Some(second.head));
    store.close().await.unwrap();
    let mut made = Vec::new();
    for entry in entries(&place.reader().await).await {
        if let Event::CheckpointMade(checkpoint) = entry.event {
            made.push((entry.seq, checkpoint.size, checkpoint.root));
        }
    }
    assert_eq!(made, [(3, 3, base64(&first.head.root)), (5, 5, base64(&second.head.root))]);
}

pub(super) async fn the_last_checkpoint_is_kept_with_the_head(place: &impl Place) {
    let mut store = place.store(Ticks::at(0)).await;
    assert_eq!(store.head().await.unwrap().checkpoint(), None);
    for (second, batch) in [
        (0, vec![created(), closed(1)]),
        (10, vec![checkpoint_draft(), closed(2)]),
        (20, vec![closed(3)]),
        (30, vec![checkpoint_draft()]),
    ] {
        store.append(batch, None).await.unwrap();
        store.close().await.unwrap();
        let stored = entries(&place.reader().await).await;
        let last = stored.iter().rev().find_map(|entry| match &entry.event {
            Event::CheckpointMade(made) => Some(LastCheckpoint { size: made.size, at: entry.at }),
            _ => None,
        });
        store = place.store(Ticks::at(second + 10)).await;
        assert_eq!(store.head().await.unwrap().checkpoint(), last, "after {second}");
        let mut snapshot = place.snapshot().await;
        snapshot.begin().await.unwrap();
        let kept = snapshot.head().await.unwrap().unwrap().checkpoint;
        let expected = (last.map(|last| i64::try_from(last.size).unwrap()), last.map(|last| time_text(last.at)));
        assert_eq!(kept, expected, "after {second}");
        snapshot.end().await;
    }
    store.close().await.unwrap();
}

pub(super) async fn a_checkpoint_is_due_over_sessions_but_never_before_one_opens(place: &impl Place) {
    let cadence = Cadence { entries: 4, age: SignedDuration::from_secs(60) };
    let mut store = place.store(Ticks::at(0)).await;
    let left =
        store.append(vec![created(), closed(1), checkpoint_draft(), closed(2), closed(3)], None).await.unwrap().head;
    store.close().await.unwrap();
    // Three entries are not covered, and the clock is far ahead; the age counts from the session's beginning.
    let mut store = place.store(Ticks::at(1_000)).await;
    let first = store.append(vec![histories::opening()], Some(cadence)).await.unwrap();
    assert_eq!((first.checkpoint, first.stamps[0].seq), (None, left.size));
    // That makes four, and it is the next batch that a checkpoint precedes, not one that opens a session.
    let second = store.append(vec![histories::opening()], Some(cadence)).await.unwrap();
    assert_eq!(second.checkpoint, None);
    let third = store.append(vec![closed(4)], Some(cadence)).await.unwrap();
    assert_eq!(third.checkpoint, Some(second.head));
    store.close().await.unwrap();
}
