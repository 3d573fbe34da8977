//! Are the journal and CloudTrail's records of one mind? A pure join, in both directions.
//!
//! A record that names no key pair (a denied call), or that is late or lost, is no sign that nobody asked. So an attempt that no
//! record shows is only that; and every reason that the files leave open is named.

mod attempts;
mod callers;
mod found;
mod join;
mod load;
mod result;
mod told;

pub use attempts::{Attempts, KnownAttempt, TooMany};
pub use found::{Counts, Covered, MatchedBy, Shown, Standing, Unexplained, Unseen, Why};
pub use join::Join;
pub use load::{LoadError, load};
pub use result::{Reconciliation, Scope, Tally};
pub use told::MOST_FINDINGS;

#[cfg(test)]
mod tests;
