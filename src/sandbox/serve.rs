//! The network side: connections on the loopback, and the ways in which an answer can fail to arrive.
//!
//! Routing is axum's; the connections are held below it, because a cut must close one without a byte of an answer.
//! Nothing here decides: the engine says what to send and in which manner.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::routing::{get, post};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Manner};
use super::call::Call;
use super::clock;
use super::engine::Reply;
use super::inspect;
use super::shared::{SERVER, Shared};

/// The pause between the bytes of a truncated answer and its end, so that the bytes are sent first.
const TRUNCATED_PAUSE: Duration = Duration::from_millis(20);

/// The pause after a failed accept (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Marks a response that must not be sent.
#[derive(Debug, Clone, Copy)]
struct Cut;

/// Accepts connections until it is stopped; then closes all of them at once.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let app = Router::new()
        .route("/", post(api))
        .route("/_sandbox/stats", get(inspect::stats))
        .route("/_sandbox/record", get(inspect::record))
        .route("/_sandbox/world", get(inspect::world))
        .with_state(Arc::clone(&shared));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = connection(stream, app.clone(), Arc::clone(&shared));
        let stop = stop.clone();
        connections.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection => {}
            }
        });
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, app: Router, shared: Arc<Shared>) {
    // Small answers must not wait for one another; a socket that refuses this is about to fail anyway.
    let _ = stream.set_nodelay(true);
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, shared) = (app.call(request), Arc::clone(&shared));
        async move {
            let mut response = match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            if response.extensions().get::<Cut>().is_some() {
                return Err(io::Error::other("the fault script cuts this connection"));
            }
            response.headers_mut().insert(axum::http::header::SERVER, SERVER);
            response.headers_mut().insert("x-keybatch-sandbox", shared.world_id.clone());
            Ok(response)
        }
    });
    // However a connection ends (by the script, by the client, or normally), there is nothing left to do.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Both services: `POST /`.
async fn api(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let call = Call::parse(&headers, &body);
    // The clock is read under the lock, so that times never run backwards in the record.
    let reply = {
        let mut engine = shared.engine();
        engine.handle(&call, clock::now())
    };
    if reply.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
    }
    match reply.manner {
        Manner::Cut => cut(),
        Manner::Hang { hold_ms } => {
            tokio::time::sleep(Duration::from_millis(hold_ms)).await;
            cut()
        }
        Manner::Whole | Manner::Truncated => respond(reply),
    }
}

fn cut() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

fn respond(reply: Reply) -> Response<Body> {
    let Reply { answer: Answer { status, content_type, headers, body, .. }, manner, request_id, .. } = reply;
    let length = body.len();
    let body = match manner {
        Manner::Truncated => Body::new(Truncated::half_of(body)),
        _ => Body::from(body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let to = response.headers_mut();
    to.insert(axum::http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        to.insert("x-amzn-requestid", id);
    }
    if manner == Manner::Truncated {
        to.insert(axum::http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in headers {
        // The world file's check ensures that these are valid headers.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            to.insert(name, value);
        }
    }
    response
}

/// The first half of a body, a pause, and a premature end.
struct Truncated {
    half: Option<Bytes>,
    pause: Pin<Box<Sleep>>,
}

impl Truncated {
    fn half_of(body: String) -> Self {
        let half = Bytes::from(body.into_bytes());
        let half = half.slice(..half.len() / 2);
        Self { half: Some(half), pause: Box::pin(tokio::time::sleep(TRUNCATED_PAUSE)) }
    }
}

impl hyper::body::Body for Truncated {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        ready!(self.pause.as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::other("the fault script ends this answer here"))))
    }
}
