//! A look-alike of Lightsail (and of two requests of STS) on the loopback, with a fault script.
//!
//! ```text
//!   world file ──► World ──┐                     ┌── answer ── manner ──► serve ──► client
//!                          ├──► Engine.handle ───┤
//!   request ──► Call ──────┘      ▲              └── lines ──► Recorder ──► record.jsonl
//!                                 └────────────── replay ◄───────────────────────┘
//! ```
//!
//! It promises what a rehearsal depends on: answers and errors have the service's wire form, faults strike
//! exactly where the world file says, everything it does is recorded before anybody gets an answer, and a killed sandbox
//! continues where it was. It cannot be mistaken for AWS: loopback only, partition `aws-sandbox`,
//! and two headers on every answer that say so. It imports nothing else of keybatch, so that it cannot share its errors.
//!
//! - `world`, `account`, `fault`, `name`, `check`: the world file; pure data
//! - `call`, `answer`: the wire; no state
//! - `store`, `history`, `script`, `bucket`, `callers`, `derive`: the parts of a state; no clock, no I/O
//! - `engine` with `turn`, `act`, `look`, `sts` and `misbehave`: a request and a time in, an answer out
//! - `effect`, `stats`, `sum`: what happened, and how often
//! - `record`, `replay`, `state`: the state on disk
//! - `trail`: what CloudTrail would have of all that, written from the record
//! - `serve`, `shared`, `inspect`, `chunks`, `clock`: sockets and time; no decisions

mod account;
mod act;
mod answer;
mod bucket;
mod call;
mod callers;
mod check;
mod chunks;
mod clock;
mod derive;
mod effect;
mod engine;
mod fault;
mod history;
mod inspect;
mod look;
mod misbehave;
mod name;
mod record;
mod replay;
mod script;
mod serve;
mod shared;
mod state;
mod stats;
mod sts;
mod store;
mod sum;
mod trail;
mod trail_script;
mod turn;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::engine::Engine;
use self::record::Recorder;
use self::shared::Shared;

pub use self::replay::RecordError;
pub use self::state::{StateDir, StateDirError};
pub use self::stats::{Effects, NameEffects, OfAccount, Requests, Stats};
pub use self::trail::{TrailError, TrailForm, Written, write_trail};
pub use self::world::{RehearsalRow, World, WorldError};

/// What to serve, and where.
#[derive(Debug)]
pub struct SandboxOptions {
    /// A loopback address; port 0 takes any free one.
    pub addr: SocketAddr,
    /// The world.
    pub source: Source,
}

/// Where a world comes from.
#[derive(Debug)]
pub enum Source {
    /// In memory: it ends with the sandbox, and keeps no record.
    Memory(World),
    /// In a directory.
    Dir(StateDir),
}

/// Why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Only this machine may reach a sandbox: it takes any signature.
    #[error("a sandbox listens only on a loopback address, not on {addr}")]
    NotLoopback {
        /// The address that was requested.
        addr: SocketAddr,
    },
    /// The address is in use or does not exist.
    #[error("the sandbox cannot listen on {addr}")]
    Bind {
        /// The address that was requested.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Its record cannot be continued.
    #[error("the sandbox cannot continue from {}", record.display())]
    Record {
        /// The record.
        record: PathBuf,
        /// Why.
        source: RecordError,
    },
    /// The task that loads the world panicked or was cancelled.
    #[error("the sandbox's world could not be loaded")]
    Loading(#[source] tokio::task::JoinError),
}

/// A running sandbox. Dropping it stops it, too, without waiting for the end.
#[derive(Debug)]
pub struct Sandbox {
    addr: SocketAddr,
    world_id: String,
    shared: Arc<Shared>,
    stop: DropGuard,
    accepting: JoinHandle<()>,
}

/// Starts a sandbox.
///
/// # Errors
/// If the address is not a loopback address or cannot be bound, or if the record does not follow from its world.
pub async fn start(options: SandboxOptions) -> Result<Sandbox, SandboxError> {
    let addr = options.addr;
    if !addr.ip().is_loopback() {
        return Err(SandboxError::NotLoopback { addr });
    }
    let listener = TcpListener::bind(addr).await.map_err(|source| SandboxError::Bind { addr, source })?;
    let addr = listener.local_addr().map_err(|source| SandboxError::Bind { addr, source })?;
    // A big world or a long record takes seconds, and other tasks must not wait for that.
    let shared = tokio::task::spawn_blocking(|| load(options.source)).await.map_err(SandboxError::Loading)??;
    let shared = Arc::new(shared);
    let world_id = shared.engine().id.clone();
    let stop = CancellationToken::new();
    let accepting = tokio::spawn(serve::accept(listener, Arc::clone(&shared), stop.clone()));
    Ok(Sandbox { addr, world_id, shared, stop: stop.drop_guard(), accepting })
}

fn load(source: Source) -> Result<Shared, SandboxError> {
    // One time for both: a world's id derives from the time of its first session, which a replay finds in the record.
    let now = clock::now();
    let (mut engine, record) = match source {
        Source::Memory(world) => (Engine::new(world, Recorder::nothing(), now), None),
        Source::Dir(StateDir { world, record, record_path }) => {
            let engine = replay::replay(world, record, now)
                .map_err(|source| SandboxError::Record { record: record_path.clone(), source })?;
            (engine, Some(record_path))
        }
    };
    engine.open(now);
    Ok(Shared::new(engine, record))
}

impl Sandbox {
    /// The address to use as the endpoint of both services.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The id of this instance of the world; every answer carries it as `x-keybatch-sandbox`. It survives restarts in the
    /// same state directory and differs between two sandboxes that were made from the same file.
    pub fn world_id(&self) -> &str {
        &self.world_id
    }

    /// The statistics so far, for all names.
    pub fn stats(&self) -> Stats {
        let mut engine = self.shared.engine();
        engine.tick(clock::now());
        engine.stats(usize::MAX)
    }

    /// Closes all connections and waits for the end.
    pub async fn stop(self) {
        drop(self.stop);
        // It ends by itself now; if it panicked, there is nothing left to stop.
        let _ = self.accepting.await;
    }
}
