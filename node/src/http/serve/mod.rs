//! Connections to the API: how many, for how long, and how they end.
//!
//! There are at most [`CONNECTIONS`]. One more takes the place of the one that has been without a
//! request for the longest time, so that who says nothing, be it in a handshake or behind it, keeps
//! nobody else out. While all are answered, it waits. Whoever has not sent a whole head within
//! [`HEAD`], not ended a handshake of TLS within [`HANDSHAKE`], or takes nothing of his answer
//! ([`patient`]), is closed too. Bodies that come too slowly are the handlers' matter.
//!
//! When the process stops, answers that are under way end within [`END`]; no more requests are
//! taken, and whoever is still in a handshake is let go.

mod counters;
mod patient;
mod quiet;
mod streams;

pub use counters::Counters;
pub(super) use streams::Place;
#[cfg(test)]
pub(super) use streams::READERS;
pub use streams::Streams;

use super::tls::Identity;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use core::convert::Infallible;
use core::time::Duration;
use futures::StreamExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use patient::Patient;
use quiet::{Quiet, Seat};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// How many connections there may be; below the 1,024 files that a process may open by default.
const CONNECTIONS: usize = 512;
/// How long a handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a head may take to come, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long requests that are under way may take when the process stops.
const END: Duration = Duration::from_secs(5);

/// What serves.
pub struct Server {
    /// Where connections come from.
    pub tcp: TcpListener,
    /// The certificate, where it speaks HTTPS.
    pub tls: Option<Arc<Identity>>,
    /// What answers.
    pub router: Router,
    /// What counts.
    pub counters: Arc<Counters>,
    /// True when it is to end.
    pub stopping: watch::Receiver<bool>,
}

impl Server {
    /// Serves until it is to end, and what was under way has ended or had its time.
    pub async fn run(self) {
        self.limited(CONNECTIONS).await;
    }

    /// Serves with at most `most` connections.
    pub(super) async fn limited(mut self, most: usize) {
        let acceptor = self.tls.as_ref().map(|identity| identity.acceptor());
        let (router, counters) = (self.router.clone(), self.counters.clone());
        let service = Service { acceptor, router, counters, stopping: self.stopping.clone() };
        let (quiet, graceful) = (Arc::new(Quiet::default()), GracefulShutdown::new());
        let mut connections = JoinSet::new();
        // One that has come and waits for its place: whoever was quiet when it came may be answered.
        let mut come: Option<TcpStream> = None;
        loop {
            let full = connections.len() >= most;
            let displaces = come.is_some() && full && quiet.end_the_longest();
            self.counters.quiet.fetch_add(displaces.into(), Ordering::Relaxed);
            if let Some(stream) = come.take_if(|_| displaces || !full) {
                connections.spawn(service.clone().connection(stream, &quiet, graceful.watcher()));
            }
            self.counters.open.store(connections.len() as u64, Ordering::Relaxed);
            let waits = come.is_some();
            tokio::select! {
                _ = self.stopping.wait_for(|stops| *stops) => break,
                Some(_) = connections.join_next() => {}
                () = quiet.changed(), if waits => {}
                (stream, _) = Listener::accept(&mut self.tcp), if !waits => come = Some(stream),
            }
        }
        drop(self.tcp);
        let _ = tokio::time::timeout(END, graceful.shutdown()).await;
        connections.shutdown().await;
    }
}

#[derive(Clone)]
struct Service {
    acceptor: Option<TlsAcceptor>,
    router: Router,
    counters: Arc<Counters>,
    stopping: watch::Receiver<bool>,
}

impl Service {
    /// One connection, until it ends or gives its place away.
    fn connection(
        self,
        stream: TcpStream,
        quiet: &Arc<Quiet>,
        watcher: Watcher,
    ) -> impl Future<Output = ()> + Send + use<> {
        let seat = Arc::new(Seat::take(quiet));
        async move {
            tokio::select! {
                () = self.serve(stream, seat.clone(), watcher) => {}
                () = seat.ended() => {}
            }
        }
    }

    async fn serve(mut self, stream: TcpStream, seat: Arc<Seat>, watcher: Watcher) {
        // Answers are small, and written at once.
        let _ = stream.set_nodelay(true);
        // Below TLS, where every byte that gets on is seen.
        let stream = Patient::new(stream);
        let Some(acceptor) = self.acceptor.take() else {
            return self.http(stream, seat, watcher).await;
        };
        let mut stopping = self.stopping.clone();
        let stops = async { drop(stopping.wait_for(|stops| *stops).await) };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
            () = stops => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.http(stream, seat, watcher).await,
            failed => {
                self.counters.handshakes.fetch_add(1, Ordering::Relaxed);
                if let Ok(Err(error)) = failed {
                    tracing::debug!(%error, "no TLS");
                }
            }
        }
    }

    async fn http<I>(&self, io: I, seat: Arc<Seat>, watcher: Watcher)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let answer = service_fn(|request| answer(self.router.clone(), seat.clone(), request));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD);
        let connection = http.serve_connection(TokioIo::new(io), answer);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

/// Answers one request; its connection is not quiet until the answer is out.
async fn answer(
    router: Router,
    seat: Arc<Seat>,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let busy = seat.busy();
    let response = router.oneshot(request.map(Body::new)).await?;
    if response.body().is_end_stream() {
        return Ok(response);
    }
    Ok(response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |data| {
            let _until_the_end = &busy;
            data
        }))
    }))
}
