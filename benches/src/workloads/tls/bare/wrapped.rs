//! A handshake by streams of anyio.

use anyhow::{Context, ensure};
use anyio::{
    streams::{
        Attributes,
        tls::{TlsOptions, TlsStream, attribute::Handshake},
    },
    task_group,
    testing::{MemoryByteStream, memory_stream_pair},
};
use rustls::HandshakeKind;

use super::BYTES;
use crate::measuring::load::pattern;

/// Does a handshake and an echo, each side in a task of its own.
pub(super) async fn handshake(
    client_options: &TlsOptions,
    server_options: &TlsOptions,
) -> anyhow::Result<HandshakeKind> {
    let (client, server) = memory_stream_pair();
    let kind = task_group(async |tg| -> anyhow::Result<_> {
        tg.start_soon(serve(server, server_options));
        let client = TlsStream::wrap(client, client_options).await?;
        client.send(pattern(BYTES)).await?;
        let mut answer = Vec::with_capacity(BYTES);
        while answer.len() < BYTES {
            answer.extend_from_slice(&client.receive().await?.context("the answer ended")?);
        }
        ensure!(answer == pattern(BYTES), "the answer is not what was asked");
        client.extra::<Handshake>().context("the handshake is not over")
    });
    kind.await?.context("nobody cancels this")
}

async fn serve(stream: MemoryByteStream, options: &TlsOptions) -> anyhow::Result<()> {
    let server = TlsStream::wrap(stream, options).await?;
    let request = server.receive().await?.context("the request is missing")?;
    server.send(request).await?;
    Ok(())
}
