//! Several runners on one rate, under tokio's paused time: the pacers as they are, and a journal's database that keeps the schedule.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::domain::is_same_rate;
use crate::journal::{Claim, Claiming, Slots};
use crate::lane::pace::Permit;
use crate::lane::rate::{Learned, RateCap};

/// What is done with one target.
#[derive(Debug)]
struct Row {
    next: Instant,
    per_s: f64,
    version: u64,
}

/// The journal's database, as its contract has it.
struct Database {
    rows: Mutex<HashMap<Target, Row>>,
    questions: Mutex<Vec<Vec<Want>>>,
    /// How long a question, and an answer, is on its way at least and at most, in microseconds.
    way_us: (u64, u64),
    fails: Mutex<bool>,
}

impl Database {
    fn new(way_us: (u64, u64)) -> Arc<Self> {
        Arc::new(Self { rows: Mutex::default(), questions: Mutex::default(), way_us, fails: Mutex::new(false) })
    }

    async fn way(&self) {
        tokio::time::sleep(Duration::from_micros(fastrand::u64(self.way_us.0..=self.way_us.1))).await;
    }

    fn row(&self, target: &Target) -> (f64, u64) {
        let rows = self.rows.lock().unwrap();
        (rows[target].per_s, rows[target].version)
    }

    fn grant(&self, want: &Want) -> Slots {
        let now = Instant::now();
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(want.target.clone()).or_insert_with(|| Row { next: now, per_s: want.per_s, version: 1 });
        if want.version == row.version && !is_same_rate(want.per_s, row.per_s) {
            (row.per_s, row.version) = (want.per_s, row.version + 1);
        }
        let start = row.next.max(now);
        let every = Duration::from_secs_f64(1.0 / row.per_s);
        let count = (0..want.count).take_while(|number| start + every * *number <= now + FURTHEST).count();
        let count = u32::try_from(count).unwrap();
        row.next = start + every * count;
        Slots { count, after: start - now, every, per_s: row.per_s, version: row.version }
    }
}

