//! CloudTrail's records, from the bytes of a file: pure, one piece after the other, in bounded memory.
//!
//! ```text
//!   bytes ──► scan: where each record begins and ends ──► glance: when and where it was, and whether it can be a delete
//!                                                     └──► record: what a record of DeleteKeyPair says
//! ```

mod fields;
mod glance;
mod record;
mod scan;

pub use glance::{Glance, Glancer};
pub use record::{RecordError, TrailEvent};
pub use scan::{MOST_BYTES, Scanned, Scanner};
