//! The progress of a run, on standard error: a bar with counts, rate and time left on a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::ui::{Ui, grouped};
use crate::domain::OutcomeCounts;
use crate::plan::Tally;
use crate::session::Watched;

/// How often a plain line is written: rarely enough for a log, often enough to show that the run is alive.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a bar is redrawn, at most.
const BAR_HZ: u8 = 10;

/// How often the numbers that a bar shows are read.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The time over which the displayed rate is averaged: what happened a minute ago says little about the rest.
const RATE_OF: Duration = Duration::from_secs(10);

/// Shows the progress of the work for as long as it is polled: on a bar, or in plain lines.
pub(super) async fn show(ui: Ui, work: Watched) {
    match work {
        Watched::Planning { rows, sandbox, tally } => {
            let planning = Planning { tally, bar: bar(&ui, None, sandbox, "{prefix}{spinner} {wide_msg}"), rows };
            planning.lines(|line| ui.talk(line)).await;
        }
        Watched::Working { rows, sandbox, settled } => {
            let bar = bar(&ui, Some(rows), sandbox, "{prefix}{bar:20} {wide_msg}");
            Progress { settled, bar, total: rows }.lines(&ui).await;
        }
    }
}

/// Shows how many of `total` entries are done, for as long as it is polled.
pub(super) async fn entries(ui: &Ui, done: &AtomicU64, total: u64) -> Infallible {
    let bar = bar(ui, Some(total), false, "{prefix}{bar:20} {wide_msg}");
    let mut seen = Pace::new(done.load(Ordering::Relaxed));
    loop {
        tokio::time::sleep(if bar.is_some() { LOOK_EVERY } else { LINE_EVERY }).await;
        let now = done.load(Ordering::Relaxed);
        let per_s = seen.now(now);
        let counted = format!("{}/{} entries", grouped(now), grouped(total));
        let line = [counted, rate(per_s)].into_iter().chain(left(total.saturating_sub(now), per_s));
        let line = line.collect::<Vec<_>>().join(", ");
        match &bar {
            Some(Bar(bar)) => {
                bar.set_position(now);
                bar.set_message(line);
            }
            None => ui.talk(line),
        }
    }
}

/// How fast something went lately.
#[derive(Debug)]
pub(super) struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    pub(super) fn new(count: u64) -> Self {
        Self(VecDeque::from([(Instant::now(), count)]))
    }

    /// The rate up to now, when it has come to `count`.
    pub(super) fn now(&mut self, count: u64) -> f64 {
        let Self(seen) = self;
        let now = Instant::now();
        seen.push_back((now, count));
        while seen.len() > 2 && seen.get(1).is_some_and(|(at, _)| now - *at >= RATE_OF) {
            seen.pop_front();
        }
        let (from, before) = seen.front().copied().unwrap_or((now, count));
        per_second(count.saturating_sub(before), now - from)
    }
}

/// A bar, if one can be drawn.
fn bar(ui: &Ui, total: Option<u64>, sandbox: bool, template: &str) -> Option<Bar> {
    ui.bar.then(|| {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(BAR_HZ));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(if sandbox { "sandbox " } else { "" });
        Bar(bar)
    })
}

/// A bar that disappears when it is dropped.
#[derive(Debug)]
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The progress of a run.
#[derive(Debug)]
struct Progress {
    settled: Arc<Mutex<OutcomeCounts>>,
    bar: Option<Bar>,
    total: u64,
}

impl Progress {
    fn counts(&self) -> OutcomeCounts {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lines(&self, ui: &Ui) {
        let mut seen = Pace::new(self.counts().settled());
        loop {
            tokio::time::sleep(if self.bar.is_some() { LOOK_EVERY } else { LINE_EVERY }).await;
            let counts = self.counts();
            let settled = counts.settled();
            let line = self.line(&counts, seen.now(settled));
            match &self.bar {
                Some(Bar(bar)) => {
                    bar.set_position(settled);
                    bar.set_message(line);
                }
                None => ui.talk(line),
            }
        }
    }

    fn line(&self, counts: &OutcomeCounts, per_s: f64) -> String {
        let settled = counts.settled();
        let mut parts = vec![format!("{}/{} rows", grouped(settled), grouped(self.total))];
        for (count, word) in [(counts.failed, "failed"), (counts.in_doubt, "in doubt"), (counts.skipped, "skipped")] {
            parts.extend((count > 0).then(|| format!("{} {word}", grouped(count))));
        }
        parts.push(rate(per_s));
        parts.extend(left(self.total.saturating_sub(settled), per_s));
        parts.join(", ")
    }
}

/// The progress of planning, which only reads but can take long: the service returns few key pairs with each answer.
#[derive(Debug)]
struct Planning {
    tally: Arc<Tally>,
    bar: Option<Bar>,
    rows: u64,
}

impl Planning {
    /// Shows the progress; without a bar, in lines that are passed to `say`.
    async fn lines(&self, say: impl Fn(String)) {
        let mut tick = tokio::time::interval(if self.bar.is_some() { LOOK_EVERY } else { LINE_EVERY });
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.reset();
        loop {
            tick.tick().await;
            match &self.bar {
                Some(Bar(bar)) => {
                    bar.set_message(self.line());
                    bar.tick();
                }
                None => say(self.line()),
            }
        }
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

/// A rate in whole numbers; a slow one is per minute.
pub(super) fn rate(per_s: f64) -> String {
    if per_s >= 1.0 { format!("{per_s:.0}/s") } else { format!("{:.0}/min", per_s * 60.0) }
}

/// How long the rest takes at this rate; `None` if that is unknown.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shown in whole seconds, and far below the limits of an integer"
)]
pub(super) fn left(rows: u64, per_s: f64) -> Option<String> {
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
    fn a_line_shows_the_progress() {
        let progress = Progress { settled: Arc::default(), bar: None, total: 12_500 };
        assert_eq!(progress.line(&OutcomeCounts::default(), 0.0), "0/12,500 rows, 0/min");
        let counts = OutcomeCounts { failed: 1, in_doubt: 1, skipped: 1, deleted: 2_497, ..OutcomeCounts::default() };
        assert_eq!(
            progress.line(&counts, 4.04),
            "2,500/12,500 rows, 1 failed, 1 in doubt, 1 skipped, 4/s, 41 min 15 s left"
        );
        assert_eq!((rate(0.5), left(10, 0.001)), ("30/min".into(), Some("2 h 46 min left".into())));
        assert_eq!(left(0, 5.0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn planning_shows_its_progress_from_time_to_time() {
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
        tokio::select! {
            biased;
            done = planned => assert_eq!(done, "planned"),
            () = planning.lines(|line| said.lock().unwrap().push(line)) => {}
        }
        let expected = ["7 key pairs seen", "7 key pairs and 7 instances seen", "7/9 rows recorded"];
        assert_eq!(*said.lock().unwrap(), expected.map(|what| format!("planning: {what}")));
    }
}
