//! A token bucket over all operations of one region, as a function of the time it is given.
//!
//! It knows nothing of the clock, so that a replayed record refuses the same requests again.

use super::clock::Micros;
use super::world::Bucket as Spec;

/// One token, in the bucket's units: whole numbers keep a replay exact.
const TOKEN: u64 = 1_000_000;

/// A bucket that is full at first and is refilled steadily.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Units that flow in each second.
    units_per_s: f64,
    full: u64,
    level: u64,
    at: Micros,
}

impl Bucket {
    pub(super) fn new(spec: &Spec) -> Self {
        let full = u64::from(spec.burst) * TOKEN;
        Self { units_per_s: spec.rate_per_s * 1e6, full, level: full, at: 0 }
    }

    /// Takes one token if there is one.
    pub(super) fn take(&mut self, at: Micros) -> bool {
        let elapsed_us = at.saturating_sub(self.at);
        let inflow = (elapsed_us as f64 / 1e6 * self.units_per_s) as u64;
        // A flow too small to count is not lost: the clock of the bucket stands still until it counts.
        if inflow > 0 {
            self.level = self.level.saturating_add(inflow).min(self.full);
            self.at = at;
        }
        let taken = self.level >= TOKEN;
        if taken {
            self.level -= TOKEN;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let mut bucket = Bucket::new(&Spec { rate_per_s: 2.0, burst: 3 });
        let start = 1_700_000_000_000_000;
        let taken = (0..10).filter(|_| bucket.take(start)).count();
        assert_eq!(taken, 3);
        assert!(!bucket.take(start + 400_000));
        assert!(bucket.take(start + 500_000));
        assert!(!bucket.take(start + 500_001));
        let taken = (0..100).filter(|step| bucket.take(start + 1_000_000 + step * 100_000)).count();
        assert!((20..=23).contains(&taken), "{taken}");
    }
}
