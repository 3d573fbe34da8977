//! A real PostgreSQL server of the tests' own, on 127.0.0.1 and a socket, in a directory that nobody else sees. It starts with the first
//! test that asks for a database, and ends with the tests, also where those are killed. Each test has a database to itself.
//!
//! It does not wait for its disk: no test cuts the power.

use std::fmt::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use keybatch::journal::Location;
use keybatch::journal::postgres::{Address, migrate};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::harness::ignore;

/// The user who may do everything.
pub(crate) const ADMIN: &str = "postgres";

/// A user who may do nothing, and who needs a password, as one with `_2` behind does. Tests create them; all others need none.
pub(crate) const SECRETIVE: &str = "secretive";

/// What the server is started with: it is soon up and soon gone.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=100",
    "autovacuum=off",
    "log_min_messages=fatal",
    "max_prepared_transactions=0",
];

/// A running server; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) directory: PathBuf,
    /// Dropped, the server ends; asked, it ends and starts again, and says so when the old one is gone.
    stop: Option<mpsc::Sender<mpsc::Sender<()>>>,
    ended: Mutex<mpsc::Receiver<()>>,
    _temporary: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _gone_or_not = ended.recv_timeout(Duration::from_secs(20));
    }
}

/// `None` before the first test asked for it; the error where there is no PostgreSQL.
static SERVER: Mutex<Option<Result<Server, String>>> = Mutex::new(None);

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A database of a test's own.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// Where the server's socket is.
    directory: PathBuf,
}

impl Database {
    /// An empty one. Ends the test as ignored where there is no PostgreSQL.
    pub(crate) async fn new() -> Self {
        let (port, directory) = shared();
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let it = Self { name, port, directory };
        let mut admin = it.connect_to("postgres", ADMIN).await;
        run(&mut admin, &format!("CREATE DATABASE {} TEMPLATE template0", it.name)).await.unwrap();
        it
    }

    /// One with the schema of a journal, which belongs to [`ADMIN`].
    pub(crate) async fn with_schema() -> Self {
        let it = Self::new().await;
        assert_eq!(migrate(&it.address()).await.unwrap(), 0);
        it
    }

    /// Its address for [`ADMIN`].
    pub(crate) fn address(&self) -> Address {
        self.address_of(ADMIN)
    }

    /// That, as a journal's place.
    pub(crate) fn location(&self) -> Location {
        self.location_of(ADMIN)
    }

    pub(crate) fn location_of(&self, user: &str) -> Location {
        Location::server(self.address_of(user), self.directory.join(&self.name))
    }

    pub(crate) fn address_of(&self, user: &str) -> Address {
        Self::parse(&self.url(user, self.port))
    }

    /// Its address for a user, by way of another port, such as a proxy's.
    pub(crate) fn url(&self, user: &str, port: u16) -> String {
        format!("postgres://{user}@127.0.0.1:{port}/{}", self.name)
    }

    /// Its address for [`ADMIN`] by way of the socket.
    pub(crate) fn socket_url(&self) -> String {
        format!("postgres://{ADMIN}@/{}?host={}&port={}", self.name, self.directory.display(), self.port)
    }

    /// An address in an empty environment.
    pub(crate) fn parse(url: &str) -> Address {
        Address::parse(url, &|_| None).unwrap()
    }

    /// A connection for the test itself.
    pub(crate) async fn connect(&self, user: &str) -> PgConnection {
        self.connect_to(&self.name, user).await
    }

    pub(crate) async fn connect_to(&self, database: &str, user: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        let options = options.username(user).database(database).ssl_mode(PgSslMode::Disable);
        options.connect().await.unwrap()
    }

    /// Runs statements as [`ADMIN`].
    pub(crate) async fn sql(&self, text: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        run(&mut self.connect(ADMIN).await, text).await
    }
}

/// Runs statements on a connection.
pub(crate) async fn run(connection: &mut PgConnection, text: &str) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).fetch_all(connection).await
}

/// The port and the directory of the server that all tests share.
fn shared() -> (u16, PathBuf) {
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = match server.get_or_insert_with(|| Server::start(None, &[])) {
        Ok(server) => return (server.port, server.directory.clone()),
        Err(why) => why.clone(),
    };
    drop(server);
    ignore(failed)
}

