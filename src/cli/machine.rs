//! What a session works with on this machine: a journal in a file, AWS or a sandbox, and the operator at the terminal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use uuid::Uuid;

use super::connect::{connect, default_region};
use super::keygen::Keygen;
use super::metrics::Metrics;
use super::options::SessionOptions;
use super::terminal::{Terminal, Verb};
use super::{CliError, Code, Context, Exit, Sent, Ui, control, scratch, shown, signals};
use crate::domain::{Clock, RunId, SystemClock};
use crate::journal::open::{Hold, Store, Told, log_in_use};
use crate::journal::stage::Stage;
use crate::journal::{
    Holder, Inbox, Journal, JournalError, Location, OnUnrecorded, Reader, Roster, WriterOptions, open,
};
use crate::lightsail::aws::AwsLightsail;
use crate::record::Draft;
use crate::record::event::Previous;
use crate::record::ssh::Program;
use crate::review::json_text;
use crate::sandbox::{RehearsalRow, World};
use crate::session::anchoring::Anchor;
use crate::session::host::{HeadMemory, Listening, NamedPair};
use crate::session::live::AtWork;
use crate::session::order::duration_text;
use crate::session::signing::Signing;
use crate::session::{Connection, Host, Operator, Outside, Stops, Way};
use crate::verify::{self, Report, verify};

/// How long a session waits for a journal's database that is lost.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(120);

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
    /// What shows the session, if anything does.
    metrics: Option<&'a Metrics>,
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
        Ok(Self { context, options, operator, stops, rehearsal, world: Mutex::default(), metrics: None })
    }

    /// Shows the session by these.
    pub(super) fn shown_by(self, metrics: &'a Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }
}

/// Says who holds the journal, and how long that is looked at.
pub(super) fn tells_who_holds(ui: &Ui) -> impl Fn(Option<&Holder>) {
    move |other| {
        // How long the leases of a runner last depends on its run.
        let most = if other.is_some_and(|other| other.command == "work") { "until its leases lapse" } else { "20 s" };
        let other = other.map_or_else(|| "another session".to_owned(), ToString::to_string);
        ui.ask(&format!("the journal is held by {}", shown(&other)));
        ui.ask(&format!("  waiting to see whether that session is alive: {most} at the most"));
    }
}

impl<'a> Machine<'a> {
    /// A journal in a database that is waited for where it is lost.
    fn patient(&self, at: &Location) -> Location {
        at.with_patience(self.options.journal_patience.unwrap_or(JOURNAL_PATIENCE))
    }

    /// For a command that only reads, and records nothing: a signal ends the process as ever.
    pub(super) fn reading(context: &'a Context, options: &'a SessionOptions) -> Self {
        let operator = Arc::new(Terminal::new(context.ui.clone(), Verb::Plan));
        Self {
            context,
            options,
            operator,
            stops: Stops::default(),
            rehearsal: None,
            world: Mutex::default(),
            metrics: None,
        }
    }
}

impl Host for Machine<'_> {
    type Port = AwsLightsail;
    type Store = Store;
    type Hold = Hold;

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

    async fn hold(&self, at: &Location, holder: &Holder) -> Result<Hold, JournalError> {
        open::hold(&self.patient(at), holder, tells_who_holds(&self.context.ui)).await
    }

    async fn join(&self, at: &Location, holder: &Holder, lasts: Duration) -> Result<Hold, JournalError> {
        open::join(&self.patient(at), holder, lasts, tells_who_holds(&self.context.ui)).await
    }

    fn roster(&self, hold: &Hold) -> Option<Arc<dyn Roster>> {
        open::roster(hold)
    }

    async fn store(&self, at: &Location, hold: &Hold, clock: Arc<dyn Clock>) -> Result<Store, JournalError> {
        let ui = self.context.ui.clone();
        let on_absence = move |lost: Option<(&JournalError, Duration)>| match lost {
            Some((error, patience)) => {
                let patience = duration_text(patience);
                ui.ask(&format!("warning: {}", shown(&error.to_string())));
                ui.ask(&format!(
                    "  nothing more is sent until the journal's database is back; it is waited for: {patience}"
                ));
            }
            None => ui.ask("the journal's database is back"),
        };
        let told = Told { on_absence: Box::new(on_absence), on_unrecorded: unrecorded(self.context.ui.clone()) };
        open::held_store(&self.patient(at), hold, clock, told).await
    }

    async fn archive(&self, at: &Location, previous: Previous, new_id: String) -> Result<PathBuf, JournalError> {
        open::archive(at.beside(), previous, new_id, self.clock()).await
    }

    fn archived_at(&self, at: &Location, id: &str) -> PathBuf {
        open::archive_path(at.beside(), id)
    }

    async fn reader(&self, at: &Location) -> Result<Reader, JournalError> {
        if at.file().is_some() && *at == self.context.journal {
            return self.context.reader().await;
        }
        open::reader(self.patient(at)).await
    }

    async fn start(&self, store: Store, options: WriterOptions) -> Result<Journal, JournalError> {
        Journal::start_apart(store, options).await
    }

    async fn stage(&self, directory: &Path, run: RunId) -> Result<Stage, JournalError> {
        open::stage(directory, &run.to_string()).await
    }

    fn log_in_use(&self, at: &Location) -> Option<PathBuf> {
        at.file().and_then(log_in_use)
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

    fn inbox(&self, hold: &Hold) -> Option<Arc<dyn Inbox>> {
        open::inbox(hold)
    }

    async fn listen(&self, at_work: Arc<dyn AtWork>, inbox: Option<Arc<dyn Inbox>>) -> Option<Box<dyn Listening>> {
        let shown = self.metrics.and_then(|metrics| metrics.listen(&at_work));
        let heard = control::listen(self.context, (at_work, inbox), &self.stops, self.options.drain()).await;
        Some(Box::new(Both(heard, shown)))
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

/// Those who reach the session, and those who are shown it.
struct Both(Option<Box<dyn Listening>>, Option<Box<dyn Listening>>);

impl Listening for Both {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            for listening in [self.0, self.1].into_iter().flatten() {
                listening.close().await;
            }
        })
    }
}

/// Prints what the service answered and the journal cannot take any more, a line of JSON each: nobody else knows it.
fn unrecorded(ui: Ui) -> OnUnrecorded {
    Arc::new(move |drafts| {
        for Draft { run, row, event } in drafts {
            let value = json!({ "schema": "keybatch.unrecorded/1", "run": run, "row": row, "event": event });
            ui.ask(&json_text(&value));
        }
    })
}

fn rehearsal_row(pair: NamedPair) -> RehearsalRow {
    let NamedPair { account, region, name, fingerprint, arn, created_at } = pair;
    RehearsalRow { account, region, name, fingerprint, arn, created_at }
}
