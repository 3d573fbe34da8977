//! What the rule promises, one answer after the other; how it fares against a service shows `simulation`.

use super::*;

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn starts_low_at_the_cap_or_below_what_was_learned() {
    let start = |cap, learned: Option<f64>| RateRule::new(cap, learned.map(Learned::limit)).rate();
    assert_eq!(start(RateCap::None, None), Some(2.0));
    assert_eq!(start(RateCap::PerSecond(1.0), None), Some(1.0));
    assert_eq!(start(RateCap::PerSecond(50.0), None), Some(5.0));
    // A cap that nobody calls safe is no reason to begin faster than without one.
    assert_eq!(start(RateCap::Below(50.0), None), Some(2.0));
    assert_eq!(start(RateCap::Below(1.0), None), Some(1.0));
    assert_eq!(start(RateCap::Below(5.0), Some(10.0)), Some(5.0));
    assert_eq!(start(RateCap::None, Some(10.0)), Some(9.0));
    assert_eq!(start(RateCap::PerSecond(5.0), Some(10.0)), Some(5.0));
    assert_eq!(start(RateCap::Unlimited, Some(10.0)), None);
    for odd in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        assert_eq!(start(RateCap::None, Some(odd)), Some(2.0));
        assert!(start(RateCap::PerSecond(odd), None).is_some_and(|rate| rate.is_finite() && rate > 0.0));
    }
}

#[test]
fn throttles_of_one_event_lower_the_rate_once() {
    let mut rule = RateRule::new(RateCap::None, Some(Learned::limit(10.0)));
    let first = rule.on_answer(at(0.9), at(1.0), true).unwrap();
    assert_eq!((first.why, first.announce), (RateWhy::Throttled, true));
    assert!(first.to < first.from && !first.pause.is_zero());
    // Left before the decrease, answered long after.
    assert_eq!(rule.on_answer(at(0.95), at(3.0), true), None);
    assert!(rule.on_answer(at(1.5), at(3.1), true).is_some());
}

#[test]
fn a_rate_that_is_not_used_is_not_raised() {
    let mut rule = RateRule::new(RateCap::None, None);
    for second in 0..600 {
        assert_eq!(rule.on_answer(at(f64::from(second)), at(f64::from(second) + 0.1), false), None);
    }
    assert_eq!(rule.rate(), Some(2.0));
    // Twenty answers a second, whatever the rate: it ends within twice that, learned or not.
    for learned in [None, Some(3.0)] {
        let mut rule = RateRule::new(RateCap::None, learned.map(Learned::limit));
        let mut now = 0.0;
        for _ in 0..100_000 {
            now += 1.0 / rule.rate().unwrap().min(20.0);
            rule.on_answer(at(now), at(now), false);
        }
        assert!(rule.rate().is_some_and(|rate| (20.0..=45.0).contains(&rate)), "{:?}", rule.rate());
    }
}

// SEMANTICS: P22
#[test]
fn any_history_keeps_the_promises() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let cap = [RateCap::None, RateCap::PerSecond(5.0), RateCap::PerSecond(0.01), RateCap::Unlimited][round % 4];
        let ceiling = if let RateCap::PerSecond(rate) = cap { rate } else { f64::INFINITY };
        let learned = random.bool().then(|| random.f64() * 100.0);
        let mut rule = RateRule::new(cap, learned.map(Learned::limit));
        let (mut now, throttling) = (0.0, random.f64().powi(3));
        for _ in 0..500 {
            now += random.f64().powi(4) * 10.0;
            let before = rule.rate();
            let throttled = random.f64() < throttling;
            let change = rule.on_answer(at((now - random.f64()).max(0.0)), at(now), throttled);
            assert_eq!(change.map_or(before, |change| change.to), rule.rate());
            let Some(rate) = rule.rate() else { continue };
            assert!(rate.is_finite() && rate >= SLOWEST_PER_S.min(ceiling) && rate <= ceiling, "{rate}");
            let raised = before.is_some_and(|before| rate > before);
            assert!(!(throttled && raised), "{before:?} to {rate}");
            assert!(!raised || rate <= 2.0 * rule.achieved + 1e-9, "{rate} is more than twice {}", rule.achieved);
        }
    }
}

