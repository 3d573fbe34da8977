//! How a run goes on, on standard error: a bar with counts, rate and time left on a terminal, plain lines elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::ui::Ui;
use crate::domain::Outcome;
use crate::plan::Tally;

/// How often a plain line is written. Seldom enough for a log, often enough to see that it lives.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a bar is drawn anew at most.
const BAR_HZ: u8 = 10;

/// How often what a bar says of planning is looked up.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Counts outcomes and shows them.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    counts: Arc<Counts>,
    bar: Option<ProgressBar>,
    total: u64,
    began: Instant,
}

#[derive(Debug, Default)]
struct Counts {
    settled: AtomicU64,
    deleted: AtomicU64,
    trouble: AtomicU64,
}

impl Progress {
    /// Begins at nothing of `total` rows.
    pub(super) fn start(ui: &Ui, total: u64, sandbox: bool) -> Self {
        let bar = ui.bar.then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(BAR_HZ));
            let template = "{prefix}{bar:20} {pos}/{len} {per_sec} {msg} left {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(if sandbox { "sandbox " } else { "" });
            bar
        });
        Self { counts: Arc::default(), bar, total, began: Instant::now() }
    }

    /// One more row has its outcome.
    pub(super) fn settled(&self, outcome: Outcome) {
        self.counts.settled.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Deleted | Outcome::Gone | Outcome::Absent => {
                self.counts.deleted.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Failed | Outcome::InDoubt | Outcome::Skipped => {
                self.counts.trouble.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
            let trouble = self.counts.trouble.load(Ordering::Relaxed);
            if trouble > 0 {
                bar.set_message(format!("{trouble} not done"));
            }
        }
    }

    /// Writes plain lines for as long as it is polled; does nothing where there is a bar.
    pub(super) async fn lines(&self, ui: &Ui) {
        loop {
            tokio::time::sleep(LINE_EVERY).await;
            if self.bar.is_none() {
                ui.talk(self.line());
            }
        }
    }

    fn line(&self) -> String {
        let settled = self.counts.settled.load(Ordering::Relaxed);
        let trouble = self.counts.trouble.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let rate = settled as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "shown in whole seconds")]
        let left = (self.total.saturating_sub(settled)) as f64 / rate.max(0.001);
        format!("{settled}/{} rows settled, {trouble} not done, {rate:.1}/s, about {left:.0} s left", self.total)
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How planning goes on, which only reads and can take as long: a service gives few key pairs with each answer.
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

#[cfg(test)]
mod tests {
    use super::*;

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
