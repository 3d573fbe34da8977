//! What all connections of a sandbox share.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::HeaderValue;

use super::engine::Engine;

/// The server's name, so that nobody mistakes it for AWS.
pub(super) const SERVER: HeaderValue = HeaderValue::from_static("keybatch-sandbox");

/// The engine, and what every answer carries.
#[derive(Debug)]
pub(super) struct Shared {
    engine: Mutex<Engine>,
    pub(super) record: Option<PathBuf>,
    pub(super) world_id: HeaderValue,
}

impl Shared {
    pub(super) fn new(engine: Engine, record: Option<PathBuf>) -> Self {
        let world_id = HeaderValue::from_str(&engine.id).unwrap_or(SERVER);
        Self { engine: Mutex::new(engine), record, world_id }
    }

    /// The engine, for one request. If another request panicked, its state is still good enough for a rehearsal, so poisoning
    /// is ignored.
    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
