//! A region that is named outside a manifest. It is checked like the manifest's column.

use super::hint::hint;
use super::value::region;

/// A text that is not a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegionFault {
    /// What the value is, and that it is not a region.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Checks only the shape of a region: which regions exist is for the endpoint to say.
///
/// # Errors
/// If it is not shaped like a region.
pub fn check_region(text: &str) -> Result<(), RegionFault> {
    region(text).map(drop).map_err(|fault| RegionFault { message: fault.to_string(), hint: hint(&fault) })
}
