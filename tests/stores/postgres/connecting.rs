//! Servers that cannot be used, and what is said of them.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use keybatch::journal::postgres::{Address, Hold, PostgresStore, migrate};
use keybatch::journal::{EntryStore as _, JournalError, ServerTrouble};
use tokio::net::TcpListener;

use super::server::{ADMIN, Database, SECRETIVE};
use super::{clock, holder};
use crate::conformance::histories::{closed, created};
use crate::harness::tests;

tests![; async
    a_server_that_is_not_there_or_does_not_answer_is_unreachable,
    of_several_hosts_the_first_that_can_be_used_is_taken,
    what_is_wrong_with_a_database_is_said,
    a_read_only_server_is_no_primary,
    a_password_comes_from_the_environment_or_a_service,
    a_password_file_is_read_if_nobody_else_can_read_it,
    several_processes_may_make_the_schema_at_the_same_moment,
    what_a_server_says_of_itself_is_kept
];

async fn trouble(address: &Address) -> ServerTrouble {
    match Hold::take(address, &holder("run")).await {
        Err(JournalError::Server { trouble, address: shown }) => {
            assert_eq!(shown, address.to_string());
            assert!(!trouble.to_string().is_empty() && !trouble.hint().is_empty());
            trouble
        }
        other => panic!("{other:?}"),
    }
}

/// A port that nobody listens on.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn a_server_that_is_not_there_or_does_not_answer_is_unreachable() {
    let nobody = format!("postgres://u@127.0.0.1:{}/d", closed_port().await);
    assert!(matches!(trouble(&Database::parse(&nobody)).await, ServerTrouble::Unreachable { .. }));
    assert!(matches!(
        trouble(&Database::parse("postgres://u@/d?host=/nonexistent")).await,
        ServerTrouble::Unreachable { .. }
    ));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let began = Instant::now();
    let said = trouble(&Database::parse(&format!("postgres://u@127.0.0.1:{port}/d?connect_timeout=1"))).await;
    assert_eq!(said.to_string(), "the server cannot be reached: no connection within 1 s");
    assert!(began.elapsed() < Duration::from_secs(5));
}

async fn of_several_hosts_the_first_that_can_be_used_is_taken() {
    let database = Database::with_schema().await;
    let (nobody, port) = (closed_port().await, database.port);
    let url = format!("postgres://{ADMIN}@127.0.0.1:{nobody},127.0.0.1:{port}/{}", database.name);
    let hold = Hold::take(&Database::parse(&url), &holder("run")).await.unwrap();
    assert_eq!(hold.server().host, format!("127.0.0.1:{port}"));
    hold.release().await;
    let url = format!("postgres://{ADMIN}@127.0.0.1:{nobody},127.0.0.1:{}/d", closed_port().await);
    let ServerTrouble::Unreachable { reason } = trouble(&Database::parse(&url)).await else { panic!("reached") };
    assert_eq!(reason.matches("127.0.0.1:").count(), 2, "{reason}");
}

async fn what_is_wrong_with_a_database_is_said() {
    let database = Database::new().await;
    assert_eq!(trouble(&database.address()).await, ServerTrouble::NoSchema);
    let gone = Database::parse(&format!("postgres://{ADMIN}@127.0.0.1:{}/nowhere", database.port));
    assert_eq!(trouble(&gone).await, ServerTrouble::NoDatabase { name: "nowhere".into() });
    assert!(matches!(trouble(&database.address_of("nobody_knows")).await, ServerTrouble::LoginRefused { .. }));
    database
        .sql(&format!("CREATE DATABASE {}_latin TEMPLATE template0 ENCODING 'LATIN1'", database.name))
        .await
        .unwrap();
    let latin = Database::parse(&format!("postgres://{ADMIN}@127.0.0.1:{}/{}_latin", database.port, database.name));
    assert_eq!(trouble(&latin).await, ServerTrouble::Encoding { encoding: "LATIN1".into() });
    assert!(matches!(migrate(&latin).await, Err(JournalError::Server { .. })));
    let known = {
        migrate(&database.address()).await.unwrap();
        migrate(&database.address()).await.unwrap()
    };
    for (version, expected) in [
        (known + 1, ServerTrouble::NewerSchema { version: known + 1, known }),
        (known - 1, ServerTrouble::OlderSchema { version: known - 1, known }),
    ] {
        database.sql(&format!("UPDATE keybatch.schema_version SET version = {version}")).await.unwrap();
        assert_eq!(trouble(&database.address()).await, expected);
    }
}

