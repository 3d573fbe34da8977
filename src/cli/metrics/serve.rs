//! `GET /metrics` on a loopback address, and nothing else. It serves a text that is there already, so a scrape costs the session
//! nothing.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::text::CONTENT_TYPE;

/// How many connections are served at once; further ones wait.
const AT_ONCE: usize = 8;

/// The most that is read of a request's head: the least that hyper can be told.
const MOST_READ: usize = 8 * 1024;

/// How many headers it may have.
const MOST_HEADERS: usize = 64;

/// How long its head may take.
const HEAD: Duration = Duration::from_secs(5);

/// How long a whole connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait after an error of the socket, such as too many open files.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);

/// Reads an address of `--metrics-listen`.
///
/// # Errors
/// If it is none, or others could reach it: the numbers name accounts and runs, and nothing here asks who reads them.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "this is no address with a port, such as 127.0.0.1:9464 or [::1]:9464".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("metrics are served on a loopback address alone, such as 127.0.0.1:9464; for other machines, use \
             --metrics-file with a node exporter, or a proxy that asks who reads"
            .to_owned())
    }
}

/// Serves the newest text until it is dropped.
pub(super) async fn serve(listener: TcpListener, text: watch::Receiver<Arc<str>>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let text = text.clone();
                tokio::spawn(async move {
                    let _late = timeout(PATIENCE, connection(stream, text)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "the address of metrics");
                tokio::time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, text: watch::Receiver<Arc<str>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), request.headers(), &text.borrow());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    // However it ends, there is nothing left to do.
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_READ)
        .max_headers(MOST_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(method: &Method, path: &str, headers: &HeaderMap, text: &Arc<str>) -> Response<Body> {
    let (status, kind, body) = if !is_local(headers.get(header::HOST)) {
        (StatusCode::FORBIDDEN, "text/plain", "this address is known by another name\n".to_owned())
    } else if path != "/metrics" {
        (StatusCode::NOT_FOUND, "text/plain", "there is /metrics alone\n".to_owned())
    } else if method != Method::GET {
        (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "there is GET alone\n".to_owned())
    } else {
        (StatusCode::OK, CONTENT_TYPE, text.to_string())
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Whether the name that the address was reached by is one of this machine alone: a page in a browser could otherwise read it under a
/// name that leads here.
fn is_local(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_listened_on() {
        for good in ["127.0.0.1:0", "127.9.9.9:9464", "[::1]:9464"] {
            address(good).unwrap();
        }
        for bad in ["0.0.0.0:9464", "[::]:1", "192.0.2.1:80", "localhost:1", "9464", "127.0.0.1", ""] {
            address(bad).unwrap_err();
        }
    }

    #[test]
    fn only_get_of_metrics_under_a_name_of_this_machine_is_answered() {
        let text: Arc<str> = "text".into();
        let asked = |method: Method, path: &str, host: Option<&'static str>| {
            let headers = host.map(|host| (header::HOST, HeaderValue::from_static(host))).into_iter().collect();
            answer(&method, path, &headers, &text).status().as_u16()
        };
        for host in ["127.0.0.1:9464", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:1", "[::1]"] {
            assert_eq!(asked(Method::GET, "/metrics", Some(host)), 200, "{host}");
        }
        for host in [None, Some("attacker.example"), Some("127.0.0.1.attacker.example:80"), Some("")] {
            assert_eq!(asked(Method::GET, "/metrics", host), 403, "{host:?}");
        }
        assert_eq!(asked(Method::POST, "/metrics", Some("localhost")), 405);
        assert_eq!(asked(Method::HEAD, "/metrics", Some("localhost")), 405);
        assert_eq!(asked(Method::GET, "/", Some("localhost")), 404);
    }
}
