//! `devices/bulk`: many enrolments in one request, a line each.
//!
//! Lines are proposed as they come, some at once, so that they share syncs of the log; answers
//! leave in the order of the lines. A line that is refused stops no other, and the whole may be
//! sent again: what is there already is answered as such.

use super::super::import_keys::Opener;
use super::enrolment::Enrolment;
use crate::http::Api;
use crate::http::body::{Names, PATIENCE, Parameters, read};
use crate::http::change::Write;
use crate::http::openapi::parameters::OfTenant;
use crate::http::openapi::problems::Bulk;
use crate::http::problem::Fault;
use crate::wiped;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use claviger_api::{BulkAnswer, BulkStatus, Code, NewDevice};
use claviger_ledger::{RequestId, Tenant, View};
use claviger_seal::TenantKey;
use core::convert::Infallible;
use futures::stream::unfold;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::IntoParams;
use zeroize::Zeroizing;

/// How many lines are under way at once.
const AT_ONCE: usize = 64;
/// How many lines a dry run compares with each other.
const COMPARED: usize = 100_000;
/// The longest line.
const LINE: usize = 64 * 1024;
const NDJSON: &str = "application/x-ndjson";

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Only say what would become of each line.
    #[serde(default)]
    dry_run: bool,
}

/// What every line needs.
struct Desk {
    api: Arc<Api>,
    name: String,
    tenant: Tenant,
    key: TenantKey,
    opener: Opener,
    dry_run: bool,
}

/// Enrols many devices, one a line.
///
/// Lines are done as they come, and answered in their order. One that is refused stops no other.
#[utoipa::path(
    post, path = "/devices/bulk", operation_id = "enrolDevices", tag = "devices",
    params(OfTenant, Query),
    request_body(
        content = String, content_type = "application/x-ndjson",
        description = "A NewDevice in JSON on each line of at most 64 KiB.",
    ),
    security(("admin" = [])),
    responses(
        (status = 200, description = "A BulkAnswer in JSON for each line that is not empty.",
            body = String, content_type = "application/x-ndjson"),
        Bulk
    )
)]
pub(crate) async fn enrol(
    State(api): State<Arc<Api>>,
    Names(name): Names<String>,
    Parameters(query): Parameters<Query>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(NDJSON) {
        let words = format!("the Content-Type is not {NDJSON}");
        return Err(Fault::new(Code::MediaType, words));
    }
    let tenant = api.tenant(&name).await?;
    let key = api.key_of(&name, &tenant)?;
    let opener = Opener::of(&api, &name, &key).await?;
    let desk = Arc::new(Desk { api, name, tenant, key, opener, dry_run: query.dry_run });
    let lines = lines(body).enumerate().filter(|(_, line)| {
        let blank = line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty());
        core::future::ready(!blank)
    });
    let mut seen = Seen::default();
    let answers = lines.map(move |(number, line)| {
        let mut answer = BulkAnswer {
            line: number as u64 + 1,
            device: None,
            status: BulkStatus::Refused,
            problem: None,
        };
        let asked = line.and_then(|line| desk.read(&line, &mut answer.device, &mut seen));
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.answer(asked, answer).await) }
    });
    let body = Body::from_stream(answers.buffered(AT_ONCE));
    Ok(([(header::CONTENT_TYPE, NDJSON)], body).into_response())
}

impl Desk {
    /// Reads a line. In a dry run, where nothing is written, `seen` are the lines before.
    fn read(
        &self,
        line: &[u8],
        device: &mut Option<String>,
        seen: &mut Seen,
    ) -> Result<Enrolment, Fault> {
        let new: NewDevice = read(line)?;
        *device = Some(new.id.as_ref().unwrap_or(&new.endpoint).clone());
        let enrolment = Enrolment::read(&self.api, &self.opener, &self.name, new)?;
        if self.dry_run {
            seen.take(&enrolment.names())?;
        }
        Ok(enrolment)
    }

    async fn answer(&self, asked: Result<Enrolment, Fault>, mut answer: BulkAnswer) -> Bytes {
        match self.enrol(asked).await {
            Ok(status) => answer.status = status,
            Err(fault) => answer.problem = Some(fault.into()),
        }
        let mut json = serde_json::to_vec(&answer).expect("texts and numbers become JSON");
        json.push(b'\n');
        json.into()
    }

