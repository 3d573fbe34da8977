//! keybatch: an audited batch job runner with a persistent journal.
pub mod domain;
pub mod manifest;
pub mod journal;
pub mod lightsail;
pub mod execute;
pub mod plan;
pub mod sandbox;
pub mod cli;
