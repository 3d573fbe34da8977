//! What of an entry must agree with other entries of the row or the run: names and identities, as hashes.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use super::super::shape;
use super::page::HistoryPage;
use crate::record::merkle::Hash;

/// What an entry says that must agree with others: of texts, their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::verify) struct Claimed {
    /// Of which key pair an answer speaks.
    pub(in crate::verify) named: Named,
    /// What was seen of the key pair.
    pub(in crate::verify) identity: Identity,
    /// Whether a sandbox answered.
    pub(in crate::verify) sandbox: bool,
    /// What else is judged by the other entries of the row.
    pub(in crate::verify) shows: Shows,
}

/// What an entry shows that only other entries of its row or its plan explain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::verify) enum Shows {
    #[default]
    Nothing,
    /// The operation of an attempt, by the hash of its id.
    Operation(u64),
    /// An operation that not every reader finds in the body.
    AnyOperation,
    /// A key pair that is said to be no answer, by the hash of its name.
    Pair(u64),
    /// A plan's line.
    Line(Line),
    /// A page of an operation history.
    Page(Box<HistoryPage>),
}

/// What a plan's line shows beside what it says of its own row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) struct Line {
    pub(in crate::verify) leaf: Hash,
    /// Whether its row can only be one of a plan's file, which was made on another day.
    pub(in crate::verify) of_file: bool,
    /// Whether there is such a line only if invalid rows are skipped.
    pub(in crate::verify) skips_invalid: bool,
    /// Whether there is such a line only if default key pairs may be deleted.
    pub(in crate::verify) is_default: bool,
    /// Whether there is such a line only under a policy.
    pub(in crate::verify) is_by_policy: bool,
}

/// The key pair's name in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::verify) enum Named {
    /// It names none, or what it names decides nothing.
    #[default]
    Any,
    /// The row's is the one with this hash.
    Is(u64),
    /// The row's is another one, or the answer would mean something else.
    IsNot(u64),
}

/// The identity of a key pair in 6 bytes: hashes of arn, creation time and fingerprint in 12, 9 and 7 bits, 0 for what
/// is missing, and then one of all three in 20. The author of a journal does not know the seed of the hashes, which
/// each verification draws anew. What is equal has equal hashes; what differs in any part is taken for equal once in
/// 2^27 times at most, where the same parts are known of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::verify) struct Identity([u8; 6]);

impl Identity {
    const ALL_BITS: u32 = 20;

    pub(in crate::verify) fn of(seen: &shape::Observation<'_>) -> Self {
        let part = |text: &Option<shape::Str<'_>>, bits: u32| {
            let most = (1_u64 << bits) - 1;
            text.as_ref().map_or(0, |text| hash(&text.0) % most + 1)
        };
        let parts = part(&seen.arn, 12) << 16 | part(&seen.created_at, 9) << 7 | part(&seen.fingerprint, 7);
        let all = [&seen.arn, &seen.created_at, &seen.fingerprint].map(|text| text.as_ref().map(|text| &*text.0));
        let all = SEED.hash_one(all) & ((1 << Self::ALL_BITS) - 1);
        let [one, two, three, four, five, six, ..] = (parts << Self::ALL_BITS | all).to_le_bytes();
        Self([one, two, three, four, five, six])
    }

    pub(super) fn parts(self) -> [u64; 3] {
        let [one, two, three, four, five, six] = self.0;
        let bits = u64::from_le_bytes([one, two, three, four, five, six, 0, 0]) >> Self::ALL_BITS;
        [bits >> 16, bits >> 7 & 0x1FF, bits & 0x7F]
    }

    /// Whether it says which incarnation it is: a fingerprint alone does not.
    pub(in crate::verify) fn is_known(self) -> bool {
        let [arn, created, _] = self.parts();
        arn != 0 || created != 0
    }

    /// Whether what both have decides if they are the same.
    pub(in crate::verify) fn decides(self, seen: Self) -> bool {
        let pairs = || self.parts().into_iter().zip(seen.parts());
        let differs = pairs().any(|(one, other)| one != 0 && other != 0 && one != other);
        differs || (self.is_known() && pairs().take(2).all(|(one, other)| one == 0 || other != 0))
    }

    /// Whether a reading of `seen` may be called the same: no part differs, and what named the incarnation names it again.
    /// Version 0.1 called the same what was equal.
    pub(in crate::verify) fn may_be_same_as(self, seen: Self) -> bool {
        let pairs = || self.parts().into_iter().zip(seen.parts());
        if pairs().all(|(one, other)| (one == 0) == (other == 0)) {
            return self == seen;
        }
        let differs = pairs().any(|(one, other)| one != 0 && other != 0 && one != other);
        let names = pairs().take(2).all(|(one, other)| one == 0 || other != 0);
        !differs && names && self.is_known()
    }
}

static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A hash that cannot be known beforehand.
pub(in crate::verify) fn hash(text: &str) -> u64 {
    SEED.hash_one(text)
}

/// A hash of a key pair's name and target, from those of both: the hash of a name that an answer gives can be held against a row
/// of which this alone is kept.
pub(in crate::verify) fn name_of(name: u64, target: u64) -> u64 {
    name ^ target.rotate_left(32)
}
