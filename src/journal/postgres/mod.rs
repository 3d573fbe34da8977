//! The journal in PostgreSQL, for teams. Beside SQLite's, only this room mentions sqlx; nothing outside may assume PostgreSQL.
//!
//! Everything lies in the schema `keybatch` of one database. Each call is one message and one transaction, so that it works behind a
//! pooler that hands out a connection for a transaction only; each call has a time limit, after which the connection is dropped.

mod absence;
mod address;
mod apply;
mod ask;
mod asking;
mod audit;
mod cell;
mod connect;
mod epoch;
mod hold;
mod inbox;
mod lease;
mod line;
mod link;
mod literal;
mod migrations;
pub mod objects;
mod own;
mod params;
mod past;
mod powers;
mod read;
mod reader;
mod reading;
mod review;
mod roster;
mod schema;
mod service;
mod shared;
mod snapshot;
mod statement;
mod store;
mod tables;
mod talk;
mod trouble;
mod url;

pub use address::Address;
pub use audit::PostgresSnapshot;
pub use connect::Server;
pub use epoch::Epoch;
pub use hold::{Hold, is_held};
pub use inbox::ask;
pub use migrations::SCHEMA_VERSION;
pub use params::Env;
pub use powers::{Power, excess};
pub use read::PostgresReader;
pub use schema::migrate;
pub use store::{OnAbsence, PostgresStore};
pub use url::is_address;
