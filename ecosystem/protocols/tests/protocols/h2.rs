//! The crate h2 by itself, on streams as tokio has them.

use crate::byte_io::io;
use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    task_group,
};
use bytes::Bytes;
use http::{Request, Response};

/// Sends back what comes.
async fn echo(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let mut answer = respond.send_response(Response::new(()), false)?;
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        body.flow_control().release_capacity(bytes.len())?;
        answer.send_data(bytes, false)?;
    }
    answer.send_data(Bytes::new(), true)
}

#[anyio::test]
async fn h2_speaks_on_our_streams() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let mut connection = h2::server::handshake(io(listener.accept().await?)).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tg.start_soon(async { echo(request, respond).await.unwrap() });
            }
            anyio::Ok(())
        });
        let (client, connection) =
            h2::client::handshake(io(TcpStream::connect(address).await?)).await.unwrap();
        tg.start_soon(async { drop(connection.await) });
        let echoed = anyio::amap(
            async |n: u8| -> Result<usize> {
                let mut client = client.clone().ready().await.unwrap();
                let (answer, mut body) = client.send_request(Request::new(()), false).unwrap();
                body.send_data(Bytes::from(vec![n; 30_000]), true).unwrap();
                let mut answer = answer.await.unwrap().into_body();
                let mut count = 0;
                while let Some(bytes) = answer.data().await {
                    let bytes = bytes.unwrap();
                    answer.flow_control().release_capacity(bytes.len()).unwrap();
                    assert!(bytes.iter().all(|byte| *byte == n));
                    count += bytes.len();
                }
                Ok(count)
            },
            0..20,
        )
        .await?;
        assert_eq!(echoed, [30_000; 20]);
        drop(client);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
