//! The client.

mod bodies;
mod errors;
mod multipart;
mod pool;
mod proxies;
mod redirects;
mod time_limits;
mod tls;

use crate::meeting::Meeting;
use anyio::{Result, streams::Connectable, testing::MemoryByteStream};
use anyio_http::{ClientOptions, RequestBody};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use std::rc::Rc;

/// Connects to a server in the same run, whatever the URL says.
struct Door(Rc<Meeting>);

impl Connectable for Door {
    type Stream = MemoryByteStream;

    async fn connect(&self) -> Result<MemoryByteStream> {
        Ok(self.0.connect())
    }
}

pub(crate) fn options(meeting: &Rc<Meeting>) -> ClientOptions {
    ClientOptions::new().connect_to(Door(meeting.clone()))
}

async fn bytes_of(request: Request<RequestBody>) -> Result<Bytes> {
    Ok(request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes())
}
