//! Four runners on one run, while runners are killed and the database is restarted at random.

#![expect(clippy::print_stdout, reason = "a campaign has no other way to tell its figures")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use keybatch::journal::postgres::migrate;

use super::super::server::{ADMIN, Server};
use crate::campaign::size;
use crate::harness::tests;
use crate::support::{Act, Arrival, Bench, Live, Place, count};

tests![; async runners_that_are_killed_and_a_database_that_restarts_cost_no_row_and_little_time];

const RUNNERS: usize = 4;

/// Regions of the targets.
const REGIONS: [&str; 6] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1", "ca-central-1"];

/// The part of the time in which runners are killed and the database is restarted.
const TROUBLED: f64 = 0.8;

/// How long others wait for the rows of a runner that was killed, and settle them.
const TAKEN_OVER: Duration = Duration::from_secs(20);

/// How much longer it may take than the slowest target's rate demands.
const MOST: f64 = 1.15;

/// What a campaign consists of.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rows: usize,
    targets: usize,
    /// Requests per second and target.
    rate: usize,
    kills: usize,
    restarts: usize,
}

impl Plan {
    /// The time that the slowest target's rate demands.
    fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.rows.div_ceil(self.targets) as f64 / self.rate as f64)
    }

    /// When what happens: `true` restarts the database.
    fn events(&self, random: &mut fastrand::Rng) -> Vec<(Duration, bool)> {
        let all = (0..self.kills).map(|_| false).chain((0..self.restarts).map(|_| true));
        let time = self.limit().mul_f64(TROUBLED);
        let mut events: Vec<_> = all.map(|restart| (time.mul_f64(random.f64()), restart)).collect();
        events.sort_unstable();
        events
    }
}

/// Runs four runners, and starts each of them again that ends without having ended its work.
struct Supervisor<'a> {
    bench: &'a Bench,
    runners: Vec<Option<Live>>,
    /// What those said that ended by themselves, but not well.
    failures: Vec<String>,
}

impl<'a> Supervisor<'a> {
    fn start(bench: &'a Bench) -> Self {
        let runners = (0..RUNNERS).map(|_| Some(work(bench))).collect();
        Self { bench, runners, failures: Vec::new() }
    }

    fn kill(&mut self, which: usize) -> bool {
        let place = &mut self.runners[which];
        let Some(live) = place.take() else { return false };
        live.kill();
        *place = Some(work(self.bench));
        true
    }

    /// Whether somebody still works.
    fn look(&mut self) -> bool {
        for place in &mut self.runners {
            let Some(live) = place.as_mut() else { continue };
            if !live.has_ended() {
                continue;
            }
            let done = place.take().unwrap().wait();
            if done.code != Some(0) {
                self.failures.push(done.to_string());
                *place = Some(work(self.bench));
            }
        }
        self.runners.iter().any(Option::is_some)
    }
}

fn work(bench: &Bench) -> Live {
    bench.spawn(&["work", "latest", "--output", "json"])
}

async fn runners_that_are_killed_and_a_database_that_restarts_cost_no_row_and_little_time() {
    let desk = Plan { rows: 600, targets: 3, rate: 32, kills: 4, restarts: 2 };
    let gate = Plan { rows: 1_800, targets: 6, rate: 20, kills: 6, restarts: 2 };
    let whole = Plan { rows: 20_000, targets: 6, rate: 20, kills: 42, restarts: 10 };
    #[expect(clippy::disallowed_methods, reason = "which campaign to repeat is for the caller to say")]
    let said = |name: &str| std::env::var(name).ok();
    let is_long = said("KEYBATCH_CHAOS").is_some_and(|text| text == "whole");
    let plan = if is_long { whole } else { size(desk, gate) };
    let seed = said("KEYBATCH_SEED").and_then(|text| text.parse().ok()).unwrap_or(17);
    let mut random = fastrand::Rng::with_seed(seed);
    let server = Server::new(&[]);
    let database = server.database("postgres");
    migrate(&database.address()).await.unwrap();
    let mut bench = Bench::new();
    bench.move_journal(database.url(ADMIN, database.port).into());
    begin(&mut bench, plan);
    let mut supervisor = Supervisor::start(&bench);
    bench.world.wait_for_deletes(1);
    let (start, mut done) = (Instant::now(), (0, 0));
    for (at, restarts) in plan.events(&mut random) {
        while start.elapsed() < at && supervisor.look() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if restarts {
            server.restart();
            done.1 += 1;
        } else if supervisor.kill(random.usize(..RUNNERS)) {
            done.0 += 1;
        }
    }
    let most = plan.limit() * 3 + TAKEN_OVER * 3;
    while supervisor.look() {
        assert!(start.elapsed() < most, "not done after {most:?}: {:?}", supervisor.failures);
        std::thread::sleep(Duration::from_millis(5));
    }
    let failures = supervisor.failures;
    let arrived = bench.world.arrived("DeleteKeyPair");
    let took = Duration::from_micros((arrived.last().unwrap().at_us - arrived[0].at_us).unsigned_abs());
    let ratio = took.as_secs_f64() / plan.limit().as_secs_f64();
    println!(
        "seed {seed}: {plan:?}; {} kills, {} restarts, {} runners that failed; {took:.1?} from first to last of {} \
         requests, {:.1} rows/s, {ratio:.3} of the limit",
        done.0,
        done.1,
        failures.len(),
        arrived.len(),
        plan.rows as f64 / took.as_secs_f64()
    );
    println!("requests in each tenth of that: {:?}", tenths(&arrived));
    for failure in &failures {
        println!("{failure}");
    }
    assert_eq!(done, (plan.kills, plan.restarts), "all of it took place before the run was done");
    keeps_to_the_rate(&bench, plan);
    is_whole(&bench, plan);
    // What counts is how an optimized build keeps to it, over minutes; a short campaign only shows that nobody hangs.
    let longest = if is_long { plan.limit().mul_f64(MOST) } else { plan.limit() * 3 + TAKEN_OVER };
    assert!(took <= longest, "{took:?} instead of {longest:?}");
}

