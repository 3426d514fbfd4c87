//! Streams whose other side reads nothing.

use crate::{
    greeter::{HelloRequest, greeter_client::GreeterClient},
    meeting::with_channel,
    trial::{in_mode, request},
};
use anyio::{Result, move_on_after, sleep};
use anyio_tonic::{OrError, produce_requests};
use std::{cell::Cell, rc::Rc, time::Duration};

/// What may be on its way: windows, buffers and queues, in messages of 16 KiB. Each of the layers has a limit of its own.
const ON_THEIR_WAY: usize = 256;

#[anyio::test(clock = "virtual")]
async fn a_server_waits_for_a_client_that_reads_nothing() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let mut replies = client.say_many_times(request("floods")).await.or_error()?.into_inner();
        sleep(Duration::from_secs(60)).await?;
        let sent = events.count_now();
        assert!((1..ON_THEIR_WAY).contains(&sent), "{sent}");
        sleep(Duration::from_secs(60)).await?;
        assert_eq!(events.count_now(), 0, "it waits");
        for number in 0..1000 {
            assert_eq!(replies.message().await.or_error()?.unwrap().number, number);
        }
        sleep(Duration::from_secs(60)).await?;
        let sent = sent + events.count_now();
        assert!((1000..1000 + ON_THEIR_WAY).contains(&sent), "{sent}");
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_client_waits_for_a_server_that_reads_nothing() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let sent = Rc::new(Cell::new(0));
        let counter = sent.clone();
        let requests = produce_requests(async move |requests| {
            loop {
                requests
                    .send_request(HelloRequest { padding: vec![7; 16 * 1024], ..request("more") })
                    .await?;
                counter.set(counter.get() + 1);
            }
        });
        let asked = move_on_after(Duration::from_secs(60), async {
            client.greet_all(in_mode("waits", requests)).await.or_error()
        });
        assert!(asked.await?.is_none());
        assert!((1..ON_THEIR_WAY).contains(&sent.get()), "{}", sent.get());
        events.expect("waits").await?;
        events.expect("has cleaned up").await
    })
    .await
}
