//! The schedule, under tokio's paused time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn capped(rate: f64) -> Arc<Pacer> {
    // Learned well above the cap, so that it starts at the cap.
    Arc::new(Pacer::new(RateCap::PerSecond(rate), Some(Learned::limit(10.0 * rate))))
}

/// The departures of `count` requests asked for by `tasks` at once.
async fn departures(pacer: &Arc<Pacer>, count: usize, tasks: usize) -> Vec<Duration> {
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let (pacer, share) = (Arc::clone(pacer), count / tasks);
        set.spawn(async move {
            let mut left = Vec::new();
            for _ in 0..share {
                left.push(pacer.acquire().await.left);
            }
            left
        });
    }
    let mut left: Vec<_> = set.join_all().await.into_iter().flatten().collect();
    left.sort();
    left
}

#[tokio::test(start_paused = true)]
async fn keeps_the_rate_within_one_percent_and_never_bursts() {
    for (rate, count) in
        [(0.1, 20), (0.5, 20), (1.0, 40), (3.0, 300), (5.0, 500), (30.0, 900), (200.0, 4000), (3000.0, 30_000)]
    {
        let left = departures(&capped(rate), count, 10).await;
        let achieved = (count - 1) as f64 / (left[count - 1] - left[0]).as_secs_f64();
        assert!((achieved / rate - 1.0).abs() < 0.01, "{achieved}/s instead of {rate}/s");
        for (i, from) in left.iter().enumerate() {
            let window = left[i..].iter().take_while(|at| **at < *from + Duration::from_secs(1)).count();
            let slack = if rate <= 100.0 { 0.0 } else { rate * 0.01 };
            assert!(window as f64 <= rate.ceil() + 1.0 + slack, "{window} in a second at {rate}/s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_not_saved_up_and_late_departures_are_made_good() {
    let pacer = capped(5.0);
    let _ = pacer.acquire().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let left = departures(&pacer, 3, 1).await;
    assert!(left[1] - left[0] >= Duration::from_millis(190) && left[2] - left[1] >= Duration::from_millis(199));

    let pacer = capped(200.0);
    let mut random = fastrand::Rng::with_seed(1);
    let first = pacer.acquire().await.left;
    for _ in 0..400 {
        let _ = pacer.acquire().await;
        // Something else holds the machine for most of a period, or longer.
        tokio::time::advance(Duration::from_micros(random.u64(0..7000))).await;
    }
    let took = (pacer.acquire().await.left - first).as_secs_f64();
    assert!((took / 2.005 - 1.0).abs() < 0.01, "{took} s instead of 2.005 s");
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served_and_cancelling_costs_nothing() {
    let pacer = capped(10.0);
    let _ = pacer.acquire().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for number in 0..64 {
        let (pacer, sender) = (Arc::clone(&pacer), sender.clone());
        tasks.push(tokio::spawn(async move {
            let permit = pacer.acquire().await;
            sender.send((number, permit.left)).unwrap();
        }));
        tokio::task::yield_now().await;
    }
    // The one that sleeps, and some that queue.
    for number in [0, 1, 2, 30, 63] {
        tasks[number].abort();
    }
    drop(sender);
    let mut seen = Vec::new();
    while let Some(one) = receiver.recv().await {
        seen.push(one);
    }
    let numbers: Vec<_> = seen.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..64).filter(|n| ![0, 1, 2, 30, 63].contains(n)).collect::<Vec<_>>());
    assert!(seen[0].1 <= Duration::from_millis(101), "{:?}", seen[0].1);
    assert!(seen[58].1 <= Duration::from_millis(5902), "{:?}", seen[58].1);
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_notices_a_faster_and_a_slower_rate() {
    // Slower: the one that sleeps until its turn at 2/s stays for the pause as well.
    let pacer = Arc::new(Pacer::new(RateCap::None, None));
    let first = pacer.acquire().await;
    let second = pacer.acquire().await;
    let third = pacer.acquire().await;
    assert_eq!(pacer.report(first, false), None);
    let waiting = tokio::spawn({
        let pacer = Arc::clone(&pacer);
        async move { pacer.acquire().await.left }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let slower = pacer.report(second, true).unwrap();
    let now = pacer.origin.elapsed();
    assert_eq!(pacer.report(third, true), None);
    assert_eq!(pacer.rate(), slower.to);
    let left = waiting.await.unwrap();
    assert!(left >= now + slower.pause && left <= now + slower.pause + Duration::from_millis(2), "{left:?}");

    // Faster: two answers in half a second double the rate.
    let pacer = Pacer::new(RateCap::None, None);
    let permits = [pacer.acquire().await, pacer.acquire().await];
    for _ in 0..4 {
        let _ = pacer.report(permits[0], false);
        tokio::time::sleep(Duration::from_millis(240)).await;
    }
    assert!(pacer.rate().is_some_and(|rate| rate > 3.9));
    let left = pacer.acquire().await.left;
    let next = pacer.acquire().await.left;
    assert!(next - left <= Duration::from_millis(252), "{:?}", next - left);
}

// SEMANTICS: P22
#[tokio::test(start_paused = true)]
async fn unlimited_waits_for_nothing() {
    let pacer = Pacer::new(RateCap::Unlimited, None);
    for round in 0..10_000 {
        let permit = pacer.acquire().await;
        assert_eq!(permit.left, Duration::ZERO);
        assert_eq!(pacer.report(permit, round % 3 == 0), None);
    }
    assert_eq!(pacer.rate(), None);
}

/// A commit lets all that wait for it go at once: those are never so many that the rate is exceeded.
// SEMANTICS: P22
#[tokio::test(start_paused = true)]
async fn a_slow_disk_does_not_gather_requests_to_a_burst() {
    for (rate, most_in_a_second) in [(4.0, 5), (20.0, 25)] {
        let pacer = capped(rate);
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let pacer = Arc::clone(&pacer);
            set.spawn(async move {
                let mut left = Vec::new();
                for _ in 0..10 {
                    let departing = pacer.depart().await;
                    let _ = pacer.acquire().await;
                    // All that are on their way become durable at the same moment.
                    let commit = Duration::from_millis(2_200);
                    let into = pacer.origin.elapsed().as_nanos() % commit.as_nanos();
                    tokio::time::sleep(commit - Duration::from_nanos(into as u64)).await;
                    drop(departing);
                    left.push(pacer.origin.elapsed());
                }
                left
            });
        }
        let mut left: Vec<_> = set.join_all().await.into_iter().flatten().collect();
        left.sort();
        for (i, from) in left.iter().enumerate() {
            let window = left[i..].iter().take_while(|at| **at < *from + Duration::from_secs(1)).count();
            assert!(window <= most_in_a_second, "{window} in a second at {rate}/s");
        }
    }
}

/// Room that a faster rate makes is taken by those that wait.
#[tokio::test(start_paused = true)]
async fn a_faster_rate_lets_more_wait_for_the_disk() {
    let pacer = capped(200.0);
    let began = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let pacer = Arc::clone(&pacer);
        set.spawn(async move {
            let _departing = pacer.depart().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
    }
    set.join_all().await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn targets_are_independent() {
    let pacers: Vec<_> = (0..3).map(|_| Pacer::new(RateCap::PerSecond(5.0), None)).collect();
    for _ in 0..3 {
        let permit = pacers[0].acquire().await;
        let _ = pacers[0].report(permit, true);
    }
    assert!(pacers[0].rate() < Some(5.0));
    assert_eq!((pacers[1].rate(), pacers[2].rate()), (Some(5.0), Some(5.0)));
}

/// The whole of it, rule and schedule, against a bucket of 4 that gains 5 per second.
#[tokio::test(start_paused = true)]
async fn an_unknown_limit_is_found_and_kept() {
    let pacer = Arc::new(Pacer::new(RateCap::None, None));
    let bucket = Arc::new(Mutex::new((4.0_f64, Instant::now())));
    let left_over = Arc::new(AtomicU64::new(500));
    let throttles = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut set = tokio::task::JoinSet::new();
    for seed in 0..8 {
        let (pacer, bucket) = (Arc::clone(&pacer), Arc::clone(&bucket));
        let (left_over, throttles) = (Arc::clone(&left_over), Arc::clone(&throttles));
        set.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let take = |n: u64| n.checked_sub(1);
            while left_over.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                let permit = pacer.acquire().await;
                tokio::time::sleep(Duration::from_millis(random.u64(10..50))).await;
                let admitted = {
                    let (tokens, since) = &mut *bucket.lock().unwrap();
                    *tokens = (*tokens + 5.0 * since.elapsed().as_secs_f64()).min(4.0);
                    *since = Instant::now();
                    let admitted = *tokens >= 1.0;
                    *tokens -= if admitted { 1.0 } else { 0.0 };
                    admitted
                };
                tokio::time::sleep(Duration::from_millis(random.u64(10..50))).await;
                let _ = pacer.report(permit, !admitted);
                if !admitted {
                    left_over.fetch_add(1, Ordering::Relaxed);
                    throttles.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    set.join_all().await;
    let (ratio, throttles) = (started.elapsed().as_secs_f64() / 99.2, throttles.load(Ordering::Relaxed));
    assert!(ratio <= 1.05 && throttles <= 10, "{ratio} of the ideal time, {throttles} throttles");
    assert!(
        pacer.learned().is_some_and(|learned| (learned.rate_per_s / 5.0 - 1.0).abs() < 0.1),
        "{:?}",
        pacer.learned()
    );
}

#[tokio::test(start_paused = true)]
async fn a_hold_counts_from_the_next_request_and_wakes_the_one_that_waits() {
    let pacer = capped(100.0);
    let left = departures(&pacer, 100, 4).await;
    pacer.hold_below(2.0);
    let held = departures(&pacer, 10, 2).await;
    assert!(held[0] >= left[99] && held.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(489)));
    assert_eq!((pacer.rate(), pacer.cap()), (Some(2.0), Some(2.0)));
    assert!(pacer.recent() > 1.0, "{}", pacer.recent());
    pacer.hold_below(1.0 / 60.0);
    let slow = tokio::spawn({
        let pacer = Arc::clone(&pacer);
        async move { pacer.acquire().await.left }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!slow.is_finished());
    pacer.hold_below(0.5);
    pacer.hold_below(1_000.0);
    assert_eq!(pacer.cap(), Some(100.0));
    assert!(
        tokio::time::timeout(Duration::from_secs(3), slow).await.is_ok(),
        "its turn was computed for the slow rate"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hold_paces_what_was_unlimited() {
    let pacer = Arc::new(Pacer::new(RateCap::Unlimited, None));
    assert_eq!((departures(&pacer, 100, 4).await.len(), pacer.rate(), pacer.cap()), (100, None, None));
    pacer.hold_below(5.0);
    let held = departures(&pacer, 20, 4).await;
    assert!(held.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(189)));
}
