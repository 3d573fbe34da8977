//! The rule against a token bucket behind a network, in virtual time: figures, not opinions.
//!
//! `cargo test --lib pace_simulation -- --nocapture` prints the table.

use std::time::Duration;

use super::Learned;
use super::{RateCap, RateRule, RateWhy};

/// The service: a bucket of `burst` tokens that gains `limit(now)` per second.
struct Service<'a> {
    limit: &'a dyn Fn(f64) -> f64,
    burst: f64,
    tokens: f64,
    last_s: f64,
}

impl<'a> Service<'a> {
    fn new(limit: &'a dyn Fn(f64) -> f64, burst: f64) -> Self {
        Self { limit, burst, tokens: burst, last_s: 0.0 }
    }

    fn admits(&mut self, now_s: f64) -> bool {
        self.tokens = (self.tokens + (now_s - self.last_s) * (self.limit)(now_s)).min(self.burst);
        self.last_s = now_s;
        let admitted = self.tokens >= 1.0;
        self.tokens -= if admitted { 1.0 } else { 0.0 };
        admitted
    }
}

/// The load: how many rows, how many in flight at once, and the round trip.
#[derive(Clone, Copy)]
struct Load {
    rows: u32,
    concurrency: usize,
    round_trip_s: (f64, f64),
    until_s: f64,
}

const LOAD: Load = Load { rows: 500, concurrency: 8, round_trip_s: (0.02, 0.1), until_s: f64::INFINITY };

#[derive(Default)]
struct Seen {
    seconds: f64,
    sent: u32,
    throttled: u32,
    sends_s: Vec<f64>,
    /// When the rate changed, and to what.
    rates: Vec<(f64, f64)>,
    announced: u32,
}

impl Seen {
    fn throttled_percent(&self) -> f64 {
        100.0 * f64::from(self.throttled) / f64::from(self.sent)
    }
}

#[derive(Clone, Copy)]
enum Stop {
    AtService,
    Home { admitted: bool },
}

/// Sends every row until it is admitted, as the pacer would: evenly spaced, paused after a throttle.
fn simulate(mut rule: RateRule, mut service: Service<'_>, load: Load, seed: u64) -> Seen {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut one_way = || (load.round_trip_s.0 + (load.round_trip_s.1 - load.round_trip_s.0) * random.f64()) / 2.0;
    let mut seen = Seen::default();
    let mut flying: Vec<(f64, f64, Stop)> = Vec::new();
    let (mut waiting, mut done, mut in_flight) = (load.rows, 0, 0);
    let (mut now, mut last_left, mut paused_until) = (0.0, f64::NEG_INFINITY, 0.0);
    while done < load.rows && now < load.until_s {
        let next = flying.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(i, f)| (i, f.0));
        if waiting > 0 && in_flight < load.concurrency {
            let due = rule.rate().map_or(now, |rate| now.max(last_left + 1.0 / rate).max(paused_until));
            if next.is_none_or(|(_, at)| due <= at) {
                (now, last_left) = (due, due);
                (waiting, in_flight, seen.sent) = (waiting - 1, in_flight + 1, seen.sent + 1);
                seen.sends_s.push(now);
                flying.push((now + one_way(), now, Stop::AtService));
                continue;
            }
        }
        let Some((index, at)) = next else { break };
        now = at;
        let (_, left, stop) = flying.swap_remove(index);
        let admitted = match stop {
            Stop::AtService => {
                flying.push((now + one_way(), left, Stop::Home { admitted: service.admits(now) }));
                continue;
            }
            Stop::Home { admitted } => admitted,
        };
        in_flight -= 1;
        if admitted {
            done += 1;
        } else {
            (waiting, seen.throttled) = (waiting + 1, seen.throttled + 1);
        }
        let change = rule.on_answer(Duration::from_secs_f64(left), Duration::from_secs_f64(now), !admitted);
        if let Some(change) = change {
            assert!(change.pause.is_zero() != (change.why == RateWhy::Throttled));
            paused_until = paused_until.max(now + change.pause.as_secs_f64());
            seen.rates.push((now, change.to.unwrap_or(f64::INFINITY)));
            seen.announced += u32::from(change.announce);
        }
    }
    seen.seconds = now;
    seen
}

