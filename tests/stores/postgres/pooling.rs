//! Behind pgbouncer in transaction pooling: each transaction may run on another connection, with what others have set there.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keybatch::journal::EntryStore as _;
use keybatch::journal::postgres::{Hold, PostgresStore};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Row as _};

use super::server::{ADMIN, Database, as_user, run, unprivileged};
use super::{clock, holder};
use crate::conformance::histories::{closed, history, write};
use crate::harness::{ignore, tests};

tests![; async what_others_left_behind_in_a_pooled_connection_changes_nothing];

/// What another client may leave in a connection that the pooler hands on.
const LEFT_BEHIND: &str = "SET synchronous_commit = off; SET lock_timeout = 0; SET search_path = evil; \
     SET standard_conforming_strings = off; SET default_transaction_isolation = 'serializable'; SET bytea_output = 'escape'; \
     SET DateStyle = 'German'; SET extra_float_digits = 0; SET row_security = off";

pub(super) struct Pooler {
    child: Child,
    pub(super) port: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// One pooler before the server of `database`, with two connections for all. Ends the test as ignored where there is none.
pub(super) fn pooler(database: &Database) -> Pooler {
    let named = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&named).chain([PathBuf::from("/usr/sbin")]);
    let Some(program) = folders.map(|folder| folder.join("pgbouncer")).find(|program| program.exists()) else {
        ignore("pgbouncer is not installed")
    };
    let directory = tempfile::Builder::new().prefix("keybatch-pgb-").tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let users = directory.path().join("users");
    std::fs::write(&users, format!("\"{ADMIN}\" \"\"\n")).unwrap();
    let settings = format!(
        "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\n\
         auth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\nserver_round_robin = 1\nunix_socket_dir =\n",
        database.port,
        users.display()
    );
    let file = directory.path().join("pgbouncer.ini");
    std::fs::write(&file, settings).unwrap();
    if let Some(user) = unprivileged() {
        for path in [directory.path(), &users, &file] {
            std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
        }
    }
    let mut command: Command = as_user(unprivileged(), &program);
    let child = command.arg("-q").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Pooler { child, port, _directory: directory }
}

pub(super) async fn until_it_listens(port: u16) {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("pgbouncer does not listen");
}

async fn what_others_left_behind_in_a_pooled_connection_changes_nothing() {
    let database = Database::with_schema().await;
    let pooler = pooler(&database);
    until_it_listens(pooler.port).await;
    let watch = "CREATE TABLE at_commit (setting text); \
         CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.at_commit \
         VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER watches AFTER INSERT ON keybatch.entry DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION watch()";
    database.sql(watch).await.unwrap();
    let url = database.url(ADMIN, pooler.port);
    let others = (0..3).map(|_| {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(pooler.port).username(ADMIN);
        let options = options.database(&database.name).ssl_mode(PgSslMode::Disable).extra_float_digits(None);
        tokio::spawn(async move {
            let mut other = options.connect().await.unwrap();
            loop {
                run(&mut other, LEFT_BEHIND).await.unwrap();
                // Also a statement without a name, which is what a driver prepares last.
                let _whatever =
                    sqlx::query("SELECT $1::int8").bind(7_i64).persistent(false).fetch_all(&mut other).await;
            }
        })
    });
    let others: Vec<_> = others.collect();
    let address = Database::parse(&url);
    let hold = Hold::take(&address, &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    for seed in 0..6 {
        write(&mut store, history(seed)).await;
        // One that continues from the tables.
        store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    }
    let size = store.append(vec![closed(1)], None).await.unwrap().head.size;
    store.close().await.unwrap();
    hold.release().await;
    others.iter().for_each(tokio::task::JoinHandle::abort);
    let seen = "SELECT setting, count(*) FROM at_commit GROUP BY setting";
    let seen: Vec<_> = database.sql(seen).await.unwrap().iter().map(|row| (row.get("setting"), row.get(1))).collect();
    assert_eq!(seen, [("on".to_owned(), i64::try_from(size).unwrap())]);
    let wrong = "SELECT count(*) FROM keybatch.entry WHERE leaf <> sha256('\\x00'::bytea || convert_to(body, 'UTF8'))";
    assert_eq!(database.sql(wrong).await.unwrap()[0].get::<i64, _>(0), 0);
}
