//! What a session at work does that is asked something, whichever way that reached it.

use std::sync::Arc;

use super::wire::Refused;
use crate::session::live::{AtWork, By, Told};
use crate::session::status::Status;

/// What is done after the session was told to stop.
pub(super) type OnStop = Arc<dyn Fn() + Send + Sync>;

/// Tells the session, unless it is only looked at, and says how far it is then.
pub(super) async fn obey(
    at_work: &dyn AtWork,
    on_stop: &OnStop,
    told: Option<Told>,
    by: &By,
) -> Result<Status, Refused> {
    if let Some(told) = told {
        at_work.tell(told, by).await?;
        if told == Told::Stop {
            on_stop();
        }
    }
    Ok(at_work.status().await?)
}
