//! TCP streams and listeners.

use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    task_group,
};

async fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

#[anyio::test]
async fn bytes_come_through_in_both_directions_and_end() -> Result<()> {
    let (client, server) = pair().await?;
    client.send("ping").await?;
    assert_eq!(server.receive().await?.unwrap(), "ping");
    server.send(vec![1, 2, 3]).await?;
    assert_eq!(client.receive().await?.unwrap(), [1, 2, 3]);
    client.send_eof().await?;
    assert!(server.receive().await?.is_none());
    assert!(server.receive().await?.is_none());
    assert!(matches!(client.send("more").await, Err(Error::ClosedResource)));
    server.send("last").await?;
    server.close().await?;
    assert_eq!(client.receive().await?.unwrap(), "last");
    assert!(client.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_megabyte_goes_through_while_it_is_received() -> Result<()> {
    let (client, server) = pair().await?;
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n * 7 >> 3) as u8).collect();
    let mut received = Vec::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            client.send(data.clone()).await?;
            client.send_eof().await
        });
        while let Some(chunk) = server.receive().await? {
            received.extend_from_slice(&chunk);
        }
        Ok(())
    })
    .await?;
    assert!(received == data);
    Ok(())
}
