//! The rate that runners share: together they keep to it, and whoever learns another one tells all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use keybatch::domain::Target;
use keybatch::journal::{Roster, Slots, Want};

use super::proxy::{Fault, Proxy};
use super::runners::{LONG, Runner, begun};
use super::server::{ADMIN, Database};
use crate::harness::tests;

tests![; async
    the_requests_of_all_runners_keep_to_one_rate,
    no_request_is_given_a_time_more_than_a_second_ahead,
    whoever_learns_a_rate_tells_all_and_only_once,
    a_rate_that_nobody_used_for_a_minute_is_not_believed,
    targets_have_rates_of_their_own_and_answers_keep_their_order,
    an_answer_that_is_lost_is_asked_for_again
];

pub(crate) fn want(region: &str, count: u32, per_s: f64, version: u64) -> Want {
    let target = Target { account: "1".into(), region: region.into() };
    Want { endpoint: "e".into(), target, count, per_s, version }
}

async fn one(roster: &dyn Roster, count: u32, per_s: f64, version: u64) -> Slots {
    roster.reserve(vec![want("r1", count, per_s, version)]).await.unwrap().remove(0)
}

async fn the_requests_of_all_runners_keep_to_one_rate() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..4_u32 {
        let runner = Runner::join(&database, run).await;
        tasks.push(tokio::spawn(async move {
            // All of it, so that its hold lives as long.
            let runner = runner;
            let (mut times, mut version) = (Vec::new(), 0);
            while began.elapsed() < Duration::from_secs(4) {
                let asked = began.elapsed();
                let slots = one(&*runner.roster, 5 + number, 50.0, version).await;
                version = slots.version;
                assert_eq!((slots.per_s, slots.every), (50.0, Duration::from_millis(20)));
                times.extend((0..slots.count).map(|place| asked + slots.after + slots.every * place));
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort();
    // Between the question and the server's clock lies what the machine takes.
    let mut seconds = BTreeMap::new();
    for time in &times {
        *seconds.entry(time.as_secs()).or_insert(0) += 1;
    }
    let span = times[times.len() - 1] - times[0];
    let most = span.as_secs_f64() * 50.0 + 1.0 + 5.0;
    assert!((times.len() as f64) < most, "{} in {span:?}: {seconds:?}", times.len());
    assert!(times.len() as f64 > most * 0.9, "{} in {span:?}: {seconds:?}", times.len());
    assert!(seconds.values().all(|count| *count <= 50 + 4 + 5), "{seconds:?}");
}

async fn no_request_is_given_a_time_more_than_a_second_ahead() {
    let database = Database::with_schema().await;
    let runner = Runner::join(&database, begun(&database, 1, 1).await).await;
    let first = one(&*runner.roster, 1_000, 10.0, 0).await;
    assert_eq!((first.count, first.after, first.version), (10, Duration::ZERO, 1));
    let second = one(&*runner.roster, 1_000, 10.0, 1).await;
    assert!(second.count <= 1, "{second:?}");
    assert!(second.after + second.every * second.count < Duration::from_millis(1_101), "{second:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let third = one(&*runner.roster, 1_000, 10.0, 1).await;
    assert!((4..=6).contains(&third.count), "{third:?}");
    // A slow rate is not slowed further.
    let slow = runner.roster.reserve(vec![want("r2", 9, 0.5, 0)]).await.unwrap().remove(0);
    assert_eq!((slow.count, slow.every), (1, Duration::from_secs(2)));
    let next = runner.roster.reserve(vec![want("r2", 9, 0.5, 1)]).await.unwrap().remove(0);
    assert!(next.count == 0 && next.after > Duration::from_millis(1_500), "{next:?}");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let next = runner.roster.reserve(vec![want("r2", 9, 0.5, 1)]).await.unwrap().remove(0);
    assert!(next.count == 1 && next.after < Duration::from_millis(900), "{next:?}");
}

async fn whoever_learns_a_rate_tells_all_and_only_once() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let (a, b) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    let said = |slots: Slots| (slots.per_s, slots.version);
    assert_eq!(said(one(&*a.roster, 1, 40.0, 0).await), (40.0, 1));
    assert_eq!(said(one(&*b.roster, 1, 99.0, 0).await), (40.0, 1), "who knows nothing takes it over");
    assert_eq!(said(one(&*a.roster, 0, 20.0, 1).await), (20.0, 2));
    assert_eq!(said(one(&*b.roster, 1, 30.0, 1).await), (20.0, 2), "it was learned already");
    assert_eq!(said(one(&*b.roster, 1, 20.0, 2).await), (20.0, 2));
    assert_eq!(said(one(&*b.roster, 1, 25.0, 2).await), (25.0, 3));
    // Both at once: one of them.
    let both = tokio::join!(one(&*a.roster, 1, 10.0, 3), one(&*b.roster, 1, 11.0, 3));
    assert_eq!(said(both.0), said(both.1));
    assert_eq!(both.0.version, 4);
    for strange in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        let slots = one(&*a.roster, 0, strange, 4).await;
        assert!(slots.per_s > 0.0 && slots.per_s.is_finite(), "{strange}: {slots:?}");
        one(&*a.roster, 0, 10.0, slots.version).await;
    }
}

async fn a_rate_that_nobody_used_for_a_minute_is_not_believed() {
    let database = Database::with_schema().await;
    let runner = Runner::join(&database, begun(&database, 1, 1).await).await;
    one(&*runner.roster, 1, 40.0, 0).await;
    database.sql("UPDATE keybatch.pace SET next = next - interval '61 seconds'").await.unwrap();
    let slots = one(&*runner.roster, 1, 5.0, 0).await;
    assert_eq!((slots.per_s, slots.version, slots.after), (5.0, 2, Duration::ZERO));
}

async fn targets_have_rates_of_their_own_and_answers_keep_their_order() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let (a, b) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    assert_eq!(a.roster.reserve(vec![]).await.unwrap(), []);
    let ask = async |roster: &dyn Roster, regions: [&str; 3]| {
        for _ in 0..20 {
            let wanted = regions.iter().map(|region| want(region, 1, region.len() as f64 * 100.0, 1)).collect();
            let slots = roster.reserve(wanted).await.unwrap();
            assert_eq!(
                slots.iter().map(|slots| slots.per_s).collect::<Vec<_>>(),
                regions.map(|r| r.len() as f64 * 100.0)
            );
        }
    };
    // In different orders at once: nobody waits for the other without end.
    tokio::join!(ask(&*a.roster, ["x", "xx", "xxx"]), ask(&*b.roster, ["xxx", "x", "xx"]));
}

async fn an_answer_that_is_lost_is_asked_for_again() {
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        let database = Database::with_schema().await;
        let run = begun(&database, 1, 1).await;
        let proxy = Proxy::before(database.port).await;
        let address = Database::parse(&database.url(ADMIN, proxy.port)).with_patience(Duration::from_secs(30));
        let runner = Runner::at(&address, run, LONG).await;
        proxy.strike(fault, "keybatch.reserve(", 0);
        assert_eq!(one(&*runner.roster, 3, 100.0, 0).await.count, 3, "{fault:?}");
        assert!(!proxy.is_armed());
    }
}
