//! What a client has sent and nobody has looked at yet.

use crate::{request::Request, status::Status, stream::ClientStream};
use anyio::Result;

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How much room is kept while there is nothing.
const KEPT: usize = 4 * 1024;

/// Bytes received in advance: part of a request, or several requests.
#[derive(Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// How many of them have been dealt with.
    used: usize,
}

/// What came of waiting for a request's head.
pub(crate) enum Head {
    Request(Request),
    Refused(Status),
    /// The client has closed the connection.
    End,
}

impl Input {
    pub(crate) fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    /// What has not been dealt with.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// Marks the first of these bytes as dealt with.
    pub(crate) fn consume(&mut self, count: usize) {
        self.used += count;
        debug_assert!(self.used <= self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.used = 0;
        }
    }

    /// Waits for more bytes; false is the end.
    pub(crate) async fn receive(&mut self, stream: &ClientStream) -> Result<bool> {
        let Some(chunk) = stream.receive().await? else { return Ok(false) };
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(&chunk);
        Ok(true)
    }

    /// The first line, without its end, of what is there.
    pub(crate) fn first_line(&self) -> &[u8] {
        let bytes = self.bytes().trim_ascii_start();
        bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end()
    }

    /// Waits until the head of a request is there. It stays there.
    pub(crate) async fn head(&mut self, stream: &ClientStream) -> Result<(Head, usize)> {
        loop {
            match Request::parse(self.bytes()) {
                Ok(Some((request, length))) if length <= MAX_HEAD => {
                    return Ok((Head::Request(request), length));
                }
                Ok(Some(_)) => return Ok((Head::Refused(Status::HeaderFieldsTooLarge), 0)),
                Ok(None) if self.bytes().len() >= MAX_HEAD => {
                    let status = match self.first_line().len() {
                        MAX_HEAD.. => Status::UriTooLong,
                        _ => Status::HeaderFieldsTooLarge,
                    };
                    return Ok((Head::Refused(status), 0));
                }
                Ok(None) => {}
                Err(status) => return Ok((Head::Refused(status), 0)),
            }
            if !self.receive(stream).await? {
                return Ok((Head::End, 0));
            }
        }
    }
}
