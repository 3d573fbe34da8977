//! Thinner samples of lists that the gate goes through whole.

use crate::campaign::size;

/// What a campaign goes through: at a desk one in `desk` of it, evenly spread; in the gate all.
pub(crate) fn one_in<T>(desk: usize, all: impl IntoIterator<Item = T>) -> Vec<T> {
    all.into_iter().step_by(size(desk, 1)).collect()
}
