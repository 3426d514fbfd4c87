//! Streams that hold nothing.

use anyio::{
    Error, Result,
    streams::{ByteReceiveStream, ByteSendStream},
    task_group,
    testing::{lockstep_stream_pair, wait_all_tasks_blocked},
};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

#[anyio::test]
async fn a_send_ends_with_the_receive_of_its_last_byte() -> Result<()> {
    let (mut one, mut other) = lockstep_stream_pair();
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async { one.send("abc").await });
        for byte in ["a", "b", "c"] {
            wait_all_tasks_blocked().await?;
            assert!(!sending.is_finished());
            assert_eq!(other.receive_at_most(1).await?.unwrap(), byte);
        }
        sending.await?;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn what_a_cancelled_or_dropped_send_has_left_is_taken_back() -> Result<()> {
    let (mut one, mut other) = lockstep_stream_pair();
    for received in [0, 2] {
        task_group(async |tg| -> Result<()> {
            let sending = tg.start_soon(async { one.send("abcd").await });
            wait_all_tasks_blocked().await?;
            if received > 0 {
                assert_eq!(other.receive_at_most(received).await?.unwrap(), "ab");
            }
            sending.cancel();
            assert!(sending.await.is_err());
            Ok(())
        })
        .await?;
    }
    {
        let mut dropped = pin!(one.send("dropped"));
        assert!(poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await);
    }
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { one.send("next").await });
        assert_eq!(other.receive().await?.unwrap(), "next");
        Ok(())
    })
    .await?;
    drop(one);
    assert!(other.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_cancelled_receive_leaves_the_sender_waiting() -> Result<()> {
    let (mut one, mut other) = lockstep_stream_pair();
    task_group(async |tg| -> Result<()> {
        {
            let mut dropped = pin!(other.receive());
            assert!(poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await);
            let sending = tg.start_soon(async { one.send("kept").await });
            wait_all_tasks_blocked().await?;
            assert!(!sending.is_finished());
        }
        assert_eq!(other.receive().await?.unwrap(), "kept");
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_receiver_that_goes_half_way_is_told_of() -> Result<()> {
    let (mut one, mut other) = lockstep_stream_pair();
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async { anyio::Ok(one.send("abcd").await) });
        assert_eq!(other.receive_at_most(2).await?.unwrap(), "ab");
        drop(other);
        assert!(matches!(sending.await?, Err(Error::BrokenResource(_))));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
#[should_panic(expected = "deadlock: every task waits for what only another task could do")]
async fn two_who_both_send_first_are_found_out() {
    let (mut one, mut other) = lockstep_stream_pair();
    let talk = task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            other.send("hello").await?;
            other.receive().await.map(drop)
        });
        one.send("hello").await?;
        one.receive().await.map(drop)
    });
    talk.await.unwrap();
}
