//! What a reading showed, in the words of the journal.

use jiff::Timestamp;

use crate::domain::{Class, KeyPair, Observation, micros};
use crate::record::event::Found;

/// What a reading that failed found.
pub(crate) fn found_error(class: Class) -> Found {
    match class {
        Class::NotFound => Found::NotFound,
        Class::Denied => Found::Denied,
        Class::RefusedForAll => Found::RefusedForAll,
        _ => Found::NoAnswer,
    }
}

/// A key pair as it was seen at `at`.
pub(crate) fn observation(pair: KeyPair, at: Timestamp) -> Observation {
    Observation { identity: pair.identity, tags: pair.tags, at: micros(at) }
}
