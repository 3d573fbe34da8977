//! The progress of a run, on standard error: a bar with counts, rate and time left on a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::ui::{Ui, grouped};
use crate::domain::Outcome;
use crate::plan::Tally;

/// How often a plain line is written: seldom enough for a log, often enough to show that the run is alive.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a bar is redrawn at most.
const BAR_HZ: u8 = 10;

/// How often what a bar says of planning is looked up.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The rate that is shown is that of so much time: what was a minute ago says little of what is left.
const RATE_OF: Duration = Duration::from_secs(10);

/// Counts outcomes and shows them.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    counts: Arc<Counts>,
    bar: Option<ProgressBar>,
    total: u64,
}

#[derive(Debug, Default)]
struct Counts {
    settled: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

impl Progress {
    /// Begins at nothing of `total` rows.
    pub(super) fn start(ui: &Ui, total: u64, sandbox: bool) -> Self {
        let bar = ui.bar.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(BAR_HZ));
            if let Ok(style) = ProgressStyle::with_template("{prefix}{bar:20} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(if sandbox { "sandbox " } else { "" });
            bar
        });
        Self { counts: Arc::default(), bar, total }
    }

    /// One more row has its outcome.
    pub(super) fn settled(&self, outcome: Outcome) {
        self.counts.settled.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Deleted | Outcome::Gone | Outcome::Absent => {}
            Outcome::Failed | Outcome::InDoubt => _ = self.counts.failed.fetch_add(1, Ordering::Relaxed),
            Outcome::Skipped => _ = self.counts.skipped.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Shows how far it is for as long as it is polled: on the bar, or in plain lines.
    pub(super) async fn lines(&self, ui: &Ui) {
        let mut seen = VecDeque::from([(Instant::now(), self.counts.settled.load(Ordering::Relaxed))]);
        loop {
            tokio::time::sleep(if self.bar.is_some() { LOOK_EVERY } else { LINE_EVERY }).await;
            let (now, settled) = (Instant::now(), self.counts.settled.load(Ordering::Relaxed));
            seen.push_back((now, settled));
            while seen.len() > 2 && seen.get(1).is_some_and(|(at, _)| now - *at >= RATE_OF) {
                seen.pop_front();
            }
            let (from, before) = seen.front().copied().unwrap_or((now, settled));
            let line = self.line(settled, per_second(settled - before, now - from));
            match &self.bar {
                Some(bar) => {
                    bar.set_position(settled);
                    bar.set_message(line);
                }
                None => ui.talk(line),
            }
        }
    }

    fn line(&self, settled: u64, per_s: f64) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut parts = vec![format!("{}/{} rows", grouped(settled), grouped(self.total))];
        for (count, word) in [(of(&self.counts.failed), "failed"), (of(&self.counts.skipped), "skipped")] {
            parts.extend((count > 0).then(|| format!("{} {word}", grouped(count))));
        }
        parts.push(rate(per_s));
        parts.extend(left(self.total.saturating_sub(settled), per_s));
        parts.join(", ")
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The progress of planning, which only reads but can take long: the service returns few key pairs with each answer.
#[derive(Debug)]
pub(super) struct Planning {
    tally: Arc<Tally>,
    bar: Option<ProgressBar>,
    rows: u64,
}

impl Planning {
    /// Begins a plan of so many rows.
    pub(super) fn start(ui: &Ui, rows: u64, sandbox: bool, tally: Arc<Tally>) -> Self {
        let bar = ui.bar.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(BAR_HZ));
            if let Ok(style) = ProgressStyle::with_template("{prefix}{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(if sandbox { "sandbox " } else { "" });
            bar
        });
        Self { tally, bar, rows }
    }

    /// Waits for `planned` and shows meanwhile how far it is; where there is no bar, by lines that are given to `say`.
    pub(super) async fn during<T>(&self, say: impl Fn(String), planned: impl Future<Output = T>) -> T {
        tokio::pin!(planned);
        let mut tick = tokio::time::interval(if self.bar.is_some() { LOOK_EVERY } else { LINE_EVERY });
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.reset();
        let done = loop {
            tokio::select! {
                biased;
                done = &mut planned => break done,
                _ = tick.tick() => match &self.bar {
                    Some(bar) => {
                        bar.set_message(self.line());
                        bar.tick();
                    }
                    None => say(self.line()),
                },
            }
        };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        done
    }

    fn line(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        match (of(&self.tally.key_pairs), of(&self.tally.instances), of(&self.tally.intents)) {
            (key_pairs, 0, 0) => format!("planning: {key_pairs} key pairs seen"),
            (key_pairs, instances, 0) => format!("planning: {key_pairs} key pairs and {instances} instances seen"),
            (_, _, intents) => format!("planning: {intents}/{} rows recorded", self.rows),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown in whole numbers")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}

/// A rate in whole numbers: a slow one by the minute.
fn rate(per_s: f64) -> String {
    if per_s >= 1.0 { format!("{per_s:.0}/s") } else { format!("{:.0}/min", per_s * 60.0) }
}

/// How long the rest takes at this rate; nothing where that cannot be known.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shown in whole seconds, and far inside of what an integer holds"
)]
fn left(rows: u64, per_s: f64) -> Option<String> {
    if per_s <= 0.0 || rows == 0 {
        return None;
    }
    let seconds = (rows as f64 / per_s).min(1e9) as u64;
    Some(match seconds {
        0..60 => format!("{seconds} s left"),
        60..3600 => format!("{} min {} s left", seconds / 60, seconds % 60),
        _ => format!("{} h {} min left", seconds / 3600, seconds / 60 % 60),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, the counts of what failed, and the time that is left.
    #[test]
    fn a_line_says_how_far_it_is() {
        let progress = Progress { counts: Arc::default(), bar: None, total: 12_500 };
        assert_eq!(progress.line(0, 0.0), "0/12,500 rows, 0/min");
        for outcome in [Outcome::Failed, Outcome::InDoubt, Outcome::Skipped, Outcome::Deleted] {
            progress.settled(outcome);
        }
        assert_eq!(progress.line(2_500, 4.04), "2,500/12,500 rows, 2 failed, 1 skipped, 4/s, 41 min 15 s left");
        assert_eq!((rate(0.5), left(10, 0.001)), ("30/min".into(), Some("2 h 46 min left".into())));
        assert_eq!(left(0, 5.0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn planning_says_now_and_then_how_far_it_is() {
        let tally = Arc::<Tally>::default();
        let planning = Planning { tally: Arc::clone(&tally), bar: None, rows: 9 };
        let said = std::sync::Mutex::new(Vec::new());
        let planned = async {
            for count in [&tally.key_pairs, &tally.instances, &tally.intents] {
                count.store(7, Ordering::Relaxed);
                tokio::time::sleep(LINE_EVERY + Duration::from_secs(1)).await;
            }
            "planned"
        };
        assert_eq!(planning.during(|line| said.lock().unwrap().push(line), planned).await, "planned");
        let expected = ["7 key pairs seen", "7 key pairs and 7 instances seen", "7/9 rows recorded"];
        assert_eq!(*said.lock().unwrap(), expected.map(|what| format!("planning: {what}")));
        // What is over at once has nothing to say.
        assert_eq!(planning.during(|line| panic!("{line}"), async { 1 }).await, 1);
    }
}
