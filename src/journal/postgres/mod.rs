//! The journal in PostgreSQL, for teams. Beside SQLite's, only this room mentions sqlx; nothing outside may assume PostgreSQL.
//!
//! Everything lies in the schema `keybatch` of one database. Each call is one message and one transaction, so that it works behind a
//! pooler that hands out a connection for a transaction only; each call has a time limit, after which the connection is dropped.

mod address;
mod apply;
mod connect;
mod hold;
mod link;
mod literal;
mod migrations;
mod params;
mod schema;
mod service;
mod store;
mod trouble;
mod url;

pub use address::Address;
pub use connect::Server;
pub use hold::{Epoch, Hold};
pub use params::Env;
pub use schema::migrate;
pub use store::PostgresStore;
pub use url::is_address;
