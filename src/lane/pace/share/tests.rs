//! One pacer that sends in slots, under tokio's paused time; several of them are tested where they are asked for.

use super::super::Permit;
use super::*;
use crate::lane::rate::{Learned, RateCap};

const AHEAD: Duration = Duration::from_millis(300);

fn sharing(rate: f64) -> Arc<Pacer> {
    let pacer = Arc::new(Pacer::new(RateCap::PerSecond(rate), Some(Learned::limit(10.0 * rate))));
    pacer.share(Arc::default());
    pacer
}

/// So many slots from now on.
fn slots(count: u32, per_s: f64, version: u64) -> Slots {
    Slots { count, after: Duration::ZERO, every: Duration::from_secs_f64(1.0 / per_s), per_s, version }
}

/// So many requests that wait.
async fn waiting(pacer: &Arc<Pacer>, count: usize) -> Vec<tokio::task::JoinHandle<Duration>> {
    let one = |pacer: Arc<Pacer>| tokio::spawn(async move { pacer.acquire().await.left });
    let tasks = (0..count).map(|_| one(Arc::clone(pacer))).collect();
    tokio::task::yield_now().await;
    tasks
}

fn finished(tasks: &[tokio::task::JoinHandle<Duration>]) -> Vec<bool> {
    tasks.iter().map(tokio::task::JoinHandle::is_finished).collect()
}

#[tokio::test(start_paused = true)]
async fn it_wants_what_waits_and_no_more_than_the_rates_share_and_nothing_without_need() {
    let pacer = Arc::new(Pacer::new(RateCap::PerSecond(20.0), Some(Learned::limit(200.0))));
    assert_eq!(pacer.wanted(AHEAD), None, "it does not share");
    pacer.share(Arc::default());
    assert_eq!(pacer.wanted(AHEAD), None, "nobody waits");
    let mut tasks = waiting(&pacer, 1).await;
    assert_eq!(pacer.wanted(AHEAD), Some(Wanted { count: 1, per_s: 20.0, version: 0 }));
    tasks.extend(waiting(&pacer, 50).await);
    for _ in 0..60 {
        pacer.grant(slots(1, 20.0, 1), Instant::now());
        tokio::time::sleep(Duration::from_millis(10)).await;
        let _ = waiting(&pacer, 1).await;
    }
    assert_eq!(pacer.wanted(AHEAD), Some(Wanted { count: 6, per_s: 20.0, version: 1 }), "0.3 s of 20/s");
    assert_eq!(pacer.wanted(Duration::from_millis(10)).map(|wanted| wanted.count), Some(1));
    pacer.grant(Slots { after: Duration::from_millis(100), ..slots(4, 20.0, 1) }, Instant::now());
    assert_eq!(pacer.wanted(AHEAD).map(|wanted| wanted.count), Some(2), "it holds four");
    let unlimited = Pacer::new(RateCap::Unlimited, None);
    unlimited.share(Arc::default());
    let _ = unlimited.acquire().await;
    assert_eq!(unlimited.wanted(AHEAD), None);
}

#[tokio::test(start_paused = true)]
async fn slots_are_used_first_come_first_served_and_a_cancelled_wait_costs_none() {
    let pacer = sharing(10.0);
    let tasks = waiting(&pacer, 6).await;
    [0, 2].iter().for_each(|number| tasks[*number].abort());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!tasks[1].is_finished(), "nothing was granted");
    pacer.grant(slots(3, 10.0, 1), Instant::now());
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(finished(&tasks[1..]), [true, true, true, false, false]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(finished(&tasks[4..]), [true, false]);
    assert_eq!(pacer.wanted(AHEAD).map(|wanted| wanted.count), Some(1), "one waits still");
}

