//! Stands between a session and the server, and cuts or silences the connection at a chosen statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the next statement that appends.
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
    /// There is no server any more: whatever is asked next ends its connection, and so does each new connection.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    fault: Arc<AtomicU8>,
}

impl Proxy {
    /// One in front of the server at this port.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = Arc::new(AtomicU8::new(Fault::None as u8));
        let it = Self { port, fault: Arc::clone(&fault) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, Arc::clone(&fault)));
            }
        });
        it
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }
}

async fn forward(mut client: TcpStream, server: u16, fault: Arc<AtomicU8>) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let is = |wanted: Fault| fault.load(Ordering::SeqCst) == wanted as u8;
    loop {
        tokio::select! {
            Ok(read) = client.read(&mut asked) => {
                if read == 0 || is(Fault::Gone) {
                    return;
                }
                let appends = asked[..read].windows(16).any(|part| part == b"keybatch.append(");
                if appends && is(Fault::CutBefore) {
                    return;
                }
                server.write_all(&asked[..read]).await.unwrap();
                if appends && !is(Fault::None) {
                    // The answer comes once it is committed.
                    assert!(server.read(&mut answered).await.unwrap() > 0);
                    if is(Fault::CutAfter) {
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
