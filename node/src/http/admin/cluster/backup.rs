//! `cluster/backup`: all of the ledger at one moment, with secrets sealed as they lie on the disk.

use crate::http::Api;
use crate::http::body::NoParameters;
use crate::http::openapi::problems::Any;
use crate::http::problem::Fault;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use claviger_api::Code;
use futures::stream::unfold;
use std::io;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// Bytes that are sent at once.
const PIECE: usize = 64 * 1024;

/// Backs up the whole ledger: the bytes of a backup, as `claviger cluster restore` takes it.
///
/// Secrets are in it as they lie in the ledger: sealed. Without the key-encryption key it is of no use.
/// It is whole if `claviger cluster backup` says so: a connection that breaks off may leave a part.
#[utoipa::path(
    get, path = "/backup", operation_id = "backUpCluster", tag = "cluster",
    security(("admin" = [])),
    responses(
        (status = 200, description = "The backup.", body = Vec<u8>, content_type = "application/octet-stream"),
        Any
    )
)]
pub(crate) async fn take(State(api): State<Arc<Api>>, _: NoParameters) -> Result<Response, Fault> {
    // What was acknowledged before is in it.
    api.ledger.confirm().await?;
    let failed = |error: String| Fault::new(Code::Internal, format!("no backup: {error}"));
    let path = api.operator.back_up().await.map_err(failed)?;
    let opened = File::open(&path).await;
    // It is read to its end by who has it open, and goes with the last of them.
    let removed = tokio::fs::remove_file(&path).await;
    let file = opened.and_then(|file| removed.map(|()| file));
    let file = file.map_err(|error| failed(error.to_string()))?;
    let stream = unfold(Some(file), |file| async {
        let mut file = file?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok::<_, io::Error>(Bytes::from(piece)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(stream)).into_response())
}
