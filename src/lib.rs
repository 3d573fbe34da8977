//! keybatch: an audited batch job runner with a persistent journal.
pub mod audit;
pub mod cli;
pub mod domain;
pub mod execute;
pub mod journal;
pub mod lightsail;
pub mod manifest;
pub mod plan;
pub mod sandbox;
