//! Something that listens on 127.0.0.1 and answers every connection alike: a proxy that refuses, a metadata service that
//! has nothing. It keeps the head of each request, and stops with its owner or by itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::LISTENS;

/// A listener, and what it heard.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Listener {
    /// Answers each request with this text; an empty one is silence until the client gives up.
    pub(crate) fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (hearing, stopping) = (Arc::clone(&heard), Arc::clone(&stop));
        let until = Instant::now() + LISTENS;
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            while !stopping.load(Ordering::Relaxed) && Instant::now() < until {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                let mut head = Vec::new();
                let mut chunk = [0; 4096];
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut chunk) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => head.extend_from_slice(&chunk[..read]),
                    }
                }
                hearing.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                let _cut = stream.write_all(answer.as_bytes());
                if answer.is_empty() {
                    silent.push(stream);
                }
            }
        });
        Self { address, heard, stop }
    }

    /// The head of each request so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
