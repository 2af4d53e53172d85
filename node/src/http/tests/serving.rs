//! Connections and streams: their limits and their end. Sockets on the loopback, and virtual time.

use super::*;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

struct Served {
    address: core::net::SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Served {
    /// The router of `rig`, with at most `most` connections.
    async fn start(rig: &Rig, most: usize) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // So that what is not read soon stands in the process.
        socket.set_send_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let tcp = socket.listen(64).unwrap();
        let address = tcp.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let (router, counted) = (rig.router.clone(), counters.clone());
        // An answer that no buffer holds whole.
        let piece =
            || futures::stream::repeat(Ok::<_, core::convert::Infallible>(vec![0u8; 65_536]));
        let endless = axum::routing::get(async move || Body::from_stream(piece()));
        let router = router.route("/endless", endless);
        let server = Server { tcp, tls: None, router, counters: counted, stopping };
        Self { address, counters, stop, task: tokio::spawn(server.limited(most)) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One that has asked for `path` and reads no more than one byte.
    async fn deaf(&self, path: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut deaf = socket.connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        deaf.write_all(request.as_bytes()).await.unwrap();
        deaf.read_u8().await.unwrap();
        deaf
    }

    /// Asks for `path` on `connection`; gives the first bytes of the answer.
    async fn get(&self, connection: &mut TcpStream, path: &str, more: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{more}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

fn follow(rig: &Rig) -> Request<Body> {
    Request::get("/api/v1/tenants/default/events")
        .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
        .header(header::ACCEPT, "text/event-stream")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_out() {
    let rig = Rig::new().await;
    let served = Served::start(&rig, 4).await;
    let mut silent = Vec::new();
    for _ in 0..9 {
        silent.push(served.connect().await);
    }

    let mut asks = served.connect().await;
    let answer = served.get(&mut asks, "/livez", "").await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let ended = served.counters.quiet.load(Ordering::Relaxed);
    assert_eq!(ended, 6, "ten have come, and four may stay");
    assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0, "the oldest is closed");
}

#[tokio::test(start_paused = true)]
async fn connections_that_do_not_read_their_answers_keep_nobody_out_for_long() {
    let begun = tokio::time::Instant::now();
    let rig = Rig::new().await;
    let served = Served::start(&rig, 4).await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        deaf.push(served.deaf("/endless").await);
    }

    let asks = async {
        let mut asks = served.connect().await;
        served.get(&mut asks, "/livez", "").await
    };
    let answer = tokio::time::timeout(Duration::from_secs(300), asks).await;

    let answer = answer.expect("a place gets free");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begun.elapsed() >= Duration::from_secs(30), "all were being answered");
}

#[tokio::test]
async fn who_is_answered_keeps_his_place() {
    let rig = Rig::new().await;
    let served = Served::start(&rig, 2).await;
    let mut follows = served.connect().await;
    let more = format!("accept: text/event-stream\r\nauthorization: Bearer {}\r\n", rig.token);
    let answer = served.get(&mut follows, "/api/v1/tenants/default/events", &more).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    for _ in 0..5 {
        let mut asks = served.connect().await;
        assert!(served.get(&mut asks, "/livez", "").await.starts_with("HTTP/1.1 200"));
    }

    rig.put("/connectors/c", json!({ "url": "https://a.example/", "secret": SECRET })).await;
    let mut told = vec![0; 4096];
    let length = follows.read(&mut told).await.unwrap();
    assert!(String::from_utf8_lossy(&told[..length]).contains("connector.changed"));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_whole_ends_its_connection() {
    let rig = Rig::new().await;
    let served = Served::start(&rig, 4).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    // Nothing but its time brings an end.
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let rig = Rig::ready().await;
    for (path, kind) in
        [("/devices", "application/json"), ("/devices/bulk", "application/x-ndjson")]
    {
        let begun = futures::stream::once(core::future::ready(Ok::<_, io::Error>("{")));
        let request = Request::post(format!("/api/v1/tenants/default{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", rig.token))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from_stream(begun.chain(futures::stream::pending())));

        let (_, body) = rig.send(request.unwrap()).await;

        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("\"code\":\"slow\""), "{path}: {body}");
    }
}

#[tokio::test]
async fn readers_of_events_are_so_many_and_no_more() {
    let rig = Rig::ready().await;
    let ask = async || rig.router.clone().oneshot(follow(&rig)).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..serve::READERS {
        readers.push(ask().await);
        assert_eq!(readers.last().unwrap().status(), StatusCode::OK);
    }

    let (head, body) = rig.send(follow(&rig)).await;

    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(head.headers()[header::RETRY_AFTER], "5");
    assert!(String::from_utf8(body).unwrap().contains("\"code\":\"busy\""));
    readers.pop();
    assert_eq!(ask().await.status(), StatusCode::OK, "a place is free again");
}

#[tokio::test]
async fn a_stop_ends_streams_and_silent_connections_and_answers_what_was_asked() {
    // Given a reader of events, and one who says nothing
    let rig = Rig::new().await;
    let served = Served::start(&rig, 4).await;
    let mut silent = served.connect().await;
    let mut follows = served.connect().await;
    let more = format!("accept: text/event-stream\r\nauthorization: Bearer {}\r\n", rig.token);
    let answer = served.get(&mut follows, "/api/v1/tenants/default/events", &more).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // When it stops
    rig.stop.send_replace(true);
    served.stop.send_replace(true);

    // Then the stream ends as it should, and nothing is waited for
    let mut rest = Vec::new();
    follows.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    served.task.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_stop_lets_an_answer_end_that_is_made_but_not_yet_written() {
    let rig = Rig::new().await;
    let served = Served::start(&rig, 4).await;
    let mut slow = served.deaf("/api/v1/openapi.json").await;

    served.stop.send_replace(true);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();

    assert!(rest.ends_with(router::DOCUMENT.as_bytes()), "{} bytes came", rest.len());
    served.task.await.unwrap();
}
