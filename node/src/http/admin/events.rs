//! `events`: the tenant's feed, in pages or as it happens.

use crate::http::Api;
use crate::http::body::{Names, Parameters};
use crate::http::openapi::parameters::{OfTenant, Resume};
use crate::http::openapi::problems::Pages;
use crate::http::paging::{self, LONGEST_PAGE};
use crate::http::problem::Fault;
use crate::http::serve::Place;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use claviger_api::{Code, Event, EventPage, Timestamp, pattern};
use claviger_ledger::{self as ledger, FeedEntry, View};
use core::convert::Infallible;
use core::time::Duration;
use futures::Stream;
use futures::stream::unfold;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;
use utoipa::IntoParams;

/// How often a stream without news says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream waits when the ledger does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// A place in the feed.
type At = (u64, u32);

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// How many entries at most, in a page.
    #[param(value_type = u64, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The id of the last entry that was read.
    #[param(inline, value_type = pattern::EventId, required = false)]
    after: Option<String>,
}

/// Lists what happened in the tenant, or tells it as it happens.
///
/// The feed behind a place: a page of JSON, or server-sent events without an end for who accepts
/// `text/event-stream`. The newest 65,536 entries are kept.
#[utoipa::path(
    get, path = "/events", operation_id = "listEvents", tag = "events",
    params(OfTenant, Query, Resume),
    security(("admin" = [])),
    responses(
        (status = 200, description = "A page of the feed, or the feed as it goes on.", content(
            (EventPage = "application/json"),
            (String = "text/event-stream"),
        )),
        Pages
    )
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    Parameters(query): Parameters<Query>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let limit = paging::limit(query.limit)?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // What a browser sends when it connects again comes before what its page once asked for.
    let after = text("last-event-id").map(str::to_owned).or(query.after);
    let after = after.as_deref().map(place).transpose()?;
    api.tenant(&tenant).await?;
    if text(header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream")) {
        let place = api.streams.place()?;
        let stream = stream(api, tenant, after, place);
        let alive = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
        return Ok(Sse::new(stream).keep_alive(alive).into_response());
    }
    let found = page(&api, &tenant, after, limit + 1).await?;
    let more = found.items.len() > limit;
    let items: Vec<Event> = found.items.into_iter().take(limit).map(told).collect();
    let next = items.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Json(EventPage { items, next, gap: found.lost }).into_response())
}

fn place(text: &str) -> Result<At, Fault> {
    let read = || {
        let (index, number) = text.split_once('-')?;
        Some((index.parse().ok()?, number.parse().ok()?))
    };
    read().ok_or_else(|| Fault::new(Code::BadCursor, "`after` is not the id of an event"))
}

async fn page(
    api: &Api,
    tenant: &str,
    after: Option<At>,
    limit: usize,
) -> Result<ledger::Events, Fault> {
    api.look(|view: &View<'_>| view.events(tenant, after, limit)).await
}

fn told(entry: FeedEntry) -> Event {
    Event {
        id: format!("{}-{}", entry.index, entry.n),
        time: Timestamp(entry.at),
        code: entry.code.to_string(),
        device: entry.device,
        credential: entry.credential.map(|id| id.to_string()),
        words: entry.words,
    }
}

/// A reader of the feed.
struct Reader {
    api: Arc<Api>,
    tenant: String,
    after: Option<At>,
    read: VecDeque<sse::Event>,
    place: Place,
}

fn stream(
    api: Arc<Api>,
    tenant: String,
    after: Option<At>,
    place: Place,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let reader = Reader { api, tenant, after, read: VecDeque::new(), place };
    unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    })
}

impl Reader {
    /// The next event; none when the process stops.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            // Before the look, so that nothing falls between the two.
            let applied = self.api.ledger.applied();
            match page(&self.api, &self.tenant, self.after, LONGEST_PAGE).await {
                Ok(found) if found.items.is_empty() => tokio::select! {
                    () = self.api.ledger.beyond(applied) => {}
                    () = self.place.ended() => return None,
                },
                Ok(found) => self.take(found),
                Err(_) => tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = self.place.ended() => return None,
                },
            }
        }
    }

    fn take(&mut self, found: ledger::Events) {
        if found.lost {
            let words = "entries behind the place that was asked for are not kept any more";
            self.read.push_back(sse::Event::default().event("gap").data(words));
        }
        for entry in found.items {
            self.after = Some((entry.index, entry.n));
            let code = entry.code.as_str();
            let event = told(entry);
            let data = serde_json::to_string(&event).expect("texts and numbers become JSON");
            self.read.push_back(sse::Event::default().id(event.id).event(code).data(data));
        }
    }
}
