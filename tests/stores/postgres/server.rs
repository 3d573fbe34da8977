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

use keybatch::journal::postgres::{Address, migrate};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::harness::ignore;

/// The user who may do everything.
pub(crate) const ADMIN: &str = "postgres";

/// A user who may do nothing, and whose password is `geheim`. All others need none.
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

struct Server {
    port: u16,
    directory: PathBuf,
    /// Dropped, the server ends.
    stop: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
    _temporary: tempfile::TempDir,
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
        let (port, directory) = server();
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

/// The server's port and directory.
fn server() -> (u16, PathBuf) {
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = match server.get_or_insert_with(start) {
        Ok(server) => return (server.port, server.directory.clone()),
        Err(why) => why.clone(),
    };
    drop(server);
    ignore(failed)
}

/// Ends the server, if it was started.
pub(crate) fn stop() {
    if let Some(Ok(server)) = SERVER.lock().unwrap_or_else(PoisonError::into_inner).take() {
        drop(server.stop);
        let _gone_or_not = server.ended.recv_timeout(Duration::from_secs(20));
    }
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

fn start() -> Result<Server, String> {
    let programs = programs().ok_or("PostgreSQL's server is not installed")?;
    let temporary = tempfile::Builder::new().prefix("keybatch-pg-").tempdir().unwrap();
    let directory = temporary.path().to_owned();
    let user = unprivileged();
    if user.is_some() {
        chown(&directory, user, user).unwrap();
    }
    let data = directory.join("data");
    let made = as_user(user, &programs.join("initdb"))
        .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", ADMIN, "-D"])
        .arg(&data)
        .current_dir(&directory)
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let rules = data.join("pg_hba.conf");
    let others = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("host all {SECRETIVE} all scram-sha-256\n{others}")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = as_user(user, &programs.join("postgres"));
    command.arg("-D").arg(&data).arg("-k").arg(&directory).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.current_dir(&directory).stdout(Stdio::null()).stderr(std::fs::File::create(directory.join("log")).unwrap());
    // On a thread that lives as long as the server: the kernel ends the server with the thread that started it.
    let ((stop, stopped), (end, ended)) = (mpsc::channel::<()>(), mpsc::channel());
    std::thread::spawn(move || {
        let mut child = command.spawn().unwrap();
        let _closed = stopped.recv();
        let pid = rustix::process::Pid::from_child(&child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _status = child.wait();
        drop(end);
    });
    wait_until_up(port, &directory);
    Ok(Server { port, directory, stop, ended, _temporary: temporary })
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
    while !line(directory).contains("ready") {
        let mut told = String::new();
        if Instant::now() > until {
            let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
            let _infallible = write!(told, "PostgreSQL did not start on port {port}: {log}");
        }
        assert!(told.is_empty(), "{told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
