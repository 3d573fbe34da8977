//! A body that is sent in pieces.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame};

/// A body whose chunks another task produces.
pub(super) struct Chunks(tokio::sync::mpsc::Receiver<Bytes>);

impl Chunks {
    /// How many chunks may wait for a slow reader.
    const WAITING: usize = 4;

    pub(super) fn channel() -> (tokio::sync::mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = tokio::sync::mpsc::channel(Self::WAITING);
        (sender, Self(receiver))
    }
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
