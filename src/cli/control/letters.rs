//! Controls as rows of the journal's database: the way to sessions on whichever machine they work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::obey::{OnStop, obey};
use super::wire::{Answer, Letter, Refused, VERSION, Why};
use crate::journal::{Asked, Inbox, JournalError, Reply};
use crate::session::host::Listening;
use crate::session::live::{AtWork, By, Vouched};
use crate::session::status::Status;

/// How often a session looks for questions.
const LOOKED_AT: Duration = Duration::from_millis(500);

/// How long the end of a session waits until it has answered the last of them.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A session that reads its inbox.
struct Mail {
    closing: CancellationToken,
    reading: JoinHandle<()>,
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Listening for Mail {
    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.closing.cancel();
        Box::pin(async move {
            let _late = timeout(LAST_ANSWERS, &mut self.reading).await;
        })
    }
}

/// A session, and where its questions are.
struct Reading {
    inbox: Arc<dyn Inbox>,
    at_work: Arc<dyn AtWork>,
    on_stop: OnStop,
    /// Whether those who ask know of it.
    listens: bool,
    /// Answers that could not be left: what was done is not done again.
    owed: VecDeque<Reply>,
}

/// Reads the inbox of a session at work until what this returns is closed, for the first time before this ends: what those who work
/// already keep to holds before anything is sent.
pub(super) async fn open(inbox: Arc<dyn Inbox>, at_work: Arc<dyn AtWork>, on_stop: OnStop) -> Box<dyn Listening> {
    let mut reading = Reading { inbox, at_work, on_stop, listens: false, owed: VecDeque::new() };
    reading.read().await;
    let closing = CancellationToken::new();
    let closed = closing.clone();
    let reading = tokio::spawn(async move {
        while timeout(LOOKED_AT, closed.cancelled()).await.is_err() {
            reading.read().await;
        }
        // Whoever asked just now learns that it ends.
        reading.read().await;
    });
    Box::new(Mail { closing, reading })
}

impl Reading {
    /// Answers what it was asked. What prevents that now may pass.
    async fn read(&mut self) {
        let read = async {
            if !self.listens {
                self.inbox.listen(self.at_work.run_no()).await?;
                self.listens = true;
            }
            self.answer_each().await
        };
        if let Err(error) = read.await {
            tracing::debug!(%error, "what this session is asked through its journal cannot be read or answered");
        }
    }

    async fn answer_each(&mut self) -> Result<(), JournalError> {
        self.reply_to_all().await?;
        for asked in self.inbox.hear().await? {
            let number = asked.number;
            let answer: Answer = self.answer(asked).await.into();
            let is_done = answer.refused.is_none();
            let words = serde_json::to_string(&answer).unwrap_or_default();
            self.owed.push_back(Reply { number, words, is_done });
            self.reply_to_all().await?;
        }
        Ok(())
    }

    async fn reply_to_all(&mut self) -> Result<(), JournalError> {
        while let Some(reply) = self.owed.front() {
            self.inbox.reply(reply.clone()).await?;
            self.owed.pop_front();
        }
        Ok(())
    }

    async fn answer(&self, asked: Asked) -> Result<Status, Refused> {
        let letter = serde_json::from_str::<Letter>(&asked.words).ok().filter(|letter| letter.v == VERSION);
        let letter =
            letter.ok_or_else(|| Refused::new(Why::NotUnderstood, "the session is of another version of keybatch"))?;
        let by = By { user: letter.by, vouched: Vouched::Database(asked.role) };
        obey(&*self.at_work, &self.on_stop, letter.what.told(letter.per_s)?, &by).await
    }
}