async fn a_read_only_server_is_no_primary() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    database.sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name)).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    let refused = store.append(vec![created()], None).await;
    assert!(matches!(refused, Err(JournalError::Server { trouble: ServerTrouble::NotPrimary, .. })), "{refused:?}");
}

async fn a_password_comes_from_the_environment_or_a_service() {
    let database = Database::with_schema().await;
    let url = database.url(SECRETIVE, database.port);
    database.sql(&format!("CREATE ROLE {SECRETIVE} LOGIN PASSWORD 'geheim'")).await.unwrap();
    for password in [None, Some("wrong")] {
        let env = |name: &str| password.filter(|_| name == "PGPASSWORD").map(str::to_owned);
        let said = trouble(&Address::parse(&url, &env).unwrap()).await;
        assert!(matches!(said, ServerTrouble::LoginRefused { .. }), "{said:?}");
        assert!(!said.to_string().contains("wrong"));
    }
    let right = |name: &str| (name == "PGPASSWORD").then(|| "geheim".to_owned());
    // Let in, it lacks the rights.
    let said = trouble(&Address::parse(&url, &right).unwrap()).await;
    assert!(matches!(said, ServerTrouble::NoRight { .. }), "{said:?}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services");
    std::fs::write(&file, format!("[prod]\nuser={SECRETIVE}\npassword=geheim\nport={}\n", database.port)).unwrap();
    let env = |name: &str| (name == "PGSERVICEFILE").then(|| file.display().to_string());
    let url = format!("postgres://127.0.0.1/{}?service=prod", database.name);
    let said = trouble(&Address::parse(&url, &env).unwrap()).await;
    assert!(matches!(said, ServerTrouble::NoRight { .. }), "{said:?}");
}

/// By a process of its own, because the driver reads the variable by itself: this test once more, with an address.
async fn a_password_file_is_read_if_nobody_else_can_read_it() {
    const ASKED: &str = "KEYBATCH_TEST_ADDRESS";
    if let Some(url) = std::env::var_os(ASKED) {
        let said = trouble(&Database::parse(url.to_str().unwrap())).await;
        // Let in, it lacks the rights.
        assert!(matches!(said, ServerTrouble::NoRight { .. }), "{said:?}");
        return;
    }
    let database = Database::with_schema().await;
    let user = format!("{SECRETIVE}_2");
    database.sql(&format!("CREATE ROLE {user} LOGIN PASSWORD 'a:b'")).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    let lines = format!("elsewhere:*:*:*:c\n127.0.0.1:{}:{}:{user}:a\\:b\n", database.port, database.name);
    std::fs::write(&file, lines).unwrap();
    for (mode, lets_in) in [(0o600, true), (0o644, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "postgres::connecting::a_password_file_is_read_if_nobody_else_can_read_it"]);
        child.env(ASKED, database.url(&user, database.port)).env("PGPASSFILE", &file).env("HOME", directory.path());
        let done = child.output().unwrap();
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(told.contains("running 1 test"), "{told}");
        assert_eq!(done.status.success(), lets_in, "{mode:o}: {told}");
    }
}

async fn several_processes_may_make_the_schema_at_the_same_moment() {
    let database = Database::new().await;
    let makes = (0..6).map(|_| {
        let address = database.address();
        tokio::spawn(async move { migrate(&address).await.unwrap() })
    });
    let mut before = Vec::new();
    for made in makes.collect::<Vec<_>>() {
        before.push(made.await.unwrap());
    }
    before.sort_unstable();
    assert_eq!(before[..2], [0, before[5]], "one made it, the others found it: {before:?}");
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    store.append(vec![created(), closed(1)], None).await.unwrap();
}

async fn what_a_server_says_of_itself_is_kept() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let server = hold.server();
    assert!(server.is_primary && !server.syncs, "it was started with fsync=off");
    assert_eq!(server.waits_for, None);
    assert_eq!(server.timeline.as_deref(), Some("00000001"));
    assert!(server.skew.abs() < jiff::SignedDuration::from_secs(2), "one clock: {:?}", server.skew);
    assert!(server.version.split('.').next().unwrap().parse::<u32>().unwrap() >= 14, "{}", server.version);
    hold.release().await;
}
