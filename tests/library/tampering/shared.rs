//! What `verify` says of runs that several runners share: whoever keeps the rules is accepted, however far it came, and each lie is found
//! where it is told.

use keybatch::verify::Sequence;

use super::runner_lies::{Lie, honest, lies, subtle};

/// The first entry that cannot follow those before it, and why.
fn judged(bodies: &[String]) -> Result<(), (usize, String)> {
    let mut sequence = Sequence::default();
    bodies.iter().enumerate().try_for_each(|(seq, body)| sequence.take(body).map_err(|why| (seq, why)))
}

#[track_caller]
fn are_found(lies: Vec<Lie>, at_least: usize) {
    assert!(lies.len() >= at_least, "{}", lies.len());
    let missed: Vec<_> = lies
        .into_iter()
        .map(|(what, bodies, bad)| (what, bad, judged(&bodies)))
        .filter(|(_, bad, said)| said.as_ref().map_err(|(at, _)| at) != Err(bad))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

// SEMANTICS: P148
#[test]
fn what_several_runners_of_a_run_may_write_is_accepted() {
    for (what, bodies) in honest() {
        assert_eq!(judged(&bodies), Ok(()), "{what}");
    }
}

// SEMANTICS: P148
// SEMANTICS: P149
// SEMANTICS: P150
// SEMANTICS: P151
#[test]
fn what_no_runner_can_have_written_is_convicted_where_it_stands() {
    are_found(lies(), 85);
    are_found(subtle(), 5);
}
