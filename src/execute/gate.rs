//! What lets deletions begin: a person may close it for a while.
//!
//! An attempt passes with its start on the way to the journal, and the gate closes once none is on that way. So no
//! `attempt_started` stands behind the entry of a pause, which is written before the gate closes.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, RwLock, RwLockReadGuard};

/// The gate of a session.
#[derive(Debug, Default)]
pub struct Gate {
    /// Held for reading while an attempt's start becomes durable, and for writing while it is decided that no more begin. It is
    /// fair: new attempts wait behind whoever closes the gate.
    passing: RwLock<()>,
    /// Since when it is closed.
    paused: Mutex<Option<Timestamp>>,
    /// Tells those that wait, in the order in which they came, that it may be open.
    set: Notify,
    /// Attempts that have begun and are not recorded as answered.
    in_flight: AtomicU64,
}

/// An attempt that begins.
#[derive(Debug)]
#[must_use = "kept until the start of the attempt is durable"]
pub(super) struct Passing<'a> {
    _passing: RwLockReadGuard<'a, ()>,
}

/// An attempt that has begun.
#[derive(Debug)]
#[must_use = "kept until the answer of the attempt is recorded"]
pub(super) struct InFlight<'a>(&'a Gate);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    /// Since when no deletion may begin.
    pub fn paused_since(&self) -> Option<Timestamp> {
        *self.paused()
    }

    fn paused(&self) -> MutexGuard<'_, Option<Timestamp>> {
        // It is only replaced.
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deletions have begun and are not recorded as answered.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Waits while the gate is closed. Returns whether it was.
    pub(super) async fn opened(&self) -> bool {
        let mut waits = false;
        loop {
            // Registered before the look, so that no opening in between is missed.
            let set = self.set.notified();
            tokio::pin!(set);
            set.as_mut().enable();
            if self.paused_since().is_none() {
                return waits;
            }
            waits = true;
            set.await;
        }
    }

    /// Lets an attempt begin, unless the gate is closed.
    pub(super) async fn pass(&self) -> Option<Passing<'_>> {
        let passing = self.passing.read().await;
        self.paused_since().is_none().then_some(Passing { _passing: passing })
    }

    /// Counts an attempt that begins.
    pub(super) fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// Waits until the start of every attempt that has passed is durable, and lets none begin until `told` has ended. Closes the gate
    /// then as of a time, or opens it.
    ///
    /// # Errors
    /// That of `told`: the gate is as it was.
    pub async fn set<E>(&self, told: impl Future<Output = Result<Option<Timestamp>, E>>) -> Result<(), E> {
        let _closed = self.passing.write().await;
        let paused = told.await?;
        *self.paused() = paused;
        self.set.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Told = Result<Option<Timestamp>, ()>;

    #[tokio::test]
    async fn nothing_begins_while_it_is_closed() {
        let gate = Gate::default();
        assert!(!gate.opened().await && gate.pass().await.is_some());
        gate.set(async { Told::Ok(Some(Timestamp::UNIX_EPOCH)) }).await.unwrap();
        assert!(gate.pass().await.is_none());
        assert_eq!(gate.paused_since(), Some(Timestamp::UNIX_EPOCH));
        gate.set(async { Told::Err(()) }).await.unwrap_err();
        assert!(gate.pass().await.is_none(), "what could not be told changes nothing");
        gate.set(async { Told::Ok(None) }).await.unwrap();
        assert!(gate.pass().await.is_some());
    }

    #[tokio::test]
    async fn it_closes_behind_the_attempts_that_have_passed_and_before_all_others() {
        let gate = Arc::new(Gate::default());
        let passing = gate.pass().await;
        let closing = Arc::clone(&gate);
        let closed = tokio::spawn(async move { closing.set(async { Told::Ok(Some(Timestamp::UNIX_EPOCH)) }).await });
        tokio::task::yield_now().await;
        assert!(!closed.is_finished(), "an attempt's start is on its way");
        let next = Arc::clone(&gate);
        let next = tokio::spawn(async move { next.pass().await.is_some() });
        tokio::task::yield_now().await;
        drop(passing);
        closed.await.unwrap().unwrap();
        assert!(!next.await.unwrap(), "it asked later");
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_once_it_opens() {
        let gate = Arc::new(Gate::default());
        gate.set(async { Told::Ok(Some(Timestamp::UNIX_EPOCH)) }).await.unwrap();
        let waiting = Arc::clone(&gate);
        let waited = tokio::spawn(async move { waiting.opened().await });
        tokio::task::yield_now().await;
        assert!(!waited.is_finished());
        gate.set(async { Told::Ok(None) }).await.unwrap();
        assert!(waited.await.unwrap());
    }

    #[tokio::test]
    async fn attempts_in_flight_are_counted() {
        let gate = Gate::default();
        let one = gate.begin();
        let other = gate.begin();
        assert_eq!(gate.in_flight(), 2);
        drop((one, other));
        assert_eq!(gate.in_flight(), 0);
    }
}
