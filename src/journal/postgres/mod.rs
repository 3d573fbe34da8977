//! The journal in PostgreSQL, for teams. Beside SQLite's, only this room mentions sqlx; nothing outside may assume PostgreSQL.
