//! Panics, which are mistakes of this program: an answer to one client, and nothing to the others.

use crate::{response::Response, status::Status};
use anyio::Result;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// What became of making a response, or the status for a server's mistake if that panicked. The panic has been told on
/// standard error by then.
pub(crate) async fn or_status(response: impl Future<Output = Result<Response>>) -> Result<Response> {
    match AssertUnwindSafe(response).catch_unwind().await {
        Ok(response) => response,
        Err(_) => Ok(Response::of_status(Status::InternalServerError)),
    }
}
