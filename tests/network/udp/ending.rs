//! Sockets that go.

use super::pair;
use crate::peers::{Ticker, poll_once, settle};
use anyio::{Builder, Result, lowlevel, net::UdpSocket, testing::test_backends};
use std::cell::{Cell, RefCell};

#[anyio::test]
async fn a_port_is_free_as_soon_as_its_socket_is_closed() -> Result<()> {
    for _ in 0..20 {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let address = server.local_addr()?;
        let mut receiving = Box::pin(server.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        server.send_to("to itself", address).await?;
        assert_eq!(receiving.await?.data, "to itself");
        server.close().await?;
        drop(std::net::UdpSocket::bind(address)?);
    }
    Ok(())
}

#[anyio::test]
async fn sockets_that_are_dropped_while_they_are_used_leave_nothing_behind() -> Result<()> {
    let ticker = Ticker::new();
    ticker.tick().await;
    for turns in 0..3 {
        let before = lowlevel::statistics();
        let (client, server) = pair().await?;
        let mut receiving = Box::pin(server.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        for _ in 0..turns {
            ticker.tick().await;
        }
        for _ in 0..5 {
            client.send("x").await?;
        }
        drop(receiving);
        drop(server);
        let mut sending = Box::pin(client.send(vec![0; 100]));
        let _ = poll_once(sending.as_mut()).await;
        drop(sending);
        drop(client);
        settle(&ticker, before).await;
    }
    Ok(())
}

#[anyio::test]
async fn a_socket_is_closed_although_its_sends_were_forgotten() -> Result<()> {
    for turns in 0..3 {
        let (client, server) = pair().await?;
        let address = client.local_addr()?;
        let ticker = Ticker::new();
        for text in ["one", "two"] {
            let mut forgotten = Box::pin(client.send(text));
            let _ = poll_once(forgotten.as_mut()).await;
            std::mem::forget(forgotten);
            for _ in 0..turns {
                ticker.tick().await;
            }
        }
        client.close().await?;
        drop(std::net::UdpSocket::bind(address)?);
        server.close().await?;
    }
    Ok(())
}

#[test]
fn a_socket_may_outlive_its_run() {
    for backend in test_backends() {
        let kept = RefCell::new(None);
        let statistics = Cell::new(None);
        let run = Builder::new().backend(backend).run(async || {
            let (client, server) = pair().await?;
            let mut receiving = Box::pin(server.receive());
            assert!(poll_once(receiving.as_mut()).await.is_pending());
            Ticker::new().tick().await;
            client.send("x").await?;
            drop(receiving);
            Ticker::new().tick().await;
            statistics.set(Some(lowlevel::statistics()));
            kept.replace(Some((client, server)));
            Result::<()>::Ok(())
        });
        run.unwrap().unwrap();
        assert_eq!(statistics.take().unwrap().stale_completions, 0);
        drop(kept);
    }
}
