//! The writer against a store that fails: what was not acknowledged counts as unknown, and nothing is written after it.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{Clock, SystemClock};
use keybatch::journal::{Appended, Cadence, EntryStore, Head, Journal, JournalError, WriterOptions};
use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::event::{Event, Requests, SessionClosed};
use keybatch::record::merkle::Frontier;
use keybatch::record::{Draft, Entry, MAX_INTEGER};
use tokio::sync::Semaphore;

/// What a store was asked to do: the numbers of each commit's entries.
type Commits = Arc<Mutex<Vec<Vec<u64>>>>;

/// A store that fails at its `fails_at`-th commit, before or after the entries are kept.
struct Failing {
    commits: Commits,
    kept: Arc<Mutex<Vec<Entry>>>,
    fails_at: usize,
    keeps: bool,
    /// The id of a journal that is there already.
    known: Option<String>,
    consolidated: Arc<Mutex<usize>>,
    /// How many commits may end; each takes one away.
    disk: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    /// Where the last commit left the journal.
    head: Head,
}

impl Failing {
    /// One that never does.
    fn never(commits: &Commits, kept: &Arc<Mutex<Vec<Entry>>>) -> Self {
        let (commits, kept) = (Arc::clone(commits), Arc::clone(kept));
        Self {
            commits,
            kept,
            fails_at: usize::MAX,
            keeps: true,
            known: None,
            consolidated: Arc::default(),
            disk: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            clock: Arc::new(SystemClock::start()),
            head: Head::new(Frontier::default(), None, None, Timestamp::UNIX_EPOCH),
        }
    }
}

impl EntryStore for Failing {
    async fn head(&mut self) -> Result<Head, JournalError> {
        self.head = Head::new(Frontier::default(), None, None, self.clock.now());
        Ok(self.head.clone())
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        Ok(self.known.clone())
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        let size = self.head.mark().size;
        let batch = self.head.seal(drafts, cadence, || self.clock.now())?;
        let number = {
            let mut commits = self.commits.lock().unwrap();
            commits.push(batch.entries.iter().map(|(entry, _)| entry.seq).collect());
            commits.len()
        };
        self.disk.acquire().await.unwrap().forget();
        let fails = number == self.fails_at;
        if !fails || self.keeps {
            self.kept.lock().unwrap().extend(batch.entries.into_iter().map(|(entry, _)| entry));
        }
        self.head = batch.head;
        if fails { Err(JournalError::HeadMoved { size }) } else { Ok(batch.appended) }
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        *self.consolidated.lock().unwrap() += 1;
        Ok(())
    }

    async fn close(self) -> Result<(), JournalError> {
        Ok(())
    }
}

fn draft() -> Draft {
    closed(0)
}

fn closed(elapsed_ms: u64) -> Draft {
    let requests = Requests { delete: 0, read: 0, throttled: 0 };
    Draft::of(Event::SessionClosed(SessionClosed { requests, elapsed_ms }))
}

fn options() -> WriterOptions {
    WriterOptions { new_journal_id: "id".into(), on_checkpoint: Box::new(|_, _| Ok(())) }
}

// SEMANTICS: P52
#[tokio::test]
async fn after_the_first_error_nothing_more_is_written() {
    for keeps in [false, true] {
        let (commits, kept) = (Commits::default(), Arc::default());
        // The first commit is the entry with which a new journal begins.
        let store = Failing { fails_at: 3, keeps, ..Failing::never(&commits, &kept) };
        let (journal, _task) = Journal::start(store, options()).await.unwrap();
        let stamps = journal.append(vec![draft(), draft()]).await.unwrap();
        assert_eq!(stamps.iter().map(|stamp| stamp.seq).collect::<Vec<_>>(), [1, 2]);
        for _ in 0..3 {
            let refused = journal.append(vec![draft()]).await;
            assert!(matches!(refused, Err(JournalError::HeadMoved { size: 3 })), "{refused:?}");
        }
        assert!(journal.checkpoint().await.is_err());
        assert!(journal.clone().close().await.is_err());
        assert_eq!(*commits.lock().unwrap(), [vec![0], vec![1, 2], vec![3]], "no commit after the failed one");
        assert_eq!(kept.lock().unwrap().len(), if keeps { 4 } else { 3 });
    }
}

