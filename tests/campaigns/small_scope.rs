//! Every life of a row in a small world, and every life of two rows that share a run. What `decide` and `RowState` make of
//! it is held against the naive truth.
//!
//! One row: up to three attempts, each fate of a request and of a reading, one act of somebody else, and crashes before
//! and after each entry, in every order. `KEYBATCH_CRASHES=2 cargo test --release --test campaigns small_scope::every_life_of_one_row -- --nocapture`
//! for more.
//!
//! The same with an older copy of the journal that is put back once, at any moment and of any moment before that (two
//! attempts, so up to four requests, without others; one with an act of somebody else, or a crash); and with a second run
//! over the name, of the same manifest or another one, after the first has ended or was left at any moment (one attempt,
//! then two, and two acts of others), and a third. Here one answer of each kind that rows are decided by is given, and the history shows
//! as ours what lies in the window of an attempt. `KEYBATCH_ONE_ROW=whole` goes further.
//!
//! Two rows: every interleaving of their steps, with one session after a crash at any moment or after a stop; moments that
//! have the same future are visited once, and the two rows are interchangeable. What rows share is `Control`, the places
//! in flight, the limits and the session. One of two regions may refuse everyone. `KEYBATCH_TWO_ROWS=whole` goes further.
//!
//! Pure: no port, no journal. The simulator lives through far larger worlds, but not through all of them.

#![expect(clippy::print_stderr, reason = "a test has no other way to tell its counts")]
#![expect(clippy::disallowed_methods, reason = "how far to go is for the caller to say")]

mod again;
mod duo;
mod duo_moves;
mod duo_sessions;
mod duo_truth;
mod key;
mod lost;
mod moves;
mod node;
mod truth;

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::campaign::size;
use crate::sample::one_in;
use duo::{Duo, Phase, Scope};
use keybatch::execute::control::Limits;
use keybatch::record::plan::Verdict;
use node::{Bounds, Node};

/// What an exploration came to.
#[derive(Debug, Default)]
struct Found {
    states: usize,
    moves: usize,
    settled: usize,
}

fn explore(bounds: Bounds) -> Found {
    let mut seen = HashSet::new();
    let first = Node::first(bounds);
    let mut queue = VecDeque::from_iter(lost::copied(&first).into_iter().chain([first]));
    let mut found = Found::default();
    while let Some(node) = queue.pop_front() {
        if !seen.insert(node.key()) {
            continue;
        }
        found.states += 1;
        for next in moves::all(&node) {
            found.moves += 1;
            found.settled += usize::from(next.is_settled());
            if !next.is_over() {
                queue.push_back(next);
            }
        }
    }
    found
}

/// One row of one run.
fn one() -> Bounds {
    Bounds {
        attempts: 3,
        crashes: 0,
        foreign: 1,
        target_answers: true,
        every_answer: true,
        ghosts: true,
        losses: 0,
        runs: 1,
    }
}

/// An older copy of the journal is put back once, at any moment and of any moment before that.
#[test]
fn a_row_whose_last_entries_are_lost() {
    let bounds = Bounds { losses: 1, every_answer: false, ..one() };
    let alone = Bounds { attempts: size(1, 2), foreign: 0, ..bounds };
    let beside_others = Bounds { attempts: if is_whole_of_one() { 2 } else { 1 }, ..bounds };
    // Nothing waits for a signature's life at an address of this machine.
    let at_once = Bounds { ghosts: false, ..alone };
    let dying = Bounds { attempts: 1, crashes: 1, ..alone };
    let more = is_whole_of_one().then_some(Bounds { every_answer: true, ..alone });
    one_in(2, [alone, beside_others, at_once, dying]).into_iter().chain(more).for_each(explore_aloud);
}

/// Another run asks for the same name, after the first one has ended or was left at any moment.
#[test]
fn a_name_in_a_second_run() {
    let bounds = Bounds { attempts: size(1, 2), runs: 2, foreign: 2, every_answer: false, ..one() };
    let more = is_whole_of_one().then_some(Bounds { foreign: 1, every_answer: true, ..bounds });
    std::iter::once(bounds).chain(more).for_each(explore_aloud);
}

/// And a third one: what counts is what the last one left that asked for it.
#[test]
fn a_name_in_a_third_run() {
    explore_aloud(Bounds { attempts: 1, runs: 3, foreign: size(0, 1), every_answer: false, ..one() });
}

fn explore_aloud(bounds: Bounds) {
    let found = explore(bounds);
    eprintln!("{bounds:?}: {found:?}");
    assert!(found.settled > 0);
}

#[test]
fn every_life_of_one_row_in_a_small_world() {
    let crashes = std::env::var("KEYBATCH_CRASHES").map_or(1, |text| text.parse().unwrap());
    for target_answers in [true, false] {
        let desk = if target_answers { 2 } else { 1 };
        let bounds = Bounds { attempts: size(desk, 3), target_answers, crashes, ..one() };
        explore_aloud(bounds);
    }
}

