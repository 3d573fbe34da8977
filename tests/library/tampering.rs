//! Tampering with a whole journal in every way that is known, one case at a time, through the library: each is found,
//! with the verdict that it deserves and the first bad entry; what nobody can find without a checkpoint from outside is
//! found with one.
//!
//! `KEYBATCH_TAMPER=all` flips every byte of every body, leaves nothing out, and damages the file 20,000 times. Without
//! it one byte in 97 is flipped, and the file is damaged 300 times in the gate. `KEYBATCH_TAMPER_SEED` starts the random ones.

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a campaign says what it did, and how large it is to be"
)]

mod bytes;
mod copies;
mod file;
mod history;
mod lies;
mod rows;
mod sample;
mod schema;
mod tables;
