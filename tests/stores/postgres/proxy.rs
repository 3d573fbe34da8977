//! Stands between a session and the server, and cuts or silences the connection at a chosen statement.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the next statement that appends, or is another one of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It never reaches the server, and the connection is cut.
    CutBefore,
    /// The server carries it out, and the connection is cut before its answer arrives.
    CutAfter,
    /// The server carries it out, and nothing comes any more.
    Silent,
    /// The connection is cut, and the server gets it a second and a half later all the same.
    Late,
    /// There is no server any more: whatever is asked next ends its connection, and so does each new connection.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    fault: AtomicU8,
    /// Part of the statement that it is about.
    at: Mutex<&'static str>,
    /// How many of those there were.
    seen: AtomicU32,
    /// How many of those are let pass before the fault, which happens once; none where it happens each time.
    pass: Mutex<Option<u32>>,
}

impl Plan {
    /// What becomes of a statement.
    fn of(&self, asked: &[u8]) -> Fault {
        let at = self.at.lock().unwrap().as_bytes();
        if !asked.windows(at.len()).any(|part| part == at) {
            return Fault::None;
        }
        self.seen.fetch_add(1, Ordering::SeqCst);
        let fault = self.fault();
        match &mut *self.pass.lock().unwrap() {
            Some(0) => self.fault.store(Fault::None as u8, Ordering::SeqCst),
            Some(more) => {
                *more -= 1;
                return Fault::None;
            }
            None => {}
        }
        fault
    }

    fn fault(&self) -> Fault {
        let number = self.fault.load(Ordering::SeqCst);
        let all = [Fault::None, Fault::CutBefore, Fault::CutAfter, Fault::Silent, Fault::Late, Fault::Gone];
        all.into_iter().find(|fault| *fault as u8 == number).unwrap()
    }
}

impl Proxy {
    /// One in front of the server at this port.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan {
            fault: AtomicU8::new(Fault::None as u8),
            at: Mutex::new("keybatch.append("),
            seen: AtomicU32::new(0),
            pass: Mutex::new(None),
        });
        let it = Self { port, plan: Arc::clone(&plan) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, Arc::clone(&plan)));
            }
        });
        it
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.plan.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// Has it happen once, to a statement with this text, after `pass` of them.
    pub(crate) fn strike(&self, fault: Fault, at: &'static str, pass: u32) {
        *self.plan.at.lock().unwrap() = at;
        *self.plan.pass.lock().unwrap() = Some(pass);
        self.set(fault);
    }

    /// Whether it is still to happen.
    pub(crate) fn is_armed(&self) -> bool {
        self.plan.fault() != Fault::None
    }

    /// Counts statements with this text from now on.
    pub(crate) fn count(&self, at: &'static str) {
        *self.plan.at.lock().unwrap() = at;
        self.plan.seen.store(0, Ordering::SeqCst);
    }

    pub(crate) fn counted(&self) -> u32 {
        self.plan.seen.load(Ordering::SeqCst)
    }
}

async fn forward(mut client: TcpStream, server: u16, plan: Arc<Plan>) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            Ok(read) = client.read(&mut asked) => {
                if read == 0 || plan.fault() == Fault::Gone {
                    return;
                }
                let fault = plan.of(&asked[..read]);
                if fault == Fault::CutBefore {
                    return;
                }
                if fault == Fault::Late {
                    client.shutdown().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1_500)).await;
                }
                server.write_all(&asked[..read]).await.unwrap();
                if fault != Fault::None {
                    // The answer comes once it is committed.
                    assert!(server.read(&mut answered).await.unwrap() > 0);
                    if fault != Fault::Silent {
                        return;
                    }
                    std::future::pending::<()>().await;
                }
            }
            Ok(read) = server.read(&mut answered) => {
                if read == 0 || client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