// SEMANTICS: P51
#[tokio::test]
async fn what_is_queued_is_committed_together_and_numbered_without_gaps() {
    let (commits, kept) = (Commits::default(), Arc::default());
    let store = Failing::never(&commits, &kept);
    let (journal, _task) = Journal::start(store, options()).await.unwrap();
    let appends = (0..100).map(|_| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(vec![draft(), draft()]).await.unwrap() })
    });
    let mut seen = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        let stamps = append.await.unwrap();
        assert_eq!(stamps[0].seq + 1, stamps[1].seq, "what belongs together stays together");
        seen.extend(stamps.iter().map(|stamp| stamp.seq));
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
    let numbers: Vec<u64> = kept.lock().unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (0..=200).collect::<Vec<_>>());
    assert!(commits.lock().unwrap().len() < 50, "far fewer commits than appends");
}

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn forward(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A journal whose clock is in our hands, with what it handed on as checkpoints.
struct Watched {
    journal: Journal,
    clock: Arc<Hands>,
    kept: Arc<Mutex<Vec<Entry>>>,
    handed_on: Arc<Mutex<Vec<u64>>>,
    consolidated: Arc<Mutex<usize>>,
}

impl Watched {
    async fn start(known: Option<&str>) -> Self {
        let (commits, kept) = (Commits::default(), Arc::default());
        let (clock, handed_on) = (Arc::new(Hands::default()), Arc::<Mutex<Vec<u64>>>::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let known = known.map(str::to_owned);
        let store = Failing { known, clock: shared, ..Failing::never(&commits, &kept) };
        let consolidated = Arc::clone(&store.consolidated);
        let hand_on = Arc::clone(&handed_on);
        let on_checkpoint = Box::new(move |checkpoint: &Checkpoint, _| {
            hand_on.lock().unwrap().push(checkpoint.size);
            Ok(())
        });
        let options = WriterOptions { new_journal_id: "id".into(), on_checkpoint };
        let (journal, _task) = Journal::start(store, options).await.unwrap();
        Self { journal, clock, kept, handed_on, consolidated }
    }

    async fn append(&self, count: usize) {
        self.journal.append((0..count).map(|_| draft()).collect()).await.unwrap();
    }

    fn handed_on(&self) -> Vec<u64> {
        self.handed_on.lock().unwrap().clone()
    }
}

/// A checkpoint covers what is before its own entry, and is handed on once it is durable.
#[tokio::test]
async fn checkpoints_are_made_where_they_are_due() {
    let watched = Watched::start(None).await;
    assert_eq!(*watched.consolidated.lock().unwrap(), 1, "the first entry is in the database itself");
    watched.append(1).await;
    watched.clock.forward(59);
    watched.append(1).await;
    assert!(watched.handed_on().is_empty(), "neither old enough nor long enough");
    watched.clock.forward(1);
    watched.append(1).await;
    assert_eq!(watched.handed_on(), [3], "after a minute, before what comes next");
    assert_eq!(watched.kept.lock().unwrap().len(), 5);
    watched.append(997).await;
    watched.append(1).await;
    assert_eq!(watched.handed_on(), [3], "its own entry, one that came with it, and 998 more are a thousand");
    watched.append(1).await;
    assert_eq!(watched.handed_on(), [3, 1003], "after a thousand entries, however young");
    let asked = watched.journal.checkpoint().await.unwrap();
    assert_eq!((watched.handed_on(), asked.size), (vec![3, 1003, 1005], 1005));
    assert_eq!(*watched.consolidated.lock().unwrap(), 2);
    let head = watched.journal.clone().close().await.unwrap();
    assert_eq!((watched.handed_on(), head.size), (vec![3, 1003, 1005, 1006], 1006), "and the head at the end");
}

/// What was committed together with a checkpoint is not covered by it, and must not be lost to those who keep them.
#[tokio::test]
async fn the_head_is_handed_on_at_the_end_where_anything_was_written() {
    let watched = Watched::start(None).await;
    watched.clock.forward(60);
    watched.append(1).await;
    assert_eq!(watched.handed_on(), [1]);
    watched.journal.clone().close().await.unwrap();
    assert_eq!(watched.handed_on(), [1, 3]);

    let untouched = Watched::start(Some("id")).await;
    untouched.clock.forward(3600);
    untouched.journal.clone().close().await.unwrap();
    assert!(untouched.handed_on().is_empty(), "nothing was written");

    let known = Watched::start(Some("id")).await;
    known.clock.forward(3600);
    known.append(1).await;
    assert!(known.handed_on().is_empty(), "nothing of this session to cover yet");
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_handed_on_stops_the_writer() {
    let (commits, kept) = (Commits::default(), Arc::default());
    let on_checkpoint = Box::new(|_: &Checkpoint, _| Err(std::io::Error::other("full")));
    let options = WriterOptions { on_checkpoint, ..options() };
    assert!(format!("{options:?}").contains("id"));
    let (journal, _task) = Journal::start(Failing::never(&commits, &kept), options).await.unwrap();
    let refused = journal.checkpoint().await;
    assert!(matches!(&refused, Err(JournalError::Checkpoint { reason }) if reason == "full"), "{refused:?}");
    assert!(journal.append(vec![draft()]).await.is_err());
    assert_eq!(commits.lock().unwrap().len(), 2, "nothing after it");
}

/// A group does not grow without end: what is queued beyond 256 entries waits for the next commit.
#[tokio::test]
async fn a_full_group_takes_no_more() {
    let (commits, kept) = (Commits::default(), Arc::default());
    let (journal, _task) = Journal::start(Failing::never(&commits, &kept), options()).await.unwrap();
    let append = |count: usize| journal.append((0..count).map(|_| draft()).collect());
    let (one, two, three) = tokio::join!(append(255), append(1), append(1));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    let sizes: Vec<usize> = commits.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 256, 1]);
}

/// A journal whose first append is on its way to the disk, and so are two more, a checkpoint, and one behind that.
struct Slow {
    disk: Arc<Semaphore>,
    clock: Arc<Hands>,
    commits: Commits,
    kept: Arc<Mutex<Vec<Entry>>>,
    asked: Vec<tokio::task::JoinHandle<Result<usize, JournalError>>>,
}

impl Slow {
    async fn start(fails_at: usize, second: Draft) -> Self {
        let (commits, kept) = (Commits::default(), Arc::default());
        let disk = Arc::new(Semaphore::new(1));
        let clock = Arc::new(Hands::default());
        let never = Failing::never(&commits, &kept);
        let store = Failing { fails_at, keeps: false, disk: Arc::clone(&disk), clock: clock.clone(), ..never };
        let (journal, _task) = Journal::start(store, options()).await.unwrap();
        let mut slow = Self { disk, clock, commits, kept, asked: Vec::new() };
        for drafts in [vec![draft()], vec![draft(), second], vec![draft()], vec![], vec![draft()]] {
            let journal = journal.clone();
            slow.asked.push(tokio::spawn(async move {
                if drafts.is_empty() {
                    return journal.checkpoint().await.map(|_| 0);
                }
                journal.append(drafts).await.map(|stamps| stamps.len())
            }));
            // All that the writer can do before the disk is done.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            slow.clock.forward(1);
        }
        assert_eq!(*slow.commits.lock().unwrap(), [vec![0], vec![1]], "one after the other");
        slow
    }

    /// What each caller got, once the disk goes on.
    async fn end(self) -> Vec<Result<usize, JournalError>> {
        assert!(self.asked.iter().all(|asked| !asked.is_finished()), "nothing is acknowledged before it is durable");
        self.disk.add_permits(10);
        let mut results = Vec::new();
        for asked in self.asked {
            results.push(asked.await.unwrap());
        }
        results
    }
}

/// What comes during a commit is committed together after it, and has the time at which that begins: from the time of its
/// start an attempt has only so long until its request must have left, and the commit before must not use that up.
#[tokio::test]
async fn what_comes_during_a_commit_has_the_time_of_its_own() {
    let slow = Slow::start(usize::MAX, draft()).await;
    let (commits, kept) = (Arc::clone(&slow.commits), Arc::clone(&slow.kept));
    let results = slow.end().await;
    assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 1, 0, 1]);
    assert_eq!(*commits.lock().unwrap(), [vec![0], vec![1], vec![2, 3, 4], vec![5], vec![6]]);
    let seconds: Vec<i64> = kept.lock().unwrap().iter().map(|entry| entry.at.as_second()).collect();
    assert_eq!(seconds, [0, 0, 5, 5, 5, 5, 5]);
}

