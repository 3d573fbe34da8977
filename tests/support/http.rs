//! Just enough HTTP/1.1 for the stand-in: requests with a content length, keep-alive, answers written whole.
//!
//! It knows nothing of Lightsail. Every read has a short timeout, so that a thread notices when its server stops.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How long one read waits before it looks at the stop flag again.
const TICK: Duration = Duration::from_millis(20);

/// One request, read whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The first header of that (lower-case) name, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// An answer to be written.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Reads the next request of a connection; nothing when the client closed it or the server stops.
pub(crate) fn read_request(stream: &mut TcpStream, rest: &mut Vec<u8>, stop: &AtomicBool) -> Option<Request> {
    stream.set_read_timeout(Some(TICK)).ok()?;
    let mut wanted = None;
    loop {
        if wanted.is_none()
            && let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let headers = parse_headers(&rest[..end]);
            let length = headers.iter().find(|(key, _)| key == "content-length");
            let length = length.and_then(|(_, value)| value.parse::<usize>().ok()).unwrap_or(0);
            wanted = Some((headers, end + 4, length));
        }
        if let Some((headers, start, length)) = wanted.take() {
            if rest.len() >= start + length {
                let body = rest[start..start + length].to_vec();
                rest.drain(..start + length);
                return Some(Request { headers, body });
            }
            wanted = Some((headers, start, length));
        }
        let mut chunk = [0_u8; 16 * 1024];
        match stream.read(&mut chunk) {
            Ok(0) => return None,
            Ok(count) => rest.extend_from_slice(&chunk[..count]),
            Err(error) if would_block(&error) => {
                if stop.load(Ordering::SeqCst) {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
}

/// Writes an answer with its length; a client that has gone is no error here.
pub(crate) fn write_answer(stream: &mut TcpStream, answer: &Answer) {
    let mut text = format!("HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
    for (key, value) in &answer.headers {
        text.push_str(&format!("{key}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&answer.body);
    let _gone = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Says nothing until the client hangs up, the server stops, or a minute is over.
pub(crate) fn hang(stream: &TcpStream, stop: &AtomicBool) {
    let start = Instant::now();
    let mut one = [0_u8; 1];
    while start.elapsed() < Duration::from_secs(60) && !stop.load(Ordering::SeqCst) {
        match stream.peek(&mut one) {
            Ok(0) => return,
            Ok(_) => std::thread::sleep(TICK),
            Err(error) if would_block(&error) => {}
            Err(_) => return,
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn parse_headers(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let pairs = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned())).collect()
}
