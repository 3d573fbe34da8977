//! keybatch: audited, resumable batch deletion of Amazon Lightsail key pairs, with a journal that shows tampering.
//!
//! A manifest becomes a plan, the plan is sealed in the journal, and one pure function decides what follows from what
//! the journal knows of each row; a thin executor does it and records what came back. A fresh run and a resumed one
//! are the same. `docs/ARCHITECTURE.md` says more.
//!
//! ```text
//!   manifest ──rows──► plan ◄──key pairs, instances── lightsail ──HTTP──► AWS or sandbox
//!                        │                               ▲
//!                intents, seal                         lane (rate of the target)
//!                        │                               ▲ delete, read, poll, search
//!                        ▼                               │
//!                     journal ◄──started, finished──── execute
//!                        │     ───── stamps (durable) ──►│
//!                        │     ───── rows, entries ─────►│  decide(row, settings, situation) ──► step
//!                        │
//!                        ├──entries──► verify   is it what was written?
//!                        └──entries──► review   what happened?
//! ```
//!
//! The rooms, in the order in which data flows, by what they do *not* know (`tests/docs/layers.rs` checks it):
//!
//! - [`domain`] imports nothing of ours: it knows no journal, no network, no file.
//! - [`record`] is all that is stored or handed out, as values: it knows no file, no clock, no database.
//! - [`manifest`] imports nothing of ours: it knows no clock, no network, no journal, and no other row.
//! - [`policy`] knows no journal, no clock and no network: its guards only read, and only make notes.
//! - [`journal`] knows no network and no plan. Only its SQLite store mentions SQL.
//! - [`lightsail`] knows no journal. Only its adapter mentions the SDK; nothing in it retries.
//! - [`lane`] is one target on the wire: it knows no row and no plan. Its rate rule knows no clock and no async.
//! - [`execute`] knows no manifest and no file. Its decisions know no clock and no async.
//! - [`plan`] sends nothing but reads. Its guards only read and only note.
//! - [`verify`] asks whether the journal is what was written. It writes nothing, and knows neither execution nor network.
//! - [`review`] says what happened. It writes nothing, and does not know whether to trust what it reads.
//! - [`session`] neither prints nor reads the environment: it has an order, asks an operator, and says what was sent.
//! - [`sandbox`] imports nothing of ours: what it imitates cannot lean on what it tests.
//! - [`cli`] is imported by nobody. Nothing else prints, reads the environment or leaves.

pub mod domain;

pub mod record;

pub mod manifest;

pub mod policy;

pub mod journal;

pub mod lightsail;

pub mod lane;

pub mod execute;

pub mod plan;

pub mod verify;

pub mod review;

pub mod session;

pub mod sandbox;

pub mod cli;