/// What waited behind a commit that failed is never written, and everyone who waits is told.
#[tokio::test]
async fn a_commit_that_fails_takes_with_it_what_waited_behind_it() {
    let slow = Slow::start(2, draft()).await;
    let (commits, kept) = (Arc::clone(&slow.commits), Arc::clone(&slow.kept));
    for result in slow.end().await {
        assert!(matches!(result, Err(JournalError::HeadMoved { size: 1 })), "{result:?}");
    }
    assert_eq!(commits.lock().unwrap().len(), 2);
    assert_eq!(kept.lock().unwrap().len(), 1);
}

/// An entry that cannot be sealed ends the journal before its batch, not the commit that is on its way.
#[tokio::test]
async fn an_entry_that_cannot_be_sealed_harms_nothing_that_is_on_its_way() {
    let slow = Slow::start(usize::MAX, closed(MAX_INTEGER + 1)).await;
    let (commits, kept) = (Arc::clone(&slow.commits), Arc::clone(&slow.kept));
    let results = slow.end().await;
    assert!(matches!(results[0], Ok(1)), "{results:?}");
    for result in &results[1..] {
        assert!(matches!(result, Err(JournalError::Entry(_))), "{result:?}");
    }
    assert_eq!(*commits.lock().unwrap(), [vec![0], vec![1]]);
    assert_eq!(kept.lock().unwrap().len(), 2);
}