impl Roster for Database {
    fn claim(&self, _: Claiming) -> BoxFuture<'_, Result<Claim, JournalError>> {
        unreachable!("rows are nobody's business here")
    }

    fn reserve(&self, wanted: Vec<Want>) -> BoxFuture<'_, Result<Vec<Slots>, JournalError>> {
        Box::pin(async move {
            self.way().await;
            if *self.fails.lock().unwrap() {
                return Err(JournalError::damaged("it is gone"));
            }
            let granted = wanted.iter().map(|want| self.grant(want)).collect();
            self.questions.lock().unwrap().push(wanted);
            self.way().await;
            Ok(granted)
        })
    }

    fn may_finish(&self, _: i64) -> BoxFuture<'_, Result<bool, JournalError>> {
        unreachable!("the run is nobody's business here")
    }

    fn left(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn lasts(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn skew_ms(&self) -> Option<i64> {
        None
    }
}

fn target(region: &str) -> Target {
    Target { account: "111122223333".into(), region: region.into() }
}

fn capped(rate: f64) -> Arc<Pacer> {
    Arc::new(Pacer::new(RateCap::PerSecond(rate), Some(Learned::limit(10.0 * rate))))
}

/// Shares it, and says who to stop.
fn at_work(database: &Arc<Database>, pacer: &Arc<Pacer>) -> tokio::task::JoinHandle<Result<Infallible, JournalError>> {
    let lanes = vec![(target("eu-west-1"), Arc::clone(pacer))];
    tokio::spawn(share(Arc::clone(database) as Arc<dyn Roster>, "https://service".into(), lanes))
}

type Departures = Arc<Mutex<Vec<(usize, Instant)>>>;

/// Requests without end, in so many at a time, of which each takes so long.
fn requests(number: usize, pacer: &Arc<Pacer>, at_a_time: usize, left: &Departures) -> tokio::task::JoinSet<()> {
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..at_a_time {
        let (pacer, left) = (Arc::clone(pacer), Arc::clone(left));
        set.spawn(async move {
            loop {
                let permit = pacer.acquire().await;
                left.lock().unwrap().push((number, Instant::now()));
                tokio::time::sleep(Duration::from_millis(fastrand::u64(10..60))).await;
                let _ = pacer.report(permit, false);
            }
        });
    }
    set
}

/// The most that left in any second.
fn most_in_a_second(left: &[(usize, Instant)]) -> usize {
    let in_a_second = |(from, (_, at)): (usize, &(usize, Instant))| {
        left[from..].iter().take_while(|(_, other)| *other < *at + Duration::from_secs(1)).count()
    };
    left.iter().enumerate().map(in_a_second).max().unwrap_or(0)
}

/// The promise: in any second at most the cap and one more per runner, whatever the runners do.
#[tokio::test(start_paused = true)]
async fn four_runners_use_the_cap_and_keep_to_it_though_some_stall_and_one_is_killed() {
    for (rate, at_a_time) in [(0.5, 2), (1.0, 2), (5.0, 4), (20.0, 8), (100.0, 40)] {
        fastrand::seed(7);
        let (database, left) = (Database::new((200, 4_000)), Departures::default());
        let pacers: Vec<_> = (0..4).map(|_| capped(rate)).collect();
        let mut runners: Vec<_> = pacers
            .iter()
            .enumerate()
            .map(|(number, pacer)| (at_work(&database, pacer), requests(number, pacer, at_a_time, &left)))
            .collect();
        tokio::time::sleep(Duration::from_secs(30)).await;
        let steady = left.lock().unwrap().len();
        assert!(steady as f64 >= 0.95 * 30.0 * rate, "{steady} in 30 s at {rate}/s");
        let of = |number| left.lock().unwrap().iter().filter(|(of, _)| *of == number).count();
        assert!(
            (0..4).all(|number| rate < 5.0 || of(number) * 8 > steady),
            "{:?} at {rate}/s",
            [of(0), of(1), of(2), of(3)]
        );
        for (_, mut requests) in runners.drain(3..) {
            requests.abort_all();
            while requests.join_next().await.is_some() {}
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        let all = left.lock().unwrap().clone();
        let killed = all.len() - steady;
        assert!(killed as f64 >= 0.95 * 30.0 * rate - 2.0, "{killed} in 30 s at {rate}/s, of three");
        let most = most_in_a_second(&all);
        assert!(most as f64 <= rate + 4.0, "{most} in a second at {rate}/s");
        runners.into_iter().for_each(|(asking, _)| asking.abort());
    }
}

/// A runner whose machine sleeps uses one of the slots that it slept through at most.
#[tokio::test(start_paused = true)]
async fn slots_that_were_slept_through_are_lost() {
    let pacer = capped(100.0);
    pacer.share(Arc::default());
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let pacer = Arc::clone(&pacer);
            tokio::spawn(async move { pacer.acquire().await })
        })
        .collect();
    tokio::task::yield_now().await;
    let asked_at = Instant::now();
    let every = Duration::from_millis(10);
    pacer.grant(Slots { count: 30, after: Duration::ZERO, every, per_s: 100.0, version: 1 }, asked_at);
    let finished = || waiting.iter().filter(|one| one.is_finished()).count();
    // All at once: the time passes, and nobody runs meanwhile.
    tokio::time::advance(Duration::from_millis(155)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(finished(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(finished(), 15);
    // What is further past than 100 ms is not used, not even one.
    pacer.grant(Slots { count: 1, after: Duration::ZERO, every, per_s: 100.0, version: 1 }, asked_at);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(finished(), 15);
}

/// A slot is never used before the database meant it, however long its answer took, and a database that is far away slows nobody down.
#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_makes_no_slot_earlier() {
    fastrand::seed(1);
    let (database, left) = (Database::new((150_000, 170_000)), Departures::default());
    let pacers: Vec<_> = (0..3).map(|_| capped(20.0)).collect();
    let runners: Vec<_> = pacers
        .iter()
        .enumerate()
        .map(|(number, pacer)| (at_work(&database, pacer), requests(number, pacer, 8, &left)))
        .collect();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let all = left.lock().unwrap().clone();
    assert!(all.len() as f64 >= 0.9 * 60.0 * 20.0, "{} in a minute", all.len());
    // What was granted by then, and meant for then.
    let meant = (all[all.len() - 1].1 - all[0].1).as_secs_f64() * 20.0 + 1.0;
    assert!(all.len() as f64 <= meant + 1.0, "{} of {meant}", all.len());
    let most = most_in_a_second(&all);
    assert!(most <= 23, "{most} in a second");
    runners.into_iter().for_each(|(asking, _)| asking.abort());
}

/// A service that admits so many per second, with a small bucket.
struct Service(Mutex<(f64, Instant)>, f64);

impl Service {
    fn admits(&self) -> bool {
        let (tokens, since) = &mut *self.0.lock().unwrap();
        *tokens = (*tokens + self.1 * since.elapsed().as_secs_f64()).min(4.0);
        *since = Instant::now();
        let admitted = *tokens >= 1.0;
        *tokens -= if admitted { 1.0 } else { 0.0 };
        admitted
    }
}

/// Works off so many requests against a service of unknown limit; returns how many were throttled, and the changes that are announced.
async fn learn(pacers: &[Arc<Pacer>], database: &Arc<Database>, limit: f64, count: u64) -> (u64, usize) {
    let service = Arc::new(Service(Mutex::new((4.0, Instant::now())), limit));
    let (open, throttled, announced) = (Arc::new(Mutex::new(count)), Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let asking: Vec<_> = pacers.iter().map(|pacer| at_work(database, pacer)).collect();
    let mut set = tokio::task::JoinSet::new();
    for pacer in pacers.iter().flat_map(|pacer| vec![pacer; 12]) {
        let (pacer, service, open) = (Arc::clone(pacer), Arc::clone(&service), Arc::clone(&open));
        let (throttled, announced) = (Arc::clone(&throttled), Arc::clone(&announced));
        set.spawn(async move {
            loop {
                {
                    let mut open = open.lock().unwrap();
                    let Some(left) = open.checked_sub(1) else { break };
                    *open = left;
                }
                let permit: Permit = pacer.acquire().await;
                tokio::time::sleep(Duration::from_millis(fastrand::u64(10..50))).await;
                let admitted = service.admits();
                tokio::time::sleep(Duration::from_millis(fastrand::u64(10..50))).await;
                if pacer.report(permit, !admitted).is_some_and(|change| change.announce) {
                    *announced.lock().unwrap() += 1;
                }
                if !admitted {
                    *open.lock().unwrap() += 1;
                    *throttled.lock().unwrap() += 1;
                }
            }
        });
    }
    set.join_all().await;
    asking.into_iter().for_each(|asking| asking.abort());
    let (throttled, announced) = (*throttled.lock().unwrap(), *announced.lock().unwrap());
    (throttled, announced)
}

/// What one of them finds out, all of them know: no more requests are throttled than one runner would need to learn it.
#[tokio::test(start_paused = true)]
async fn a_rate_is_learned_once_for_all_runners() {
    for (limit, count) in [(5.0, 600), (20.0, 3_000), (80.0, 12_000)] {
        for runners in [1, 4] {
            fastrand::seed(3);
            let database = Database::new((200, 4_000));
            let pacers: Vec<_> = (0..runners).map(|_| Arc::new(Pacer::new(RateCap::None, None))).collect();
            let started = Instant::now();
            let (throttled, announced) = learn(&pacers, &database, limit, count).await;
            let ratio = started.elapsed().as_secs_f64() * limit / count as f64;
            let (per_s, version) = database.row(&target("eu-west-1"));
            let told =
                format!("{limit}/s, {runners} runners: {ratio:.3} of the time, {throttled} throttled, {per_s:.2}/s");
            assert!(ratio < 1.15 && throttled <= 40 && announced <= 40, "{told}, {announced} announced");
            assert!((per_s / limit - 1.0).abs() < 0.15 && version > 10, "{told}, version {version}");
            for pacer in &pacers {
                let (rate, learned) = (pacer.rate().unwrap(), pacer.learned().unwrap());
                assert!((rate / per_s - 1.0).abs() < 0.06, "{told}, and one {rate:.2}");
                assert!(learned.is_limit && (learned.rate_per_s / limit - 1.0).abs() < 0.15, "{told}: {learned:?}");
            }
        }
    }
}

/// Whatever there is to ask, it is one question; what needs no slot is not asked for.
#[tokio::test(start_paused = true)]
async fn all_lanes_ask_together_and_nobody_asks_for_what_is_unlimited_or_idle() {
    let database = Database::new((200, 4_000));
    let lanes = vec![
        (target("eu-west-1"), capped(10.0)),
        (target("eu-west-2"), capped(20.0)),
        (target("eu-west-3"), capped(20.0)),
        (target("eu-north-1"), Arc::new(Pacer::new(RateCap::Unlimited, None))),
    ];
    let roster: Arc<dyn Roster> = Arc::clone(&database) as _;
    let asking = tokio::spawn(share(roster, "https://service".into(), lanes.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(database.questions.lock().unwrap().is_empty());
    let began = Instant::now();
    let _ = tokio::join!(lanes[0].1.acquire(), lanes[1].1.acquire(), lanes[3].1.acquire());
    // Not after the usual time: somebody began to wait.
    assert!(began.elapsed() < Duration::from_millis(20), "{:?}", began.elapsed());
    let questions = database.questions.lock().unwrap().clone();
    let regions = |wants: &Vec<Want>| wants.iter().map(|want| want.target.region.clone()).collect::<Vec<_>>();
    assert_eq!(questions.iter().map(regions).collect::<Vec<_>>(), [["eu-west-1", "eu-west-2"]]);
    assert!(questions[0].iter().all(|want| (want.count, want.version) == (1, 0) && want.endpoint == "https://service"));
    // Dropped, it asks no more.
    asking.abort();
    let waiting = tokio::time::timeout(Duration::from_secs(60), lanes[0].1.acquire());
    assert!(waiting.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_roster_ends_it_and_nothing_leaves_any_more() {
    let (database, pacer) = (Database::new((200, 4_000)), capped(100.0));
    let asking = at_work(&database, &pacer);
    let _ = pacer.acquire().await;
    *database.fails.lock().unwrap() = true;
    let waiting = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let _ = pacer.acquire().await;
        }
    });
    assert!(waiting.await.is_err());
    assert!(asking.is_finished() && asking.await.unwrap().unwrap_err().to_string().contains("it is gone"));
}
