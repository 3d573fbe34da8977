//! A server between keybatch and the stand-in that answers one kind of request with whatever bytes it is given, and
//! hands on all others.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What is answered instead.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, then the connection is closed.
    Bytes(Arc<Vec<u8>>),
    /// A beginning, and then this again and again, until the other side has had enough.
    Endless(&'static [u8], &'static [u8]),
}

impl Answer {
    /// A whole answer with these further header lines (each ended by CR LF) and this body.
    pub(crate) fn with(status: u16, headers: &[u8], body: &[u8]) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(headers);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Self::Bytes(Arc::new(bytes))
    }
}

/// Starts it, and returns its address. Its threads end with the test's process.
pub(crate) fn start(upstream: &str, operation: &'static str, answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = upstream.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (upstream, answer) = (upstream.clone(), answer.clone());
            std::thread::spawn(move || serve(stream, &upstream, operation, &answer));
        }
    });
    format!("http://{address}")
}

/// One connection, one request.
fn serve(mut stream: TcpStream, upstream: &str, operation: &str, answer: &Answer) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(20))).ok()?;
    let request = read_request(&mut stream)?;
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let wanted = format!(".{}\r\n", operation.to_ascii_lowercase());
    if head.contains(&wanted) {
        match answer {
            Answer::Bytes(bytes) => stream.write_all(bytes).ok()?,
            Answer::Endless(first, again) => {
                stream.write_all(first).ok()?;
                let again = again.repeat(64 * 1024 / again.len());
                while stream.write_all(&again).is_ok() {}
            }
        }
        return Some(());
    }
    let mut other = TcpStream::connect(upstream).ok()?;
    other.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    other.write_all(&request).ok()?;
    let whole = read_request(&mut other)?;
    // The stand-in keeps its connection; this one does not.
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n")?;
    stream.write_all(&whole[..end]).ok()?;
    stream.write_all(b"\r\nconnection: close").ok()?;
    stream.write_all(&whole[end..]).ok()
}

/// A request or an answer of which the length is given.
fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if all.len() >= end + 4 + length {
                return Some(all);
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => all.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}
