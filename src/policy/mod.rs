//! The rules that a plan must keep. Guards look at one row and at what is known of its key pair; they only read, and only make
//! notes, from which the row's verdict follows. Pure: no clock, no database, no network.
//!
//! ```text
//!   StagedRow, Facts ──► guard::notes ──► notes ──► guard::verdict ──► delete | skip | absent
//! ```

mod fingerprint;
mod glob;
pub mod guard;
pub mod recreated;
mod staged;

pub use glob::Glob;
pub use staged::StagedRow;
