//! What a session works with on this machine: a journal in a file, AWS or a sandbox, and the operator at the terminal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::connect::{connect, default_region};
use super::keygen::Keygen;
use super::options::SessionOptions;
use super::terminal::{Terminal, Verb};
use super::{CliError, Code, Context, Exit, Sent, control, scratch, signals};
use crate::domain::{Clock, RunId, SystemClock};
use crate::journal::open::{Store, log_in_use};
use crate::journal::stage::Stage;
use crate::journal::{Holder, Journal, JournalError, Lock, Reader, WriterOptions, open};
use crate::lightsail::aws::AwsLightsail;
use crate::record::event::Previous;
use crate::record::ssh::Program;
use crate::sandbox::{RehearsalRow, World};
use crate::session::anchoring::Anchor;
use crate::session::host::{HeadMemory, Held, Listening, NamedPair};
use crate::session::live::AtWork;
use crate::session::signing::Signing;
use crate::session::{Connection, Host, Operator, Outside, Stops, Way};
use crate::verify::{self, Report, verify};

/// This machine.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    context: &'a Context,
    options: &'a SessionOptions,
    operator: Arc<dyn Operator>,
    stops: Stops,
    /// A rehearsal's world, where the command begins one: from this file, or made from the manifest.
    rehearsal: Option<Option<PathBuf>>,
    /// That world, until it is served.
    world: Mutex<Option<World>>,
}

impl<'a> Machine<'a> {
    /// For a session that carries out `verb`; from now on, signals stop it.
    pub(super) fn new(
        context: &'a Context,
        options: &'a SessionOptions,
        verb: Verb,
        rehearsal: Option<Option<PathBuf>>,
    ) -> Result<Self, CliError> {
        let stops = Stops::default();
        signals::listen(&stops, context.ui.clone(), options.drain())
            .map_err(|error| CliError::from_error(Exit::Unexpected, &error).sent(Sent::Nothing))?;
        let operator = Arc::new(Terminal::new(context.ui.clone(), verb));
        Ok(Self { context, options, operator, stops, rehearsal, world: Mutex::default() })
    }
}

impl<'a> Machine<'a> {
    /// For a command that only reads, and records nothing: a signal ends the process as ever.
    pub(super) fn reading(context: &'a Context, options: &'a SessionOptions) -> Self {
        let operator = Arc::new(Terminal::new(context.ui.clone(), Verb::Plan));
        Self { context, options, operator, stops: Stops::default(), rehearsal: None, world: Mutex::default() }
    }
}

impl Host for Machine<'_> {
    type Port = AwsLightsail;
    type Store = Store;

    fn operator(&self) -> &Arc<dyn Operator> {
        &self.operator
    }

    fn stops(&self) -> &Stops {
        &self.stops
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock::start())
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn lock(&self, path: &Path, holder: &Holder) -> Result<Held, JournalError> {
        let mut lock = Lock::take(path)?;
        lock.sign(holder);
        Ok(Box::new(lock))
    }

    async fn store(&self, path: &Path, clock: Arc<dyn Clock>) -> Result<Store, JournalError> {
        open::store(path, clock).await
    }

    async fn archive(&self, path: &Path, previous: Previous, new_id: String) -> Result<PathBuf, JournalError> {
        open::archive(path, previous, new_id, self.clock()).await
    }

    fn archived_at(&self, path: &Path, id: &str) -> PathBuf {
        open::archive_path(path, id)
    }

    async fn reader(&self, path: &Path) -> Result<Reader, JournalError> {
        if path == self.context.journal { self.context.reader().await } else { open::reader(path).await }
    }

    async fn start(&self, store: Store, options: WriterOptions) -> Result<Journal, JournalError> {
        Journal::start_apart(store, options).await
    }

    async fn stage(&self, directory: &Path, run: RunId) -> Result<Stage, JournalError> {
        open::stage(directory, &run.to_string()).await
    }

    fn log_in_use(&self, path: &Path) -> Option<PathBuf> {
        log_in_use(path)
    }

    async fn verify(&self) -> Result<Option<Report>, Outside> {
        let directory = scratch::directory(self.context)?;
        let scratch = Some((directory, format!("keybatch-{}", Uuid::new_v4())));
        let options = verify::Options { scratch, ..verify::Options::default() };
        Ok(Some(verify(&self.context.journal, options).await.map_err(CliError::from)?))
    }

    fn heads(&self) -> Result<Arc<dyn HeadMemory>, String> {
        Ok(Arc::new(self.context.environment.heads()?))
    }

    fn signing(&self) -> Option<Signing> {
        let signer = Arc::new(self.options.checkpoint_key.clone()?);
        Some(Signing { signer, all: self.options.sign_all })
    }

    fn anchor(&self) -> Option<Arc<dyn Anchor>> {
        Some(Arc::new(self.options.checkpoint_exec.clone()?))
    }

    fn listen(&self, at_work: Arc<dyn AtWork>) -> Option<Box<dyn Listening>> {
        control::listen(self.context, at_work, &self.stops, self.options.drain())
    }

    fn program(&self) -> Arc<dyn Program + Send + Sync + '_> {
        Arc::new(Keygen { context: self.context })
    }

    async fn default_region(&self) -> Result<Option<String>, Outside> {
        Ok(default_region(self.options, self.context, self.rehearsal.is_some()).await?)
    }

    fn world(&self, key_pairs: Vec<NamedPair>) -> Result<String, Outside> {
        let world = match &self.rehearsal {
            Some(Some(path)) => World::load(path)
                .map_err(|error| CliError::from_error(Exit::Usage, &error).code(Code::World).sent(Sent::Nothing))?,
            _ => World::rehearsal(key_pairs.into_iter().map(rehearsal_row)),
        };
        let name = world.name().to_owned();
        *self.world.lock().unwrap_or_else(PoisonError::into_inner) = Some(world);
        Ok(name)
    }

    async fn connect(&self, way: Way<'_>) -> Result<Connection<AwsLightsail>, Outside> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(connect(self.options, self.context, world, way).await?)
    }
}

fn rehearsal_row(pair: NamedPair) -> RehearsalRow {
    let NamedPair { account, region, name, fingerprint, arn, created_at } = pair;
    RehearsalRow { account, region, name, fingerprint, arn, created_at }
}
