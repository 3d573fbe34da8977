//! The shipped samples are worlds.
