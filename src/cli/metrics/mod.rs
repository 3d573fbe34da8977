//! `--metrics-file` and `--metrics-listen`: numbers on a session for Prometheus. They read what the session says of itself, now and
//! then; whatever is wrong with them once it has begun, the session works on.

mod file;
mod picture;
mod serve;
mod text;
mod watcher;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use file::MetricsFile;
use watcher::Watcher;

use super::{CliError, Code, Context, Exit, Sent, shown};
use crate::journal::Location;
use crate::session::host::Listening;
use crate::session::live::AtWork;
use crate::session::summary::Summary;
use crate::session::{Ending, refuse_used};

/// The options of the commands that delete.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct MetricsOptions {
    /// Keep metrics for Prometheus in this file, replaced every few seconds and at the end; for the textfile collector of a node
    /// exporter, its name ends with .prom
    #[arg(long, env = "KEYBATCH_METRICS_FILE", value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics while the session lasts: a loopback address, e.g. 127.0.0.1:9464;
    /// port 0 takes any free one
    #[arg(long, env = "KEYBATCH_METRICS_LISTEN", value_name = "ADDRESS", value_parser = serve::address)]
    metrics_listen: Option<SocketAddr>,
}

impl MetricsOptions {
    /// Whether there are to be any.
    pub(super) fn is_given(&self) -> bool {
        self.metrics_file.is_some() || self.metrics_listen.is_some()
    }

    /// Begins to show a session that has no run yet. What cannot be written or listened on is better known before anything is sent.
    ///
    /// # Errors
    /// If it cannot, or the file is used for something else.
    pub(super) async fn open(&self, context: &Context, read: &[(&Path, &str)]) -> Result<Metrics, CliError> {
        if !self.is_given() {
            return Ok(Metrics(None));
        }
        let watcher = Watcher::new(context.ui.clone());
        let file = self.file(&watcher, &context.journal, read)?;
        let server = match self.metrics_listen {
            Some(address) => Some(listen(address, watcher.texts(), context).await?),
            None => None,
        };
        let watching = tokio::spawn(Arc::clone(&watcher).watch(file.clone()));
        Ok(Metrics(Some(Open { watcher, file, tasks: server.into_iter().chain([watching]).collect() })))
    }

    fn file(
        &self,
        watcher: &Watcher,
        journal: &Location,
        read: &[(&Path, &str)],
    ) -> Result<Option<MetricsFile>, CliError> {
        let Some(path) = &self.metrics_file else { return Ok(None) };
        refuse_used(Some(path), journal, read)?;
        let file = MetricsFile::begin(path, &watcher.text()).map_err(|error| {
            let message = format!("--metrics-file: {} cannot be written: {error}", shown(&path.to_string_lossy()));
            unusable(message, "nothing was sent; name another file")
        })?;
        Ok(Some(file))
    }
}

async fn listen(
    address: SocketAddr,
    texts: watch::Receiver<Arc<str>>,
    context: &Context,
) -> Result<JoinHandle<()>, CliError> {
    let cannot = |error: std::io::Error| {
        let message = format!("--metrics-listen: {address} cannot be listened on: {error}");
        unusable(message, "nothing was sent; name another port, or 0 for any free one")
    };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    if address.port() == 0 {
        let taken = listener.local_addr().map_err(cannot)?;
        context.ui.ask(&format!("metrics are served on http://{taken}/metrics"));
    }
    Ok(tokio::spawn(serve::serve(listener, texts)))
}

fn unusable(message: String, hint: &str) -> CliError {
    CliError::new(Exit::Environment, message).code(Code::Metrics).sent(Sent::Nothing).hint(hint)
}

/// What shows a session, if anything does.
#[derive(Debug)]
pub(super) struct Metrics(Option<Open>);

#[derive(Debug)]
struct Open {
    watcher: Arc<Watcher>,
    file: Option<MetricsFile>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Metrics {
    /// Shows this session from now on, until what this returns is closed or dropped.
    pub(super) fn listen(&self, at_work: &Arc<dyn AtWork>) -> Option<Box<dyn Listening>> {
        let open = self.0.as_ref()?;
        Some(Watcher::look_at(&open.watcher, Arc::clone(at_work)))
    }

    /// Reports how the session ended as `say` does, and then shows that.
    pub(super) fn end(
        self,
        ended: Result<Ending, CliError>,
        say: impl FnOnce(Result<Ending, CliError>) -> Result<Exit, CliError>,
    ) -> Result<Exit, CliError> {
        let Some(open) = self.0 else { return say(ended) };
        let summary: Option<Summary> = match &ended {
            Ok(Ending::Summed(summary)) => Some(Summary::clone(summary)),
            Err(error) => error.details.summary.clone(),
        };
        let said = say(ended);
        let exit = said.as_ref().map_or_else(|error| error.exit, |exit| *exit);
        open.watcher.end(open.file.as_ref(), summary.as_ref(), exit.code());
        said
    }
}
