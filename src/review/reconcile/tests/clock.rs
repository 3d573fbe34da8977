//! Clocks of machines are wrong, and the service's is another one.

use super::*;

/// The clock of the machine was `wrong` seconds ahead; the service began the operation at second 1,000 by its own.
fn by_a_wrong_clock<'a>(wrong: i64, request_id: Option<&'a str>) -> KnownAttempt<'a> {
    let of = known("aa", 1_000 + wrong, Some(Class::Succeeded), request_id);
    KnownAttempt { created: Some(at(1_000)), operation_id: Some("op"), ..of }
}

// SEMANTICS: P110
#[test]
fn a_wrong_clock_of_the_machine_makes_no_honest_record_a_contradiction() {
    let by_id = |second, id: bool| {
        let operations = if id { Vec::new() } else { vec!["op".into()] };
        TrailEvent {
            request_id: id.then(|| "r1".into()),
            operations,
            user_agent: None,
            ..event("1", Some("aa"), second)
        }
    };
    for wrong in [-290, -61, 0, 61, 290] {
        for id in [true, false] {
            let attempt = by_a_wrong_clock(wrong, id.then_some("r1"));
            let says = |second| {
                let all = found(&[attempt], &[by_id(second, id)]);
                all.against(0).into_iter().map(|(word, _)| word).collect::<Vec<_>>()
            };
            for honest in [998, 999, 1_000, 1_001, 1_300] {
                assert!(says(honest).is_empty(), "{wrong} seconds, {honest}: {:?}", says(honest));
            }
            for other in [900, 990, 1_000 + 5 * 60 + 70] {
                assert_eq!(says(other), ["another_time"], "{wrong} seconds, {other}");
            }
        }
    }
    // Without the service's own time, the clock of the machine is all that there is.
    let unknown = KnownAttempt { created: None, ..by_a_wrong_clock(61, Some("r1")) };
    assert_eq!(found(&[unknown], &[by_id(1_000, true)]).against(0)[0].0, "another_time");
}

#[test]
fn where_name_and_time_alone_match_the_time_must_be_that_of_the_journal() {
    let bare = |second| TrailEvent { user_agent: None, ..event("1", Some("aa"), second) };
    for agent in [true, false] {
        for (wrong, is_confirmed) in [(0, true), (61, false), (-61, agent)] {
            let event = if agent { event("1", Some("aa"), 1_000) } else { bare(1_000) };
            let all = found(&[by_a_wrong_clock(wrong, None)], &[event]);
            assert_eq!(all.counts.confirmed == 1, is_confirmed, "{wrong} seconds, by the user agent: {agent}");
        }
    }
}
