//! A region that is named elsewhere than in a manifest: checked as its column is.

use super::hint::hint;
use super::value::region;

/// A text that is no region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegionFault {
    /// What the value is, and that it is not a region.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Checks a region by its shape alone: which exist is the endpoint's to say.
///
/// # Errors
/// If it is not shaped like one.
pub fn check_region(text: &str) -> Result<(), RegionFault> {
    region(text).map(drop).map_err(|fault| RegionFault { message: fault.to_string(), hint: hint(&fault) })
}
