//! A token bucket for all operations of one region, as a function of the time passed to it.
//!
//! It reads no clock, so that a replayed record refuses the same requests again.

use super::account::Bucket as Spec;
use super::clock::Micros;

/// One token, in the bucket's units: whole numbers keep a replay exact.
const TOKEN: u64 = 1_000_000;

/// A bucket that is full at first and refills steadily.
#[derive(Debug)]
pub(super) struct Bucket {
    spec: Spec,
    level: u64,
    /// When the first request came; its `changes` count from then.
    began: Option<Micros>,
    at: Micros,
}

impl Bucket {
    pub(super) fn new(spec: &Spec) -> Self {
        Self { spec: spec.clone(), level: u64::from(spec.burst) * TOKEN, began: None, at: 0 }
    }

    /// Takes one token if there is one.
    pub(super) fn take(&mut self, at: Micros) -> bool {
        let began = *self.began.get_or_insert(at);
        let inflow = self.inflow(began, at);
        // An inflow too small to count is not lost: the bucket's clock stands still until it counts.
        if inflow > 0 {
            self.level = self.level.saturating_add(inflow).min(u64::from(self.spec.burst) * TOKEN);
            self.at = at;
        }
        let taken = self.level >= TOKEN;
        if taken {
            self.level -= TOKEN;
        }
        taken
    }

    /// What flowed in from `self.at` to `at`, at the rates in force then.
    fn inflow(&self, began: Micros, at: Micros) -> u64 {
        let mut from = self.at.max(began).min(at);
        let (mut rate, mut inflow) = (self.spec.rate_per_s, 0.0);
        for change in &self.spec.changes {
            let begins = began.saturating_add((change.after_s * 1e6) as Micros);
            if begins > at {
                break;
            }
            inflow += begins.saturating_sub(from) as f64 * rate;
            from = from.max(begins);
            rate = change.rate_per_s;
        }
        (inflow + (at - from) as f64 * rate) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::RateChange;
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let mut bucket = Bucket::new(&Spec { rate_per_s: 2.0, burst: 3, changes: Vec::new() });
        let start = 1_700_000_000_000_000;
        let taken = (0..10).filter(|_| bucket.take(start)).count();
        assert_eq!(taken, 3);
        assert!(!bucket.take(start + 400_000));
        assert!(bucket.take(start + 500_000));
        assert!(!bucket.take(start + 500_001));
        let taken = (0..100).filter(|step| bucket.take(start + 1_000_000 + step * 100_000)).count();
        assert!((20..=23).contains(&taken), "{taken}");
    }

    #[test]
    fn the_rate_changes_in_mid_run_and_comes_back() {
        let change = |after_s, rate_per_s| RateChange { after_s, rate_per_s };
        let changes = vec![change(10.0, 2.0), change(20.0, 5.0)];
        let mut bucket = Bucket::new(&Spec { rate_per_s: 5.0, burst: 1, changes });
        let start = 1_700_000_000_000_000;
        let mut taken = [0; 3];
        for step in 0..30_000 {
            taken[step / 10_000] += u32::from(bucket.take(start + step as Micros * 1_000));
        }
        assert!((50..=51).contains(&taken[0]) && (20..=21).contains(&taken[1]), "{taken:?}");
        assert!((49..=51).contains(&taken[2]), "{taken:?}");
    }

    #[test]
    fn a_change_counts_even_where_nobody_asks_for_a_long_time() {
        let changes = vec![RateChange { after_s: 1.0, rate_per_s: 100.0 }];
        let mut bucket = Bucket::new(&Spec { rate_per_s: 1.0, burst: 50, changes });
        let start = 1_700_000_000_000_000;
        let all = (0..60).filter(|_| bucket.take(start)).count();
        assert_eq!(all, 50);
        // One second at 1/s, 0.1 seconds at 100/s.
        let later = (0..60).filter(|_| bucket.take(start + 1_100_000)).count();
        assert_eq!(later, 11);
    }
}
