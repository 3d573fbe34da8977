//! Times of records.

/// A time in whole seconds.
pub(super) fn whole(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
