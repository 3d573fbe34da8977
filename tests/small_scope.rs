//! Every life of a row in a small world: up to three attempts, each fate of a request and of a reading, one act of
//! somebody else, and crashes before and after each entry, in every order. What `decide` and `RowState` make of it is
//! held against the naive truth.
//!
//! Pure: no port, no journal. The simulator lives through far larger worlds, but not through all of them. Rows share
//! nothing that is decided upon but what their neighbours show, and that is among what happens here.
//!
//! One crash in CI; `KEYBATCH_CRASHES=2 cargo test --release --test small_scope -- --nocapture` for more.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
#![expect(clippy::print_stderr, reason = "a test has no other way to tell its counts")]
#![expect(clippy::disallowed_methods, reason = "how far to go is for the caller to say")]

#[path = "small_scope/moves.rs"]
mod moves;
#[path = "small_scope/node.rs"]
mod node;

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use node::{Bounds, Node};

fn digest(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// What an exploration came to.
#[derive(Debug, Default)]
struct Found {
    states: usize,
    moves: usize,
    settled: usize,
}

fn explore(bounds: Bounds) -> Found {
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([Node::first(bounds)]);
    let mut found = Found::default();
    while let Some(node) = queue.pop_front() {
        if !seen.insert(digest(&node.key())) {
            continue;
        }
        found.states += 1;
        for next in moves::all(&node) {
            found.moves += 1;
            if next.is_settled() {
                found.settled += 1;
            } else {
                queue.push_back(next);
            }
        }
    }
    found
}

#[test]
fn every_life_of_a_row_in_a_small_world() {
    let crashes = std::env::var("KEYBATCH_CRASHES").map_or(1, |text| text.parse().unwrap());
    for target_answers in [true, false] {
        let bounds = Bounds { attempts: 3, crashes, foreign: 1, target_answers };
        let found = explore(bounds);
        eprintln!("{bounds:?}: {found:?}");
        assert!(found.settled > 0);
    }
}
