//! The socket of a session at work. Whatever is wrong with it, the session works on.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::obey::{OnStop, obey};
use super::place::{may_control, own_uid, prepare, real, socket};
use super::wire::{Answer, MOST_ASKED, PATIENCE, Question, Refused, VERSION, Why, line};
use crate::cli::operator::user_of;
use crate::journal::Location;
use crate::session::host::Listening;
use crate::session::live::{AtWork, By, Vouched};
use crate::session::status::Status;

/// How many others are heard at once; further ones wait.
const AT_ONCE: usize = 8;

/// How long the end of a session waits for those who were heard and have no answer yet.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long to wait after an error of the socket, such as too many open files.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);

/// A socket that is heard.
pub(super) struct Socket {
    path: PathBuf,
    /// The file's device and number.
    file: Option<(u64, u64)>,
    accepting: JoinHandle<()>,
    heard: TaskTracker,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.accepting.abort();
        // Another session may have replaced it, if somebody removed it.
        if self.file.is_some() && self.file == file(&self.path) {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

impl Listening for Socket {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        let heard = self.heard.clone();
        drop(self);
        heard.close();
        Box::pin(async move {
            let _late = timeout(LAST_ANSWERS, heard.wait()).await;
        })
    }
}

fn file(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|about| (about.dev(), about.ino()))
}

/// Opens the socket of the session in `directory`, which executes a run of `journal`.
///
/// # Errors
/// Why it cannot be opened.
pub(super) fn open(
    directory: &Path,
    journal: &Location,
    at_work: Arc<dyn AtWork>,
    on_stop: OnStop,
) -> Result<Socket, String> {
    prepare(directory)?;
    let path = socket(directory, journal, at_work.run())?;
    let unusable = |error: io::Error| format!("the socket {} cannot be opened: {error}", path.display());
    replace_stale(&path).map_err(unusable)?;
    let listener = UnixListener::bind(&path).map_err(unusable)?;
    let file = file(&path);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(unusable)?;
    let heard = TaskTracker::new();
    let session = Arc::new(Heard { journal: real(journal), at_work, on_stop });
    let accepting = tokio::spawn(accept(listener, session, heard.clone()));
    Ok(Socket { path, file, accepting, heard })
}

/// Removes the socket of a session that is dead: the journal's lock keeps a second session out, so nobody alive listens there.
fn replace_stale(path: &Path) -> io::Result<()> {
    let Ok(about) = path.symlink_metadata() else { return Ok(()) };
    if !about.file_type().is_socket() {
        return Err(io::Error::other("there is a file of that name, which is no socket"));
    }
    fs::remove_file(path)
}

async fn accept(listener: UnixListener, session: Arc<Heard>, heard: TaskTracker) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let session = Arc::clone(&session);
                heard.spawn(async move {
                    session.hear(stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the control socket");
                tokio::time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }
}

/// The session that others reach.
struct Heard {
    journal: String,
    at_work: Arc<dyn AtWork>,
    on_stop: OnStop,
}

impl Heard {
    /// Reads one question, and answers it.
    async fn hear(&self, mut stream: UnixStream) {
        let answer: Answer = match self.question(&mut stream).await {
            Ok(Some((question, by))) => self.answer(&question, &by).await.into(),
            Ok(None) => return,
            Err(refused) => Err(refused).into(),
        };
        let written = timeout(PATIENCE, stream.write_all(&line(&answer))).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::debug!("whoever used the control socket did not wait for the answer");
        }
    }

    /// The question, and who asks; nothing where the other end goes away.
    async fn question(&self, stream: &mut UnixStream) -> Result<Option<(Question, By)>, Refused> {
        let Ok(peer) = stream.peer_cred() else { return Ok(None) };
        let uid = peer.uid();
        if !may_control(uid, own_uid()) {
            tracing::warn!(uid, "another user tried to use the control socket");
            return Err(Refused::new(Why::Stranger, "the session belongs to another user"));
        }
        let mut bytes = Vec::new();
        let mut reader = BufReader::new(stream.take(MOST_ASKED));
        match timeout(PATIENCE, reader.read_until(b'\n', &mut bytes)).await {
            Ok(Ok(0) | Err(_)) | Err(_) => return Ok(None),
            Ok(Ok(_)) => {}
        }
        let question: Question = serde_json::from_slice(&bytes)
            .map_err(|_| Refused::new(Why::NotUnderstood, "the session does not understand the question"))?;
        if question.v != VERSION {
            return Err(Refused::new(Why::NotUnderstood, "the session is of another version of keybatch"));
        }
        Ok(Some((question, By { user: user_of(uid), vouched: Vouched::Kernel(uid) })))
    }

    async fn answer(&self, question: &Question, by: &By) -> Result<Status, Refused> {
        if question.journal != self.journal || question.run != self.at_work.run().to_string() {
            return Err(Refused::new(Why::Another, "the session executes another run, or one of another journal"));
        }
        obey(&*self.at_work, &self.on_stop, question.what.told(question.per_s)?, by).await
    }
}

#[cfg(test)]
mod tests;
