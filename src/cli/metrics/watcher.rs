//! Looks at a session every few seconds, and puts what it sees where it is read.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::file::MetricsFile;
use super::picture::Picture;
use super::text::text;
use crate::cli::Ui;
use crate::domain::{Clock as _, SystemClock};
use crate::journal::Meter;
use crate::session::host::Listening;
use crate::session::live::AtWork;
use crate::session::status::Status;
use crate::session::summary::Summary;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

/// A look at a large run takes a while; then it looks more seldom, so that looking takes at most this part of the time.
const SHARE: u32 = 20;

/// But never more seldom than this: the alerts of `contrib/prometheus` take a file that is much older for that of a dead session.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// How long a look may take: one at a database that is lost takes until it is back.
const LOOK: Duration = Duration::from_secs(30);

/// How long the last look at work that has ended may take.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// Looks at a session.
pub(super) struct Watcher {
    clock: SystemClock,
    ui: Ui,
    state: Mutex<State>,
    texts: watch::Sender<Arc<str>>,
    /// The session has begun to work: that is worth a look at once.
    begun: Notify,
    /// Held while the file is replaced, so that the last text is the one that stays.
    writing: Mutex<()>,
}

struct State {
    picture: Picture,
    looked_at: Option<LookedAt>,
    meter: Option<Arc<Meter>>,
    /// Whether a fault of the file was said.
    said: bool,
}

/// A session at work, for as long as it works.
#[derive(Clone)]
struct LookedAt {
    at_work: Arc<dyn AtWork>,
    over: CancellationToken,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl Watcher {
    /// Of a session that starts now.
    pub(super) fn new(ui: Ui) -> Arc<Self> {
        let clock = SystemClock::start();
        let picture = Picture::planning(clock.now());
        let (texts, _) = watch::channel(text(&picture).into());
        let state = State { picture, looked_at: None, meter: None, said: false };
        Arc::new(Self { clock, ui, state: Mutex::new(state), texts, begun: Notify::new(), writing: Mutex::default() })
    }

    /// The newest text.
    pub(super) fn text(&self) -> Arc<str> {
        Arc::clone(&self.texts.borrow())
    }

    /// The newest text, as it changes.
    pub(super) fn texts(&self) -> watch::Receiver<Arc<str>> {
        self.texts.subscribe()
    }

    /// Looks until it is dropped.
    pub(super) async fn watch(self: Arc<Self>, file: Option<MetricsFile>) {
        loop {
            let began = Instant::now();
            self.look().await;
            let seldom = began.elapsed().saturating_mul(SHARE);
            if let Some(file) = file.clone() {
                let watcher = Arc::clone(&self);
                // A disk that hangs holds this up, and nothing else.
                let _panicked = tokio::task::spawn_blocking(move || watcher.put(&file)).await;
            }
            tokio::select! {
                () = sleep(seldom.clamp(EVERY, AT_LEAST_EVERY)) => {}
                () = self.begun.notified() => {}
            }
        }
    }

    /// Looks at the session once; where it says nothing, what was seen before is still shown.
    async fn look(&self) {
        let looked_at = self.state().looked_at.clone();
        if let Some(LookedAt { at_work, over }) = looked_at {
            let status = tokio::select! {
                status = timeout(LOOK, at_work.status()) => status.ok().and_then(Result::ok),
                () = over.cancelled() => None,
            };
            if let Some(status) = status {
                self.works(status, &at_work);
            }
        }
        self.show(&mut self.state());
    }

    /// From now on, looks at this session.
    pub(super) fn look_at(watcher: &Arc<Self>, at_work: Arc<dyn AtWork>) -> Box<dyn Listening> {
        let looked_at = LookedAt { at_work, over: CancellationToken::new() };
        let mut state = watcher.state();
        state.meter = Some(looked_at.at_work.meter());
        state.looked_at = Some(looked_at);
        drop(state);
        watcher.begun.notify_one();
        Box::new(Looking(Arc::clone(watcher)))
    }

    /// The last look: the session has ended so.
    pub(super) fn end(&self, file: Option<&MetricsFile>, summary: Option<&Summary>, exit: u8) {
        let mut state = self.state();
        if let Some(meter) = &state.meter {
            state.picture.journal = Some(meter.read());
        }
        state.picture.at = self.clock.now();
        state.picture.ends(summary, exit);
        self.show(&mut state);
        drop(state);
        if let Some(file) = file {
            self.put(file);
        }
    }

    /// Takes note of what the session says. A look that comes late changes nothing of how it ended.
    fn works(&self, status: Status, at_work: &Arc<dyn AtWork>) {
        let mut state = self.state();
        if state.picture.ended.is_none() {
            state.picture.works(status, at_work.meter().read());
        }
    }

    fn show(&self, state: &mut State) {
        if state.picture.ended.is_none() {
            state.picture.at = self.clock.now();
        }
        self.texts.send_replace(text(&state.picture).into());
    }

    /// Replaces the file by the newest text. That it cannot be is said once.
    fn put(&self, file: &MetricsFile) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(error) = file.replace(&self.text()) else { return };
        if !std::mem::replace(&mut self.state().said, true) {
            self.ui.say(&format!("warning: the metrics could not be written: {error}; the session goes on"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing here half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at a session until this is closed or dropped. Then nothing of it is held any more, so that its journal can be closed.
struct Looking(Arc<Watcher>);

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(LookedAt { over, .. }) = self.0.state().looked_at.take() {
            over.cancel();
        }
    }
}

impl Listening for Looking {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        let watcher = Arc::clone(&self.0);
        let looked_at = watcher.state().looked_at.clone();
        drop(self);
        Box::pin(async move {
            // What is seen of the targets now is what they ended with.
            let Some(LookedAt { at_work, .. }) = looked_at else { return };
            if let Ok(Ok(status)) = timeout(LAST_LOOK, at_work.status()).await {
                watcher.works(status, &at_work);
            }
        })
    }
}
