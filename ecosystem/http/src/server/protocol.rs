//! Which version of HTTP a connection speaks.

use anyio::{
    Chunk, Result,
    lowlevel::take_chunk,
    streams::{Attributes, ByteReceiveStream},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What only a connection of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI ";

/// Finds out the version, and gives what was received to that end. `None` if the connection ended without a word.
pub(super) async fn detect<R>(receive: &mut R) -> Result<Option<(Protocol, Option<Chunk>)>>
where
    R: ByteReceiveStream + Attributes,
{
    if let Some(protocol) = negotiated(receive) {
        return Ok(Some((protocol, None)));
    }
    let Some(mut beginning) = receive.receive().await? else { return Ok(None) };
    while beginning.len() < PREFACE.len() && PREFACE.starts_with(&beginning) {
        let Some(more) = receive.receive_at_most(PREFACE.len() - beginning.len()).await? else { break };
        let mut both = take_chunk();
        for part in [&beginning, &more] {
            both.extend_from_slice(part).expect("a buffer has room for four bytes");
        }
        beginning = both;
    }
    let protocol = if beginning.starts_with(PREFACE) { Protocol::Http2 } else { Protocol::Http1 };
    Ok(Some((protocol, Some(beginning))))
}

/// What both sides agreed on, by TLS.
#[cfg(feature = "tls")]
fn negotiated(stream: &impl Attributes) -> Option<Protocol> {
    use anyio::streams::tls::attribute::AlpnProtocol;

    let protocol = stream.extra::<AlpnProtocol>()?;
    Some(if protocol == b"h2" { Protocol::Http2 } else { Protocol::Http1 })
}

#[cfg(not(feature = "tls"))]
fn negotiated(_: &impl Attributes) -> Option<Protocol> {
    None
}
