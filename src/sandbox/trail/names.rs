//! Ids and people in records.

use super::super::derive::{ACCOUNT, account_seed, caller_arn, digest_of, user_arn};

/// An id that depends on the seed and these numbers alone.
pub(super) fn id(seed: u64, what: &str, numbers: &[u64]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    digest_of(account_seed(seed, ACCOUNT), what, &bytes)
}

/// Somebody who is not the caller.
pub(super) fn somebody_else(account: &str) -> String {
    user_arn(account, "somebody-else")
}

/// The caller.
pub(super) fn caller(account: &str) -> String {
    caller_arn(account)
}