/// Ends the server that all tests share, if it was started.
pub(crate) fn stop() {
    drop(SERVER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// The directory of PostgreSQL's programs: the one that `KEYBATCH_POSTGRES` names, or the newest that Debian has installed, or one that
/// PATH names.
pub(crate) fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("KEYBATCH_POSTGRES") {
        return Some(named.into());
    }
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = installed.map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    let named = std::env::var_os("PATH").unwrap_or_default();
    let all = versions.into_iter().rev().map(|path| path.join("bin")).chain(std::env::split_paths(&named));
    all.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

impl Server {
    /// One of a test's own. Ends the test as ignored where there is no PostgreSQL.
    pub(crate) fn new(settings: &[&str]) -> Self {
        Self::start(None, settings).unwrap_or_else(|why| ignore(why))
    }

    /// A standby of this one, which follows it.
    pub(crate) fn standby(&self) -> Self {
        if programs().is_some_and(|folder| !folder.join("pg_basebackup").exists()) {
            ignore("pg_basebackup is not installed");
        }
        Self::start(Some(self), &[]).unwrap()
    }

    /// Ends it at once, as a crash would, and starts it again. Returns when it is up.
    pub(crate) fn restart(&self) {
        let (gone, is_gone) = mpsc::channel();
        self.stop.as_ref().unwrap().send(gone).unwrap();
        is_gone.recv_timeout(Duration::from_secs(20)).unwrap();
        wait_until_up(self.port, &self.directory);
    }

    /// A database of it, which is not there yet unless it is called `postgres`.
    pub(crate) fn database(&self, name: &str) -> Database {
        Database { name: name.to_owned(), port: self.port, directory: self.directory.clone() }
    }

    /// The error says that there is no PostgreSQL.
    fn start(primary: Option<&Self>, settings: &[&str]) -> Result<Self, String> {
        let programs = programs().ok_or("PostgreSQL's server is not installed")?;
        let temporary = tempfile::Builder::new().prefix("keybatch-pg-").tempdir().unwrap();
        let directory = temporary.path().to_owned();
        let user = unprivileged();
        if user.is_some() {
            chown(&directory, user, user).unwrap();
        }
        make(&programs, &directory, primary);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = as_user(user, &programs.join("postgres"));
        command.arg("-D").arg(directory.join("data")).arg("-k").arg(&directory);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in SETTINGS.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(directory.join("log")).unwrap();
        command.current_dir(&directory).stdout(Stdio::null()).stderr(log);
        // On a thread that lives as long as the server: the kernel ends the server with the thread that started it.
        let ((stop, stopped), (end, ended)) = (mpsc::channel::<mpsc::Sender<()>>(), mpsc::channel());
        let lock = directory.join("data/postmaster.pid");
        std::thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            loop {
                let asked = stopped.recv();
                let pid = rustix::process::Pid::from_child(&child);
                let _gone = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
                let _status = child.wait();
                let Ok(asked) = asked else { break };
                // It says that the old one is ready.
                let _gone = std::fs::remove_file(&lock);
                child = command.spawn().unwrap();
                let _heard = asked.send(());
            }
            drop(end);
        });
        wait_until_up(port, &directory);
        Ok(Self { port, directory, stop: Some(stop), ended: Mutex::new(ended), _temporary: temporary })
    }
}

/// Makes the data of a new server, or copies that of the primary.
fn make(programs: &Path, directory: &Path, primary: Option<&Server>) {
    let data = directory.join("data");
    let mut command = match primary {
        None => {
            let mut command = as_user(unprivileged(), &programs.join("initdb"));
            command.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", ADMIN, "-D"]);
            command
        }
        Some(primary) => {
            let mut command = as_user(unprivileged(), &programs.join("pg_basebackup"));
            let port = primary.port.to_string();
            command.args(["-h", "127.0.0.1", "-p", &port, "-U", ADMIN, "--no-sync", "-c", "fast", "-R", "-D"]);
            command
        }
    };
    let made = command.arg(&data).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    if primary.is_none() {
        let rules = data.join("pg_hba.conf");
        let others = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("host all {SECRETIVE},{SECRETIVE}_2 all scram-sha-256\n{others}")).unwrap();
    }
}

/// Nobody, where this process is root.
pub(crate) fn unprivileged() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(65_534)
}

/// A program that ends with the thread that starts it, as another user where this process is root: PostgreSQL refuses root.
pub(crate) fn as_user(user: Option<u32>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into()]);
    }
    command.args(["--pdeathsig", "QUIT"]).arg(program);
    command
}

fn wait_until_up(port: u16, directory: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    let line = |directory: &Path| std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap_or_default();
    // The last line of a standby says `standby`.
    while !["ready", "standby"].iter().any(|word| line(directory).lines().any(|line| line.trim() == *word)) {
        let mut told = String::new();
        if Instant::now() > until {
            let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
            let _infallible = write!(told, "PostgreSQL did not start on port {port}: {log}");
        }
        assert!(told.is_empty(), "{told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