/// Begins the run without deleting anything.
fn begin(bench: &mut Bench, plan: Plan) {
    for (name, value) in
        [("RATE", plan.rate.to_string()), ("CONCURRENCY", "32".into()), ("SIGNATURE_LIFE", "2s".into())]
    {
        bench.set(&format!("KEYBATCH_{name}"), &value);
    }
    let mut manifest = "key_pair_name,region\n".to_owned();
    {
        let mut state = bench.world.state();
        state.page_size = 1_000;
        for number in 0..plan.rows {
            let (region, name) = (REGIONS[number % plan.targets], format!("key-{number:05}"));
            state.create(region, &name);
            manifest.push_str(&format!("{name},{region}\n"));
        }
    }
    let manifest = bench.file("deletions.csv", manifest);
    let rate = plan.rate.to_string();
    let flags = ["--max-deletes", "0", "--signature-life", "2s", "--rate", &rate];
    bench.run(&manifest, &flags).exits(5);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(30)));
}

fn tenths(arrived: &[Arrival]) -> [usize; 10] {
    let (first, last) = (arrived[0].at_us, arrived[arrived.len() - 1].at_us);
    std::array::from_fn(|tenth| {
        let at = |tenth: usize| first + (last - first) * i64::try_from(tenth).unwrap() / 10;
        arrived.iter().filter(|arrival| (at(tenth)..at(tenth + 1)).contains(&arrival.at_us)).count()
    })
}

/// In any second, each target gets at most its rate, and one more for each runner.
fn keeps_to_the_rate(bench: &Bench, plan: Plan) {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for arrival in bench.world.arrived("DeleteKeyPair") {
        times.entry(arrival.region).or_default().push(arrival.at_us);
    }
    for (region, times) in times {
        let within = |at: usize| times[at..].iter().take_while(|later| **later < times[at] + 990_000).count();
        let most = (0..times.len()).map(within).max().unwrap();
        println!("{region}: at most {most} in one second");
        assert!(most <= plan.rate + RUNNERS, "{most} in one second in {region}");
    }
}

/// What the journal says is what happened, and everything did.
fn is_whole(bench: &Bench, plan: Plan) {
    let finished = "SELECT count(*) AS n FROM entries WHERE kind = 'run_finished'";
    assert_eq!(count(bench, finished), 1);
    assert_eq!(bench.query("SELECT state FROM runs")[0]["state"], "finished");
    assert_eq!(bench.world.overlaps(), Vec::<String>::new());
    let mut requests: BTreeMap<Place, u64> = BTreeMap::new();
    for arrival in bench.world.arrived("DeleteKeyPair") {
        *requests.entry((arrival.region, arrival.name)).or_default() += 1;
    }
    let mut deleted: BTreeMap<Place, u64> = BTreeMap::new();
    for gone in &bench.world.state().gone {
        assert!(gone.by_request);
        *deleted.entry(gone.place.clone()).or_default() += 1;
    }
    let rows = crate::support::intents(bench);
    assert_eq!(rows.len(), plan.rows);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *outcomes.entry(row.verdict()).or_default() += 1;
        let sent = requests.get(&row.place()).copied().unwrap_or_default();
        assert!(sent <= row.attempts(), "{sent} requests and {} attempts: {row:?}", row.attempts());
        let gone = deleted.get(&row.place()).copied().unwrap_or_default();
        assert_eq!(gone, u64::from(row.outcome() == "deleted"), "{row:?}");
    }
    println!("{outcomes:?}");
    assert!(bench.world.state().keys.is_empty(), "{:?}", bench.world.state().keys);
    bench.verify().exits(0);
}
