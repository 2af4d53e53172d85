//! `claviger events`

use super::client::{self, Client, Remote};
use super::exit::{Exit, Failure};
use super::output::{self, Format, note, plain};
use clap::Args;
use claviger_api::{Event, EventPage};
use core::time::Duration;
use futures::StreamExt;
use reqwest::Method;
use sse_stream::SseByteStream;

/// How long to wait before asking again, at first and at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How many events are asked for at once.
const PAGE: usize = 1000;

/// What happened in the tenant.
#[derive(Debug, Args)]
#[command(after_help = "\
It prints what the server still has, oldest first. --after goes on behind an event whose id was
printed before. With --follow it waits for more, and comes back by itself where the connection is
lost, without a gap.

Examples:
  claviger events
  claviger events --follow
  claviger events --after 4711-0 --follow -o json")]
pub struct Events {
    #[command(flatten)]
    remote: Remote,
    /// Behind the event with this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Wait for more.
    #[arg(long)]
    follow: bool,
}

impl Events {
    /// Prints them.
    ///
    /// # Errors
    /// What the API said. Once it follows, it goes on until it is refused.
    pub async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let output = self.remote.output;
        let mut told = |told: Told| tell(output, &told);
        if self.follow {
            follow(&client, self.after, PAUSE, &mut told).await
        } else {
            list(&client, self.after, &mut told).await
        }
    }
}

/// What the feed tells.
enum Told {
    Event(Event),
    /// Events before the next one are missing: the server does not have them any more.
    Gap,
}

/// What is done with it.
type Tell<'a> = &'a mut dyn FnMut(Told) -> Result<(), Failure>;

/// Tells all that there is.
async fn list(client: &Client, mut after: Option<String>, tell: Tell<'_>) -> Result<(), Failure> {
    loop {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(after.take().map(|after| ("after", after)));
        let page: EventPage = client.get(&["events"], &query).await?;
        if page.gap {
            tell(Told::Gap)?;
        }
        page.items.into_iter().try_for_each(|event| tell(Told::Event(event)))?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Tells all that there is and all that comes; after a break it waits, at first for `pause`.
async fn follow(
    client: &Client,
    mut after: Option<String>,
    pause: Duration,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let mut next = pause;
    let mut first = true;
    loop {
        let begun = after.clone();
        match stream(client, &mut after, tell).await {
            Ok(()) => {}
            Err(failure) if first || failure.exit != Exit::Unavailable => return Err(failure),
            Err(failure) => note(format_args!("{failure} It is asked again.")),
        }
        first = false;
        next = if begun == after { (next * 2).min(LONGEST_PAUSE) } else { pause };
        tokio::time::sleep(next).await;
    }
}

/// Tells what one connection brings, until it ends; `after` is the id of the last event.
async fn stream(
    client: &Client,
    after: &mut Option<String>,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let mut request = client.request(Method::GET, &["events"], &[]);
    request = request.header("accept", "text/event-stream");
    if let Some(after) = after.as_deref() {
        request = request.header("last-event-id", after);
    }
    let answer = client.answer(request).await?;
    let mut events = SseByteStream::new(answer.bytes_stream());
    while let Some(event) = events.next().await {
        let event = event.map_err(|_| client.silent())?;
        if let Some(data) = event.data {
            tell(match event.event.as_deref() {
                Some("gap") => Told::Gap,
                _ => Told::Event(client::read(data.as_bytes())?),
            })?;
        }
        // Only now: what was not told is asked for again.
        if event.id.is_some() {
            *after = event.id;
        }
    }
    Ok(())
}

fn tell(output: Format, told: &Told) -> Result<(), Failure> {
    match (output, told) {
        (Format::Json, Told::Event(event)) => json(event),
        // As a page of the feed has it.
        (Format::Json, Told::Gap) => json(&serde_json::json!({ "gap": true })),
        (Format::Table, Told::Event(Event { id, time, code, device, words, .. })) => {
            let (time, device) = (time.to_string(), device.as_deref().unwrap_or("-"));
            output::line(plain(&format!("{id:<8}  {time:<24}  {code:<24}  {device}  {words}")))
        }
        (Format::Table, Told::Gap) => {
            note("Events are missing here: the server does not have them any more.");
            Ok(())
        }
    }
}

fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(value);
    output::line(json.map_err(|error| Failure::failed(error.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use axum::{Router, response::IntoResponse};
    use claviger_api::Secret;
    use std::sync::{Arc, Mutex};

    /// A server that gives each of `connections` in its turn and then refuses, and the ids that it
    /// was asked to go on behind.
    async fn server(connections: &'static [&'static str]) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let answer = move |headers: HeaderMap| async move {
            let mut asked = kept.lock().unwrap();
            let after = headers.get("last-event-id").map_or("", |id| id.to_str().unwrap());
            asked.push(after.to_owned());
            match connections.get(asked.len() - 1) {
                Some(text) => ([("content-type", "text/event-stream")], *text).into_response(),
                None => StatusCode::UNAUTHORIZED.into_response(),
            }
        };
        let router = Router::new().route("/api/v1/tenants/default/events", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let remote = Remote {
            server: url,
            token: Some(Secret::new("t".into())),
            ca_file: None,
            tenant: "default".into(),
            output: Format::Json,
        };
        (Client::new(&remote).unwrap(), asked)
    }

    #[tokio::test]
    async fn goes_on_behind_the_last_event_when_a_connection_ends() {
        // Given a server whose first connection breaks off within an event
        const FIRST: &str = concat!(
            ": heartbeat\n\n",
            "id: 7-0\nevent: x\ndata: {\"id\":\"7-0\",\"time\":\"2026-11-24T18:00:00Z\",",
            "\"code\":\"x\",\"words\":\"one\"}\n\n",
            "id: 8-0\ndata: {\"id\":",
        );
        const SECOND: &str = concat!(
            "event: gap\ndata: not JSON\n\n",
            "id: 8-0\ndata: {\"id\":\"8-0\",\"time\":\"2026-11-24T18:00:00Z\",",
            "\"code\":\"y\",\"words\":\"two\"}\n\n",
        );
        let (client, asked) = server(&[FIRST, SECOND]).await;
        let mut told = Vec::new();

        // When it is followed until it refuses
        let pause = Duration::from_millis(1);
        let tell: Tell<'_> = &mut |one| {
            told.push(match one {
                Told::Event(event) => event.words,
                Told::Gap => "lost".to_owned(),
            });
            Ok(())
        };
        let refused = follow(&client, Some("6-3".into()), pause, tell).await;

        // Then each event was told once
        assert_eq!(refused.unwrap_err().exit, Exit::Denied);
        assert_eq!(told, ["one", "lost", "two"]);
        assert_eq!(*asked.lock().unwrap(), ["6-3", "7-0", "8-0"]);
    }
}
