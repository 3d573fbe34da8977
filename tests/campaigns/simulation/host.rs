//! What the product's session works with in a simulated life: the journal in memory, the world behind its port, the clock
//! that may be wrong, and an operator that follows a script.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use keybatch::domain::{Clock, RunId};
use keybatch::journal::heads::{HeadsError, Remembered};
use keybatch::journal::stage::Stage;
use keybatch::journal::{Holder, Inbox, Journal, JournalError, Location, Reader, Roster, WriterOptions};
use keybatch::record::checkpoint::Checkpoint;
use keybatch::session::host::{HeadMemory, Listening, NamedPair};
use keybatch::session::live::AtWork;
use keybatch::session::{
    Confirmed, Connection, Host, Notice, Operator, Outside, Place, PlanFacts, Stops, Watched, Way,
};
use keybatch::verify::Report;
use uuid::Uuid;

use super::controls::Controller;
use super::ledger::Handle;
use super::plan::ENDPOINT;
use super::port::{Port, caller, port};
use super::reader::Books;
use super::roster::Hold;
use super::store::Store;

/// What one session works with.
pub(crate) struct SimHost {
    pub(crate) handle: Handle,
    /// Which session it is, of all of a life.
    pub(crate) number: u32,
    /// How many ids were given away.
    ids: AtomicU32,
    /// The account of the default credentials.
    account: &'static str,
    operator: Arc<dyn Operator>,
    stops: Stops,
    pub(crate) script: Arc<Script>,
    /// Who controls the session, until it works.
    controller: Mutex<Option<Controller>>,
}

/// What the operator does, and was told.
#[derive(Debug)]
pub(crate) struct Script {
    handle: Handle,
    stops: Stops,
    /// A signal comes so long after the work began.
    stops_after: Option<Duration>,
    /// Whether the session said that rows could not be processed without saying why.
    pub(crate) unexplained: Mutex<bool>,
}

impl SimHost {
    pub(crate) fn new(
        handle: Handle,
        number: u32,
        account: &'static str,
        stops_after: Option<Duration>,
        controller: Option<Controller>,
    ) -> Self {
        let stops = Stops::default();
        let script = Arc::new(Script {
            handle: handle.clone(),
            stops: stops.clone(),
            stops_after,
            unexplained: Mutex::default(),
        });
        let operator = Arc::clone(&script) as Arc<dyn Operator>;
        let controller = Mutex::new(controller);
        Self { handle, number, ids: AtomicU32::new(0), account, operator, stops, script, controller }
    }
}

impl Operator for Script {
    fn notice(&self, notice: Notice<'_>) {
        let now = self.handle.time.now_us();
        let mut sim = self.handle.sim();
        sim.world.note(now, || format!("notice: {notice:?}").chars().take(200).collect());
        if let Notice::Stopped { detail, .. } = notice {
            *self.unexplained.lock().unwrap() = detail == "some rows could not be processed";
        }
    }

    fn confirm<'a>(&'a self, _: &'a PlanFacts<'a>) -> BoxFuture<'a, Result<Confirmed, Outside>> {
        Box::pin(async { Ok(Confirmed::Yes) })
    }

    /// From the moment at which the work begins, things go wrong.
    fn watch(&self, work: Watched) -> BoxFuture<'static, ()> {
        let works = matches!(work, Watched::Working { .. });
        self.handle.sim().world.is_eve = !works;
        let (stops, after) = (self.stops.clone(), self.stops_after.filter(|_| works));
        Box::pin(async move {
            let Some(after) = after else { return };
            tokio::time::sleep(after).await;
            stops.ask(|| ());
        })
    }
}

/// What this machine remembers: the head of the newest copy of the journal that there was.
#[derive(Debug)]
struct Memory(Handle);

impl HeadMemory for Memory {
    fn read(&self, _: &str) -> Result<Option<Remembered>, HeadsError> {
        let head = self.0.sim().ledger.remembered.clone();
        Ok(head.map(|head| Remembered { head, journal: None, file: PathBuf::from("heads") }))
    }

