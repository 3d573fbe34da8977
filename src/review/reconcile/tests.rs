mod clock;

use std::collections::HashSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::found::by;
use super::*;
use crate::domain::{Class, RunId};
use crate::review::trail::{Glancer, TrailEvent};

const OWN: &str = "0198c0de-0000-7000-8000-00000000000a";
const OTHER: &str = "0198c0de-0000-7000-8000-00000000000b";
const ACCOUNT: &str = "111122223333";
const CALLER: &str = "arn:aws:iam::111122223333:user/a";
const REGION: &str = "eu-central-1";

fn run(id: &str) -> RunId {
    id.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// An attempt on `name` that began at this second and was answered 1 s later, or never.
fn known<'a>(name: &'a str, second: i64, class: Option<Class>, request_id: Option<&'a str>) -> KnownAttempt<'a> {
    KnownAttempt {
        run: run(OWN),
        target: (ACCOUNT, REGION),
        name,
        started: at(second),
        until: at(second + if class.is_some() { 1 } else { 20 }),
        created: None,
        request_id,
        operation_id: None,
        class,
        deleted: false,
        is_doubtful: class.is_none(),
    }
}

fn event(id: &str, name: Option<&str>, second: i64) -> TrailEvent {
    TrailEvent {
        id: id.into(),
        time: at(second),
        account: Some(ACCOUNT.into()),
        region: REGION.into(),
        name: name.map(str::to_owned),
        request_id: None,
        operations: Vec::new(),
        is_open: false,
        is_done: false,
        resources: Vec::new(),
        is_unclear: false,
        error_code: None,
        error_message: None,
        by: Some(CALLER.into()),
        arn: Some(CALLER.into()),
        from: None,
        user_agent: Some(format!("aws-sdk-rust/1.3 app/keybatch-{OWN}")),
        sandbox: false,
    }
}

fn join(attempts: &[KnownAttempt<'_>]) -> Join {
    let mut all = Attempts::with_room(attempts.len());
    attempts.iter().for_each(|attempt| all.push(attempt).unwrap());
    [OWN, OTHER].iter().for_each(|id| all.called_by(run(id), ACCOUNT, CALLER));
    let own = attempts.iter().take_while(|attempt| attempt.run == run(OWN)).count();
    let scope = Scope { run: run(OWN), sandbox: false, attempts: own, window: (at(0), at(100)) };
    Join::new(scope, all, HashSet::from([run(OWN), run(OTHER)]))
}

fn found(attempts: &[KnownAttempt<'_>], events: &[TrailEvent]) -> Reconciliation {
    let mut join = join(attempts);
    events.iter().for_each(|event| join.take(event));
    join.finish()
}

fn counts(found: &Reconciliation) -> [u64; 5] {
    let Counts { confirmed, not_seen, contradicted, not_sent } = found.counts;
    [confirmed, not_seen, contradicted, not_sent, found.unexplained_count]
}

#[test]
fn each_way_to_match_is_found_and_named() {
    let by_operation = KnownAttempt { operation_id: Some("op"), ..known("bb", 10, Some(Class::Succeeded), None) };
    let attempts = [known("aa", 1, Some(Class::Succeeded), Some("r1")), by_operation, known("cc", 20, None, None)];
    let without_agent = |event| TrailEvent { user_agent: None, ..event };
    let events = [
        without_agent(TrailEvent { request_id: Some("r1".into()), ..event("1", None, 3) }),
        without_agent(TrailEvent { operations: vec!["op".into()], ..event("2", Some("bb"), 12) }),
        event("3", Some("cc"), 21),
    ];
    let all = found(&attempts, &events);
    assert_eq!(counts(&all), [3, 0, 0, 0, 0]);
    assert_eq!([0, 1, 2].map(|number| all.matched_by(number)), [["request_id"], ["operation_id"], ["user_agent"]]);
    let weak = found(&attempts[2..], &[without_agent(event("3", Some("cc"), 21))]);
    assert_eq!((counts(&weak), weak.matched_by(0), weak.is_strong(0)), ([1, 0, 0, 0, 0], vec!["name_and_time"], false));
    // Not in its time, under another name, in another region or account, or by somebody else.
    let elsewhere = TrailEvent { region: "us-east-1".into(), ..event("3", Some("cc"), 21) };
    let other_account = TrailEvent { account: Some("444455556666".into()), ..event("3", Some("cc"), 21) };
    let by_others = TrailEvent { user_agent: Some("console".into()), ..event("3", Some("cc"), 21) };
    for event in
        [without_agent(event("3", Some("cc"), 60)), event("3", Some("dd"), 21), elsewhere, other_account, by_others]
    {
        let none = found(&attempts[2..], std::slice::from_ref(&event));
        assert_eq!(none.counts.confirmed, 0, "{event:?}");
    }
}

#[test]
fn what_contradicts_the_journal_is_said_precisely() {
    let says = |class, operation_id, event: TrailEvent| {
        let attempt = KnownAttempt { operation_id, ..known("aa", 1, Some(class), Some("r1")) };
        let all = found(&[attempt], &[TrailEvent { request_id: Some("r1".into()), ..event }]);
        all.against(0).into_iter().map(|(word, _)| word).collect::<Vec<_>>()
    };
    let success = || event("1", Some("aa"), 1);
    let refused = || TrailEvent { error_code: Some("AccessDenied".into()), ..event("1", None, 1) };
    for class in
        [Class::NotFound, Class::Throttled, Class::Refused, Class::Denied, Class::NotSent, Class::RefusedForAll]
    {
        assert_eq!(says(class, None, success()), ["succeeded"], "{class:?}");
        assert!(says(class, None, refused()).is_empty(), "{class:?}");
    }
    for class in [Class::Succeeded, Class::Pending] {
        assert_eq!(says(class, None, refused()), ["failed"]);
        assert!(says(class, None, success()).is_empty());
    }
    for class in [Class::Unanswered, Class::OperationFailed] {
        assert!(says(class, None, refused()).is_empty() && says(class, None, success()).is_empty());
    }
    assert_eq!(says(Class::Succeeded, None, event("1", Some("bb"), 1)), ["another_name"]);
    let elsewhere = TrailEvent { region: "us-east-1".into(), ..success() };
    assert_eq!(says(Class::Succeeded, None, elsewhere), ["another_place"]);
    let other = TrailEvent { operations: vec!["other".into()], ..success() };
    assert_eq!(says(Class::Succeeded, Some("op"), other), ["another_operation"]);
    let twice = [event("1", Some("aa"), 1), event("2", Some("aa"), 2)];
    let all = found(&[known("aa", 1, None, None)], &twice);
    assert_eq!(all.against(0)[0].0, "several_records");
    assert_eq!((counts(&all), all.shown(0)), ([0, 0, 1, 0, 0], None));
    assert_eq!(all.proven().count(), 0);
}

// SEMANTICS: P110
#[test]
fn the_record_of_a_request_must_be_of_its_time_run_and_caller() {
    let found = |change: fn(TrailEvent) -> TrailEvent, operation: bool| {
        let lost = KnownAttempt {
            request_id: (!operation).then_some("r1"),
            operation_id: operation.then_some("op"),
            deleted: false,
            is_doubtful: true,
            ..known("aa", 1_000, None, None)
        };
        let by_id = TrailEvent {
            request_id: Some("r1".into()),
            operations: vec!["op".into()],
            ..event("1", Some("aa"), 1_000)
        };
        let all = found(&[lost], &[change(by_id)]);
        let words: Vec<_> = all.against(0).into_iter().map(|(word, _)| word).collect();
        (words, all.standing(0), all.proven().count())
    };
    for operation in [false, true] {
        let says = |word: &'static str, change| {
            assert_eq!(found(change, operation), (vec![word], Standing::Contradicted, 0), "{operation}");
        };
        says("another_time", |event| TrailEvent { time: at(997), ..event });
        says("another_time", |event| TrailEvent { time: at(1_020 + 362), ..event });
        says("another_run", |event| TrailEvent { user_agent: Some(format!("app/keybatch-{OTHER}")), ..event });
        says("another_caller", |event| TrailEvent { arn: Some(format!("{CALLER}bc")), ..event });
        let same = |change| {
            let (words, standing, proven) = found(change, operation);
            assert_eq!((words.len(), standing, proven > 0), (0, Standing::Confirmed, !operation));
        };
        same(|event| TrailEvent { time: at(998), ..event });
        same(|event| TrailEvent { time: at(1_020 + 360), ..event });
        same(|event| TrailEvent { user_agent: Some("console".into()), ..event });
        same(|event| TrailEvent { arn: None, ..event });
    }
    let resource = found(|event| TrailEvent { resources: vec!["bb".into()], ..event }, false);
    assert_eq!(resource, (vec!["another_name"], Standing::Contradicted, 0));
}

#[test]
fn an_event_of_another_caller_explains_nothing() {
    let attempts = [known("aa", 1, None, None)];
    let by_another = |event| TrailEvent { arn: Some("arn:aws:iam::111122223333:user/b".into()), ..event };
    let named = event("1", Some("aa"), 2);
    for event in [
        by_another(named.clone()),
        by_another(TrailEvent { user_agent: None, ..named.clone() }),
        by_another(TrailEvent { name: None, error_code: Some("AccessDenied".into()), ..named.clone() }),
        by_another(TrailEvent { request_id: Some("r9".into()), ..named }),
    ] {
        let all = found(&attempts, std::slice::from_ref(&event));
        assert_eq!(counts(&all), [0, 1, 0, 0, 1], "{event:?}");
        assert_eq!((all.unexplained[0].why, all.proven().count()), (Why::AnotherCaller, 0), "{event:?}");
    }
    // Neither does a request of another run, if the record is of somebody else.
    let of_other = KnownAttempt { run: run(OTHER), ..known("zz", 1, Some(Class::Succeeded), Some("r1")) };
    let stolen = TrailEvent { request_id: Some("r1".into()), ..event("1", Some("zz"), 1) };
    let all = found(&[attempts[0], of_other], &[stolen]);
    assert_eq!((counts(&all), all.tally.of_other_runs), ([0, 1, 0, 0, 1], 0));
}

#[test]
fn an_event_that_nothing_explains_is_a_finding_with_its_reason() {
    let attempts = [known("aa", 1, Some(Class::Succeeded), Some("r1"))];
    let with_id = TrailEvent { request_id: Some("r1".into()), ..event("1", Some("aa"), 1) };
    let other_id = TrailEvent { request_id: Some("r2".into()), ..event("2", Some("aa"), 1) };
    let by_others =
        |id, agent: Option<&str>| TrailEvent { user_agent: agent.map(str::to_owned), ..event(id, Some("zz"), 50) };
    let unknown = "app/keybatch-0198c0de-0000-7000-8000-00000000000f";
    let denied = TrailEvent { name: None, error_code: Some("AccessDenied".into()), ..by_others("5", Some("aws-cli")) };
    let late = TrailEvent { time: at(200), ..by_others("6", Some("aws-cli")) };
    let of_sandbox = TrailEvent { sandbox: true, ..by_others("7", Some("aws-cli")) };
    let events = [
        with_id,
        other_id,
        by_others("3", Some(unknown)),
        by_others("4", None),
        denied.clone(),
        denied,
        late,
        of_sandbox,
    ];
    let all = found(&attempts, &events);
    let why: Vec<_> = all.unexplained.iter().map(|one| (&*one.event.id, one.why.as_str())).collect();
    let expected = [("2", "no_such_attempt"), ("3", "unknown_run"), ("4", "unattributed"), ("5", "another_caller")];
    assert_eq!((why, counts(&all)), (expected.to_vec(), [1, 0, 0, 0, 4]));
    assert_eq!((all.tally.outside, all.tally.of_other_kind, all.tally.duplicates), (1, 1, 1));
    // What another run of the journal did is explained by that.
    let of_other = KnownAttempt { run: run(OTHER), ..known("zz", 49, Some(Class::Succeeded), None) };
    let agent = Some(format!("app/keybatch-{OTHER}"));
    let all = found(&[attempts[0], of_other], &[TrailEvent { user_agent: agent, ..event("3", Some("zz"), 50) }]);
    assert_eq!((counts(&all), all.tally.of_other_runs), ([0, 1, 0, 0, 0], 1));
}

/// Nobody has compared a record's request id with an answer's: where none agrees, they say nothing.
#[test]
fn ids_that_never_agree_are_not_held_against_records() {
    let attempts =
        [known("aa", 1, Some(Class::Succeeded), Some("r1")), known("bb", 5, Some(Class::Denied), Some("r2"))];
    let other = |id: &str, event: TrailEvent| TrailEvent { request_id: Some(format!("x{id}")), ..event };
    let denied = TrailEvent { error_code: Some("AccessDenied".into()), ..event("2", None, 5) };
    let all = found(&attempts, &[other("1", event("1", Some("aa"), 1)), other("2", denied)]);
    assert_eq!((counts(&all), all.ids_agree, all.tally.unassigned), ([1, 1, 0, 0, 0], false, 1));
    assert_eq!(all.matched_by(0), ["user_agent"]);
    let failed = TrailEvent { error_code: Some("InternalFailure".into()), ..event("1", Some("aa"), 1) };
    let against = found(&attempts, &[other("1", failed)]);
    assert_eq!((counts(&against), against.against(0)[0].0), ([0, 1, 1, 0, 0], "failed"));
}

#[test]
fn only_a_success_of_ours_proves_a_deletion() {
    let lost = known("aa", 1, None, None);
    let proof =
        |event: TrailEvent| found(&[lost], &[event]).proven().map(|(_, shown)| shown.id.clone()).collect::<Vec<_>>();
    assert_eq!(proof(event("1", Some("aa"), 2)), ["1"]);
    assert!(proof(TrailEvent { error_code: Some("x".into()), ..event("1", Some("aa"), 2) }).is_empty());
    assert!(proof(TrailEvent { is_open: true, ..event("1", Some("aa"), 2) }).is_empty());
    assert!(proof(TrailEvent { resources: vec!["bb".into()], ..event("1", Some("aa"), 2) }).is_empty());
    assert!(proof(TrailEvent { user_agent: None, ..event("1", Some("aa"), 2) }).is_empty());
    assert!(proof(TrailEvent { name: None, ..event("1", Some("aa"), 2) }).is_empty());
    // That an operation was begun is no news where the answer said so.
    let pending = KnownAttempt { is_doubtful: true, ..known("aa", 1, Some(Class::Pending), None) };
    let proven = |event| found(&[pending], &[event]).proven().count();
    assert_eq!(proven(event("1", Some("aa"), 2)), 0);
    assert_eq!(proven(TrailEvent { is_done: true, ..event("1", Some("aa"), 2) }), 1);
}

#[test]
fn the_reasons_that_files_leave_open_are_named() {
    let unseen = |times: &[i64]| {
        let mut join = join(&[known("aa", 1_000, Some(Class::Succeeded), None)]);
        for second in times {
            let text = format!(
                "{{\"eventTime\":\"{}\",\"eventName\":\"x\",\"awsRegion\":\"{REGION}\",\"recipientAccountId\":\"{ACCOUNT}\"}}",
                at(*second)
            );
            join.see(&Glancer::default().glance(text.as_bytes()));
        }
        let found = join.finish();
        assert_eq!(found.uncovered().len(), usize::from(times.is_empty()));
        found.unseen(0)
    };
    assert_eq!(unseen(&[]), Unseen::NoRecordOfRegion);
    assert_eq!(unseen(&[2_000, 9_000]), Unseen::BeforeTheFiles);
    assert_eq!(unseen(&[10, 990]), Unseen::AfterTheFiles);
    assert_eq!(unseen(&[10, 1_500]), Unseen::AfterTheFiles);
    assert_eq!(unseen(&[10, 2_000]), Unseen::Missing);
}

#[test]
fn an_attempt_takes_little_memory() {
    assert_eq!(size_of::<super::attempts::Attempt>(), 32);
    assert!(by::OTHER_ERROR.checked_mul(2).is_some());
}

/// Attempts and events that meet in many ways.
fn met() -> impl Strategy<Value = Vec<TrailEvent>> {
    let name = prop::option::of(prop::sample::select(vec!["aa", "bb", "cc", "zz"]));
    let id = prop::option::of(prop::sample::select(vec!["r1", "r2", "r9"]));
    let agent = prop::sample::select(vec![None, Some(OWN), Some(OTHER), Some("none")]);
    let one = (0_u8..12, name, id, agent, 0_i64..40, any::<[bool; 4]>());
    let event = one.prop_map(|(number, name, id, agent, second, [error, done, operation, here])| TrailEvent {
        // An event is the same wherever it is repeated.
        request_id: id.map(str::to_owned),
        user_agent: agent.map(|run| format!("app/keybatch-{run}")),
        error_code: error.then(|| "AccessDenied".to_owned()),
        is_done: done,
        operations: if operation { vec!["op".into()] } else { Vec::new() },
        region: if here { REGION } else { "us-east-1" }.into(),
        ..event(&format!("{number}-{name:?}-{id:?}-{agent:?}-{second}-{error}{done}{operation}{here}"), name, second)
    });
    prop::collection::vec(event, 0..40)
}

fn told(all: &Reconciliation) -> String {
    let numbers = 0..all.scope.attempts;
    let each: Vec<_> = numbers
        .map(|number| {
            (all.standing(number), all.matched_by(number), all.against(number), all.shown(number), all.unseen(number))
        })
        .collect();
    let proven: Vec<_> = all.proven().collect();
    format!("{:?}\n{:?}\n{each:?}\n{proven:?}\n{:?}\n{:?}", all.counts, all.matched_by, all.unexplained, all.tally)
}

proptest! {
    // SEMANTICS: P109
    #[test]
    fn the_order_of_records_never_matters(events in met(), seed in any::<u64>()) {
        let attempts = [
            known("aa", 1, Some(Class::Succeeded), Some("r1")),
            known("aa", 8, None, None),
            KnownAttempt { operation_id: Some("op"), ..known("bb", 5, Some(Class::Pending), Some("r2")) },
            known("cc", 9, Some(Class::NotSent), None),
            KnownAttempt { run: run(OTHER), ..known("zz", 12, None, None) },
        ];
        let mut shuffled = events.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        prop_assert_eq!(told(&found(&attempts, &events)), told(&found(&attempts, &shuffled)));
        let all = found(&attempts, &events);
        let counts = all.counts;
        prop_assert_eq!(counts.confirmed + counts.not_seen + counts.contradicted + counts.not_sent, 4);
        // A record that is repeated counts once.
        let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
        let again = found(&attempts, &twice);
        prop_assert_eq!((again.counts, &again.unexplained, again.unexplained_count), (counts, &all.unexplained, all.unexplained_count));
    }
}