    async fn enrol(&self, asked: Result<Enrolment, Fault>) -> Result<BulkStatus, Fault> {
        let enrolment = asked?;
        let look = |view: &View<'_>| match enrolment.is_done(view, &self.key) {
            true => Ok(true),
            false => enrolment.obstacle(view, &self.tenant.realm).map(|()| false),
        };
        if self.api.look(look).await?? {
            return Ok(BulkStatus::Exists);
        }
        if self.dry_run {
            return Ok(BulkStatus::WouldEnrol);
        }
        let crypto = self.api.crypto.as_ref();
        let write = Write { expected: None, request: RequestId(crypto.random()), keyed: None };
        let Err(fault) = self.api.change(write, enrolment.seal(&self.key, crypto)).await else {
            return Ok(BulkStatus::Enrolled);
        };
        // The same line may have been under way beside this one.
        match self.api.look(|view| enrolment.is_done(view, &self.key)).await? {
            true => Ok(BulkStatus::Exists),
            false => Err(fault),
        }
    }
}

/// What lines of a dry run would have taken, by hashes.
#[derive(Default)]
struct Seen(BTreeSet<[u8; 16]>);

impl Seen {
    /// Takes the names of one line, or none of them.
    fn take(&mut self, names: &[(&str, String)]) -> Result<(), Fault> {
        if self.0.len() >= 3 * COMPARED {
            let words = format!("a dry run compares {COMPARED} lines: give the rest by itself");
            return Err(Fault::new(Code::TooLarge, words));
        }
        let hash = |(what, name): &(&str, String)| {
            let hash: [u8; 32] = Sha256::digest(format!("{what} {name}")).into();
            *hash.first_chunk::<16>().expect("16 is less than 32")
        };
        let hashes: Vec<_> = names.iter().map(hash).collect();
        let taken = names.iter().zip(&hashes).find(|(_, hash)| self.0.contains(*hash));
        if let Some(((what, _), _)) = taken {
            return Err(Fault::new(Code::Taken, format!("an earlier line has the {what}")));
        }
        self.0.extend(hashes);
        Ok(())
    }
}

/// The lines of a body. One that is too long is a fault, and what follows it is still read.
fn lines(body: Body) -> impl Stream<Item = Result<Line, Fault>> {
    let (body, read) = (body.into_data_stream(), Line::default());
    let reader = Reader { body, read, taken: 0, skips: false, over: false };
    unfold(reader, |mut reader| async move {
        let line = reader.next().await?;
        Some((line, reader))
    })
}

/// Bytes that hold keys.
type Line = Zeroizing<Vec<u8>>;

struct Reader {
    body: axum::body::BodyDataStream,
    read: Line,
    /// How much of that was given out as lines.
    taken: usize,
    /// True while the rest of a line that is too long passes by.
    skips: bool,
    over: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Line, Fault>> {
        loop {
            let rest = &self.read[self.taken..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = Line::new(rest[..end].to_vec());
                self.taken += end + 1;
                if core::mem::replace(&mut self.skips, false) {
                    continue;
                }
                return Some(checked(line));
            }
            self.read.drain(..core::mem::take(&mut self.taken));
            if self.skips {
                self.read.clear();
            } else if self.read.len() > LINE {
                self.skips = true;
                return Some(checked(core::mem::take(&mut self.read)));
            }
            if self.over {
                let last = core::mem::take(&mut self.read);
                return (!last.is_empty()).then(|| checked(last));
            }
            match tokio::time::timeout(PATIENCE, self.body.next()).await {
                Ok(Some(Ok(bytes))) => wiped::append(&mut self.read, &bytes),
                Ok(Some(Err(_))) => {
                    return Some(self.broken(Code::Malformed, "the body did not arrive whole"));
                }
                Ok(None) => self.over = true,
                Err(_) => {
                    let words = "nothing of the body came for 30 seconds";
                    return Some(self.broken(Code::Slow, words));
                }
            }
        }
    }

    /// Nothing more comes.
    fn broken(&mut self, code: Code, words: &str) -> Result<Line, Fault> {
        (self.over, self.read) = (true, Line::default());
        Err(Fault::new(code, words))
    }
}

fn checked(line: Line) -> Result<Line, Fault> {
    match line.len() > LINE {
        true => Err(Fault::new(Code::TooLarge, "the line is longer than 64 KiB")),
        false => Ok(line),
    }
}
