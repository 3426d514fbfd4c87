//! Calls and channels that are cut short at each of their checkpoints.

use crate::{
    greeter::greeter_client::GreeterClient,
    meeting::with_channel,
    trial::{in_mode, request},
};
use anyio::{
    Result, shield, sleep,
    testing::{Everywhere, cancel_everywhere},
    using,
};
use anyio_tonic::{Channel, OrError, OrStatus, produce_requests};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

/// Names the items whose sentence about cancelling a test asserts, as `FILE::TYPE::FUNCTION`, the file without `src/` and `.rs`.
/// The test `completeness` of anyio reads these names.
macro_rules! covers {
    ($($item:literal),* $(,)?) => {
        const _: &[&str] = &[$($item),*];
    };
}

const MOMENT: Duration = Duration::from_millis(1);

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn the_body_that_a_channel_runs_is_awaited() {
    covers!["channel::Channel::run"];
    let setup = async || (Cell::new(0), Cell::new(0));
    let body = async |(begun, ended): &mut (Cell<u32>, Cell<u32>)| -> Result<()> {
        Channel::run("http://localhost:1", async |_| {
            begun.set(begun.get() + 1);
            let leave = async |()| -> Result<()> {
                shield(sleep(MOMENT)).await?;
                ended.set(ended.get() + 1);
                Ok(())
            };
            using((), async |()| -> Result<()> { Ok(sleep(MOMENT).await?) }, leave).await
        })
        .await
    };
    let check = async |(begun, ended): (Cell<u32>, Cell<u32>), _| assert_eq!(begun.get(), ended.get());
    cancel_everywhere(Everywhere::cancel(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::timeout(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop(), &setup, &body, async |_, _| ()).await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn messages_are_sent_or_not() {
    covers!["produced::MessageSender::send", "produced::MessageSender::send_request",];
    type Numbers = Rc<RefCell<Vec<u32>>>;
    let setup = async || (Numbers::default(), Numbers::default());
    // Which of its requests a client was told that they are sent, and the replies that it has.
    let body = async |(sent, received): &mut (Numbers, Numbers)| -> Result<()> {
        with_channel(async |channel, _| {
            let mut client = GreeterClient::new(channel.clone());
            let noting = sent.clone();
            let requests = produce_requests(async move |requests| {
                for number in 0..3 {
                    requests.send_request(request(&number.to_string())).await?;
                    noting.borrow_mut().push(number);
                    sleep(MOMENT).await.or_status()?;
                }
                Ok(())
            });
            client.greet_all(in_mode("", requests)).await.or_error()?;
            let mut asked = request("Ada");
            asked.times = 3;
            let mut replies = client.say_many_times(asked).await.or_error()?.into_inner();
            while let Some(reply) = replies.message().await.or_error()? {
                received.borrow_mut().push(reply.number);
            }
            Ok(())
        })
        .await
    };
    let check = async |(sent, received): (Numbers, Numbers), ended: Option<()>| {
        let (sent, received) = (sent.borrow(), received.borrow());
        assert!([0, 1, 2].starts_with(&sent) && [1, 2, 3].starts_with(&received), "{sent:?} {received:?}");
        assert!(ended.is_none() || sent.len() + received.len() == 6, "{sent:?} {received:?}");
    };
    let whole = || Everywhere::cancel().children(false).pairs(0, 0);
    cancel_everywhere(whole(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop(), &setup, &body, async |_, _| ()).await;
}
