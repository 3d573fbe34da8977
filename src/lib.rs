//! keybatch: an audited batch job runner with a persistent journal.
pub mod domain;
pub mod journal;
pub mod lightsail;