/// Goes through every moment of two rows, and tells how often they ended how.
fn explore_two(name: &str, scope: Scope) -> BTreeMap<String, u64> {
    let mut seen = HashSet::new();
    // Depth first, so that few moments wait to be visited.
    let mut stack = vec![Duo::first(scope)];
    let (mut moves, mut ends, mut open) = (0_u64, BTreeMap::new(), 0_u64);
    while let Some(duo) = stack.pop() {
        let next = duo_moves::all(&duo);
        if scope.refused.is_some() && duo.rows.iter().all(|row| row.phase == Phase::Left) {
            duo.check_alone();
        }
        if duo.is_over() {
            let mut outcomes = duo.rows.each_ref().map(|row| row.state.settled.unwrap().0.as_str());
            outcomes.sort_unstable();
            *ends.entry(outcomes.join("+")).or_default() += 1;
            continue;
        }
        if next.is_empty() {
            // Left for a session beyond the scope, or at the last attempt within it; else it hangs.
            let is_there = |(row, most): (&duo::Row, u32)| row.phase == Phase::Left || row.state.attempts >= most;
            let is_edge = duo.rows.iter().zip(scope.attempts).any(is_there);
            duo.must(is_edge && duo.rows.iter().all(|row| row.phase != Phase::InFlight), "it hangs");
            open += 1;
        }
        for next in next {
            moves += 1;
            if seen.insert(next.key()) {
                stack.push(next);
            }
        }
    }
    eprintln!("{name}: {} states, {moves} moves, {open} left open at the edge of the scope, ends {ends:?}", seen.len());
    assert_eq!(ends.is_empty(), scope.from_the_start, "only who is refused from the start has no outcome");
    ends
}

fn is_whole() -> bool {
    std::env::var("KEYBATCH_TWO_ROWS").is_ok_and(|text| text == "whole")
}

fn is_whole_of_one() -> bool {
    std::env::var("KEYBATCH_ONE_ROW").is_ok_and(|text| text == "whole")
}

/// Two key pairs of one target.
fn two() -> Scope {
    Scope {
        attempts: [1, 1],
        max_attempts: 2,
        sessions: 0,
        foreign: 0,
        concurrency: 2,
        limits: Limits::default(),
        targets: [1, 1],
        verdicts: [Verdict::Delete; 2],
        every_answer: false,
        refused: None,
        from_the_start: false,
    }
}

#[test]
fn two_rows_that_are_tried_again() {
    let scopes: &[_] = if is_whole() { &[[3, 1], [2, 2], [3, 2], [3, 3]] } else { size(&[[1, 1]], &[[2, 1]]) };
    for attempts in scopes {
        explore_two(&format!("attempts {attempts:?}"), Scope { attempts: *attempts, ..two() });
    }
}

#[test]
fn two_rows_that_are_taken_up_again() {
    explore_two("another session", Scope { sessions: 1, concurrency: size(1, 2), ..two() });
    if is_whole() {
        explore_two("two further sessions", Scope { sessions: 2, ..two() });
        explore_two("another session, attempts [2, 1]", Scope { attempts: [2, 1], sessions: 1, ..two() });
        explore_two("every answer, and others", Scope { every_answer: true, foreign: 1, ..two() });
    }
}

#[test]
fn two_rows_with_limits() {
    let max_deletes = Limits { max_deletes: Some(1), ..Limits::default() };
    let max_failures = Limits { max_failures: Some(1), ..Limits::default() };
    explore_two("one in flight", Scope { concurrency: 1, ..two() });
    explore_two("one asked for", Scope { limits: max_deletes, sessions: size(0, 1), ..two() });
    explore_two("one failure", Scope { limits: max_failures, ..two() });
}

/// A duplicate is skipped, whatever becomes of the row that it repeats.
#[test]
fn a_row_and_its_duplicate() {
    let verdicts = [Verdict::Delete, Verdict::Skip];
    let ends = explore_two("a duplicate", Scope { attempts: [3, 0], verdicts, sessions: 1, ..two() });
    assert!(ends.keys().all(|end| end.contains("skipped")), "{ends:?}");
}

/// The same name in another region is another row of another target: what is refused to all of one, or denied, says
/// nothing of the other.
#[test]
fn the_same_name_in_two_regions() {
    explore_two("two regions", Scope { targets: [1, 2], concurrency: size(1, 2), ..two() });
}

/// One of two regions refuses everyone: it stops alone, and its rows stay as they are.
#[test]
fn a_region_that_refuses_everyone() {
    let scope = Scope { targets: [1, 2], refused: Some(1), ..two() };
    let from_the_start = Scope { attempts: [2, 1], from_the_start: true, ..scope };
    explore_two("one of two regions refuses everyone", from_the_start);
    explore_two("the same in another session, too", Scope { sessions: 1, ..from_the_start });
    if is_whole() {
        explore_two("one of two regions refuses everyone from some moment on", scope);
    }
}
