//! `/_sandbox/…`: a view behind the scenes, which no real service offers.
//!
//! Reading changes nothing, except that due effects happen first, as they would at the next request. Large answers are
//! streamed in pieces, so that the sandbox serves other requests meanwhile.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode, Uri};
use hyper::body::Bytes;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use super::chunks::Chunks;
use super::clock;
use super::shared::Shared;
use super::stats::NAMES_MAX;
use super::store::Cursor;

/// How many key pairs are read under one lock.
const PAGE: usize = 500;

/// How much of the record is read at a time.
const BLOCK: usize = 64 * 1024;

/// One line of `/_sandbox/world`.
#[derive(Serialize)]
struct Present<'a> {
    account: &'a str,
    region: &'a str,
    name: &'a str,
    arn: &'a str,
    created_at: String,
    fingerprint: &'a str,
    tags: &'a std::collections::BTreeMap<String, String>,
}

/// `GET /_sandbox/stats`: the numbers; with `?names=all` for every name, however many there are.
pub(super) async fn stats(State(shared): State<Arc<Shared>>, uri: Uri) -> Response<Body> {
    let all = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "names=all"));
    let stats = {
        let mut engine = shared.engine();
        engine.tick(clock::now());
        engine.stats(if all { usize::MAX } else { NAMES_MAX })
    };
    let text = serde_json::to_string(&stats).unwrap_or_default();
    typed(Body::from(text), "application/json")
}

/// `GET /_sandbox/record`: the record so far, as on disk.
pub(super) async fn record(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let opened = match &shared.record {
        None => None,
        Some(path) => tokio::fs::File::open(path).await.ok(),
    };
    let Some(file) = opened else {
        let mut response = typed(Body::from("{\"message\":\"this sandbox keeps no record\"}"), "application/json");
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let length = file.metadata().await.map_or(0, |metadata| metadata.len());
    let (sender, chunks) = Chunks::channel();
    tokio::spawn(async move {
        // Up to its length at the time of the request: lines are appended whole, so this ends with a whole one.
        let mut file = file.take(length);
        let mut block = vec![0; BLOCK];
        while let Ok(size @ 1..) = file.read(&mut block).await {
            if sender.send(Bytes::copy_from_slice(&block[..size])).await.is_err() {
                return;
            }
        }
    });
    typed(Body::new(chunks), "application/jsonl")
}

/// `GET /_sandbox/world`: the key pairs that are there now, one a line.
pub(super) async fn world(State(shared): State<Arc<Shared>>) -> Response<Body> {
    shared.engine().tick(clock::now());
    let (sender, chunks) = Chunks::channel();
    tokio::spawn(async move {
        let (mut region, mut from) = (0, None);
        while let Some((lines, next)) = page(&shared, region, from.as_ref()) {
            if sender.send(Bytes::from(lines)).await.is_err() {
                return;
            }
            if next.is_none() {
                region += 1;
            }
            from = next;
        }
    });
    typed(Body::new(chunks), "application/jsonl")
}

fn page(shared: &Shared, region: usize, from: Option<&Cursor>) -> Option<(Vec<u8>, Option<Cursor>)> {
    let engine = shared.engine();
    let region = engine.regions.get(region)?;
    let (pairs, next) = region.pairs.page(from, PAGE, true);
    let mut lines = Vec::new();
    for pair in &pairs {
        let present = Present {
            account: &engine.accounts[region.account].id,
            region: &region.name,
            name: &pair.name,
            arn: &pair.arn,
            created_at: clock::rfc3339(pair.created_at),
            fingerprint: &pair.fingerprint,
            tags: &pair.tags,
        };
        // Writing strings into memory cannot fail.
        let _ = serde_json::to_writer(&mut lines, &present);
        lines.push(b'\n');
    }
    Some((lines, next))
}

fn typed(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