/// Mean and worst over 40 seeds of (time / ideal time, percent throttled), and the mean number of announcements.
struct Figures {
    ratio: (f64, f64),
    throttled: (f64, f64),
    announced: f64,
}

fn figures(limit: f64, burst: f64, load: Load, learned: Option<f64>) -> Figures {
    let ideal_s = (f64::from(load.rows) - burst) / limit;
    let mut f = Figures { ratio: (0.0, 0.0), throttled: (0.0, 0.0), announced: 0.0 };
    let seeds = 40;
    for seed in 0..seeds {
        let rule = RateRule::new(RateCap::None, learned.map(Learned::limit));
        let seen = simulate(rule, Service::new(&|_| limit, burst), load, seed);
        let (ratio, throttled) = (seen.seconds / ideal_s, seen.throttled_percent());
        f.ratio = (f.ratio.0 + ratio / seeds as f64, f.ratio.1.max(ratio));
        f.throttled = (f.throttled.0 + throttled / seeds as f64, f.throttled.1.max(throttled));
        f.announced += f64::from(seen.announced) / seeds as f64;
    }
    f
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what this test is for")]
fn pace_simulation_table() {
    println!("limit burst  rows learned  time/ideal mean worst  throttled % mean worst  announced");
    let short = [(5.0, 4.0), (1.0, 1.0), (2.0, 2.0), (10.0, 10.0), (20.0, 5.0), (50.0, 100.0), (0.5, 1.0), (5.0, 50.0)];
    let long = [(20.0, 5.0), (50.0, 100.0), (100.0, 10.0)];
    let rows = short.map(|(limit, burst)| (limit, burst, 500, None)).into_iter();
    let rows = rows.chain(long.map(|(limit, burst)| (limit, burst, 5000, None)));
    for (limit, burst, rows, learned) in rows.chain([(5.0, 4.0, 500, Some(5.0)), (20.0, 5.0, 500, Some(20.0))]) {
        // 8 in flight at 60 ms are 133/s: enough for all but the fastest.
        let f = figures(limit, burst, Load { rows, concurrency: 16, ..LOAD }, learned);
        println!(
            "{limit:5} {burst:5} {rows:5} {:>7} {:16.3} {:5.3} {:17.2} {:5.2} {:10.1}",
            learned.map_or("-".to_owned(), |rate| rate.to_string()),
            f.ratio.0,
            f.ratio.1,
            f.throttled.0,
            f.throttled.1,
            f.announced
        );
    }
}

#[test]
fn pace_simulation_finds_an_unknown_limit() {
    for round_trip_s in [(0.02, 0.1), (0.005, 0.01), (0.05, 0.06)] {
        let f = figures(5.0, 4.0, Load { round_trip_s, ..LOAD }, None);
        assert!(f.ratio.1 <= 1.05, "{} of the ideal time", f.ratio.1);
        assert!(f.throttled.1 <= 2.0, "{} % throttled", f.throttled.1);
    }
    for (limit, burst, ratio) in [(2.0, 2.0, 1.05), (10.0, 10.0, 1.05), (1.0, 1.0, 1.15), (0.5, 1.0, 1.15)] {
        let f = figures(limit, burst, LOAD, None);
        assert!(f.ratio.1 <= ratio, "{limit}/s, burst {burst}: {} of the ideal time", f.ratio.1);
        assert!(f.throttled.1 <= 2.0, "{limit}/s, burst {burst}: {} % throttled", f.throttled.1);
    }
}

// SEMANTICS: P22
#[test]
fn pace_simulation_learned_rate_is_kept() {
    let f = figures(5.0, 4.0, LOAD, Some(5.0));
    assert!(f.ratio.1 <= 1.05 && f.throttled.1 <= 1.5, "{:?} {:?}", f.ratio, f.throttled);
    // Learned wrongly, either way.
    for learned in [1.0, 25.0] {
        let f = figures(5.0, 4.0, LOAD, Some(learned));
        assert!(f.ratio.1 <= 1.15 && f.throttled.1 <= 3.0, "{:?} {:?}", f.ratio, f.throttled);
    }
}

/// 5/s, then `fallen` for a while, then 5/s again: seconds until the rate was within 20 % of the new limit, both times, and
/// percent throttled.
fn fall(fallen: f64, down_for: f64, seed: u64) -> (f64, f64, f64) {
    let (falls, back) = (60.0, 60.0 + down_for);
    let limit = |now| if (falls..back).contains(&now) { fallen } else { 5.0 };
    let load = Load { rows: 1_000_000, until_s: back + 300.0, ..LOAD };
    let seen = simulate(RateRule::new(RateCap::None, None), Service::new(&limit, 4.0), load, seed);
    let reached = |from: f64, limit: f64| {
        let near = |&&(at, rate): &&(f64, f64)| at >= from && (rate / limit - 1.0).abs() <= 0.2;
        seen.rates.iter().find(near).map_or(f64::INFINITY, |(at, _)| at - from)
    };
    (reached(falls, fallen), reached(back, 5.0), seen.throttled_percent())
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of the second table")]
fn pace_simulation_follows_a_limit_that_falls_and_comes_back() {
    let mut worst = (0.0_f64, 0.0_f64, 0.0_f64);
    for seed in 0..60 {
        let seen = fall(2.0, 15.0 + 4.37 * seed as f64, seed);
        worst = (worst.0.max(seen.0), worst.1.max(seen.1), worst.2.max(seen.2));
    }
    println!("5/s to 2/s in {:.1} s, back in {:.1} s, {:.1} % throttled (worst of 60)", worst.0, worst.1, worst.2);
    assert!(worst.0 <= 15.0 && worst.1 <= 15.0 && worst.2 <= 5.0, "{worst:?}");
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of the third table")]
fn pace_simulation_survives_a_service_that_refuses_everything() {
    for down_for in [10.0, 60.0, 3600.0] {
        let back = (0..20).map(|seed| fall(0.0, down_for, seed).1).fold(0.0, f64::max);
        println!("nothing for {down_for} s: back to 5/s within {back:.1} s (worst of 20)");
        assert!(back <= 60.0, "{back} s after {down_for} s");
    }
}

// SEMANTICS: P22
#[test]
fn pace_simulation_keeps_a_cap() {
    for cap in [5.0, 1.0, 50.0] {
        let rule = RateRule::new(RateCap::PerSecond(cap), None);
        let seen = simulate(rule, Service::new(&|_| 1e4, 1e4), Load { rows: 1000, ..LOAD }, 1);
        for (i, from) in seen.sends_s.iter().enumerate() {
            let window = seen.sends_s[i..].iter().take_while(|at| **at < from + 1.0 - 1e-9).count();
            assert!(window as f64 <= cap + 1.0, "{window} in the second from {from}");
        }
        if cap <= 5.0 {
            let achieved = (f64::from(seen.sent) - 1.0) / (seen.sends_s[999] - seen.sends_s[0]);
            assert!((achieved / cap - 1.0).abs() < 0.01, "{achieved}/s under a cap of {cap}/s");
            assert_eq!(seen.rates, []);
        }
    }
}

#[test]
fn pace_simulation_finds_a_limit_below_the_cap() {
    for (cap, limit, learned) in [(5.0, 4.8, None), (5.0, 4.0, Some(10.0)), (10.0, 5.0, None), (5.0, 5.0, None)] {
        for seed in 0..20 {
            let rule = RateRule::new(RateCap::PerSecond(cap), learned.map(Learned::limit));
            let seen = simulate(rule, Service::new(&|_| limit, 4.0), LOAD, seed);
            let (ratio, throttled) = (seen.seconds * limit / 496.0, seen.throttled_percent());
            assert!(ratio <= 1.06 && throttled <= 2.0, "cap {cap}, limit {limit}: {ratio}, {throttled} %");
        }
    }
}

#[test]
fn pace_simulation_bears_long_round_trips() {
    for (round_trip_s, ratio) in [((0.3, 0.6), 1.08), ((1.0, 2.0), 1.15)] {
        let f = figures(5.0, 4.0, Load { concurrency: 20, round_trip_s, ..LOAD }, None);
        assert!(f.ratio.1 <= ratio && f.throttled.1 <= 7.0, "{round_trip_s:?}: {:?} {:?}", f.ratio, f.throttled);
    }
}
