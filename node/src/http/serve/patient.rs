//! A connection whose writes must get on: who asks and does not read is not waited for.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long nothing may be taken of what is to be written. Streams of events say something every
/// 15 seconds, so that one whose reader is gone ends, too.
const STALL: Duration = Duration::from_secs(30);

/// A stream of bytes that breaks when its peer takes nothing for [`STALL`].
pub(super) struct Patient<I> {
    io: I,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I: AsyncWrite + Unpin> Patient<I> {
    pub(super) const fn new(io: I) -> Self {
        Self { io, stalled: None }
    }

    /// What `write` comes to, or that its time is over.
    fn within<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut I>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let done = write(Pin::new(&mut self.io), cx);
        if done.is_ready() {
            self.stalled = None;
            return done;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        let over = |()| Err(io::Error::new(ErrorKind::TimedOut, "the peer takes nothing"));
        stalled.as_mut().poll(cx).map(over)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.within(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.within(cx, |io, cx| io.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(cx, I::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(cx, I::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_gets_on_may_take_long_and_one_that_does_not_breaks() {
        let (near, mut far) = duplex(1);
        let writes = tokio::spawn(async move { Patient::new(near).write_all(&[0; 9]).await });
        // A byte every 20 seconds takes longer than the limit in all.
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            far.read_u8().await.unwrap();
        }

        let broken = writes.await.unwrap().expect_err("nobody reads on");

        assert_eq!(broken.kind(), ErrorKind::TimedOut);
    }
}
