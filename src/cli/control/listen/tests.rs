use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream as Stream;
use std::sync::Mutex;

use super::super::ask::{Unanswered, ask};
use super::super::wire::Word;
use super::*;
use crate::domain::{OutcomeCounts, RunId};
use crate::record::event::Requests;
use crate::session::live::{Told, Untold};
use crate::session::status::{Bearing, SessionStatus};

/// A session that remembers what it was told.
#[derive(Default)]
struct Idle(Mutex<Vec<(Told, u32)>>);

impl AtWork for Idle {
    fn run(&self) -> RunId {
        RunId(uuid::Uuid::from_u128(7))
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, Untold>> {
        let session = SessionStatus {
            operator: "u@h".into(),
            pid: 1,
            started_at: String::new(),
            seconds: 0.0,
            requests: Requests::default(),
            journal: String::new(),
        };
        let status = Status {
            schema: Status::SCHEMA.into(),
            run: self.run().to_string(),
            state: Bearing::Running,
            since: None,
            stopped_by: None,
            sandbox: true,
            rows: 1,
            outcomes: OutcomeCounts::default(),
            in_flight: 0,
            targets: Vec::new(),
            session,
            sessions: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(status)))
    }

    fn run_no(&self) -> i64 {
        1
    }

    fn meter(&self) -> Arc<crate::journal::Meter> {
        Arc::default()
    }

    fn tell<'a>(&'a self, told: Told, by: &'a By) -> BoxFuture<'a, Result<(), Untold>> {
        let Vouched::Kernel(uid) = by.vouched else { panic!("{by:?}") };
        self.0.lock().unwrap().push((told, uid));
        Box::pin(std::future::ready(if told == Told::Continue { Err(Untold::Stopping) } else { Ok(()) }))
    }
}

struct Place {
    directory: tempfile::TempDir,
    idle: Arc<Idle>,
    stops: Arc<Mutex<u32>>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("journal.db"), "").unwrap();
        Self { directory, idle: Arc::default(), stops: Arc::default() }
    }

    fn sockets(&self) -> PathBuf {
        self.directory.path().join("keybatch")
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    fn path(&self) -> PathBuf {
        socket(&self.sockets(), &self.journal().into(), self.idle.run()).unwrap()
    }

    fn open(&self) -> Socket {
        let stops = Arc::clone(&self.stops);
        let on_stop = Arc::new(move || *stops.lock().unwrap() += 1);
        open(&self.sockets(), &self.journal().into(), Arc::clone(&self.idle) as Arc<dyn AtWork>, on_stop).unwrap()
    }

    fn question(&self, what: Word) -> Question {
        Question {
            v: VERSION,
            journal: real(&self.journal().into()),
            run: self.idle.run().to_string(),
            what,
            per_s: None,
        }
    }

    async fn ask(&self, question: &Question) -> Result<Status, Why> {
        let answer = ask(&self.path(), question).await.unwrap();
        answer.status.ok_or_else(|| answer.refused.unwrap().why)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_is_told_and_answered() {
    let place = Place::new();
    let _socket = place.open();
    assert!(place.ask(&place.question(Word::Status)).await.is_ok());
    assert!(place.idle.0.lock().unwrap().is_empty(), "a look tells nothing");
    assert!(place.ask(&Question { per_s: Some(2.0), ..place.question(Word::Rate) }).await.is_ok());
    assert_eq!(place.ask(&place.question(Word::Continue)).await, Err(Why::Refused));
    assert_eq!(*place.stops.lock().unwrap(), 0);
    assert!(place.ask(&place.question(Word::Stop)).await.is_ok());
    let told: Vec<_> = [Told::Rate(2.0), Told::Continue, Told::Stop].map(|told| (told, own_uid())).into();
    assert_eq!((*place.idle.0.lock().unwrap()).clone(), told);
    assert_eq!(*place.stops.lock().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_for_another_run_or_journal_or_is_not_understood_is_told_nobody() {
    let place = Place::new();
    let _socket = place.open();
    for (other, why) in [
        (Question { run: RunId(uuid::Uuid::from_u128(8)).to_string(), ..place.question(Word::Stop) }, Why::Another),
        (Question { journal: "/elsewhere/journal.db".into(), ..place.question(Word::Stop) }, Why::Another),
        (Question { v: 2, ..place.question(Word::Stop) }, Why::NotUnderstood),
        (place.question(Word::Rate), Why::NotUnderstood),
        (Question { per_s: Some(1.0), ..place.question(Word::Stop) }, Why::NotUnderstood),
    ] {
        assert_eq!(place.ask(&other).await, Err(why), "{other:?}");
    }
    assert!(place.idle.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_bounded_and_others_are_heard_beside_it() {
    let place = Place::new();
    let _socket = place.open();
    // Some that say nothing, and keep a place each until their time is over.
    let silent: Vec<_> = (0..AT_ONCE - 1).map(|_| Stream::connect(place.path()).unwrap()).collect();
    let noise = |bytes: Vec<u8>| {
        let mut stream = Stream::connect(place.path()).unwrap();
        // The session may have had enough before the end of it.
        let _written = stream.write_all(&bytes);
        let _shut = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _read = stream.read_to_string(&mut answer);
        answer
    };
    for bytes in [b"{}\n".to_vec(), vec![b'['; 100_000], b"\xff\xfe\n".to_vec(), b"status".to_vec()] {
        let answer = noise(bytes);
        assert!(answer.is_empty() || answer.contains("not_understood"), "{answer}");
    }
    assert_eq!(noise(Vec::new()), "");
    assert!(place.ask(&place.question(Word::Status)).await.is_ok());
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_users_alone_and_is_gone_with_the_session() {
    let place = Place::new();
    let socket = place.open();
    assert_eq!(place.path().metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(place.sockets().metadata().unwrap().mode() & 0o777, 0o700);
    Box::new(socket).close().await;
    assert!(!place.path().exists());
    assert_eq!(ask(&place.path(), &place.question(Word::Status)).await, Err(Unanswered::Nobody));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_dead_session_is_replaced_and_no_other_file() {
    let place = Place::new();
    prepare(&place.sockets()).unwrap();
    // As a process leaves it that is killed.
    drop(std::os::unix::net::UnixListener::bind(place.path()).unwrap());
    assert_eq!(ask(&place.path(), &place.question(Word::Status)).await, Err(Unanswered::Nobody));
    let older = place.open();
    assert!(place.ask(&place.question(Word::Status)).await.is_ok());
    let newer = place.open();
    drop(older);
    assert!(place.ask(&place.question(Word::Status)).await.is_ok(), "only its own file is removed");
    drop(newer);
    fs::write(place.path(), "mine").unwrap();
    let opened =
        open(&place.sockets(), &place.journal().into(), Arc::clone(&place.idle) as Arc<dyn AtWork>, Arc::new(|| ()));
    assert!(opened.is_err_and(|why| why.contains("no socket")));
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "mine");
}