    fn remember(&self, head: &Checkpoint, _: &Path) -> Result<(), HeadsError> {
        self.0.sim().ledger.remembered = Some(head.clone());
        Ok(())
    }
}

/// No program verifies signatures.
pub(crate) struct NoProgram;

impl keybatch::record::ssh::Program for NoProgram {
    fn verify(&self, _: &keybatch::record::ssh::Question<'_>) -> keybatch::record::ssh::Answer {
        keybatch::record::ssh::Answer::Unavailable("there is none".into())
    }
}

impl Host for SimHost {
    type Port = Port;
    type Store = Store;
    type Hold = Hold;

    fn operator(&self) -> &Arc<dyn Operator> {
        &self.operator
    }

    fn stops(&self) -> &Stops {
        &self.stops
    }

    async fn listen(&self, at_work: Arc<dyn AtWork>, _: Option<Arc<dyn Inbox>>) -> Option<Box<dyn Listening>> {
        self.controller.lock().unwrap().take().map(|controller| controller.begin(at_work))
    }

    fn program(&self) -> Arc<dyn keybatch::record::ssh::Program + Send + Sync + '_> {
        Arc::new(NoProgram)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.handle.time) as Arc<dyn Clock>
    }

    fn new_id(&self) -> Uuid {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + (u128::from(self.number) << 8) + u128::from(number))
    }

    async fn hold(&self, at: &Location, _: &Holder) -> Result<Hold, JournalError> {
        let locked = || JournalError::Locked { path: at.beside().to_owned(), holder: None };
        Hold::take(&self.handle).await.ok_or_else(locked)
    }

    async fn join(&self, at: &Location, _: &Holder, lasts: Duration) -> Result<Hold, JournalError> {
        let locked = || JournalError::Locked { path: at.beside().to_owned(), holder: None };
        Hold::join(&self.handle, lasts).await.ok_or_else(locked)
    }

    fn roster(&self, hold: &Hold) -> Option<Arc<dyn Roster>> {
        hold.roster()
    }

    async fn store(&self, _: &Location, hold: &Hold, _: Arc<dyn Clock>) -> Result<Store, JournalError> {
        Ok(Store::new(hold.shared()))
    }

    async fn reader(&self, _: &Location) -> Result<Reader, JournalError> {
        Ok(Reader::new(Books(self.handle.clone())))
    }

    async fn start(&self, store: Store, options: WriterOptions) -> Result<Journal, JournalError> {
        Journal::start(store, options).await.map(|(journal, _task)| journal)
    }

    async fn stage(&self, _: &Path, _: RunId) -> Result<Stage, JournalError> {
        Ok(Stage::new(super::stage::Stage::default()))
    }

    fn log_in_use(&self, _: &Location) -> Option<PathBuf> {
        None
    }

    /// Each entry is judged as it is written, and the whole by `verify` for some seeds.
    async fn verify(&self) -> Result<Option<Report>, Outside> {
        Ok(None)
    }

    fn heads(&self) -> Result<Arc<dyn HeadMemory>, String> {
        Ok(Arc::new(Memory(self.handle.clone())))
    }

    async fn default_region(&self) -> Result<Option<String>, Outside> {
        Ok(None)
    }

    fn world(&self, _: Vec<NamedPair>) -> Result<String, Outside> {
        Err("no rehearsal is ordered".into())
    }

    async fn connect(&self, way: Way<'_>) -> Result<Connection<Port>, Outside> {
        let account = way.account.unwrap_or(self.account);
        if self.handle.sim().world.unreachable.contains(account) {
            return Err(format!("the credentials for account {account} have expired").into());
        }
        let place = Place {
            caller: caller(account),
            endpoint: ENDPOINT.into(),
            address: ENDPOINT.into(),
            redirected_by: None,
            world: None,
            profile: None,
            credentials_source: None,
            accounts: Vec::new(),
        };
        Ok(Connection { port: port(&self.handle, account), place, kept: None })
    }
}
