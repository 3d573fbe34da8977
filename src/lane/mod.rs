//! One target on the wire: its permitted rate, the queue of its requests, and what the service was seen to do with them.
//!
//! ```text
//!   request ──► Lane ──► Pacer (queue, governor) ──► Lightsail
//!                ▲          │ rate
//!                └─ answer ─► RateRule ──► rate_changed
//! ```
//!
//! Runners that share a run share its rates: [`sharing`] asks the journal when their requests may leave.

mod backoff;
pub mod pace;
pub mod rate;
mod requests;
mod seen;
pub mod sharing;
pub mod sightings;

pub use backoff::backoff_ceiling;
pub use requests::*;
pub(crate) use seen::{found_error, observation};
