//! How a run goes on, on standard error: a bar with counts, rate and time left on a terminal, plain lines elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::ui::Ui;
use crate::domain::Outcome;

/// How often a plain line is written. Seldom enough for a log, often enough to see that it lives.
const LINE_EVERY: Duration = Duration::from_secs(10);

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
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
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
