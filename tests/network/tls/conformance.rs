//! TLS streams do what streams have to do.

use super::{authority, connection, shake_hands, wrapped};
use anyio::{
    Result,
    net::UnixStream,
    streams::{BoxedByteStream, Split, StapledByteStream, io::ByteIo, tls::TlsStream},
    testing::{check_half_closeable_stream, lockstep_stream_pair},
};
use rustls::version::{TLS12, TLS13};

#[anyio::test]
async fn tls_on_sockets_conforms() -> Result<()> {
    check_half_closeable_stream(async || wrapped(connection().await?).await).await?;
    check_half_closeable_stream(async || wrapped(UnixStream::pair()?).await).await
}

#[anyio::test]
async fn tls_on_lockstep_streams_conforms() -> Result<()> {
    check_half_closeable_stream(async || wrapped(lockstep_stream_pair()).await).await
}

#[anyio::test]
async fn each_version_conforms() -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let (client, server) = authority::options_of(&[version]);
        check_half_closeable_stream(async || {
            let (client, server) = shake_hands(lockstep_stream_pair(), &client, &server).await;
            Ok((client?, server?))
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn tls_that_takes_any_end_for_an_end_conforms() -> Result<()> {
    let (client, server) = authority::options();
    let (client, server) = (client.standard_compatible(false), server.standard_compatible(false));
    check_half_closeable_stream(async || {
        let (client, server) = shake_hands(connection().await?, &client, &server).await;
        Ok((client?, server?))
    })
    .await
}

#[anyio::test]
async fn halves_of_tls_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || {
        let (client, server) = wrapped(connection().await?).await?;
        let ((client_receives, client_sends), (server_receives, server_sends)) =
            (client.split(), server.split());
        Ok((
            StapledByteStream::new(client_sends, client_receives),
            StapledByteStream::new(server_sends, server_receives),
        ))
    })
    .await
}

#[anyio::test]
async fn tls_within_tls_conforms_and_so_does_a_boxed_one() -> Result<()> {
    check_half_closeable_stream(async || wrapped(wrapped(UnixStream::pair()?).await?).await).await?;
    check_half_closeable_stream(async || {
        let (one, other) = wrapped(UnixStream::pair()?).await?;
        let (one, other) = wrapped((BoxedByteStream::new(one), BoxedByteStream::new(other))).await?;
        Ok((BoxedByteStream::new(one), BoxedByteStream::new(other)))
    })
    .await
}

#[anyio::test]
async fn halves_of_different_streams_do_not_make_one() -> Result<()> {
    let (client, server) = wrapped(UnixStream::pair()?).await?;
    let ((client_receives, client_sends), (server_receives, server_sends)) = (client.split(), server.split());
    let Err((client_receives, server_sends)) = client_receives.reunite(server_sends) else {
        panic!("halves of different streams were put together")
    };
    let (client, server) = (
        client_receives.reunite(client_sends).unwrap(),
        <TlsStream<UnixStream> as Split>::reunite(server_receives, server_sends).unwrap(),
    );
    client.send("x").await?;
    assert_eq!(server.receive().await?.unwrap(), "x");
    Ok(())
}

#[anyio::test]
async fn what_is_written_from_several_buffers_arrives_as_one() -> Result<()> {
    use futures_util::AsyncWriteExt;
    let (client, server) = wrapped(connection().await?).await?;
    let (result, buffers) = client.send_vectored(vec!["one ", "", "two ", "three"]).await;
    result?;
    assert_eq!(buffers.len(), 4);
    assert_eq!(server.receive().await?.unwrap(), "one two three", "small buffers share a record");
    let large = vec![vec![b'a'; 100_000], vec![b'b'; 3], vec![b'c'; 100_000]];
    let expected = large.concat();
    let (sent, received) = futures_util::join!(client.send_vectored(large), async {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            received.extend_from_slice(&server.receive().await?.unwrap());
        }
        anyio::Ok(received)
    });
    sent.0?;
    assert!(received? == expected);
    let (receive, send) = client.split();
    let mut io = ByteIo::new(receive, send);
    io.write_all(b"through an adapter").await?;
    io.close().await?;
    assert_eq!(server.receive().await?.unwrap(), "through an adapter");
    assert!(server.receive().await?.is_none(), "the adapter ends the stream as it should be");
    Ok(())
}
