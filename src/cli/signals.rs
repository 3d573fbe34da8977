//! SIGINT, SIGTERM and SIGHUP: the first one stops the session cleanly, a deliberate second one exits at once.
//!
//! One Ctrl-C often arrives twice: from the terminal and from a wrapper, or as SIGINT and then SIGTERM from a pipeline that
//! is cancelled. [`hurries`] says which signals count as a second one.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::ui::Ui;
use crate::session::Stops;

/// "File size limit exceeded": the same number on all architectures that Linux and Rust support, except MIPS.
const SIGXFSZ: i32 = 25;

/// For how long after the first signal another one counts as the same request. Wrappers repeat a signal within milliseconds,
/// and a person who means it waits longer than this.
const ONE_REQUEST: Duration = Duration::from_secs(2);

/// How long settling the requests in flight may take after the first signal. An attempt is over after 15 s and its grace
/// period. One minute leaves time to look, and supervisors can be configured to wait that long.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Interrupt,
    Terminate,
    HangUp,
}

/// Whether the signal `ask`, at the time `at`, makes the program exit at once, after those `before` it.
///
/// No signal counts within two seconds of the first. After that, Ctrl-C always counts, and so does any signal that is repeated
/// after two seconds. SIGTERM after SIGINT is a supervisor's next step, and SIGHUP after another signal is a terminal that
/// closes: they change nothing.
fn hurries(before: &[(Ask, Duration)], ask: Ask, at: Duration) -> bool {
    let Some((_, first)) = before.first() else { return false };
    if at.saturating_sub(*first) < ONE_REQUEST {
        return false;
    }
    let repeated = before.iter().any(|(earlier, when)| *earlier == ask && at.saturating_sub(*when) >= ONE_REQUEST);
    let interrupted = before.iter().any(|(earlier, _)| *earlier == Ask::Interrupt);
    match ask {
        Ask::Interrupt => true,
        Ask::Terminate => repeated || !interrupted,
        Ask::HangUp => repeated,
    }
}

/// Listens for signals, and passes them on through `stops`. After the first one, settling the requests in flight may take as
/// long as `drain`.
pub(super) fn listen(stops: &Stops, ui: Ui, drain: Duration) -> std::io::Result<()> {
    // Checked before a handler is installed, which would hide it.
    let keeps_running = hang_up_is_ignored();
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let hang_up = if keeps_running { None } else { Some(signal(SignalKind::hangup())?) };
    // If a file would grow beyond a limit, the write fails and the process goes on.
    let mut too_large = signal(SignalKind::from_raw(SIGXFSZ))?;
    tokio::spawn(async move { while too_large.recv().await.is_some() {} });
    tokio::spawn(obey(stops.clone(), ui, drain, (interrupt, terminate, hang_up)));
    Ok(())
}

/// The first signal that asks to stop, for a command that can be ended between any two of its steps. A second one changes nothing: the
/// end is near.
pub(super) fn first() -> std::io::Result<impl Future<Output = ()>> {
    let keeps_running = hang_up_is_ignored();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = if keeps_running { None } else { Some(signal(SignalKind::hangup())?) };
    let mut too_large = signal(SignalKind::from_raw(SIGXFSZ))?;
    tokio::spawn(async move { while too_large.recv().await.is_some() {} });
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = received(&mut hang_up) => {}
        }
    })
}

async fn obey(stops: Stops, ui: Ui, drain: Duration, signals: (Signal, Signal, Option<Signal>)) {
    let (mut interrupt, mut terminate, mut hang_up) = signals;
    let began = Instant::now();
    let mut before = Vec::new();
    loop {
        let ask = tokio::select! {
            _ = interrupt.recv() => Ask::Interrupt,
            _ = terminate.recv() => Ask::Terminate,
            () = received(&mut hang_up) => Ask::HangUp,
        };
        let at = began.elapsed();
        if before.is_empty() {
            begin_to_stop(&stops, &ui, drain);
        } else if hurries(&before, ask, at) {
            stops.hurry();
            return;
        }
        before.push((ask, at));
    }
}

/// What the first signal does.
fn begin_to_stop(stops: &Stops, ui: &Ui, drain: Duration) {
    stops.ask(|| {
        ui.say(&format!(
            "stopping: keybatch sends nothing new and settles the requests in flight, for at most {} s; press Ctrl-C again \
             to exit immediately",
            drain.as_secs_f64()
        ));
    });
    let stops = stops.clone();
    tokio::spawn(async move {
        tokio::time::sleep(drain).await;
        stops.hurry();
    });
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether the process was started with SIGHUP ignored, as under `nohup`.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1, SIGHUP.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen (field 12): a Ctrl-C that a wrapper delivered twice, and a cancelled workflow (SIGINT, then SIGTERM after 7.5 s), made
    /// the program exit with requests in flight.
    // SEMANTICS: P44
    #[test]
    fn only_a_deliberate_second_signal_hurries() {
        use Ask::{HangUp, Interrupt, Terminate};
        type Case<'a> = (&'a [(Ask, u64)], (Ask, u64), bool);
        let cases: [Case<'_>; 14] = [
            (&[], (Interrupt, 5_000), false),
            (&[(Interrupt, 0)], (Interrupt, 0), false),
            (&[(Interrupt, 0)], (Interrupt, 1_999), false),
            (&[(Interrupt, 0)], (Interrupt, 2_000), true),
            (&[(Interrupt, 0), (Interrupt, 30)], (Interrupt, 2_001), true),
            (&[(Interrupt, 0)], (Terminate, 800), false),
            (&[(Interrupt, 0)], (Terminate, 7_500), false),
            (&[(Interrupt, 0), (Terminate, 7_500)], (Terminate, 9_500), true),
            (&[(Terminate, 0)], (Terminate, 2_000), true),
            (&[(Terminate, 0)], (Interrupt, 2_000), true),
            (&[(HangUp, 0)], (Terminate, 2_000), true),
            (&[(Terminate, 0)], (HangUp, 10), false),
            (&[(Interrupt, 0)], (HangUp, 9_000), false),
            (&[(HangUp, 0)], (HangUp, 2_000), true),
        ];
        for (before, (ask, at), expected) in cases {
            let before: Vec<_> = before.iter().map(|(ask, at)| (*ask, Duration::from_millis(*at))).collect();
            assert_eq!(hurries(&before, ask, Duration::from_millis(at)), expected, "{ask:?} at {at} after {before:?}");
        }
    }
}
