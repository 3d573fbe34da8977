//! What was seen of key pairs in passing: by the readings that try whether reading is permitted, and on the pages of a listing
//! that was read for other rows. A row relies on its own reading; but where one of these shows something else after that, the
//! key pair is read again before it is asked for (I4).

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::Identity;

/// The last sight of each name, in 24 bytes.
#[derive(Debug, Default)]
pub struct Sightings {
    seed: RandomState,
    last: Mutex<HashMap<u64, (u64, Timestamp)>>,
}

impl Sightings {
    /// Notes what has that name at `at`: a key pair with this identity, or none.
    pub fn note(&self, name: &str, identity: Option<&Identity>, at: Timestamp) {
        let seen = (self.hash(identity), at);
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(self.seed.hash_one(name), seen);
    }

    /// The row read it by itself since, whatever the clock does.
    pub fn forget(&self, name: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.seed.hash_one(name));
    }

    /// Whether something else than the key pair with this identity was seen under its name after `since`. What names it less
    /// exactly than before is something else, too: it costs a reading.
    #[must_use]
    pub fn contradict(&self, name: &str, identity: &Identity, since: Timestamp) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((seen, at)) = last.get(&self.seed.hash_one(name)) else { return false };
        *at > since && *seen != self.hash(Some(identity))
    }

    fn hash(&self, identity: Option<&Identity>) -> u64 {
        self.seed.hash_one(identity.map(|identity| (&identity.arn, &identity.created_at, &identity.fingerprint)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_since_counts() {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let of = |arn: &str| Identity { arn: Some(arn.into()), created_at: None, fingerprint: Some("f".into()) };
        let sightings = Sightings::default();
        assert!(!sightings.contradict("key", &of("a"), at(0)), "nothing was seen");
        sightings.note("key", Some(&of("b")), at(5));
        assert!(sightings.contradict("key", &of("a"), at(4)) && !sightings.contradict("key", &of("b"), at(4)));
        assert!(!sightings.contradict("key", &of("a"), at(5)), "the row's own reading is younger");
        assert!(!sightings.contradict("other", &of("a"), at(4)));
        sightings.note("key", None, at(6));
        assert!(sightings.contradict("key", &of("b"), at(5)), "it is not there any more");
        sightings.note("key", Some(&of("a")), at(7));
        assert!(!sightings.contradict("key", &of("a"), at(0)), "the last sight counts");
        sightings.forget("key");
        assert!(!sightings.contradict("key", &of("b"), at(0)), "not even where the clock was set back");
    }
}
