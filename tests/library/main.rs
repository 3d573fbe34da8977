//! The rooms of the library, each through what it makes public.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/campaign.rs"]
mod campaign;
mod demand;
mod journal_writer;
mod manifest;
mod proofs;
mod reports;
mod review;
mod sandbox;
mod story;
mod tampering;
mod verify;
