//! How often a database that is away is asked again.

use std::time::Duration;

/// The longest first pause: a server that is only started again is back after a few tenths of a second.
const FIRST: Duration = Duration::from_millis(50);

/// What no pause exceeds, however often one was made: many runners ask, and each connection costs the server a process.
const LONGEST: Duration = Duration::from_millis(1_000);

/// Pauses between questions without an answer: each one up to twice as long as the one before, by chance, so that those who lost the server at
/// the same moment do not all come back at the same moment.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.next()).await;
    }

    fn next(&mut self) -> Duration {
        let most = self.0;
        self.0 = LONGEST.min(most * 2);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(fastrand::u64(micros(most / 2)..=micros(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second_and_are_never_the_same() {
        let mut pauses = Pauses::new();
        let made: Vec<_> = (0..10).map(|_| pauses.next()).collect();
        let most = [50, 100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000, 1_000].map(Duration::from_millis);
        for (pause, most) in made.iter().zip(most) {
            assert!((most / 2..=most).contains(pause), "{made:?}");
        }
    }
}
