//! The words of the project as types. This room imports nothing else of keybatch; it knows no journal, no network and no file.

mod answer;
mod clock;
mod counted;
mod error;
mod ids;
mod json;
mod key_pair;
mod operation;
mod outcome;
mod rate_cap;
mod raw_body;
mod reply;
mod retriable;
mod service;
mod settings;
mod unreached;

pub use answer::{Cause, Class, Exchange, SANDBOX_HEADER};
pub use clock::{Clock, SystemClock, micros, parse_time, time_text};
pub use counted::counted;
pub use error::{ApiError, ERROR_TYPE_HEADER, ErrorText, Failure, error_name};
pub use ids::{RunId, RunIdError, Target};
pub use json::is_plain_object;
pub use key_pair::{DEFAULT_KEY_PAIR, Identity, KeyPair, Known, Observation, created_at_text};
pub use operation::{Operation, Shown};
pub use outcome::{Evidence, Outcome, OutcomeCounts};
pub use rate_cap::{CAP_PER_S, RateCap, RateParseError, is_same_rate};
pub use raw_body::{RAW_BODY_LIMIT_BYTES, RawBody, sha256};
pub use reply::Reply;
pub use retriable::{OF, ONLY, Retriable};
pub use service::service_behind;
pub use settings::{AttemptTime, Settings};
pub use unreached::{Hitch, ProxyUsed, Unreached};
