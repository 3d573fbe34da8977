//! keybatch: an audited batch job runner with a persistent journal.

pub mod sandbox;
