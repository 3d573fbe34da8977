//! Whether a reading of a key pair is about the row's, and is called what it shows.

use super::super::claims::{Claimed, Identity, Named, Shows};
use super::trouble::Trouble;
use crate::record::event::{Found, Observed};

/// An answer to a request for a row is about its key pair, as far as it names one; `is_own` knows the row's name.
pub(super) fn is_about(claimed: &Claimed, is_own: impl Fn(u64) -> bool) -> Result<(), Trouble> {
    match claimed.named {
        Named::Is(name) if !is_own(name) => Err("its answer is about another key pair".into()),
        Named::IsNot(name) if is_own(name) => {
            Err("its answer is about this key pair and shows more than the entry says".into())
        }
        _ => Ok(()),
    }
}

/// A reading of a key pair that the plan saw so.
pub(super) fn read(
    seen: &Observed,
    planned: Identity,
    claimed: &Claimed,
    is_own: impl Fn(u64) -> bool,
) -> Result<(), Trouble> {
    compare(seen.found, planned, claimed.identity)?;
    let is_pair = matches!(claimed.shows, Shows::Pair(name) if is_own(name));
    if is_pair && planned.decides(claimed.identity) {
        return Err("it shows the key pair of this name, but says that there was no answer".into());
    }
    Ok(())
}

/// A reading is called what it shows.
fn compare(found: Found, planned: Identity, seen: Identity) -> Result<(), Trouble> {
    match found {
        Found::Same if !planned.may_be_same_as(seen) => {
            Err("it shows another key pair than the plan saw, but says that it is the same".into())
        }
        Found::Other if planned == seen => {
            Err("it shows the key pair that the plan saw, but says that it is another".into())
        }
        _ => Ok(()),
    }
}
