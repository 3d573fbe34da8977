//! How many requests left lately.

use std::time::Duration;

/// Over how many seconds a rate is counted: few enough to show a change soon, enough to show one request in some seconds.
const SECONDS: u64 = 10;

/// The requests of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Of each second, by its remainder: its number, and how many left in it.
    seconds: [(u64, u32); SECONDS as usize],
}

impl Recent {
    /// One leaves at this time.
    pub(super) fn add(&mut self, at: Duration) {
        let second = at.as_secs();
        let slot = &mut self.seconds[(second % SECONDS) as usize];
        if slot.0 != second {
            *slot = (second, 0);
        }
        slot.1 += 1;
    }

    /// How many left, per second: over the last ten, or over as many as there were.
    pub(super) fn per_s(&self, now: Duration) -> f64 {
        let first = (now.as_secs() + 1).saturating_sub(SECONDS);
        let counted = self.seconds.iter().filter(|(second, _)| (first..=now.as_secs()).contains(second));
        let count: u32 = counted.map(|(_, count)| count).sum();
        let span = now.saturating_sub(Duration::from_secs(first)).as_secs_f64().max(1.0);
        f64::from(count) / span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_the_last_ten_seconds_and_forgets_the_rest() {
        let mut recent = Recent::default();
        assert!(recent.per_s(Duration::ZERO).abs() < 1e-9);
        (0..400).for_each(|quarter| recent.add(Duration::from_millis(250 * quarter)));
        let now = Duration::from_millis(99_999);
        assert!((recent.per_s(now) - 4.0).abs() < 0.01, "{}", recent.per_s(now));
        assert!((recent.per_s(Duration::from_secs(105)) - 16.0 / 9.0).abs() < 0.01);
        assert!(recent.per_s(Duration::from_secs(120)).abs() < 1e-9);
    }

    #[test]
    fn the_first_seconds_are_not_spread_over_ten() {
        let mut recent = Recent::default();
        (0..4).for_each(|half| recent.add(Duration::from_millis(500 * half)));
        assert!((recent.per_s(Duration::from_secs(2)) - 2.0).abs() < 0.01);
    }
}
