//! What people ask of sessions at work, as rows: both ends.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::address::Address;
use super::asking::Asking;
use super::connect::{Purpose, connect};
use super::epoch::Epoch;
use super::link::{get, only, unsigned};
use super::literal::text;
use crate::journal::{Asked, Inbox, JournalError, Replies, Reply};

/// How often whoever asks looks for answers.
const LOOKED_AT: Duration = Duration::from_millis(100);

/// What a session is asked.
#[derive(Debug)]
pub(super) struct PostgresInbox {
    asking: Arc<Asking>,
    epoch: Epoch,
}

impl PostgresInbox {
    pub(super) fn new(asking: Arc<Asking>, epoch: Epoch) -> Self {
        Self { asking, epoch }
    }

    async fn questions(&self) -> Result<Vec<Asked>, JournalError> {
        let rows = self.asking.ask(&format!("SELECT * FROM keybatch.hear({})", self.epoch.0)).await?;
        let asked = rows.iter().map(|row| {
            Ok(Asked { number: get(row, "question_no")?, role: get(row, "role")?, words: get(row, "asked")? })
        });
        asked.collect()
    }
}

impl Inbox for PostgresInbox {
    fn listen(&self, run_no: i64) -> BoxFuture<'_, Result<(), JournalError>> {
        let listen = format!("SELECT keybatch.listen({}, {run_no})", self.epoch.0);
        Box::pin(async move { self.asking.ask(&listen).await.map(drop) })
    }

    fn hear(&self) -> BoxFuture<'_, Result<Vec<Asked>, JournalError>> {
        Box::pin(self.questions())
    }

    fn reply(&self, reply: Reply) -> BoxFuture<'_, Result<(), JournalError>> {
        let Reply { number, words, is_done } = reply;
        let reply = format!("SELECT keybatch.reply({number}, {}, {}, {is_done})", self.epoch.0, text(&words));
        Box::pin(async move { self.asking.ask(&reply).await.map(drop) })
    }
}

/// Asks the sessions that work on the run with this number, and waits for their answers for so long at the most.
///
/// # Errors
/// [`JournalError::Server`] if the server cannot be used, or this user may not ask; what was asked may have been heard.
pub async fn ask(
    address: &Address,
    run_no: i64,
    (what, words): (&str, &str),
    patience: Duration,
) -> Result<Replies, JournalError> {
    let until = Instant::now() + patience;
    let (mut link, _) = connect(address, Purpose::Ask).await?;
    let asked = link.ask(&format!("SELECT * FROM keybatch.ask({run_no}, {}, {})", text(what), text(words))).await?;
    let row = only(&asked)?;
    let (number, asked_of): (i64, u64) = (get(row, "question_no")?, unsigned(row, "asked_of")?);
    loop {
        let rows = link.ask(&format!("SELECT * FROM keybatch.answers({number})")).await?;
        let (mut words, mut silent) = (Vec::new(), 0);
        for row in &rows {
            match get::<Option<String>>(row, "answer")? {
                Some(answer) => words.push(answer),
                None => silent += u64::from(get::<bool>(row, "works")?),
            }
        }
        if silent == 0 || Instant::now() >= until {
            link.close().await;
            return Ok(Replies { asked_of, words, silent });
        }
        sleep(LOOKED_AT).await;
    }
}
