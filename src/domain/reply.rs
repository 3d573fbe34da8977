//! What a request gives its caller.

use super::answer::Exchange;
use super::error::ApiError;

/// An answer, or the lack of one: what was on the wire, and how to understand it.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// What was on the wire.
    pub exchange: Exchange,
    /// What the service said, or why its answer cannot be used.
    pub result: Result<T, ApiError>,
}
