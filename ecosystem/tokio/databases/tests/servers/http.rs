//! reqwest, unwrapped, against a server of anyio's in the same thread.

use super::on_each;
use anyio::{
    Result, move_on_after,
    net::{TcpListener, TcpStream},
    task_group,
};
use std::time::Duration;

/// Answers each request of a connection: with how many bytes of a body it brought, or never.
async fn answer(stream: TcpStream) -> Result<()> {
    let mut received = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.receive().await? {
                Some(chunk) => received.extend_from_slice(&chunk),
                None => return Ok(()),
            }
        };
        let text = String::from_utf8_lossy(&received[..head]).to_lowercase();
        if text.contains("/never") {
            anyio::sleep_forever().await;
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        while received.len() < head + length {
            received.extend_from_slice(&stream.receive().await?.expect("the rest of the body"));
        }
        received.drain(..head + length);
        let body = format!("{{\"bytes\": {length}}}");
        stream.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await?;
    }
}

#[test]
fn requests_and_time_limits_work_in_tasks_of_a_guest() {
    on_each(|builder| {
        let run = anyio_tokio::run(builder, async || -> Result<()> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = format!("http://{}", listener.local_addr()?);
            let scope = anyio::CancelScope::new();
            task_group(async |group| -> Result<()> {
                group.start_soon(async {
                    scope.run(async || Ok(listener.serve(answer).await?)).await.map(drop)
                });
                let client = reqwest::Client::new();
                task_group(async |requests| -> Result<()> {
                    for size in 0..50 {
                        let (client, address) = (&client, &address);
                        requests.start_soon(async move {
                            let sent = client.post(address).body(vec![7; size * 1000]).send().await.unwrap();
                            let told: serde_json::Value = sent.json().await.unwrap();
                            assert_eq!(told["bytes"], size * 1000);
                        });
                    }
                    Ok(())
                })
                .await?;
                // Its own limit of time, by tokio's clock, and that of a scope.
                let limited =
                    client.get(format!("{address}/never")).timeout(Duration::from_millis(50)).send().await;
                assert!(limited.unwrap_err().is_timeout());
                let given_up = move_on_after(Duration::from_millis(50), async {
                    anyio::Ok(anyio::foreign(client.get(format!("{address}/never")).send()).await?)
                });
                assert!(given_up.await?.is_none());
                scope.cancel();
                Ok(())
            })
            .await?;
            Ok(())
        });
        run.unwrap().unwrap();
    });
}
