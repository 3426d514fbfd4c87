//! Bodies of requests. This server has no use for them, but has to find where they end.

use crate::{input::Input, request::Body, status::Status, stream::ClientStream};
use anyio::{Error, Result};

/// The largest body that is skipped, in bytes.
const LIMIT: u64 = 64 * 1024;

/// Whether a body is skipped, as far as its head says.
pub(crate) fn is_acceptable(body: Body) -> bool {
    !matches!(body, Body::Length(LIMIT..))
}

/// Reads a body and forgets it.
///
/// # Errors
/// Those of the stream, and [`Error::IncompleteRead`] if it ends too soon. Inside, the status with which the request is to
/// be refused.
pub(crate) async fn skip(body: Body, input: &mut Input, stream: &ClientStream) -> Result<Result<(), Status>> {
    match body {
        Body::None => Ok(Ok(())),
        Body::Length(_) if !is_acceptable(body) => Ok(Err(Status::ContentTooLarge)),
        Body::Length(length) => {
            skip_bytes(length as usize, input, stream).await?;
            Ok(Ok(()))
        }
        Body::Chunked => skip_chunks(input, stream).await,
    }
}

async fn more(input: &mut Input, stream: &ClientStream) -> Result<()> {
    if input.receive(stream).await? { Ok(()) } else { Err(Error::IncompleteRead) }
}

async fn skip_bytes(mut count: usize, input: &mut Input, stream: &ClientStream) -> Result<()> {
    loop {
        let there = count.min(input.bytes().len());
        input.consume(there);
        count -= there;
        if count == 0 {
            return Ok(());
        }
        more(input, stream).await?;
    }
}

async fn skip_chunks(input: &mut Input, stream: &ClientStream) -> Result<Result<(), Status>> {
    let mut total = 0;
    loop {
        let parsed = httparse::parse_chunk_size(input.bytes());
        // An extension may have anything in it, but not what others take for the end of the line.
        let line = match parsed {
            Ok(httparse::Status::Complete((line, _))) => input.bytes()[..line].strip_suffix(b"\r\n"),
            Ok(httparse::Status::Partial) | Err(_) => Some(input.bytes()),
        };
        if line.is_none_or(|line| line.contains(&b'\n')) {
            return Ok(Err(Status::BadRequest));
        }
        match parsed {
            Ok(httparse::Status::Complete((line, 0))) => {
                input.consume(line);
                return skip_trailer(input, stream).await;
            }
            Ok(httparse::Status::Complete((line, size))) => {
                // What the line adds counts too, so that many small chunks do not go on for ever.
                total = size.saturating_add(total).saturating_add(line as u64);
                if total >= LIMIT {
                    return Ok(Err(Status::ContentTooLarge));
                }
                input.consume(line);
                skip_bytes(size as usize, input, stream).await?;
                while input.bytes().len() < 2 {
                    more(input, stream).await?;
                }
                if !input.bytes().starts_with(b"\r\n") {
                    return Ok(Err(Status::BadRequest));
                }
                input.consume(2);
            }
            Ok(httparse::Status::Partial) if input.bytes().len() as u64 >= LIMIT => {
                return Ok(Err(Status::ContentTooLarge));
            }
            Ok(httparse::Status::Partial) => more(input, stream).await?,
            Err(_) => return Ok(Err(Status::BadRequest)),
        }
    }
}

async fn skip_trailer(input: &mut Input, stream: &ClientStream) -> Result<Result<(), Status>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        match httparse::parse_headers(input.bytes(), &mut headers) {
            Ok(httparse::Status::Complete((length, _))) => {
                input.consume(length);
                return Ok(Ok(()));
            }
            Ok(httparse::Status::Partial) if (input.bytes().len() as u64) < LIMIT => {
                more(input, stream).await?
            }
            Ok(httparse::Status::Partial) => return Ok(Err(Status::ContentTooLarge)),
            Err(_) => return Ok(Err(Status::BadRequest)),
        }
    }
}