#[test]
fn unlimited_stays_so() {
    let mut rule = RateRule::new(RateCap::Unlimited, Some(Learned::limit(3.0)));
    for tick in 0..1000 {
        let throttled = tick % 3 == 0;
        assert_eq!(rule.on_answer(at(0.0), at(f64::from(tick) / 500.0), throttled), None);
    }
    assert_eq!(rule.rate(), None);
}

#[test]
fn only_a_throttle_shows_a_limit() {
    let mut rule = RateRule::new(RateCap::PerSecond(4.0), None);
    for tick in 0..40 {
        rule.on_answer(at(0.0), at(f64::from(tick) / 4.0), false);
    }
    let borne = rule.learned().unwrap();
    assert!(!borne.is_limit && (borne.rate_per_s - 4.0).abs() < 0.1, "{borne:?}");
    rule.on_answer(at(10.0), at(10.1), true);
    assert!(rule.learned().is_some_and(|learned| learned.rate_per_s < 4.5), "{:?}", rule.learned());
    let next = RateRule::new(RateCap::None, Some(Learned { rate_per_s: 40.0, is_limit: false }));
    assert_eq!((next.rate(), next.phase), (Some(36.0), Phase::Searching));
}

/// Admits answers at the permitted rate for so many seconds, from `from`.
fn used(rule: &mut RateRule, from: f64, seconds: f64) {
    let mut now = from;
    while now < from + seconds {
        now += 1.0 / rule.rate().unwrap();
        rule.on_answer(at(now), at(now), false);
    }
}

#[test]
fn a_rate_that_is_held_is_lowered_and_comes_back_at_once_but_never_above_the_cap() {
    let mut rule = RateRule::new(RateCap::PerSecond(20.0), None);
    used(&mut rule, 0.0, 20.0);
    assert_eq!(rule.rate(), Some(20.0));
    assert_eq!(rule.hold_below(2.0, at(20.0)), Some(2.0));
    used(&mut rule, 20.0, 60.0);
    assert_eq!((rule.rate(), rule.cap()), (Some(2.0), 2.0));
    assert_eq!(rule.hold_below(3.0, at(80.0)), Some(3.0));
    assert_eq!(rule.hold_below(1_000.0, at(81.0)), Some(20.0), "it had been borne");
    assert_eq!(rule.cap(), 20.0);
    used(&mut rule, 81.0, 60.0);
    assert_eq!(rule.rate(), Some(20.0));
    assert_eq!(rule.hold_below(20.0, at(141.0)), None);
}

#[test]
fn what_was_unlimited_is_limited_from_then_on() {
    let mut rule = RateRule::new(RateCap::Unlimited, None);
    assert_eq!(rule.hold_below(3.0, at(1.0)), Some(3.0));
    used(&mut rule, 1.0, 60.0);
    assert_eq!(rule.rate(), Some(3.0));
    assert_eq!(rule.hold_below(6.0, at(61.0)), Some(6.0));
    used(&mut rule, 61.0, 60.0);
    assert_eq!(rule.rate(), Some(6.0));
}

#[test]
fn a_limit_that_was_learned_is_not_passed_by_a_leap_when_the_hold_ends() {
    let mut rule = RateRule::new(RateCap::None, Some(Learned::limit(10.0)));
    rule.hold_below(1.0, at(0.0));
    used(&mut rule, 0.0, 600.0);
    rule.hold_below(1_000.0, at(600.0));
    used(&mut rule, 600.0, 2.0);
    assert!(rule.rate().is_some_and(|rate| rate > 5.0 && rate <= 12.0), "{:?}", rule.rate());
}