/// A slow question, and a slow answer: the runner counts from the answer, and gives up what may be long past.
#[tokio::test(start_paused = true)]
async fn slots_count_from_the_answer_and_lapse_from_the_question() {
    let pacer = sharing(10.0);
    let tasks = waiting(&pacer, 8).await;
    pacer.grant(Slots { after: Duration::from_millis(500), ..slots(1, 10.0, 1) }, Instant::now());
    tokio::time::sleep(Duration::from_millis(499)).await;
    assert!(!tasks[0].is_finished());
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert!(tasks[0].is_finished());
    let asked_at = Instant::now();
    tokio::time::sleep(Duration::from_millis(250)).await;
    // Meant for between 0 and 250, 100 and 350 … 500 and 750 ms after the question.
    pacer.grant(slots(6, 10.0, 1), asked_at);
    let answered = pacer.origin.elapsed();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        finished(&tasks).iter().filter(|done| **done).count(),
        1,
        "the quickest question took no time: all of them may be past"
    );
    // Where each question takes as long, they are used.
    for _ in 0..40 {
        let asked_at = Instant::now();
        tokio::time::sleep(Duration::from_millis(250)).await;
        pacer.grant(slots(0, 10.0, 1), asked_at);
    }
    let asked_at = Instant::now();
    tokio::time::sleep(Duration::from_millis(250)).await;
    pacer.grant(slots(6, 10.0, 1), asked_at);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(finished(&tasks)[..7].iter().all(|done| *done) && !tasks[7].is_finished());
    for task in &mut tasks.into_iter().skip(1).take(6) {
        assert!(task.await.unwrap() > answered);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_drops_what_is_held_and_is_told_until_all_keep_to_it() {
    let wake = Arc::new(Notify::new());
    let pacer = Arc::new(Pacer::new(RateCap::PerSecond(20.0), Some(Learned::limit(200.0))));
    pacer.share(Arc::clone(&wake));
    let tasks = waiting(&pacer, 1).await;
    pacer.grant(slots(2, 20.0, 1), Instant::now());
    let permit = Permit { left: tasks.into_iter().next().unwrap().await.unwrap() };
    wake.notified().await;
    let asked_before = Instant::now();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let change = pacer.report(permit, true).unwrap();
    let cut = change.to.unwrap();
    assert!(cut < 20.0 && pacer.rate() == Some(cut));
    tokio::time::timeout(Duration::from_millis(1), wake.notified()).await.expect("it is worth a question at once");
    let one = waiting(&pacer, 1).await.remove(0);
    // What is still answered to a question of before is of the old rate.
    pacer.grant(slots(5, 20.0, 1), asked_before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!one.is_finished());
    assert_eq!((pacer.rate(), pacer.wanted(AHEAD)), (Some(cut), Some(Wanted { count: 1, per_s: cut, version: 1 })));
    // Another one was faster, and said that more is permitted: that does not take the throttle back.
    pacer.grant(slots(0, 22.0, 2), Instant::now());
    let told = pacer.wanted(AHEAD).unwrap();
    assert_eq!((told.per_s, told.version, pacer.rate()), (cut, 2, Some(cut)));
    pacer.grant(slots(0, cut, 3), Instant::now());
    // And now it does: everybody knew.
    let _ = pacer.wanted(AHEAD);
    pacer.grant(slots(0, 19.5, 4), Instant::now());
    assert_eq!(pacer.rate(), Some(19.5));
}

/// One that another runner was cut by is known here: throttles of what left before tell nothing new, and it says nothing of its own.
#[tokio::test(start_paused = true)]
async fn a_rate_that_others_were_cut_to_is_taken_over_and_is_one_event() {
    let pacer = sharing(20.0);
    let _tasks = waiting(&pacer, 2).await;
    pacer.grant(slots(1, 20.0, 1), Instant::now());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let before = Permit { left: pacer.origin.elapsed() };
    assert!(pacer.wanted(AHEAD).is_some());
    pacer.grant(slots(0, 10.0, 2), Instant::now());
    assert_eq!((pacer.rate(), pacer.report(before, true), pacer.rate()), (Some(10.0), None, Some(10.0)));
    assert_eq!(pacer.wanted(AHEAD), Some(Wanted { count: 1, per_s: 10.0, version: 2 }));
    assert!(pacer.learned().is_some_and(|learned| learned.is_limit && learned.rate_per_s < 11.0));
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_never_exceeded_whatever_the_others_make_of_the_rate() {
    let pacer = sharing(50.0);
    let tasks = waiting(&pacer, 100).await;
    pacer.grant(slots(20, 50.0, 1), Instant::now());
    pacer.hold_below(2.0);
    assert_eq!((pacer.rate(), pacer.cap()), (Some(2.0), Some(2.0)));
    assert_eq!(pacer.wanted(AHEAD), Some(Wanted { count: 1, per_s: 2.0, version: 1 }), "what it held is dropped");
    for version in 2..42 {
        // The others never listen.
        pacer.grant(slots(5, 50.0, version), Instant::now());
        assert_eq!(pacer.rate(), Some(2.0));
        assert_eq!(
            pacer.wanted(AHEAD).map(|wanted| (wanted.per_s, wanted.version)).unwrap_or((2.0, version)),
            (2.0, version)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let left = finished(&tasks).iter().filter(|done| **done).count();
    assert!((7..=9).contains(&left), "{left} in 4 s");
    pacer.hold_below(1_000.0);
    assert_eq!(pacer.rate(), Some(50.0));
}

/// A runner that comes later starts where the others are, and does not search again.
#[tokio::test(start_paused = true)]
async fn a_runner_that_joins_keeps_to_what_the_others_have_learned() {
    let pacer = Arc::new(Pacer::new(RateCap::None, None));
    pacer.share(Arc::default());
    let tasks = waiting(&pacer, 200).await;
    let mut fastest = 0.0_f64;
    for _ in 0..30 {
        let wanted = pacer.wanted(AHEAD);
        pacer.grant(slots(wanted.map_or(0, |wanted| wanted.count), 9.5, 7), Instant::now());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = pacer.report(Permit { left: pacer.origin.elapsed() }, false);
        fastest = fastest.max(pacer.rate().unwrap());
    }
    assert!((9.5..10.5).contains(&fastest), "{fastest}");
    drop(tasks);
}

#[tokio::test(start_paused = true)]
async fn what_was_held_back_much_longer_than_usual_leaves_in_a_slot_of_its_own() {
    let pacer = sharing(40.0);
    pacer.grant(slots(3, 40.0, 1), Instant::now());
    let mut first = pacer.depart().await;
    let usual = first.acquire().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(first.unless_late(usual).await, usual, "nobody knows how long it takes");
    drop(first);
    let (mut held, mut alone) = (pacer.depart().await, pacer.depart().await);
    let (late, too) = (held.acquire().await, alone.acquire().await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    {
        let again = held.unless_late(late);
        tokio::pin!(again);
        let given_up = tokio::time::timeout(Duration::from_secs(1), again.as_mut()).await;
        assert!(given_up.is_err(), "no slot is left that is not past");
        assert_eq!(alone.unless_late(too).await, too, "one of each runner may leave late");
        assert_eq!(pacer.wanted(AHEAD).map(|wanted| wanted.count), Some(1));
        pacer.grant(slots(1, 40.0, 1), Instant::now());
        assert!(again.await.left > late.left + Duration::from_secs(2));
    }
    let single = Pacer::new(RateCap::PerSecond(10.0), Some(Learned::limit(100.0)));
    let (mut one, mut two) = (single.depart().await, single.depart().await);
    let (permit, _) = (one.acquire().await, two.acquire().await);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(one.unless_late(permit).await, permit, "it shares with nobody");
}

/// A person holds the rate below the common one: the slots that come are used, however they are spaced.
#[tokio::test(start_paused = true)]
async fn a_runner_that_is_held_below_the_common_rate_goes_on_at_the_lower_one() {
    let pacer = sharing(40.0);
    let tasks = waiting(&pacer, 40).await;
    pacer.grant(slots(4, 40.0, 1), Instant::now());
    tokio::time::sleep(Duration::from_millis(100)).await;
    pacer.hold_below(4.0);
    let begun = finished(&tasks).iter().filter(|is| **is).count();
    let (mut per_s, mut version, mut next) = (40.0, 1, Duration::ZERO);
    let origin = Instant::now();
    for _ in 0..50 {
        let asked = Instant::now();
        if let Some(wanted) = pacer.wanted(AHEAD) {
            if wanted.version == version && !is_same_rate(per_s, wanted.per_s) {
                (per_s, version) = (wanted.per_s, version + 1);
            }
            let first = next.max(origin.elapsed());
            let granted = Slots { after: first - origin.elapsed(), ..slots(wanted.count, per_s, version) };
            next = first + granted.every * granted.count;
            pacer.grant(granted, asked);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let sent = finished(&tasks).iter().filter(|is| **is).count() - begun;
    assert!((19..=21).contains(&sent), "{sent} in 5 s");
}
