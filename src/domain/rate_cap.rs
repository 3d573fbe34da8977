//! What an operator or a policy says about the rate, as written: `5/s`, `30/m`, `100/h`, `unlimited`.

use std::fmt;
use std::str::FromStr;

/// The caps that are understood: one per hour to one per microsecond, beyond which no timer is precise enough.
pub const CAP_PER_S: (f64, f64) = (1.0 / 3600.0, 1e6);

/// Whether rates are the same one, but for rounding.
#[must_use]
pub fn is_same_rate(one: f64, other: f64) -> bool {
    (one / other - 1.0).abs() < 1e-9
}

/// What the operator, or a policy, allows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RateCap {
    /// No cap: learn.
    #[default]
    None,
    /// At most so many requests per second; learn below that.
    PerSecond(f64),
    /// At most so many requests per second, and nobody says that as many are safe: begin as without a cap.
    Below(f64),
    /// No limiter at all: a throttled row waits by itself, and nothing is learned.
    Unlimited,
}

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateParseError {
    /// What stands before the unit is no positive number.
    #[error(
        "`{0}` is not a rate: write requests per second (5 or 5/s), per minute (30/m) or per hour (100/h), or unlimited"
    )]
    Number(String),
    /// An unknown unit.
    #[error("`{0}` is not a unit of time: write s, m or h behind the slash, as in 5/s, 30/m or 100/h")]
    Unit(String),
    /// Outside what can be timed.
    #[error("`{0}` is out of range: a rate is between 1/h and 1000000/s, or unlimited")]
    Range(String),
}

impl RateCap {
    /// This cap under another one: at most `cap_per_s` requests per second, whatever it says itself.
    #[must_use]
    pub fn at_most(self, cap_per_s: Option<f64>) -> Self {
        match (self, cap_per_s) {
            (own, None) => own,
            (Self::PerSecond(own), Some(cap)) => Self::PerSecond(own.min(cap)),
            (Self::Below(own), Some(cap)) => Self::Below(own.min(cap)),
            (Self::None, Some(cap)) => Self::Below(cap),
            (Self::Unlimited, Some(cap)) => Self::PerSecond(cap),
        }
    }
}

impl FromStr for RateCap {
    type Err = RateParseError;

    /// Reads `5/s`, `30/m`, `100/h`, a bare number (per second), or `unlimited`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("unlimited") {
            return Ok(Self::Unlimited);
        }
        let (number, unit) = trimmed.split_once('/').unwrap_or((trimmed, "s"));
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            other => return Err(RateParseError::Unit(other.to_owned())),
        };
        let number = number.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        let rate = number.ok_or_else(|| RateParseError::Number(text.to_owned()))? / seconds;
        if rate < CAP_PER_S.0 || rate > CAP_PER_S.1 {
            return Err(RateParseError::Range(text.to_owned()));
        }
        Ok(Self::PerSecond(rate))
    }
}

/// In the unit in which the rate is a whole number, else per second; `learned` without a cap.
impl fmt::Display for RateCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = match self {
            Self::None => return f.write_str("learned"),
            Self::Unlimited => return f.write_str("unlimited"),
            Self::PerSecond(rate) | Self::Below(rate) => *rate,
        };
        for (unit, seconds) in [("s", 1.0), ("m", 60.0), ("h", 3600.0)] {
            let number = rate * seconds;
            if number >= 1.0 && (number - number.round()).abs() < 1e-9 * number {
                return write!(f, "{}/{unit}", number.round());
            }
        }
        write!(f, "{rate}/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_cap_holds() {
        for (own, cap, both) in [
            (RateCap::None, None, RateCap::None),
            (RateCap::Unlimited, None, RateCap::Unlimited),
            (RateCap::None, Some(2.0), RateCap::Below(2.0)),
            (RateCap::Below(1.0), Some(2.0), RateCap::Below(1.0)),
            (RateCap::Unlimited, Some(2.0), RateCap::PerSecond(2.0)),
            (RateCap::PerSecond(1.0), Some(2.0), RateCap::PerSecond(1.0)),
            (RateCap::PerSecond(5.0), Some(2.0), RateCap::PerSecond(2.0)),
            (RateCap::PerSecond(5.0), None, RateCap::PerSecond(5.0)),
        ] {
            assert_eq!(own.at_most(cap), both, "{own} {cap:?}");
        }
    }

    #[test]
    fn rates_read_and_write() {
        for (text, cap, written) in [
            ("5/s", RateCap::PerSecond(5.0), "5/s"),
            ("5", RateCap::PerSecond(5.0), "5/s"),
            (" 0.5 / s ", RateCap::PerSecond(0.5), "30/m"),
            ("30/m", RateCap::PerSecond(0.5), "30/m"),
            ("60/min", RateCap::PerSecond(1.0), "1/s"),
            ("100/h", RateCap::PerSecond(100.0 / 3600.0), "100/h"),
            ("2.5/s", RateCap::PerSecond(2.5), "150/m"),
            ("Unlimited", RateCap::Unlimited, "unlimited"),
        ] {
            let read: RateCap = text.parse().unwrap();
            assert_eq!(read, cap, "{text}");
            assert_eq!(read.to_string(), written);
            assert_eq!(read.to_string().parse::<RateCap>().unwrap().to_string(), written);
        }
        for text in ["", "/s", "five", "0", "-1/s", "NaN", "inf/s", "1e400"] {
            assert!(matches!(text.parse::<RateCap>(), Err(RateParseError::Number(_))), "{text}");
        }
        for text in ["5/", "5/d", "5/s/s", "5/S"] {
            assert!(matches!(text.parse::<RateCap>(), Err(RateParseError::Unit(_))), "{text}");
        }
        for text in ["0.5/h", "1e7"] {
            assert!(matches!(text.parse::<RateCap>(), Err(RateParseError::Range(_))), "{text}");
        }
    }
}
