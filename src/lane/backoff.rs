//! How long to wait before asking again.

use jiff::SignedDuration;

/// How long a waiting period of this level is at most: 250 ms, doubled with each level, up to 20 s.
#[must_use]
pub fn backoff_ceiling(level: u32) -> SignedDuration {
    const BASE_MS: i64 = 250;
    const CAP_MS: i64 = 20_000;
    SignedDuration::from_millis((BASE_MS << level.min(10)).min(CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_is_capped() {
        assert_eq!(backoff_ceiling(0), SignedDuration::from_millis(250));
        assert_eq!(backoff_ceiling(3), SignedDuration::from_secs(2));
        assert_eq!(backoff_ceiling(40), SignedDuration::from_secs(20));
    }
}
